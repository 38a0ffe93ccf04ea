// A picture of a TPM's quote, its attestation key and its PCRs, and of what an
// Azure vTPM's paravisor says besides.
// Thread-safe: free functions. Trusts and proves nothing.
#ifndef TOOLS_KMSCTL_INSPECT_TPM_H_
#define TOOLS_KMSCTL_INSPECT_TPM_H_

#include <string>

#include "proto/kms/v1/evidence.pb.h"

namespace kms::kmsctl {

void ShowTpm(const v1::Evidence& evidence, std::string& out);

// The HCL report's own fields and runtime data. What hardware report it
// carries, `hardware` gets as Evidence of the hardware's type, for that type's
// picture; it stays empty without one.
void ShowAzVtpm(const v1::Evidence& evidence, v1::Evidence& hardware,
                std::string& out);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_INSPECT_TPM_H_

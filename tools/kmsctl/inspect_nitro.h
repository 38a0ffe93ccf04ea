// A picture of an AWS Nitro attestation document.
// Thread-safe: a free function. Trusts and proves nothing.
#ifndef TOOLS_KMSCTL_INSPECT_NITRO_H_
#define TOOLS_KMSCTL_INSPECT_NITRO_H_

#include <string>

#include "proto/kms/v1/evidence.pb.h"

namespace kms::kmsctl {

void ShowNitro(const v1::Evidence& evidence, std::string& out);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_INSPECT_NITRO_H_

// A picture of an Intel TDX or SGX quote, its platform, and how its collateral
// rates it.
// Thread-safe: free functions. Trusts and proves nothing.
#ifndef TOOLS_KMSCTL_INSPECT_DCAP_H_
#define TOOLS_KMSCTL_INSPECT_DCAP_H_

#include <string>

#include "absl/strings/string_view.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::kmsctl {

// `role`: of the quote; "evidence" but for Azure's TDX guests.
void ShowDcap(const v1::Evidence& evidence, absl::string_view role,
              std::string& out);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_INSPECT_DCAP_H_

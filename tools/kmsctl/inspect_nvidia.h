// A picture of an NVIDIA report, its device, and how the manifests beside it
// compare.
// Thread-safe: a free function. Trusts and proves nothing.
#ifndef TOOLS_KMSCTL_INSPECT_NVIDIA_H_
#define TOOLS_KMSCTL_INSPECT_NVIDIA_H_

#include <string>

#include "proto/kms/v1/evidence.pb.h"

namespace kms::kmsctl {

void ShowNvidia(const v1::Evidence& evidence, std::string& out);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_INSPECT_NVIDIA_H_

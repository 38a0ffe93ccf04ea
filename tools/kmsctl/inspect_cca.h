// A picture of an Arm CCA token.
// Thread-safe: a free function. Trusts and proves nothing.
#ifndef TOOLS_KMSCTL_INSPECT_CCA_H_
#define TOOLS_KMSCTL_INSPECT_CCA_H_

#include <string>

#include "proto/kms/v1/evidence.pb.h"

namespace kms::kmsctl {

void ShowCca(const v1::Evidence& evidence, std::string& out);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_INSPECT_CCA_H_

// A readable picture of an evidence bundle, of what is in it whether or not it
// verifies.
// Thread-safe: a free function. Trusts and proves nothing.
#ifndef TOOLS_KMSCTL_EVIDENCE_INSPECT_H_
#define TOOLS_KMSCTL_EVIDENCE_INSPECT_H_

#include <string>

#include "proto/kms/v1/evidence.pb.h"

namespace kms::kmsctl {

// Lines of text. What does not parse is shown with the reason.
std::string InspectBundle(const v1::EvidenceBundle& bundle);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_EVIDENCE_INSPECT_H_

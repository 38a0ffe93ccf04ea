#include "policy/collateral/rim_items.h"

#include "kms/base/refusal.h"

namespace kms::policy {

absl::StatusOr<CollateralFacts> VerifyRim(const std::string&,
                                          const VerifyInputs&) {
  return Refuse(v1::EVIDENCE_UNSUPPORTED, "rim: not built in");
}

}  // namespace kms::policy

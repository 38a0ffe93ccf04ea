// The part of verify.h that is NVIDIA's manifests.
// Thread-safe: a free function over values.
#ifndef POLICY_COLLATERAL_RIM_ITEMS_H_
#define POLICY_COLLATERAL_RIM_ITEMS_H_

#include <string>

#include "absl/status/statusor.h"
#include "policy/collateral/verify.h"
#include "policy/verifier/evidence_verifier.h"

namespace kms::policy {

// One manifest as an item. Codes as nvidia::ParseAndVerifyRim.
absl::StatusOr<CollateralFacts> VerifyRim(const std::string& file,
                                          const VerifyInputs& inputs);

}  // namespace kms::policy

#endif  // POLICY_COLLATERAL_RIM_ITEMS_H_

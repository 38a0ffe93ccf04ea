// The EvidenceVerifier for Arm CCA: token, keys, binding, claims.
//
// Roles: evidence, nonce. Anchors are platform keys (CPAKs) without
// certificates; no vendor's is built in.
// Thread-safe; see evidence_verifier.h.
#ifndef POLICY_CCA_VERIFIER_H_
#define POLICY_CCA_VERIFIER_H_

#include "policy/verifier/evidence_verifier.h"

namespace kms::cca {

class Verifier : public policy::EvidenceVerifier {
 public:
  v1::EvidenceType type() const override { return v1::ARM_CCA; }
  size_t bound_bytes() const override { return 64; }
  absl::StatusOr<v1::Claims> Verify(
      const v1::Evidence& evidence,
      const policy::VerifyInputs& inputs) const override;
};

}  // namespace kms::cca

#endif  // POLICY_CCA_VERIFIER_H_

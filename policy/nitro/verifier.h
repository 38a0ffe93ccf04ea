// The EvidenceVerifier for AWS Nitro: document, chain, claims.
//
// Roles: evidence, crl, nonce. AWS verifies without CRLs, so none is asked
// for; but one that is given, or kept for a CA of the chain, counts.
// Thread-safe; see evidence_verifier.h.
#ifndef POLICY_NITRO_VERIFIER_H_
#define POLICY_NITRO_VERIFIER_H_

#include "policy/verifier/evidence_verifier.h"

namespace kms::nitro {

class Verifier : public policy::EvidenceVerifier {
 public:
  v1::EvidenceType type() const override { return v1::NITRO; }
  // The nonce has no fixed size: what is bound is its beginning.
  size_t bound_bytes() const override { return 64; }
  absl::StatusOr<v1::Claims> Verify(
      const v1::Evidence& evidence,
      const policy::VerifyInputs& inputs) const override;
};

}  // namespace kms::nitro

#endif  // POLICY_NITRO_VERIFIER_H_

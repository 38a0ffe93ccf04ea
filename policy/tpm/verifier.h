// The EvidenceVerifier for TPM 2.0 quotes: attestation key, quote, claims.
// Thread-safe; see evidence_verifier.h.
#ifndef POLICY_TPM_VERIFIER_H_
#define POLICY_TPM_VERIFIER_H_

#include "policy/verifier/evidence_verifier.h"

namespace kms::tpm {

class Verifier : public policy::EvidenceVerifier {
 public:
  v1::EvidenceType type() const override { return v1::TPM; }
  // A TPM's nonce has room for 64 bytes only with SHA-512, so a quote carries
  // the first half of the transcript's digest.
  size_t bound_bytes() const override { return 32; }
  absl::StatusOr<v1::Claims> Verify(
      const v1::Evidence& evidence,
      const policy::VerifyInputs& inputs) const override;
};

}  // namespace kms::tpm

#endif  // POLICY_TPM_VERIFIER_H_

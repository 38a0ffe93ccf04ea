// The EvidenceVerifier for AMD SEV-SNP: report, chain, claims.
// Thread-safe; see evidence_verifier.h.
#ifndef POLICY_SEV_SNP_VERIFIER_H_
#define POLICY_SEV_SNP_VERIFIER_H_

#include "policy/verifier/evidence_verifier.h"

namespace kms::sev_snp {

class Verifier : public policy::EvidenceVerifier {
 public:
  v1::EvidenceType type() const override { return v1::SEV_SNP; }
  size_t bound_bytes() const override { return 64; }
  absl::StatusOr<v1::Claims> Verify(
      const v1::Evidence& evidence,
      const policy::VerifyInputs& inputs) const override;
};

}  // namespace kms::sev_snp

#endif  // POLICY_SEV_SNP_VERIFIER_H_

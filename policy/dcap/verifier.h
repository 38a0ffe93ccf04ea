// The EvidenceVerifiers for Intel TDX and SGX.
// Thread-safe; see evidence_verifier.h.
#ifndef POLICY_DCAP_VERIFIER_H_
#define POLICY_DCAP_VERIFIER_H_

#include "policy/dcap/quote.h"
#include "policy/verifier/evidence_verifier.h"

namespace kms::dcap {

class Verifier : public policy::EvidenceVerifier {
 public:
  explicit Verifier(TeeKind kind) : kind_(kind) {}

  v1::EvidenceType type() const override;
  size_t bound_bytes() const override { return 64; }
  absl::StatusOr<v1::Claims> Verify(
      const v1::Evidence& evidence,
      const policy::VerifyInputs& inputs) const override;

 private:
  const TeeKind kind_;
};

}  // namespace kms::dcap

#endif  // POLICY_DCAP_VERIFIER_H_

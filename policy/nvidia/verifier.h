// The EvidenceVerifier for NVIDIA GPUs and NVSwitches: report, device chain,
// manifests, OCSP answers, claims.
// Thread-safe; see evidence_verifier.h.
#ifndef POLICY_NVIDIA_VERIFIER_H_
#define POLICY_NVIDIA_VERIFIER_H_

#include "policy/verifier/evidence_verifier.h"

namespace kms::nvidia {

class Verifier : public policy::EvidenceVerifier {
 public:
  v1::EvidenceType type() const override { return v1::NVIDIA_GPU; }
  size_t bound_bytes() const override { return 32; }
  absl::StatusOr<v1::Claims> Verify(
      const v1::Evidence& evidence,
      const policy::VerifyInputs& inputs) const override;
};

}  // namespace kms::nvidia

#endif  // POLICY_NVIDIA_VERIFIER_H_

// The EvidenceVerifiers for the vTPM of Azure's confidential VMs. Source:
// Microsoft, "Guest attestation for confidential VMs".
//
// The vTPM is the paravisor's, which runs inside the TEE, more privileged than
// the guest. The chain of reasons:
//   hardware report  verified as SEV-SNP or TDX Evidence, by their verifiers
//   -> runtime data  its SHA-256 is the report's data
//   -> HCLAkPub      the attestation key in the runtime data
//   -> quote         signed by that key; its nonce is what is bound
// Thread-safe; see evidence_verifier.h.
#ifndef POLICY_AZ_VTPM_VERIFIER_H_
#define POLICY_AZ_VTPM_VERIFIER_H_

#include "policy/az_vtpm/hcl_report.h"
#include "policy/verifier/evidence_verifier.h"

namespace kms::az_vtpm {

class Verifier : public policy::EvidenceVerifier {
 public:
  explicit Verifier(Hardware hardware) : hardware_(hardware) {}

  v1::EvidenceType type() const override {
    return hardware_ == Hardware::kSnp ? v1::AZ_SNP_VTPM : v1::AZ_TDX_VTPM;
  }
  // Of the quote's nonce, as for any TPM.
  size_t bound_bytes() const override { return 32; }
  absl::StatusOr<v1::Claims> Verify(
      const v1::Evidence& evidence,
      const policy::VerifyInputs& inputs) const override;

 private:
  const Hardware hardware_;
};

}  // namespace kms::az_vtpm

#endif  // POLICY_AZ_VTPM_VERIFIER_H_

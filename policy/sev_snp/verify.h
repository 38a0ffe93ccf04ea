// Who says it: ties a report to the key that AMD's hierarchy vouches for.
// Source: AMD 56860, "Attestation"; AMD 57230, section 3.
// Thread-safe: free functions over values. Judges neither debug nor TCB floors
// nor report data: those are the policy's and the caller's.
#ifndef POLICY_SEV_SNP_VERIFY_H_
#define POLICY_SEV_SNP_VERIFY_H_

#include <utility>

#include "absl/status/statusor.h"
#include "kms/crypto/x509/chain.h"
#include "policy/sev_snp/key_certificate.h"
#include "policy/sev_snp/report.h"

namespace kms::sev_snp {

// A report whose signature verified under a key of a verified chain, and that
// agrees with that key's certificate. Only VerifyReport makes one.
class VerifiedReport {
 public:
  const UnverifiedReport& report() const { return report_; }
  const KeyCertificate& key() const { return key_; }
  Product product() const { return key_.product; }
  const Tcb& current_tcb() const { return current_tcb_; }
  const Tcb& reported_tcb() const { return key_.tcb; }
  const Tcb& committed_tcb() const { return committed_tcb_; }
  const Tcb& launch_tcb() const { return launch_tcb_; }

 private:
  friend absl::StatusOr<VerifiedReport> VerifyReport(
      UnverifiedReport report, const x509::VerifiedChain& chain);

  VerifiedReport(UnverifiedReport report, KeyCertificate key)
      : report_(std::move(report)), key_(std::move(key)) {}

  UnverifiedReport report_;
  KeyCertificate key_;
  Tcb current_tcb_, committed_tcb_, launch_tcb_;
};

// `chain` is in force and ends in an anchor for SEV-SNP.
//   ENDORSEMENT_MALFORMED, ENDORSEMENT_MISMATCH  the certificates, or the
//                          report's signing key or CPUID is of another kind
//   SIGNATURE_INVALID
//   EVIDENCE_MALFORMED     a reserved TCB byte is set
//   TCB_MISMATCH           reported TCB is not the certificate's
//   CHIP_ID_MISMATCH       chip id is not the certificate's, or masked
//   EVIDENCE_INCONSISTENT  fields contradict each other
absl::StatusOr<VerifiedReport> VerifyReport(UnverifiedReport report,
                                            const x509::VerifiedChain& chain);

}  // namespace kms::sev_snp

#endif  // POLICY_SEV_SNP_VERIFY_H_

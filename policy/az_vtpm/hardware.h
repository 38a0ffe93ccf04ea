// The hardware half: the report inside an HCL report, verified as Evidence of
// its own type by that type's verifier.
// Thread-safe: free functions.
#ifndef POLICY_AZ_VTPM_HARDWARE_H_
#define POLICY_AZ_VTPM_HARDWARE_H_

#include "absl/status/statusor.h"
#include "policy/az_vtpm/hcl_report.h"
#include "policy/verifier/evidence_verifier.h"
#include "proto/kms/v1/claims.pb.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::az_vtpm {

// One Evidence's files, by what they speak of.
struct Halves {
  // As the hardware's own type has it: its report or quote is the file
  // "evidence".
  v1::Evidence hardware;
  // ak_public, ak_cert, ak_cert_chain, and the CRLs that a CA of it issued; the
  // hardware's vendor issued the others.
  v1::Evidence ak;
};

// EVIDENCE_MALFORMED without a TD quote for a TDREPORT; ENDORSEMENT_MALFORMED
// if a CRL or a file of ak_cert_chain does not parse.
absl::StatusOr<Halves> Split(const UnverifiedHclReport& report,
                             const v1::Evidence& evidence,
                             const policy::TrustAnchors& anchors);

// The Claims of the CPU, of type SEV_SNP or TDX, and their collateral.
// `hardware` is what Split gave for `report`.
//   EVIDENCE_INCONSISTENT  an SNP report from outside the paravisor (VMPL not
//                          0), or a TDREPORT that is not what the quote signs
//   EVIDENCE_MALFORMED     the TDREPORT does not parse
//   those of the type's verifier
absl::StatusOr<v1::Claims> VerifyHardware(const UnverifiedHclReport& report,
                                          const v1::Evidence& hardware,
                                          const policy::VerifyInputs& inputs);

}  // namespace kms::az_vtpm

#endif  // POLICY_AZ_VTPM_HARDWARE_H_

#include "policy/dcap/verifier.h"

#include <string>

#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/dcap/claims.h"
#include "policy/dcap/limits.h"
#include "policy/dcap/platform.h"
#include "policy/dcap/verify.h"
#include "policy/verifier/evidence_files.h"

namespace kms::dcap {
namespace {

constexpr absl::string_view kSubject = "dcap evidence";
constexpr absl::string_view kRoles[] = {
    "evidence",    "tcb_info", "tcb_info_issuer_chain",
    "qe_identity", "pck_crl",  "qe_identity_issuer_chain",
    "root_ca_crl", "nonce",    "pck_crl_issuer_chain",
};

// What the sender says that he had bound, if he says it.
absl::Status CheckNonce(const v1::Evidence& evidence,
                        const v1::CpuClaims& cpu) {
  const std::string* nonce = policy::FindFile(evidence, "nonce");
  if (nonce == nullptr || *nonce == cpu.report_data()) return absl::OkStatus();
  return Refuse(v1::EVIDENCE_NOT_BOUND,
                "dcap evidence: the nonce is not the report data");
}

}  // namespace

v1::EvidenceType Verifier::type() const { return TypeOf(kind_); }

absl::StatusOr<v1::Claims> Verifier::Verify(
    const v1::Evidence& evidence, const policy::VerifyInputs& inputs) const {
  KMS_RETURN_IF_ERROR(policy::CheckRoles(evidence, kSubject, kRoles));
  KMS_RETURN_IF_ERROR(policy::CheckSize(evidence, kSubject, kEvidenceBytesMax));
  KMS_ASSIGN_OR_RETURN(const BytesView quote,
                       policy::RequireFile(evidence, kSubject, "evidence"));
  KMS_ASSIGN_OR_RETURN(const VerifiedQuote verified,
                       VerifyQuote(quote, kind_, evidence, inputs));
  v1::Claims claims;
  FillClaims(verified, &claims);
  KMS_RETURN_IF_ERROR(CheckNonce(evidence, claims.cpu()));
  return claims;
}

}  // namespace kms::dcap

#include "policy/dcap/verifier.h"

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/hash.h"
#include "policy/dcap/claims.h"
#include "policy/dcap/limits.h"
#include "policy/dcap/platform.h"
#include "policy/dcap/verify.h"
#include "policy/event_log/event_log.h"
#include "policy/event_log/format.h"
#include "policy/event_log/match.h"
#include "policy/verifier/evidence_files.h"

namespace kms::dcap {
namespace {

constexpr absl::string_view kSubject = "dcap evidence";
// A TD's firmware logs what it measures; enclaves have none.
constexpr absl::string_view kRoles[] = {
    "evidence",
    "tcb_info",
    "tcb_info_issuer_chain",
    "qe_identity",
    "qe_identity_issuer_chain",
    "pck_crl",
    "pck_crl_issuer_chain",
    "root_ca_crl",
    "nonce",
    "event_log",
};

absl::Span<const absl::string_view> RolesOf(TeeKind kind) {
  const absl::Span<const absl::string_view> all(kRoles);
  return kind == TeeKind::kTdx ? all : all.first(all.size() - 1);
}

// What the sender says that he had bound, if he says it.
absl::Status CheckNonce(const v1::Evidence& evidence,
                        const v1::CpuClaims& cpu) {
  const std::string* nonce = policy::FindFile(evidence, "nonce");
  if (nonce == nullptr || *nonce == cpu.report_data()) return absl::OkStatus();
  return Refuse(v1::EVIDENCE_NOT_BOUND,
                "dcap evidence: the nonce is not the report data");
}

// The log of the TD's firmware, if it came, against the registers that the
// quote signs.
absl::Status AddEventLog(const v1::Evidence& evidence,
                         const UnverifiedQuote& quote, v1::CpuClaims* cpu) {
  const std::string* file = policy::FindFile(evidence, "event_log");
  if (file == nullptr) return absl::OkStatus();
  std::map<uint32_t, std::string> registers;
  for (const std::array<uint8_t, 48>& rtmr : quote.td->rtmr) {
    registers.emplace(static_cast<uint32_t>(registers.size()),
                      ToString(BytesView(rtmr)));
  }
  KMS_ASSIGN_OR_RETURN(const event_log::EventLog log,
                       event_log::Parse(AsBytes(*file)));
  KMS_ASSIGN_OR_RETURN(
      *cpu->mutable_event_log(),
      event_log::MatchRegisters(log, crypto::Hash::kSha384,
                                event_log::Format::kCcel, registers));
  return absl::OkStatus();
}

}  // namespace

v1::EvidenceType Verifier::type() const { return TypeOf(kind_); }

absl::StatusOr<v1::Claims> Verifier::Verify(
    const v1::Evidence& evidence, const policy::VerifyInputs& inputs) const {
  KMS_RETURN_IF_ERROR(policy::CheckRoles(evidence, kSubject, RolesOf(kind_)));
  KMS_RETURN_IF_ERROR(policy::CheckSize(evidence, kSubject, kEvidenceBytesMax));
  KMS_ASSIGN_OR_RETURN(const BytesView quote,
                       policy::RequireFile(evidence, kSubject, "evidence"));
  KMS_ASSIGN_OR_RETURN(const VerifiedQuote verified,
                       VerifyQuote(quote, kind_, evidence, inputs));
  v1::Claims claims;
  FillClaims(verified, &claims);
  KMS_RETURN_IF_ERROR(CheckNonce(evidence, claims.cpu()));
  KMS_RETURN_IF_ERROR(
      AddEventLog(evidence, verified.quote(), claims.mutable_cpu()));
  return claims;
}

}  // namespace kms::dcap

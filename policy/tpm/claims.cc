#include "policy/tpm/claims.h"

#include <string>

#include "kms/base/bytes.h"
#include "kms/base/status.h"
#include "policy/event_log/event_log.h"
#include "policy/event_log/format.h"
#include "policy/event_log/match.h"
#include "policy/tpm/algorithm.h"
#include "policy/tpm/public_area.h"
#include "policy/verifier/evidence_files.h"

namespace kms::tpm {

absl::StatusOr<v1::TpmClaims> MakeClaims(const VerifiedQuote& verified,
                                         const v1::Evidence& evidence) {
  const UnverifiedQuote& quote = verified.quote();
  v1::TpmClaims claims;
  claims.set_nonce(quote.extra_data);
  claims.set_ak_spki_sha256(verified.key().key.spki_sha256());
  if (verified.key().area.has_value()) {
    claims.set_ak_name(NameOf(*verified.key().area));
  }
  claims.set_qualified_signer(quote.qualified_signer);
  claims.set_firmware_version(quote.firmware_version);
  claims.set_clock_ms(quote.clock_ms);
  claims.set_reset_count(quote.reset_count);
  claims.set_restart_count(quote.restart_count);
  claims.set_clock_safe(quote.clock_safe);
  claims.set_pcr_bank(std::string(HashName(quote.bank)));
  for (const auto& [index, value] : verified.pcrs()) {
    (*claims.mutable_pcrs())[index] = value;
  }
  const std::string* log_file = policy::FindFile(evidence, "event_log");
  if (log_file == nullptr) return claims;
  KMS_ASSIGN_OR_RETURN(const event_log::EventLog log,
                       event_log::Parse(AsBytes(*log_file)));
  KMS_ASSIGN_OR_RETURN(
      *claims.mutable_event_log(),
      event_log::MatchRegisters(log, quote.bank, event_log::Format::kTcg,
                                verified.pcrs()));
  return claims;
}

}  // namespace kms::tpm

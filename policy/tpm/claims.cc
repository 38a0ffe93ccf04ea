#include "policy/tpm/claims.h"

#include <string>

#include "policy/tpm/algorithm.h"
#include "policy/tpm/public_area.h"

namespace kms::tpm {

v1::TpmClaims MakeClaims(const VerifiedQuote& verified) {
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
  return claims;
}

}  // namespace kms::tpm

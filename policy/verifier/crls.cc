#include "policy/verifier/crls.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"

namespace kms::policy {
namespace {

// As collateral.h names a CRL.
std::string Subject(const x509::Crl& crl) {
  return Hex(
      crypto::Sha256(AsBytes(crl.issuer_der() + crl.authority_key_id())));
}

v1::CollateralClaims Claims(const x509::Crl& crl, const std::string& file,
                            bool stored) {
  v1::CollateralClaims claims;
  claims.set_kind("crl");
  claims.set_subject(Subject(crl));
  claims.set_digest(crypto::Sha256(AsBytes(file)));
  // RFC 5280 allows 20 bytes; what does not fit is not shown.
  if (crl.number().size() <= sizeof(uint64_t)) {
    uint64_t number = 0;
    for (const char c : crl.number()) {
      number = number << 8 | static_cast<uint8_t>(c);
    }
    claims.set_number(number);
  }
  claims.set_issued_us(absl::ToUnixMicros(crl.this_update()));
  claims.set_next_update_us(absl::ToUnixMicros(crl.next_update()));
  claims.set_stored(stored);
  return claims;
}

bool IssuedByOne(const x509::Crl& crl,
                 absl::Span<const x509::Certificate> cas) {
  return std::any_of(cas.begin(), cas.end(), [&](const x509::Certificate& ca) {
    return ca.subject_der() == crl.issuer_der();
  });
}

}  // namespace

absl::StatusOr<Crls> CollectCrls(absl::Span<const x509::Certificate> cas,
                                 const v1::Evidence& evidence,
                                 const Collateral* collateral) {
  Crls result;
  std::set<std::string> stored;
  const auto add = [&](x509::Crl crl, const std::string& file, bool is_stored) {
    result.claims.push_back(Claims(crl, file, is_stored));
    result.crls.push_back(std::move(crl));
  };
  if (collateral != nullptr) {
    for (const CollateralItem* item : collateral->OfRole("crl")) {
      KMS_ASSIGN_OR_RETURN(x509::Crl crl,
                           x509::Crl::Parse(AsBytes(item->content)));
      if (!IssuedByOne(crl, cas)) continue;
      stored.insert(Subject(crl));
      add(std::move(crl), item->content, true);
    }
  }
  for (const v1::EvidenceFile& file : evidence.files()) {
    if (file.role() != "crl") continue;
    KMS_ASSIGN_OR_RETURN(x509::Crl crl,
                         x509::Crl::Parse(AsBytes(file.content())));
    if (stored.count(Subject(crl)) > 0) continue;
    add(std::move(crl), file.content(), false);
  }
  return result;
}

}  // namespace kms::policy

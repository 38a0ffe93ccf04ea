#include "policy/verifier/crls.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"

namespace kms::policy {
namespace {

ChosenCrl Choose(x509::Crl crl, const x509::Certificate& ca, bool stored) {
  v1::CollateralClaims claims;
  claims.set_kind("crl");
  claims.set_subject(CrlSubject(ca));
  claims.set_digest(crl.sha256());
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
  return {.crl = std::move(crl), .claims = std::move(claims)};
}

}  // namespace

std::string CrlSubject(const x509::Certificate& ca) {
  return Hex(crypto::Sha256(
      AsBytes(absl::StrCat(ca.subject_der(), ca.spki_sha256()))));
}

bool MayBeOf(const x509::Crl& crl, const x509::Certificate& ca) {
  return ca.subject_der() == crl.issuer_der() &&
         (crl.authority_key_id().empty() || ca.subject_key_id().empty() ||
          ca.subject_key_id() == crl.authority_key_id());
}

absl::StatusOr<std::optional<ChosenCrl>> FindStoredCrl(
    const x509::Certificate& ca, const Collateral* collateral) {
  if (collateral == nullptr) return std::nullopt;
  const CollateralItem* item = collateral->Find("crl", CrlSubject(ca));
  if (item == nullptr) return std::nullopt;
  KMS_ASSIGN_OR_RETURN(x509::Crl crl, x509::Crl::Parse(AsBytes(item->content)));
  return Choose(std::move(crl), ca, /*stored=*/true);
}

ChosenCrl OfferedCrl(x509::Crl crl, const x509::Certificate& ca) {
  return Choose(std::move(crl), ca, /*stored=*/false);
}

absl::StatusOr<std::vector<x509::Crl>> ReadCrls(const v1::Evidence& evidence) {
  std::vector<x509::Crl> crls;
  for (const v1::EvidenceFile& file : evidence.files()) {
    if (file.role() != "crl") continue;
    KMS_ASSIGN_OR_RETURN(x509::Crl crl,
                         x509::Crl::Parse(AsBytes(file.content())));
    crls.push_back(std::move(crl));
  }
  return crls;
}

void Crls::Add(ChosenCrl chosen) {
  crls.push_back(std::move(chosen.crl));
  claims.push_back(std::move(chosen.claims));
}

absl::StatusOr<Crls> ChooseCrls(absl::Span<const x509::Certificate> path,
                                absl::Span<const x509::Crl> offered,
                                const Collateral* collateral) {
  const absl::Span<const x509::Certificate> cas = path.subspan(1);
  Crls chosen;
  std::vector<bool> has_stored(cas.size(), false);
  for (size_t i = 0; i < cas.size(); ++i) {
    KMS_ASSIGN_OR_RETURN(std::optional<ChosenCrl> stored,
                         FindStoredCrl(cas[i], collateral));
    if (!stored.has_value()) continue;
    has_stored[i] = true;
    chosen.Add(*std::move(stored));
  }
  for (const x509::Crl& crl : offered) {
    size_t ca = 0;
    while (ca < cas.size() && !MayBeOf(crl, cas[ca])) ++ca;
    if (ca == cas.size()) {
      return Refuse(v1::CRL_INVALID, "crl: of no CA of the chain");
    }
    if (!has_stored[ca]) chosen.Add(OfferedCrl(crl, cas[ca]));
  }
  return chosen;
}

}  // namespace kms::policy

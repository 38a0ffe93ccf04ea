#include "kms/crypto/x509/crl.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/x509/limits.h"
#include "kms/crypto/x509/pem.h"

namespace kms::x509 {
namespace {

constexpr absl::string_view kCrlNumberOid = "2.5.29.20";
constexpr absl::string_view kDeltaCrlOid = "2.5.29.27";
constexpr absl::string_view kIssuingDistributionPointOid = "2.5.29.28";
constexpr absl::string_view kAuthorityKeyIdOid = "2.5.29.35";
constexpr absl::string_view kCertificateIssuerOid = "2.5.29.29";

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::ENDORSEMENT_MALFORMED, absl::StrCat("crl: ", fault));
}
absl::Status Invalid(absl::string_view fault) {
  return Refuse(v1::CRL_INVALID, absl::StrCat("crl: ", fault));
}

// revokedCertificates; sets `*indirect` if an entry names another issuer.
std::vector<std::string> ReadEntries(DerReader& tbs, bool* indirect) {
  std::vector<std::string> serials;
  DerReader list = tbs.Enter(kDerSequence);
  while (list.More()) {
    DerReader entry = list.Enter(kDerSequence);
    serials.push_back(ToString(entry.Unsigned(kSerialBytesMax)));
    ReadTime(entry);
    if (entry.More()) {
      const std::optional<std::vector<Extension>> extensions =
          ReadExtensions(entry);
      if (extensions.has_value()) {
        for (const Extension& e : *extensions) {
          if (e.critical || e.oid == kCertificateIssuerOid) *indirect = true;
        }
      }
    }
    entry.Finish();
    if (serials.size() > kCrlEntriesMax) tbs.Fail();
  }
  list.Finish();
  std::sort(serials.begin(), serials.end());
  return serials;
}

}  // namespace

bool Crl::Revokes(absl::string_view serial) const {
  return std::binary_search(fields_->revoked.begin(), fields_->revoked.end(),
                            std::string(serial));
}

absl::StatusOr<Crl> Crl::Parse(BytesView file) {
  if (file.size() > kCrlBytesMax) {
    return Malformed(
        absl::StrCat(file.size(), " bytes, want at most ", kCrlBytesMax));
  }
  if (!LooksLikePem(file)) return ParseDer(file);
  const absl::StatusOr<std::vector<std::string>> blocks =
      ParsePem(file, "X509 CRL", 1);
  if (!blocks.ok()) return Malformed(blocks.status().message());
  return ParseDer(AsBytes(blocks->front()));
}

absl::StatusOr<Crl> Crl::ParseDer(BytesView der) {
  if (!IsDer(der)) return Malformed("not one DER value");
  bool failed = false;
  DerReader outer(der, &failed);
  DerReader list = outer.Enter(kDerSequence);
  const DerValue tbs_value = list.Take(kDerSequence);
  const DerValue outer_algorithm = list.Take(kDerSequence);
  const BytesView signature = list.BitString();
  list.Finish();

  DerReader tbs(tbs_value.content, &failed);
  const uint32_t version = tbs.U32();
  const DerValue inner_algorithm = tbs.Take(kDerSequence);
  const DerValue issuer = tbs.Take(kDerSequence);
  const absl::Time this_update = ReadTime(tbs);
  if (failed || version != 1) return Malformed("not a version 2 list");
  if (!tbs.NextIs(kDerUtcTime) && !tbs.NextIs(kDerGeneralizedTime)) {
    return Invalid("no next update");
  }
  auto fields = std::make_shared<Fields>();
  fields->this_update = this_update;
  fields->next_update = ReadTime(tbs);
  bool indirect = false;
  if (tbs.NextIs(kDerSequence)) fields->revoked = ReadEntries(tbs, &indirect);
  std::vector<Extension> extensions;
  if (tbs.More()) {
    DerReader tag = tbs.Enter(DerContextConstructed(0));
    extensions = ReadExtensions(tag).value_or(std::vector<Extension>());
    tag.Finish();
  }
  tbs.Finish();
  if (failed) return Malformed("ill-formed");
  if (inner_algorithm.encoding != outer_algorithm.encoding) {
    return Malformed("inner and outer signature algorithms differ");
  }
  const std::optional<SignatureScheme> scheme =
      ParseSignatureScheme(inner_algorithm.encoding);
  if (!scheme.has_value()) {
    return Malformed("signature algorithm is not supported");
  }
  for (const Extension& extension : extensions) {
    if (extension.oid == kCrlNumberOid) {
      bool bad = false;
      DerReader reader(AsBytes(extension.value), &bad);
      fields->number = ToString(reader.Unsigned(kSerialBytesMax));
      reader.Finish();
      if (bad) return Malformed("CRLNumber is ill-formed");
    } else if (extension.oid == kAuthorityKeyIdOid) {
      const std::optional<std::string> id = ReadAuthorityKeyId(extension.value);
      if (!id.has_value()) return Malformed("authorityKeyIdentifier");
      fields->authority_key_id = *id;
    } else if (extension.oid == kDeltaCrlOid ||
               extension.oid == kIssuingDistributionPointOid ||
               extension.critical) {
      // An issuing distribution point narrows what the list covers.
      return Invalid("a delta, indirect or partial list");
    }
  }
  if (indirect) return Invalid("an entry names another issuer");

  fields->der = ToString(der);
  fields->sha256 = crypto::Sha256(der);
  fields->issuer_der = ToString(issuer.encoding);
  fields->tbs = ToString(tbs_value.encoding);
  fields->signature = ToString(signature);
  fields->scheme = *scheme;
  return Crl(std::move(fields));
}

}  // namespace kms::x509

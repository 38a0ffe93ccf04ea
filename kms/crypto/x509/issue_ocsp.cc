#include "kms/crypto/x509/issue_ocsp.h"

#include "absl/strings/str_cat.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/x509/der.h"
#include "kms/crypto/x509/der_writer.h"
#include "kms/crypto/x509/ocsp.h"

namespace kms::x509 {
namespace {

// RFC 6960 has no UTCTime.
std::string GeneralizedTime(absl::Time time) {
  return DerEncode(
      kDerGeneralizedTime,
      absl::FormatTime("%E4Y%m%d%H%M%SZ", time, absl::UTCTimeZone()));
}

}  // namespace

Extension MakeExtendedKeyUsage(const std::vector<std::string>& oids) {
  std::string purposes;
  for (const std::string& oid : oids) purposes += DerOid(oid);
  return {.oid = "2.5.29.37",
          .critical = false,
          .value = DerEncode(kDerSequence, purposes)};
}

std::string OcspRevoked(absl::Time when, uint8_t reason) {
  return DerEncode(
      DerContextConstructed(1),
      absl::StrCat(
          GeneralizedTime(when),
          DerEncode(DerContextConstructed(0),
                    DerEncode(kDerEnumerated,
                              std::string(1, static_cast<char>(reason))))));
}

std::string OcspUnknown() { return DerEncode(DerContext(2), ""); }

std::string IssueOcspResponse(const OcspSpec& spec, const IssuerKey& key) {
  const absl::string_view hash_oid =
      spec.hash == crypto::Hash::kSha256   ? "2.16.840.1.101.3.4.2.1"
      : spec.hash == crypto::Hash::kSha384 ? "2.16.840.1.101.3.4.2.2"
                                           : "2.16.840.1.101.3.4.2.3";
  const std::string id = DerEncode(
      kDerSequence,
      absl::StrCat(
          DerEncode(kDerSequence, DerOid(hash_oid)),
          DerEncode(
              kDerOctetString,
              crypto::Digest(spec.hash, AsBytes(spec.issuer.subject_der()))),
          DerEncode(
              kDerOctetString,
              crypto::Digest(spec.hash, spec.issuer.public_key().key_bytes())),
          DerUnsigned(spec.serial)));
  std::string entry =
      absl::StrCat(id, spec.status, GeneralizedTime(spec.this_update));
  if (spec.next_update.has_value()) {
    entry +=
        DerEncode(DerContextConstructed(0), GeneralizedTime(*spec.next_update));
  }
  std::string tbs = absl::StrCat(
      DerEncode(
          DerContextConstructed(2),
          DerEncode(kDerOctetString, OcspKeyHash(spec.responder.public_key()))),
      GeneralizedTime(spec.this_update),
      DerEncode(kDerSequence, DerEncode(kDerSequence, entry)));
  if (!spec.extensions.empty()) {
    tbs += DerEncode(DerContextConstructed(1), spec.extensions);
  }
  tbs = DerEncode(kDerSequence, tbs);
  const std::string basic = DerEncode(
      kDerSequence,
      absl::StrCat(tbs, MakeAlgorithm(spec.scheme),
                   DerBitString(key.Sign(spec.scheme, AsBytes(tbs))),
                   DerEncode(DerContextConstructed(0),
                             DerEncode(kDerSequence, spec.responder.der()))));
  const std::string bytes =
      DerEncode(kDerSequence, absl::StrCat(DerOid("1.3.6.1.5.5.7.48.1.1"),
                                           DerEncode(kDerOctetString, basic)));
  return DerEncode(kDerSequence,
                   absl::StrCat(DerEncode(kDerEnumerated, std::string(1, '\0')),
                                DerEncode(DerContextConstructed(0), bytes)));
}

}  // namespace kms::x509

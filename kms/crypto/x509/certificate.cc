#include "kms/crypto/x509/certificate.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/x509/limits.h"
#include "kms/crypto/x509/pem.h"

namespace kms::x509 {
namespace {

using crypto::Hash;

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::ENDORSEMENT_MALFORMED,
                absl::StrCat("certificate: ", fault));
}

struct SchemeOid {
  absl::string_view oid;
  SignatureScheme scheme;
  bool null_parameters;  // RFC 4055: NULL; RFC 5758: absent.
};
constexpr SchemeOid kSchemeOids[] = {
    {"1.2.840.10045.4.3.2", SignatureScheme::kEcdsaSha256, false},
    {"1.2.840.10045.4.3.3", SignatureScheme::kEcdsaSha384, false},
    {"1.2.840.10045.4.3.4", SignatureScheme::kEcdsaSha512, false},
    {"1.2.840.113549.1.1.11", SignatureScheme::kRsaPkcs1Sha256, true},
    {"1.2.840.113549.1.1.12", SignatureScheme::kRsaPkcs1Sha384, true},
    {"1.2.840.113549.1.1.13", SignatureScheme::kRsaPkcs1Sha512, true},
};
constexpr absl::string_view kRsaPssOid = "1.2.840.113549.1.1.10";
constexpr absl::string_view kMgf1Oid = "1.2.840.113549.1.1.8";

struct HashOid {
  absl::string_view oid;
  SignatureScheme pss;
  uint32_t size;
};
constexpr HashOid kHashOids[] = {
    {"2.16.840.1.101.3.4.2.1", SignatureScheme::kRsaPssSha256, 32},
    {"2.16.840.1.101.3.4.2.2", SignatureScheme::kRsaPssSha384, 48},
    {"2.16.840.1.101.3.4.2.3", SignatureScheme::kRsaPssSha512, 64},
};

// A hash's AlgorithmIdentifier; the OID is empty if it has odd parameters.
std::string ReadHashOid(DerReader reader) {
  DerReader algorithm = reader.Enter(kDerSequence);
  std::string oid = algorithm.Oid();
  if (algorithm.NextIs(kDerNull)) algorithm.Any();  // RFC 4055 2.1: either.
  algorithm.Finish();
  reader.Finish();
  return oid;
}

// RSASSA-PSS-params, RFC 4055 3.1. The defaults are SHA-1, so all but the
// trailer must be spelled out.
std::optional<SignatureScheme> ReadPss(DerReader& parameters, bool* failed) {
  const std::string hash =
      ReadHashOid(parameters.Enter(DerContextConstructed(0)));
  DerReader mgf_tag = parameters.Enter(DerContextConstructed(1));
  DerReader mgf = mgf_tag.Enter(kDerSequence);
  const std::string mgf_oid = mgf.Oid();
  const std::string mgf_hash = ReadHashOid(std::move(mgf));
  mgf_tag.Finish();
  DerReader salt_tag = parameters.Enter(DerContextConstructed(2));
  const uint32_t salt = salt_tag.U32();
  salt_tag.Finish();
  if (parameters.NextIs(DerContextConstructed(3))) {
    DerReader trailer_tag = parameters.Enter(DerContextConstructed(3));
    if (trailer_tag.U32() != 1) trailer_tag.Fail();
    trailer_tag.Finish();
  }
  parameters.Finish();
  if (*failed || mgf_oid != kMgf1Oid || mgf_hash != hash) return std::nullopt;
  for (const HashOid& known : kHashOids) {
    if (known.oid == hash && known.size == salt) return known.pss;
  }
  return std::nullopt;
}

// RFC 5280 4.1.2.4: RDNs are SETs of type and value. Text is for people only.
absl::string_view AttributeName(absl::string_view oid) {
  static constexpr std::pair<absl::string_view, absl::string_view> kNames[] = {
      {"2.5.4.3", "CN"},           {"2.5.4.6", "C"},  {"2.5.4.7", "L"},
      {"2.5.4.8", "ST"},           {"2.5.4.10", "O"}, {"2.5.4.11", "OU"},
      {"2.5.4.5", "serialNumber"},
  };
  for (const auto& [known, name] : kNames) {
    if (known == oid) return name;
  }
  return oid;
}

// Calls `visit(oid, value)` for each attribute; false if ill-formed.
template <typename Visit>
bool VisitName(absl::string_view name_der, Visit visit) {
  bool failed = false;
  DerReader outer(AsBytes(name_der), &failed);
  DerReader name = outer.Enter(kDerSequence);
  outer.Finish();
  while (name.More()) {
    DerReader set = name.Enter(kDerSet);
    if (!set.More()) return false;
    while (set.More()) {
      DerReader attribute = set.Enter(kDerSequence);
      const std::string oid = attribute.Oid();
      const DerValue value = attribute.Any();
      attribute.Finish();
      if (!failed) visit(oid, value);
    }
  }
  return !failed;
}

std::string CommonName(absl::string_view name_der) {
  std::string found;
  int count = 0;
  VisitName(name_der, [&](absl::string_view oid, const DerValue& value) {
    if (oid != "2.5.4.3") return;
    ++count;
    found = ToString(value.content);
  });
  return count == 1 ? found : "";
}

}  // namespace

absl::string_view SchemeName(SignatureScheme scheme) {
  switch (scheme) {
    case SignatureScheme::kEcdsaSha256:
      return "ECDSA-SHA256";
    case SignatureScheme::kEcdsaSha384:
      return "ECDSA-SHA384";
    case SignatureScheme::kEcdsaSha512:
      return "ECDSA-SHA512";
    case SignatureScheme::kRsaPkcs1Sha256:
      return "RSA-PKCS1-SHA256";
    case SignatureScheme::kRsaPkcs1Sha384:
      return "RSA-PKCS1-SHA384";
    case SignatureScheme::kRsaPkcs1Sha512:
      return "RSA-PKCS1-SHA512";
    case SignatureScheme::kRsaPssSha256:
      return "RSA-PSS-SHA256";
    case SignatureScheme::kRsaPssSha384:
      return "RSA-PSS-SHA384";
    case SignatureScheme::kRsaPssSha512:
      return "RSA-PSS-SHA512";
  }
  return "";
}

std::optional<SignatureScheme> ParseSignatureScheme(BytesView encoding) {
  bool failed = false;
  DerReader outer(encoding, &failed);
  DerReader algorithm = outer.Enter(kDerSequence);
  outer.Finish();
  const std::string oid = algorithm.Oid();
  if (oid == kRsaPssOid) {
    DerReader parameters = algorithm.Enter(kDerSequence);
    algorithm.Finish();
    return ReadPss(parameters, &failed);
  }
  for (const SchemeOid& known : kSchemeOids) {
    if (known.oid != oid) continue;
    if (known.null_parameters) algorithm.Take(kDerNull);
    algorithm.Finish();
    if (!failed) return known.scheme;
  }
  return std::nullopt;
}

absl::Status VerifySignature(const crypto::PublicKey& key,
                             SignatureScheme scheme, BytesView message,
                             BytesView signature) {
  switch (scheme) {
    case SignatureScheme::kEcdsaSha256:
      return key.VerifyEcdsa(Hash::kSha256, message, signature);
    case SignatureScheme::kEcdsaSha384:
      return key.VerifyEcdsa(Hash::kSha384, message, signature);
    case SignatureScheme::kEcdsaSha512:
      return key.VerifyEcdsa(Hash::kSha512, message, signature);
    case SignatureScheme::kRsaPkcs1Sha256:
      return key.VerifyRsaPkcs1(Hash::kSha256, message, signature);
    case SignatureScheme::kRsaPkcs1Sha384:
      return key.VerifyRsaPkcs1(Hash::kSha384, message, signature);
    case SignatureScheme::kRsaPkcs1Sha512:
      return key.VerifyRsaPkcs1(Hash::kSha512, message, signature);
    case SignatureScheme::kRsaPssSha256:
      return key.VerifyRsaPss(Hash::kSha256, 32, message, signature);
    case SignatureScheme::kRsaPssSha384:
      return key.VerifyRsaPss(Hash::kSha384, 48, message, signature);
    case SignatureScheme::kRsaPssSha512:
      return key.VerifyRsaPss(Hash::kSha512, 64, message, signature);
  }
  return absl::InvalidArgumentError("signature: unknown scheme");
}

absl::Time ReadTime(DerReader& reader) {
  const DerValue value = reader.Any();
  const absl::string_view text = AsStringView(value.content);
  const bool utc = value.tag == kDerUtcTime;
  const size_t year_digits = utc ? 2 : 4;
  if ((!utc && value.tag != kDerGeneralizedTime) ||
      text.size() != year_digits + 11 || text.back() != 'Z') {
    reader.Fail();
    return absl::UnixEpoch();
  }
  for (char c : text.substr(0, text.size() - 1)) {
    if (c < '0' || c > '9') {
      reader.Fail();
      return absl::UnixEpoch();
    }
  }
  const auto digits = [&text](size_t at, size_t count) {
    int number = 0;
    for (char c : text.substr(at, count)) number = number * 10 + (c - '0');
    return number;
  };
  int year = digits(0, year_digits);
  if (utc) year += year < 50 ? 2000 : 1900;  // RFC 5280 4.1.2.5.1.
  const size_t at = year_digits;
  const absl::CivilSecond time(year, digits(at, 2), digits(at + 2, 2),
                               digits(at + 4, 2), digits(at + 6, 2),
                               digits(at + 8, 2));
  // CivilSecond carries over; a date that needed it does not exist. RFC 5280
  // wants UTCTime through 2049, and real chains keep to it.
  if (time.year() != year || time.month() != digits(at, 2) ||
      time.day() != digits(at + 2, 2) || time.hour() != digits(at + 4, 2) ||
      time.minute() != digits(at + 6, 2) ||
      time.second() != digits(at + 8, 2) || (!utc && year < 1950)) {
    reader.Fail();
    return absl::UnixEpoch();
  }
  return absl::FromCivil(time, absl::UTCTimeZone());
}

std::optional<std::vector<Extension>> ReadExtensions(DerReader& reader) {
  DerReader list = reader.Enter(kDerSequence);
  std::vector<Extension> extensions;
  bool duplicate = false;
  while (list.More() && extensions.size() <= kExtensionsMax) {
    DerReader item = list.Enter(kDerSequence);
    Extension extension;
    extension.oid = item.Oid();
    if (item.NextIs(kDerBoolean)) extension.critical = item.Boolean();
    extension.value = ToString(item.OctetString());
    item.Finish();
    for (const Extension& other : extensions) {
      duplicate = duplicate || other.oid == extension.oid;
    }
    extensions.push_back(std::move(extension));
  }
  list.Finish();
  if (duplicate || extensions.empty() || extensions.size() > kExtensionsMax) {
    reader.Fail();
    return std::nullopt;
  }
  return extensions;
}

std::optional<std::string> ReadAuthorityKeyId(absl::string_view value) {
  bool failed = false;
  DerReader outer(AsBytes(value), &failed);
  DerReader sequence = outer.Enter(kDerSequence);
  outer.Finish();
  std::string id;
  if (sequence.NextIs(DerContext(0))) id = ToString(sequence.Any().content);
  while (sequence.More()) sequence.Any();  // Issuer and serial: hints only.
  if (failed) return std::nullopt;
  return id;
}

std::string NameToText(absl::string_view name_der) {
  std::string text;
  const bool ok = VisitName(name_der, [&](absl::string_view oid,
                                          const DerValue& value) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", AttributeName(oid), "=");
    for (uint8_t c : value.content) {
      if (c >= 0x20 && c < 0x7f && c != '\\' && c != ',') {
        text += static_cast<char>(c);
      } else {
        absl::StrAppendFormat(&text, "\\%02x", c);
      }
    }
  });
  return ok ? text : "(ill-formed name)";
}

std::string Certificate::SubjectText() const {
  return NameToText(subject_der());
}
std::string Certificate::IssuerText() const { return NameToText(issuer_der()); }
std::string Certificate::SubjectCommonName() const {
  return CommonName(subject_der());
}
std::string Certificate::IssuerCommonName() const {
  return CommonName(issuer_der());
}

const Extension* Certificate::FindExtension(absl::string_view oid) const {
  for (const Extension& extension : extensions()) {
    if (extension.oid == oid) return &extension;
  }
  return nullptr;
}

// The extensions that path validation needs, RFC 5280 4.2.1.
absl::Status Certificate::ReadKnownExtensions(Fields& fields) {
  for (const Extension& extension : fields.extensions) {
    bool failed = false;
    DerReader reader(AsBytes(extension.value), &failed);
    if (extension.oid == "2.5.29.19") {  // basicConstraints.
      DerReader constraints = reader.Enter(kDerSequence);
      if (constraints.NextIs(kDerBoolean)) fields.is_ca = constraints.Boolean();
      if (constraints.More()) fields.path_length = constraints.U32();
      constraints.Finish();
      reader.Finish();
      if (fields.path_length.has_value() && !fields.is_ca) failed = true;
    } else if (extension.oid == "2.5.29.15") {  // keyUsage: bit 0 is the MSB.
      const BytesView bits = reader.Take(kDerBitString).content;
      reader.Finish();
      // X.690 11.2: the unused bits of the last byte are zero.
      if (failed || bits.size() < 2 || bits.size() > 3 || bits[0] > 7 ||
          (bits.back() & ((1u << bits[0]) - 1)) != 0) {
        return Malformed("keyUsage is ill-formed");
      }
      uint16_t usage = 0;
      for (size_t i = 0; i < 8 * (bits.size() - 1); ++i) {
        if ((bits[1 + i / 8] >> (7 - i % 8) & 1) != 0) {
          usage = static_cast<uint16_t>(usage | 1u << i);
        }
      }
      fields.key_usage = usage;
    } else if (extension.oid == "2.5.29.14") {  // subjectKeyIdentifier.
      fields.subject_key_id = ToString(reader.OctetString());
      reader.Finish();
    } else if (extension.oid == "2.5.29.35") {  // authorityKeyIdentifier.
      const std::optional<std::string> id = ReadAuthorityKeyId(extension.value);
      if (!id.has_value()) failed = true;
      fields.authority_key_id = id.value_or("");
    }
    if (failed) {
      return Malformed(
          absl::StrCat("extension ", extension.oid, " is ill-formed"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Certificate> Certificate::Parse(BytesView der) {
  if (der.size() > kCertificateBytesMax) {
    return Malformed(absl::StrCat(der.size(), " bytes, want at most ",
                                  kCertificateBytesMax));
  }
  if (!IsDer(der)) return Malformed("not one DER value");
  bool failed = false;
  DerReader outer(der, &failed);
  DerReader certificate = outer.Enter(kDerSequence);
  const DerValue tbs_value = certificate.Take(kDerSequence);
  const DerValue outer_algorithm = certificate.Take(kDerSequence);
  const BytesView signature = certificate.BitString();
  certificate.Finish();

  DerReader tbs(tbs_value.content, &failed);
  DerReader version_tag = tbs.Enter(DerContextConstructed(0));
  const uint32_t version = version_tag.U32();
  version_tag.Finish();
  if (failed || version != 2) return Malformed("not of version 3");
  const BytesView serial = tbs.Unsigned(kSerialBytesMax);
  const DerValue inner_algorithm = tbs.Take(kDerSequence);
  const DerValue issuer = tbs.Take(kDerSequence);
  DerReader validity = tbs.Enter(kDerSequence);
  const absl::Time not_before = ReadTime(validity);
  const absl::Time not_after = ReadTime(validity);
  validity.Finish();
  const DerValue subject = tbs.Take(kDerSequence);
  const DerValue spki = tbs.Take(kDerSequence);
  if (failed) return Malformed("ill-formed or of another version");

  // RFC 5280 4.1.1.2.
  if (inner_algorithm.encoding != outer_algorithm.encoding) {
    return Malformed("inner and outer signature algorithms differ");
  }
  const std::optional<SignatureScheme> scheme =
      ParseSignatureScheme(inner_algorithm.encoding);
  if (!scheme.has_value()) {
    return Malformed("signature algorithm is not supported");
  }
  if (issuer.encoding.size() > kNameBytesMax ||
      subject.encoding.size() > kNameBytesMax ||
      !VisitName(AsStringView(issuer.encoding), [](auto, auto) {}) ||
      !VisitName(AsStringView(subject.encoding), [](auto, auto) {})) {
    return Malformed("a name is ill-formed or too long");
  }
  absl::StatusOr<crypto::PublicKey> key =
      crypto::PublicKey::FromSpki(spki.encoding);
  if (!key.ok()) return Malformed("public key is not supported");

  auto fields = std::make_shared<Fields>(*std::move(key));
  if (tbs.More()) {  // issuerUniqueID and subjectUniqueID are refused.
    DerReader extensions_tag = tbs.Enter(DerContextConstructed(3));
    std::optional<std::vector<Extension>> extensions =
        ReadExtensions(extensions_tag);
    extensions_tag.Finish();
    if (extensions.has_value()) fields->extensions = *std::move(extensions);
  }
  tbs.Finish();
  if (failed) return Malformed("extensions are ill-formed or duplicated");

  fields->der = ToString(der);
  fields->sha256 = crypto::Sha256(der);
  fields->spki_sha256 = crypto::Sha256(spki.encoding);
  fields->subject_der = ToString(subject.encoding);
  fields->issuer_der = ToString(issuer.encoding);
  fields->serial = ToString(serial);
  fields->tbs = ToString(tbs_value.encoding);
  fields->signature = ToString(signature);
  fields->not_before = not_before;
  fields->not_after = not_after;
  fields->scheme = *scheme;
  KMS_RETURN_IF_ERROR(ReadKnownExtensions(*fields));
  return Certificate(std::move(fields));
}

absl::StatusOr<std::vector<Certificate>> ParseCertificates(BytesView file) {
  std::vector<std::string> ders;
  if (LooksLikePem(file)) {
    absl::StatusOr<std::vector<std::string>> blocks =
        ParsePem(file, "CERTIFICATE", kCertificatesPerFileMax);
    if (!blocks.ok()) {
      return Refuse(v1::ENDORSEMENT_MALFORMED, blocks.status().message());
    }
    ders = *std::move(blocks);
  } else {
    ders.push_back(ToString(file));
  }
  std::vector<Certificate> certificates;
  for (const std::string& der : ders) {
    KMS_ASSIGN_OR_RETURN(Certificate certificate,
                         Certificate::Parse(AsBytes(der)));
    certificates.push_back(std::move(certificate));
  }
  return certificates;
}

}  // namespace kms::x509

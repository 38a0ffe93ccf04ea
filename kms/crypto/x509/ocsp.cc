#include "kms/crypto/x509/ocsp.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/openssl.h"
#include "kms/crypto/x509/limits.h"

namespace kms::x509 {
namespace {

constexpr absl::string_view kBasicResponseOid = "1.3.6.1.5.5.7.48.1.1";
constexpr absl::string_view kExtendedKeyUsageOid = "2.5.29.37";
constexpr absl::string_view kOcspSigningOid = "1.3.6.1.5.5.7.3.9";
constexpr absl::string_view kSha1Oid = "1.3.14.3.2.26";
constexpr size_t kSha1Bytes = 20;
constexpr size_t kHashBytesMax = 64;
const absl::Duration kTimeStep = absl::Nanoseconds(1);

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::ENDORSEMENT_MALFORMED, absl::StrCat("ocsp: ", fault));
}
absl::Status Invalid(absl::string_view fault) {
  return Refuse(v1::CRL_INVALID, absl::StrCat("ocsp: ", fault));
}

// For names only: RFC 6960 and RFC 5019 leave no other hash there.
std::string Sha1(BytesView data) {
  std::string digest(kSha1Bytes, '\0');
  crypto::DieUnless(EVP_Digest(data.data(), data.size(),
                               reinterpret_cast<uint8_t*>(digest.data()),
                               nullptr, EVP_sha1(), nullptr) == 1,
                    "ocsp: no SHA-1");
  return digest;
}

// Nothing for a hash that we do not know.
std::optional<std::string> HashNamed(absl::string_view oid, BytesView data) {
  if (oid == kSha1Oid) return Sha1(data);
  if (oid == "2.16.840.1.101.3.4.2.1") return crypto::Sha256(data);
  if (oid == "2.16.840.1.101.3.4.2.2") return crypto::Sha384(data);
  if (oid == "2.16.840.1.101.3.4.2.3") return crypto::Sha512(data);
  return std::nullopt;
}

absl::Time ReadGeneralizedTime(DerReader& reader) {
  if (!reader.NextIs(kDerGeneralizedTime)) reader.Fail();
  return ReadTime(reader);
}

// Extensions inform; one that is critical asks for what we do not do.
void ReadExtensionList(DerReader tag) {
  const std::optional<std::vector<Extension>> extensions = ReadExtensions(tag);
  tag.Finish();
  if (!extensions.has_value()) return;  // The reader has failed.
  for (const Extension& extension : *extensions) {
    if (extension.critical) tag.Fail();
  }
}

OcspStatus ReadStatus(DerReader& entry) {
  if (entry.NextIs(DerContext(0))) {
    if (!entry.Any().content.empty()) entry.Fail();  // NULL.
    return OcspStatus::kGood;
  }
  if (entry.NextIs(DerContextConstructed(1))) {
    DerReader revoked = entry.Enter(DerContextConstructed(1));
    ReadGeneralizedTime(revoked);
    if (revoked.More()) {  // The reason.
      DerReader reason = revoked.Enter(DerContextConstructed(0));
      reason.Take(kDerEnumerated);
      reason.Finish();
    }
    revoked.Finish();
    return OcspStatus::kRevoked;
  }
  if (!entry.Take(DerContext(2)).content.empty()) entry.Fail();  // NULL.
  return OcspStatus::kUnknown;
}

OcspEntry ReadEntry(DerReader entry) {
  OcspEntry out;
  DerReader id = entry.Enter(kDerSequence);
  DerReader algorithm = id.Enter(kDerSequence);
  out.hash_oid = algorithm.Oid();
  if (algorithm.NextIs(kDerNull)) algorithm.Any();
  algorithm.Finish();
  out.issuer_name_hash = ToString(id.OctetString());
  out.issuer_key_hash = ToString(id.OctetString());
  if (out.issuer_name_hash.size() > kHashBytesMax ||
      out.issuer_key_hash.size() > kHashBytesMax) {
    id.Fail();
  }
  out.serial = ToString(id.Unsigned(kSerialBytesMax));
  id.Finish();
  out.status = ReadStatus(entry);
  out.this_update = ReadGeneralizedTime(entry);
  if (entry.NextIs(DerContextConstructed(0))) {
    DerReader next = entry.Enter(DerContextConstructed(0));
    out.next_update = ReadGeneralizedTime(next);
    next.Finish();
  }
  if (entry.More()) ReadExtensionList(entry.Enter(DerContextConstructed(1)));
  entry.Finish();
  return out;
}

bool Names(const OcspEntry& entry, const Certificate& subject,
           const Certificate& issuer) {
  if (entry.serial != subject.serial()) return false;
  return HashNamed(entry.hash_oid, AsBytes(issuer.subject_der())) ==
             entry.issuer_name_hash &&
         HashNamed(entry.hash_oid, issuer.public_key().key_bytes()) ==
             entry.issuer_key_hash;
}

bool IsResponder(const OcspResponse& response, const Certificate& candidate) {
  if (!response.responder_name().empty()) {
    return response.responder_name() == candidate.subject_der();
  }
  return response.responder_key() == OcspKeyHash(candidate.public_key());
}

bool MaySignOcsp(const Certificate& certificate) {
  const Extension* usage = certificate.FindExtension(kExtendedKeyUsageOid);
  if (usage == nullptr) return false;
  bool failed = false;
  bool found = false;
  DerReader outer(AsBytes(usage->value), &failed);
  DerReader purposes = outer.Enter(kDerSequence);
  outer.Finish();
  while (purposes.More()) found = purposes.Oid() == kOcspSigningOid || found;
  return found && !failed;
}

// RFC 6960, section 4.2.2.2: the delegate is certified by the CA that issued
// the certificate in question, and its certificate says what for.
absl::Status CheckDelegate(const Certificate& delegate,
                           const Certificate& issuer, absl::Time time,
                           absl::Span<const SignatureScheme> schemes) {
  if (delegate.issuer_der() != issuer.subject_der() ||
      std::find(schemes.begin(), schemes.end(), delegate.scheme()) ==
          schemes.end() ||
      !VerifySignature(issuer.public_key(), delegate.scheme(), delegate.tbs(),
                       delegate.signature())
           .ok()) {
    return Invalid("the responder is not the issuer's delegate");
  }
  if (!MaySignOcsp(delegate) || delegate.is_ca() ||
      (delegate.key_usage().has_value() &&
       (*delegate.key_usage() & kKeyUsageDigitalSignature) == 0)) {
    return Invalid("the delegate's certificate is not for OCSP");
  }
  for (const Extension& extension : delegate.extensions()) {
    if (extension.critical && extension.oid != "2.5.29.19" &&
        extension.oid != "2.5.29.15" && extension.oid != kExtendedKeyUsageOid) {
      return Invalid("the delegate has a critical extension not understood");
    }
  }
  if (time < delegate.not_before() || time > delegate.not_after()) {
    return Invalid("the delegate's certificate is not in force");
  }
  return absl::OkStatus();
}

// Who signed `response`: narrows `answer` to the delegate's certificate.
absl::Status CheckSignature(const OcspResponse& response,
                            const Certificate& issuer, absl::Time time,
                            absl::Span<const SignatureScheme> schemes,
                            OcspAnswer& answer) {
  const Certificate* signer = nullptr;
  if (IsResponder(response, issuer)) {
    signer = &issuer;
  } else {
    for (const Certificate& candidate : response.certificates()) {
      if (IsResponder(response, candidate)) signer = &candidate;
    }
    if (signer == nullptr) return Invalid("no certificate of the responder");
    KMS_RETURN_IF_ERROR(CheckDelegate(*signer, issuer, time, schemes));
    answer.valid_from = std::max(answer.valid_from, signer->not_before());
    answer.valid_until = std::min(answer.valid_until, signer->not_after());
  }
  if (std::find(schemes.begin(), schemes.end(), response.scheme()) ==
          schemes.end() ||
      !VerifySignature(signer->public_key(), response.scheme(), response.tbs(),
                       response.signature())
           .ok()) {
    return Invalid("not signed by the responder it names");
  }
  return absl::OkStatus();
}

}  // namespace

std::string OcspKeyHash(const crypto::PublicKey& key) {
  return Sha1(key.key_bytes());
}

absl::StatusOr<OcspResponse> OcspResponse::Parse(BytesView der) {
  if (der.size() > kOcspBytesMax) {
    return Malformed(
        absl::StrCat(der.size(), " bytes, want at most ", kOcspBytesMax));
  }
  if (!IsDer(der)) return Malformed("not one DER value");
  bool failed = false;
  DerReader outer(der, &failed);
  DerReader response = outer.Enter(kDerSequence);
  const BytesView status = response.Take(kDerEnumerated).content;
  if (failed || status.size() != 1 || status[0] != 0) {
    return Malformed("not a successful response");
  }
  DerReader tag = response.Enter(DerContextConstructed(0));
  response.Finish();
  DerReader bytes = tag.Enter(kDerSequence);
  tag.Finish();
  const std::string type = bytes.Oid();
  const BytesView basic = bytes.OctetString();
  bytes.Finish();
  if (failed || type != kBasicResponseOid || !IsDer(basic)) {
    return Malformed("not a basic response");
  }
  KMS_ASSIGN_OR_RETURN(OcspResponse parsed, ParseDer(basic));
  auto fields = std::make_shared<Fields>(*parsed.fields_);
  fields->der = ToString(der);
  fields->sha256 = crypto::Sha256(der);
  return OcspResponse(std::move(fields));
}

// BasicOCSPResponse.
absl::StatusOr<OcspResponse> OcspResponse::ParseDer(BytesView der) {
  auto fields = std::make_shared<Fields>();
  bool failed = false;
  DerReader outer(der, &failed);
  DerReader basic = outer.Enter(kDerSequence);
  const DerValue tbs_value = basic.Take(kDerSequence);
  const DerValue algorithm = basic.Take(kDerSequence);
  fields->signature = ToString(basic.BitString());
  std::vector<BytesView> certificates;
  if (basic.More()) {
    DerReader tag = basic.Enter(DerContextConstructed(0));
    DerReader list = tag.Enter(kDerSequence);
    tag.Finish();
    while (list.More()) {
      certificates.push_back(list.Take(kDerSequence).encoding);
    }
  }
  basic.Finish();

  // Version 1 is the default, which DER does not write.
  DerReader tbs(tbs_value.content, &failed);
  if (tbs.NextIs(DerContextConstructed(1))) {
    DerReader name = tbs.Enter(DerContextConstructed(1));
    fields->responder_name = ToString(name.Take(kDerSequence).encoding);
    name.Finish();
  } else {
    DerReader key = tbs.Enter(DerContextConstructed(2));
    fields->responder_key = ToString(key.OctetString());
    key.Finish();
    if (fields->responder_key.size() != kSha1Bytes) key.Fail();
  }
  fields->produced_at = ReadGeneralizedTime(tbs);
  DerReader list = tbs.Enter(kDerSequence);
  while (list.More()) {
    fields->entries.push_back(ReadEntry(list.Enter(kDerSequence)));
    if (fields->entries.size() > kOcspEntriesMax) list.Fail();
  }
  if (tbs.More()) ReadExtensionList(tbs.Enter(DerContextConstructed(1)));
  tbs.Finish();
  if (failed) return Malformed("ill-formed, or of another version");
  const std::optional<SignatureScheme> scheme =
      ParseSignatureScheme(algorithm.encoding);
  if (!scheme.has_value()) {
    return Malformed("signature algorithm is not supported");
  }
  fields->scheme = *scheme;
  fields->tbs = ToString(tbs_value.encoding);
  if (certificates.size() > kOcspCertificatesMax) {
    return Malformed("too many certificates");
  }
  for (const BytesView certificate : certificates) {
    KMS_ASSIGN_OR_RETURN(Certificate parsed, Certificate::Parse(certificate));
    fields->certificates.push_back(std::move(parsed));
  }
  return OcspResponse(std::move(fields));
}

absl::StatusOr<OcspAnswer> FindOcspAnswer(
    const Certificate& subject, const Certificate& issuer,
    absl::Span<const OcspResponse> responses, absl::Time time,
    absl::Span<const SignatureScheme> schemes) {
  OcspAnswer answer;
  for (size_t i = 0; i < responses.size(); ++i) {
    for (const OcspEntry& entry : responses[i].entries()) {
      if (!Names(entry, subject, issuer)) continue;
      if (!entry.next_update.has_value()) return Invalid("no next update");
      if (time < entry.this_update) {
        answer.valid_until =
            std::min(answer.valid_until, entry.this_update - kTimeStep);
        continue;
      }
      if (time > *entry.next_update) {
        answer.valid_from =
            std::max(answer.valid_from, *entry.next_update + kTimeStep);
        continue;
      }
      answer.valid_from = std::max(answer.valid_from, entry.this_update);
      answer.valid_until = std::min(answer.valid_until, *entry.next_update);
      KMS_RETURN_IF_ERROR(
          CheckSignature(responses[i], issuer, time, schemes, answer));
      if (entry.status != OcspStatus::kGood) {
        return Refuse(v1::CERTIFICATE_REVOKED,
                      entry.status == OcspStatus::kUnknown
                          ? "ocsp: a certificate unknown to its issuer"
                          : "ocsp: a certificate is revoked or on hold");
      }
      if (!answer.response.has_value() ||
          *entry.next_update > answer.next_update) {
        answer.response = i;
        answer.this_update = entry.this_update;
        answer.next_update = *entry.next_update;
      }
    }
  }
  return answer;
}

}  // namespace kms::x509

#include "policy/tpm/ak_trust.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/x509/der.h"
#include "kms/crypto/x509/pem.h"
#include "policy/tpm/limits.h"
#include "policy/verifier/certificates.h"
#include "policy/verifier/crls.h"

namespace kms::tpm {
namespace {

using x509::Certificate;
using x509::Extension;
using x509::SignatureScheme;

constexpr absl::string_view kExtendedKeyUsageOid = "2.5.29.37";
constexpr absl::string_view kSubjectAltNameOid = "2.5.29.17";
constexpr absl::string_view kUnderstood[] = {kExtendedKeyUsageOid,
                                             kSubjectAltNameOid};

// TPMs' makers and clouds have CAs of all kinds; whatever is strong will do.
constexpr SignatureScheme kSchemes[] = {
    SignatureScheme::kEcdsaSha256,    SignatureScheme::kEcdsaSha384,
    SignatureScheme::kEcdsaSha512,    SignatureScheme::kRsaPkcs1Sha256,
    SignatureScheme::kRsaPkcs1Sha384, SignatureScheme::kRsaPkcs1Sha512,
    SignatureScheme::kRsaPssSha256,   SignatureScheme::kRsaPssSha384,
    SignatureScheme::kRsaPssSha512};

// RFC 5280 4.1.2.6: an empty sequence, where the alternative name counts.
constexpr absl::string_view kEmptyName("\x30\x00", 2);

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::ENDORSEMENT_MALFORMED,
                absl::StrCat("tpm ak certificate: ", fault));
}
absl::Status Mismatch(absl::string_view fault) {
  return Refuse(v1::ENDORSEMENT_MISMATCH,
                absl::StrCat("tpm ak certificate: ", fault));
}

// ExtKeyUsageSyntax ::= SEQUENCE SIZE (1..MAX) OF KeyPurposeId
absl::StatusOr<bool> States(const Extension& usage,
                            absl::Span<const absl::string_view> purposes) {
  bool failed = false;
  bool states = false;
  x509::DerReader reader(AsBytes(usage.value), &failed);
  x509::DerReader list = reader.Enter(x509::kDerSequence);
  reader.Finish();
  if (!list.More()) list.Fail();
  while (list.More()) {
    const std::string purpose = list.Oid();
    states = states || std::find(purposes.begin(), purposes.end(),
                                 absl::string_view(purpose)) != purposes.end();
  }
  if (failed) return Malformed("extended key usage does not parse");
  return states;
}

absl::Status CheckPurposes(const std::vector<Certificate>& path,
                           const AkProfile& profile) {
  for (size_t i = 0; i < path.size(); ++i) {
    const Extension* usage = path[i].FindExtension(kExtendedKeyUsageOid);
    if (usage == nullptr) {
      // Who issues for TPMs alone says so of itself, as Google's CA does, and
      // its certificates need not. Any other CA has other customers, too.
      if (i == 0 && (profile.purpose_required ||
                     path[1].FindExtension(kExtendedKeyUsageOid) == nullptr)) {
        return Mismatch("does not say that it is for attestation keys");
      }
      continue;
    }
    KMS_ASSIGN_OR_RETURN(const bool states, States(*usage, profile.purposes));
    if (!states) {
      return Mismatch(
          absl::StrCat("certificate ", i, " of the chain is for other keys"));
    }
  }
  // An endorsement key's certificate says the same of a key that decrypts;
  // only its key usage tells it apart. VerifyChain has looked at the bit.
  if (!path[0].key_usage().has_value()) {
    return Mismatch("does not say that its key signs");
  }
  return absl::OkStatus();
}

// GeneralNames ::= SEQUENCE SIZE (1..MAX) OF GeneralName, whose
// directoryName is [4] EXPLICIT Name. TCG EK profile 3.2.9: maker, model and
// version of the TPM stand there. Empty if there is no directoryName.
absl::StatusOr<std::string> ReadAltName(const Extension& extension) {
  bool failed = false;
  std::string text;
  x509::DerReader reader(AsBytes(extension.value), &failed);
  x509::DerReader names = reader.Enter(x509::kDerSequence);
  reader.Finish();
  if (!names.More()) names.Fail();
  while (names.More()) {
    const x509::DerValue name = names.Any();
    if (failed || name.tag != x509::DerContextConstructed(4)) continue;
    text = x509::NameToText(AsStringView(name.content));
  }
  if (failed || !x509::IsDer(AsBytes(extension.value))) {
    return Malformed("subject alternative name does not parse");
  }
  return text;
}

// A critical alternative name asks to be honoured on any certificate: it is
// read, and shown where it is the only name.
absl::StatusOr<std::string> ReadSubject(const std::vector<Certificate>& path) {
  std::string subject = path[0].SubjectText();
  for (size_t i = 0; i < path.size(); ++i) {
    const Extension* extension = path[i].FindExtension(kSubjectAltNameOid);
    if (extension == nullptr) continue;
    KMS_ASSIGN_OR_RETURN(std::string text, ReadAltName(*extension));
    if (i == 0 && absl::string_view(path[0].subject_der()) == kEmptyName) {
      subject = std::move(text);
    }
  }
  return subject;
}

v1::CollateralClaims Named(const Certificate& certificate, bool leaf) {
  v1::CollateralClaims used;
  used.set_kind(leaf ? "ak_cert" : "ak_cert_chain");
  used.set_subject(certificate.SubjectText());
  used.set_digest(certificate.sha256());
  used.set_issued_us(absl::ToUnixMicros(certificate.not_before()));
  used.set_next_update_us(absl::ToUnixMicros(certificate.not_after()));
  return used;
}

}  // namespace

absl::StatusOr<Certificate> ParseAkCertificate(BytesView file) {
  if (!x509::LooksLikePem(file)) {
    bool failed = false;
    x509::DerReader reader(file, &failed);
    const size_t size = reader.Any().encoding.size();
    const BytesView padding = file.subspan(failed ? 0 : size);
    if (failed || padding.size() > kCertificatePaddingBytesMax ||
        !AllZero(padding)) {
      return Malformed("neither one certificate nor one followed by zeros");
    }
    return Certificate::Parse(file.first(size));
  }
  KMS_ASSIGN_OR_RETURN(const std::vector<Certificate> certificates,
                       x509::ParseCertificates(file));
  if (certificates.size() != 1) {
    return Malformed(
        absl::StrCat("a file of ", certificates.size(), ", want 1"));
  }
  return certificates[0];
}

absl::StatusOr<std::shared_ptr<const CertifiedAk>> VerifyAkCertificate(
    const Certificate& certificate, const v1::Evidence& evidence,
    const AkProfile& profile, const policy::VerifyInputs& inputs) {
  KMS_ASSIGN_OR_RETURN(const std::vector<Certificate> offered,
                       policy::ReadCertificates(evidence, "ak_cert_chain"));
  KMS_ASSIGN_OR_RETURN(const std::vector<x509::Crl> offered_crls,
                       policy::ReadCrls(evidence));
  const x509::ChainRules rules = {.schemes = kSchemes,
                                  .understood = kUnderstood};
  std::shared_ptr<CertifiedAk> ak(new CertifiedAk());
  KMS_ASSIGN_OR_RETURN(
      ak->chain_, x509::VerifyChain(certificate, offered,
                                    inputs.anchors.For(profile.type).x509, {},
                                    inputs.now, rules));
  KMS_ASSIGN_OR_RETURN(
      policy::Crls crls,
      policy::ChooseCrls(ak->chain_.path, offered_crls, inputs.collateral));
  KMS_RETURN_IF_ERROR(
      x509::CheckCrls(crls.crls, inputs.now, rules, ak->chain_));
  KMS_RETURN_IF_ERROR(CheckPurposes(ak->chain_.path, profile));
  KMS_ASSIGN_OR_RETURN(ak->subject_, ReadSubject(ak->chain_.path));
  for (size_t i = 0; i < ak->chain_.path.size(); ++i) {
    ak->collateral_.push_back(Named(ak->chain_.path[i], i == 0));
  }
  for (v1::CollateralClaims& crl : crls.claims) {
    ak->collateral_.push_back(std::move(crl));
  }
  return ak;
}

void AddAkFiles(const v1::Evidence& evidence, policy::VerifiedCacheKey& key) {
  for (const v1::EvidenceFile& file : evidence.files()) {
    const std::string& role = file.role();
    if (role == "ak_public" || role == "ak_cert" || role == "ak_cert_chain" ||
        role == "crl") {
      key.Add(role).Add(file.content());
    }
  }
}

std::optional<size_t> FindPinnedKey(const policy::TrustAnchors::OfType& anchors,
                                    const crypto::PublicKey& key) {
  for (size_t i = 0; i < anchors.anchors.size(); ++i) {
    const policy::TrustAnchor& anchor = anchors.anchors[i];
    if (!anchor.certificate.has_value() && anchor.key.has_value() &&
        *anchor.key == key) {
      return i;
    }
  }
  return std::nullopt;
}

}  // namespace kms::tpm

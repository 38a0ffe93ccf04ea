#include "policy/collateral/x509_items.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/x509/chain.h"
#include "kms/crypto/x509/limits.h"
#include "kms/crypto/x509/pem.h"
#include "policy/verifier/crls.h"

namespace kms::policy {
namespace {

using x509::Certificate;
using x509::Crl;

constexpr size_t kTitleBytesMax = 256;

// Whoever uses a stored item accepts his own vendor's algorithms only; here it
// is enough that they are strong, as all that are parsed are.
constexpr x509::SignatureScheme kSchemes[] = {
    x509::SignatureScheme::kEcdsaSha256,
    x509::SignatureScheme::kEcdsaSha384,
    x509::SignatureScheme::kEcdsaSha512,
    x509::SignatureScheme::kRsaPkcs1Sha256,
    x509::SignatureScheme::kRsaPkcs1Sha384,
    x509::SignatureScheme::kRsaPkcs1Sha512,
    x509::SignatureScheme::kRsaPssSha256,
    x509::SignatureScheme::kRsaPssSha384,
    x509::SignatureScheme::kRsaPssSha512,
};

struct Trusted {
  const TrustAnchor* anchor = nullptr;  // Lives as long as the inputs.
  absl::Time valid_until;
};

// A pinned root needs no issuer: the pin vouches for its key. For the name and
// the dates beside it the key itself must, or an administrator who pinned this
// very certificate: whoever offers it chose them otherwise.
absl::StatusOr<Trusted> CheckPinned(const Certificate& certificate,
                                    const TrustAnchor& anchor, absl::Time now) {
  const bool pinned_whole =
      anchor.certificate.has_value() &&
      anchor.certificate->sha256() == certificate.sha256();
  if (!pinned_whole &&
      !x509::VerifySignature(certificate.public_key(), certificate.scheme(),
                             certificate.tbs(), certificate.signature())
           .ok()) {
    return Refuse(v1::CHAIN_UNTRUSTED,
                  "certificate: an anchor's key, but not signed by it");
  }
  if (now < certificate.not_before()) {
    return Refuse(v1::CERTIFICATE_NOT_YET_VALID,
                  "certificate: an anchor's, not valid yet");
  }
  if (now > certificate.not_after()) {
    return Refuse(v1::CERTIFICATE_EXPIRED, "certificate: an anchor's, expired");
  }
  return Trusted{&anchor, certificate.not_after()};
}

// What a CA of `path` is held against: its lists among `given`, and the stored
// one, unless that is out of force and a given one takes its place.
absl::StatusOr<std::vector<Crl>> CrlsFor(const std::vector<Certificate>& path,
                                         const std::vector<Crl>& given,
                                         const VerifyInputs& inputs) {
  std::vector<Crl> crls;
  for (size_t i = 1; i < path.size(); ++i) {
    const size_t others = crls.size();
    for (const Crl& crl : given) {
      if (MayBeOf(crl, path[i])) crls.push_back(crl);
    }
    KMS_ASSIGN_OR_RETURN(const std::optional<ChosenCrl> stored,
                         FindStoredCrl(path[i], inputs.collateral));
    if (!stored.has_value()) continue;
    const bool replaced =
        crls.size() > others && stored->crl.next_update() < inputs.now;
    if (!replaced) crls.push_back(stored->crl);
  }
  return crls;
}

absl::StatusOr<Trusted> LeadTo(const TrustAnchors::OfType& anchors,
                               const Certificate& certificate,
                               const std::vector<Certificate>& pool,
                               const std::vector<Crl>& given,
                               const VerifyInputs& inputs) {
  for (const TrustAnchor& anchor : anchors.anchors) {
    if (anchor.spki_sha256 == certificate.spki_sha256()) {
      return CheckPinned(certificate, anchor, inputs.now);
    }
  }
  const x509::ChainRules rules = {.schemes = kSchemes,
                                  .leaf_is_ca = certificate.is_ca()};
  KMS_ASSIGN_OR_RETURN(
      x509::VerifiedChain chain,
      x509::VerifyChain(certificate, x509::MayBeAbove(certificate, pool),
                        anchors.x509, {}, inputs.now, rules));
  KMS_ASSIGN_OR_RETURN(const std::vector<Crl> crls,
                       CrlsFor(chain.path, given, inputs));
  KMS_RETURN_IF_ERROR(x509::CheckCrls(crls, inputs.now, rules, chain));
  return Trusted{&anchors.anchors[chain.anchor], chain.valid_until};
}

// What went furthest: a chain of another type ends in no anchor of this one,
// and that says nothing.
bool SaysMore(const absl::Status& fault, const absl::Status& than) {
  const auto rank = [](const absl::Status& status) {
    switch (RefusalOf(status)) {
      case v1::REFUSAL_CODE_UNSPECIFIED:
        return 0;
      case v1::ENDORSEMENT_MISSING:
        return 1;
      case v1::CHAIN_UNTRUSTED:
        return 2;
      default:
        return 3;
    }
  };
  return rank(fault) > rank(than);
}

// Calls `verify` with the anchors of each type and use until one is satisfied.
template <typename Fn>
absl::StatusOr<Trusted> AnyType(const TrustAnchors& anchors, const Fn& verify) {
  absl::Status fault;
  for (int type = 1; type < v1::EvidenceType_ARRAYSIZE; ++type) {
    if (!v1::EvidenceType_IsValid(type)) continue;
    for (const AnchorUse use :
         {AnchorUse::kEvidence, AnchorUse::kReferenceValues}) {
      const TrustAnchors::OfType& of_type =
          anchors.For(static_cast<v1::EvidenceType>(type), use);
      if (of_type.anchors.empty()) continue;
      const absl::StatusOr<Trusted> trusted = verify(of_type);
      if (trusted.ok()) return trusted;
      if (SaysMore(trusted.status(), fault)) fault = trusted.status();
    }
  }
  if (fault.ok()) return Refuse(v1::CHAIN_UNTRUSTED, "chain: no anchors");
  return fault;
}

CollateralFacts FactsOf(const Trusted& trusted, absl::string_view role,
                        std::string content) {
  CollateralFacts facts;
  facts.item.role = std::string(role);
  facts.item.digest = crypto::Sha256(AsBytes(content));
  facts.item.content = std::move(content);
  facts.type = trusted.anchor->type;
  facts.anchor = trusted.anchor->name;
  facts.simulated = trusted.anchor->simulated;
  return facts;
}

bool MaySignCrls(const Certificate& certificate) {
  return certificate.is_ca() && certificate.key_usage().has_value() &&
         (*certificate.key_usage() & x509::kKeyUsageCrlSign) != 0;
}

}  // namespace

std::string TitleFrom(absl::string_view text) {
  std::string title(text.substr(0, kTitleBytesMax));
  for (char& c : title) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) c = '?';
  }
  return title;
}

std::string NumberBytes(uint64_t number) {
  std::string bytes;
  for (; number != 0; number >>= 8) {
    bytes.insert(bytes.begin(), static_cast<char>(number & 0xff));
  }
  return bytes;
}

std::string ToPemFile(const std::vector<Certificate>& certificates) {
  std::string pem;
  for (const Certificate& certificate : certificates) {
    pem += x509::ToPem(AsBytes(certificate.der()), "CERTIFICATE");
  }
  return pem;
}

absl::StatusOr<CollateralFacts> VerifyCrl(
    const Crl& crl, const std::vector<Certificate>& offered,
    const std::vector<Crl>& crls, const VerifyInputs& inputs) {
  bool named = false;
  const Certificate* issuer = nullptr;
  size_t checks_left = x509::kChainSignatureChecksMax;
  for (const Certificate& candidate : offered) {
    if (!MayBeOf(crl, candidate) || !MaySignCrls(candidate)) continue;
    named = true;
    if (checks_left-- == 0) {
      return Refuse(v1::REQUEST_TOO_LARGE,
                    "crl: too many certificates of its issuer's name");
    }
    if (x509::VerifySignature(candidate.public_key(), crl.scheme(), crl.tbs(),
                              crl.signature())
            .ok()) {
      issuer = &candidate;
      break;
    }
  }
  if (!named) {
    return Refuse(v1::ENDORSEMENT_MISSING,
                  "crl: no certificate of its issuer that may sign lists");
  }
  if (issuer == nullptr) {
    return Refuse(v1::CRL_INVALID, "crl: not signed by its issuer");
  }
  KMS_ASSIGN_OR_RETURN(
      const Trusted trusted,
      AnyType(inputs.anchors, [&](const TrustAnchors::OfType& anchors) {
        return LeadTo(anchors, *issuer, offered, crls, inputs);
      }));
  if (inputs.now < crl.this_update() || inputs.now > crl.next_update()) {
    return Refuse(v1::CRL_EXPIRED, "crl: not in force at this time");
  }
  CollateralFacts facts = FactsOf(trusted, "crl", crl.der());
  facts.item.subject = CrlSubject(*issuer);
  facts.title = TitleFrom(crl.IssuerText());
  // A CRLNumber of 0 is the lowest, as none is.
  facts.number = crl.number() == std::string(1, '\0') ? "" : crl.number();
  facts.issued = crl.this_update();
  facts.next_update = crl.next_update();
  return facts;
}

absl::StatusOr<CollateralFacts> VerifyCertificates(
    const CertificateFile& file, const std::vector<Certificate>& offered,
    const std::vector<Crl>& crls, const VerifyInputs& inputs) {
  KMS_ASSIGN_OR_RETURN(
      const Trusted trusted,
      AnyType(
          inputs.anchors,
          [&](const TrustAnchors::OfType& anchors) -> absl::StatusOr<Trusted> {
            Trusted all{nullptr, absl::InfiniteFuture()};
            for (const Certificate& certificate : file.certificates) {
              KMS_ASSIGN_OR_RETURN(
                  const Trusted one,
                  LeadTo(anchors, certificate, offered, crls, inputs));
              all.anchor = one.anchor;
              all.valid_until = std::min(all.valid_until, one.valid_until);
            }
            return all;
          }));
  // Verifiers read stored chains as DER and PEM, and in no other form.
  const bool plain = x509::ParseCertificates(AsBytes(file.content)).ok();
  CollateralFacts facts =
      FactsOf(trusted, "cert_chain",
              plain ? file.content : ToPemFile(file.certificates));
  facts.item.subject = Hex(facts.item.digest);
  facts.title = TitleFrom(file.certificates.front().SubjectText());
  facts.next_update = trusted.valid_until;
  return facts;
}

void AddAnchorCertificates(const TrustAnchors& anchors,
                           std::vector<Certificate>& to) {
  for (int type = 1; type < v1::EvidenceType_ARRAYSIZE; ++type) {
    for (const AnchorUse use :
         {AnchorUse::kEvidence, AnchorUse::kReferenceValues}) {
      for (const TrustAnchor& anchor :
           anchors.For(static_cast<v1::EvidenceType>(type), use).anchors) {
        if (anchor.certificate.has_value()) to.push_back(*anchor.certificate);
      }
    }
  }
}

std::vector<Certificate> StoredCertificates(const VerifyInputs& inputs) {
  std::vector<Certificate> all;
  if (inputs.collateral == nullptr) return all;
  for (const CollateralItem* item : inputs.collateral->OfRole("cert_chain")) {
    const absl::StatusOr<std::vector<Certificate>> certificates =
        x509::ParseCertificates(AsBytes(item->content));
    // Who needs what no longer parses will miss it.
    if (!certificates.ok()) continue;
    all.insert(all.end(), certificates->begin(), certificates->end());
  }
  return all;
}

}  // namespace kms::policy

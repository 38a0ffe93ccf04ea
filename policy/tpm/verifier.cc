#include "policy/tpm/verifier.h"

#include <optional>
#include <string>
#include <utility>

#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/tpm/ak_trust.h"
#include "policy/tpm/attestation_key.h"
#include "policy/tpm/claims.h"
#include "policy/tpm/limits.h"
#include "policy/tpm/quote.h"
#include "policy/verifier/evidence_files.h"

namespace kms::tpm {
namespace {

constexpr absl::string_view kSubject = "tpm evidence";
constexpr absl::string_view kRoles[] = {
    "quote_attest", "quote_signature", "pcrs",
    "ak_public",    "ak_cert",         "ak_cert_chain",
    "crl",          "event_log",       "nonce"};

// Google's certificates of attestation keys state the purpose of endorsement
// keys, or none.
constexpr absl::string_view kPurposes[] = {kPurposeAk, kPurposeEk};
constexpr AkProfile kProfile = {.type = v1::TPM, .purposes = kPurposes};

struct Signer {
  AttestationKey key;
  std::optional<x509::Certificate> certificate;
};

absl::StatusOr<Signer> ReadSigner(const v1::Evidence& evidence) {
  const std::string* certificate_file = policy::FindFile(evidence, "ak_cert");
  if (certificate_file == nullptr) {
    KMS_ASSIGN_OR_RETURN(const BytesView file,
                         policy::RequireFile(evidence, kSubject, "ak_public"));
    KMS_ASSIGN_OR_RETURN(AttestationKey key, ParseAttestationKey(file));
    return Signer{std::move(key), std::nullopt};
  }
  KMS_ASSIGN_OR_RETURN(x509::Certificate certificate,
                       ParseAkCertificate(AsBytes(*certificate_file)));
  const std::string* key_file = policy::FindFile(evidence, "ak_public");
  KMS_ASSIGN_OR_RETURN(
      AttestationKey key,
      ParseAttestationKey(AsBytes(
          key_file == nullptr ? certificate.public_key().spki() : *key_file)));
  if (key.key != certificate.public_key()) {
    return Refuse(v1::ENDORSEMENT_MISMATCH,
                  "tpm ak certificate: of another key than the Evidence's");
  }
  return Signer{std::move(key), std::move(certificate)};
}

}  // namespace

absl::StatusOr<v1::Claims> Verifier::Verify(
    const v1::Evidence& evidence, const policy::VerifyInputs& inputs) const {
  KMS_RETURN_IF_ERROR(policy::CheckSize(evidence, kSubject, kEvidenceBytesMax));
  KMS_RETURN_IF_ERROR(policy::CheckRoles(evidence, kSubject, kRoles));
  KMS_ASSIGN_OR_RETURN(Signer signer, ReadSigner(evidence));
  v1::Claims claims;
  const policy::TrustAnchor* anchor = nullptr;
  CachedAk certified;
  if (signer.certificate.has_value()) {
    KMS_ASSIGN_OR_RETURN(certified, FindOrVerifyAk(*signer.certificate,
                                                   evidence, kProfile, inputs));
    anchor = &inputs.anchors.For(v1::TPM).anchors[certified.ak->chain().anchor];
  } else {
    anchor = FindPinnedKey(inputs.anchors, v1::TPM, signer.key.key);
    if (anchor == nullptr) {
      return Refuse(v1::CHAIN_UNTRUSTED,
                    "tpm evidence: the attestation key is no configured anchor "
                    "and has no certificate");
    }
  }
  KMS_ASSIGN_OR_RETURN(const VerifiedQuote verified,
                       VerifyQuote(evidence, std::move(signer.key)));
  v1::TpmClaims& tpm = *claims.mutable_tpm();
  KMS_ASSIGN_OR_RETURN(tpm, MakeClaims(verified, evidence));
  tpm.set_type(v1::TPM);
  tpm.set_anchor(anchor->name);
  tpm.set_simulated(anchor->simulated);
  if (certified.ak != nullptr) {
    RememberAk(certified, inputs);
    tpm.set_ak_certified(true);
    tpm.set_ak_subject(certified.ak->subject());
    for (const v1::CollateralClaims& used : certified.ak->collateral()) {
      *claims.add_collateral() = used;
    }
  }
  return claims;
}

}  // namespace kms::tpm

#include "policy/tpm/verifier.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/time.h"
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
// keys, or none under a CA that does.
constexpr absl::string_view kPurposes[] = {kPurposeAk, kPurposeEk};
constexpr AkProfile kProfile = {.type = v1::TPM, .purposes = kPurposes};

// A parsed key and its public area in memory, roughly.
constexpr size_t kSignerBytes = 4096;

// Whose quote it is. What is remembered of a machine that was seen before, so
// that its next quote costs its own signature only.
struct Signer {
  AttestationKey key;
  size_t anchor = 0;                      // Among those of v1::TPM.
  std::shared_ptr<const CertifiedAk> ak;  // Null for a pinned key.
};

// Every input of ReadSigner but the time.
std::string CacheKey(const v1::Evidence& evidence,
                     const policy::VerifyInputs& inputs) {
  policy::VerifiedCacheKey key("tpm signer");
  key.Add(inputs.anchors.For(v1::TPM).digest);
  AddAkFiles(evidence, key);
  if (inputs.collateral != nullptr) key.Add(inputs.collateral->digest());
  return key.Finish();
}

absl::StatusOr<Signer> ReadPinned(const v1::Evidence& evidence,
                                  const policy::VerifyInputs& inputs) {
  KMS_ASSIGN_OR_RETURN(const BytesView file,
                       policy::RequireFile(evidence, kSubject, "ak_public"));
  KMS_ASSIGN_OR_RETURN(AttestationKey key, ParseAttestationKey(file));
  const std::optional<size_t> anchor =
      FindPinnedKey(inputs.anchors.For(v1::TPM), key.key);
  if (!anchor.has_value()) {
    return Refuse(v1::CHAIN_UNTRUSTED,
                  "tpm evidence: the attestation key is no configured anchor "
                  "and has no certificate");
  }
  return Signer{std::move(key), *anchor, nullptr};
}

absl::StatusOr<Signer> ReadSigner(const v1::Evidence& evidence,
                                  const policy::VerifyInputs& inputs) {
  const std::string* certificate_file = policy::FindFile(evidence, "ak_cert");
  if (certificate_file == nullptr) return ReadPinned(evidence, inputs);
  KMS_ASSIGN_OR_RETURN(const x509::Certificate certificate,
                       ParseAkCertificate(AsBytes(*certificate_file)));
  // The certificate brings the key; a TPM's own structure says more of it.
  const std::string* key_file = policy::FindFile(evidence, "ak_public");
  KMS_ASSIGN_OR_RETURN(
      AttestationKey key,
      ParseAttestationKey(AsBytes(
          key_file == nullptr ? certificate.public_key().spki() : *key_file)));
  if (key.key != certificate.public_key()) {
    return Refuse(v1::ENDORSEMENT_MISMATCH,
                  "tpm ak certificate: of another key than the Evidence's");
  }
  KMS_ASSIGN_OR_RETURN(
      std::shared_ptr<const CertifiedAk> ak,
      VerifyAkCertificate(certificate, evidence, kProfile, inputs));
  const size_t anchor = ak->chain().anchor;
  return Signer{std::move(key), anchor, std::move(ak)};
}

void Remember(std::shared_ptr<const Signer> signer, const std::string& key,
              policy::VerifiedCache& cache) {
  if (signer->ak == nullptr) {
    cache.Insert(key, std::move(signer), absl::InfinitePast(),
                 absl::InfiniteFuture(), kSignerBytes);
    return;
  }
  const x509::VerifiedChain& chain = signer->ak->chain();
  const size_t bytes = kSignerBytes + x509::MemoryBytes(chain);
  cache.Insert(key, std::move(signer), chain.valid_from, chain.valid_until,
               bytes);
}

}  // namespace

absl::StatusOr<v1::Claims> Verifier::Verify(
    const v1::Evidence& evidence, const policy::VerifyInputs& inputs) const {
  KMS_RETURN_IF_ERROR(policy::CheckSize(evidence, kSubject, kEvidenceBytesMax));
  KMS_RETURN_IF_ERROR(policy::CheckRoles(evidence, kSubject, kRoles));
  std::string cache_key;
  std::shared_ptr<const Signer> signer;
  if (inputs.cache != nullptr) {
    cache_key = CacheKey(evidence, inputs);
    signer = inputs.cache->Find<Signer>(cache_key, inputs.now);
  }
  const bool cached = signer != nullptr;
  if (!cached) {
    KMS_ASSIGN_OR_RETURN(Signer read, ReadSigner(evidence, inputs));
    signer = std::make_shared<const Signer>(std::move(read));
  }
  KMS_ASSIGN_OR_RETURN(const VerifiedQuote verified,
                       VerifyQuote(evidence, signer->key));
  v1::Claims claims;
  v1::TpmClaims& tpm = *claims.mutable_tpm();
  KMS_ASSIGN_OR_RETURN(tpm, MakeClaims(verified, evidence));
  // Only who also has a quote signed by the key may take a place among those
  // that we remember.
  if (inputs.cache != nullptr && !cached) {
    Remember(signer, cache_key, *inputs.cache);
  }
  const policy::TrustAnchor& anchor =
      inputs.anchors.For(v1::TPM).anchors[signer->anchor];
  tpm.set_type(v1::TPM);
  tpm.set_anchor(anchor.name);
  tpm.set_simulated(anchor.simulated);
  if (signer->ak != nullptr) {
    tpm.set_ak_certified(true);
    tpm.set_ak_subject(signer->ak->subject());
    for (const v1::CollateralClaims& used : signer->ak->collateral()) {
      *claims.add_collateral() = used;
    }
  }
  return claims;
}

}  // namespace kms::tpm

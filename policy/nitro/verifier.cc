#include "policy/nitro/verifier.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/x509/chain.h"
#include "policy/nitro/claims.h"
#include "policy/nitro/document.h"
#include "policy/nitro/limits.h"
#include "policy/nitro/verify.h"
#include "policy/verifier/crls.h"
#include "policy/verifier/evidence_files.h"

namespace kms::nitro {
namespace {

// A chain, and the CRLs that it was held against.
struct Chain {
  x509::VerifiedChain verified;
  std::vector<v1::CollateralClaims> collateral;
};

constexpr char kSubject[] = "nitro evidence";
constexpr absl::string_view kRoles[] = {"evidence", "crl", "nonce"};

// Every certificate of AWS's hierarchy is signed so.
constexpr x509::SignatureScheme kSchemes[] = {
    x509::SignatureScheme::kEcdsaSha384};

// Every input of the chain's verification but the time.
std::string CacheKey(const UnverifiedDocument& document,
                     const v1::Evidence& evidence,
                     const policy::VerifyInputs& inputs) {
  policy::VerifiedCacheKey key("nitro chain");
  key.Add(inputs.anchors.For(v1::NITRO).digest);
  key.Add(document.certificate);
  for (const std::string& certificate : document.cabundle) key.Add(certificate);
  for (const v1::EvidenceFile& file : evidence.files()) {
    if (file.role() == "crl") key.Add("crl").Add(file.content());
  }
  if (inputs.collateral != nullptr) key.Add(inputs.collateral->digest());
  return key.Finish();
}

absl::StatusOr<std::vector<x509::Certificate>> ParseCaBundle(
    const UnverifiedDocument& document) {
  std::vector<x509::Certificate> certificates;
  for (const std::string& der : document.cabundle) {
    KMS_ASSIGN_OR_RETURN(x509::Certificate certificate,
                         x509::Certificate::Parse(AsBytes(der)));
    certificates.push_back(std::move(certificate));
  }
  return certificates;
}

absl::StatusOr<std::shared_ptr<const Chain>> BuildChain(
    const UnverifiedDocument& document, const v1::Evidence& evidence,
    const policy::VerifyInputs& inputs) {
  KMS_ASSIGN_OR_RETURN(const x509::Certificate leaf,
                       x509::Certificate::Parse(AsBytes(document.certificate)));
  KMS_ASSIGN_OR_RETURN(const std::vector<x509::Certificate> cas,
                       ParseCaBundle(document));
  KMS_ASSIGN_OR_RETURN(const std::vector<x509::Crl> offered,
                       policy::ReadCrls(evidence));
  const x509::ChainRules rules = {.schemes = kSchemes};
  KMS_ASSIGN_OR_RETURN(
      x509::VerifiedChain verified,
      x509::VerifyChain(leaf, cas, inputs.anchors.For(v1::NITRO).x509, {},
                        inputs.now, rules));
  KMS_ASSIGN_OR_RETURN(
      policy::Crls crls,
      policy::ChooseCrls(verified.path, offered, inputs.collateral));
  KMS_RETURN_IF_ERROR(x509::CheckCrls(crls.crls, inputs.now, rules, verified));
  return std::make_shared<const Chain>(
      Chain{std::move(verified), std::move(crls.claims)});
}

size_t MemoryBytes(const Chain& chain) {
  size_t bytes = x509::MemoryBytes(chain.verified);
  for (const v1::CollateralClaims& claims : chain.collateral) {
    bytes += claims.SpaceUsedLong();
  }
  return bytes;
}

}  // namespace

absl::StatusOr<v1::Claims> Verifier::Verify(
    const v1::Evidence& evidence, const policy::VerifyInputs& inputs) const {
  KMS_RETURN_IF_ERROR(policy::CheckRoles(evidence, kSubject, kRoles));
  KMS_RETURN_IF_ERROR(policy::CheckSize(evidence, kSubject, kEvidenceBytesMax));
  KMS_ASSIGN_OR_RETURN(const BytesView file,
                       policy::RequireFile(evidence, kSubject, "evidence"));
  KMS_ASSIGN_OR_RETURN(const cbor::Sign1 envelope, ParseEnvelope(file));
  KMS_ASSIGN_OR_RETURN(UnverifiedDocument document,
                       ParseDocument(envelope.payload));
  std::string cache_key;
  std::shared_ptr<const Chain> chain;
  if (inputs.cache != nullptr) {
    cache_key = CacheKey(document, evidence, inputs);
    chain = inputs.cache->Find<Chain>(cache_key, inputs.now);
  }
  const bool cached = chain != nullptr;
  if (!cached) {
    KMS_ASSIGN_OR_RETURN(chain, BuildChain(document, evidence, inputs));
  }
  KMS_ASSIGN_OR_RETURN(const VerifiedDocument verified,
                       VerifyDocument(envelope, std::move(document),
                                      chain->verified, inputs.now));
  const std::string* nonce = policy::FindFile(evidence, "nonce");
  if (nonce != nullptr && *nonce != verified.document().nonce) {
    return Refuse(v1::EVIDENCE_NOT_BOUND,
                  "nitro document: its nonce is not the one given");
  }
  // Only who has a document signed under a chain may have it remembered.
  if (inputs.cache != nullptr && !cached) {
    inputs.cache->Insert(cache_key, chain, chain->verified.valid_from,
                         chain->verified.valid_until, MemoryBytes(*chain));
  }
  v1::Claims claims = MakeClaims(
      verified, inputs.anchors.For(v1::NITRO).anchors[chain->verified.anchor]);
  for (const v1::CollateralClaims& used : chain->collateral) {
    *claims.add_collateral() = used;
  }
  return claims;
}

}  // namespace kms::nitro

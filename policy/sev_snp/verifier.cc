#include "policy/sev_snp/verifier.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/x509/chain.h"
#include "policy/sev_snp/claims.h"
#include "policy/sev_snp/endorsements.h"
#include "policy/sev_snp/limits.h"
#include "policy/sev_snp/report.h"
#include "policy/sev_snp/verify.h"
#include "policy/verifier/crls.h"
#include "policy/verifier/evidence_files.h"

namespace kms::sev_snp {
namespace {

// A chain, and the lists that it was held against, named for Claims.
struct CheckedChain {
  x509::VerifiedChain chain;
  std::vector<v1::CollateralClaims> crls;
};
using Chain = std::shared_ptr<const CheckedChain>;

// AMD 57230: the ARK, ASK and ASVK sign with RSASSA-PSS and SHA-384 only.
constexpr x509::SignatureScheme kSchemes[] = {
    x509::SignatureScheme::kRsaPssSha384};

// Every input of the chain's verification but the time.
std::string CacheKey(SigningKey kind, const v1::Evidence& evidence,
                     const policy::VerifyInputs& inputs) {
  policy::VerifiedCacheKey key("sev-snp chain");
  key.Add(kind == SigningKey::kVlek ? "vlek" : "vcek");
  key.Add(inputs.anchors.For(v1::SEV_SNP).digest);
  for (const v1::EvidenceFile& file : evidence.files()) {
    if (file.role() == "evidence") continue;
    key.Add(file.role()).Add(file.content());
  }
  if (inputs.collateral != nullptr) key.Add(inputs.collateral->digest());
  return key.Finish();
}

absl::StatusOr<Chain> BuildChain(SigningKey kind, const v1::Evidence& evidence,
                                 const policy::VerifyInputs& inputs) {
  KMS_ASSIGN_OR_RETURN(const Endorsements endorsements,
                       SortEndorsements(kind, evidence, inputs.collateral));
  const x509::ChainRules rules = {.schemes = kSchemes};
  KMS_ASSIGN_OR_RETURN(
      x509::VerifiedChain chain,
      x509::VerifyChain(*endorsements.leaf, endorsements.offered,
                        inputs.anchors.For(v1::SEV_SNP).x509, {}, inputs.now,
                        rules));
  KMS_ASSIGN_OR_RETURN(
      policy::Crls crls,
      policy::ChooseCrls(chain.path, endorsements.crls, inputs.collateral));
  KMS_RETURN_IF_ERROR(x509::CheckCrls(crls.crls, inputs.now, rules, chain));
  return std::make_shared<const CheckedChain>(
      CheckedChain{std::move(chain), std::move(crls.claims)});
}

}  // namespace

absl::StatusOr<v1::Claims> Verifier::Verify(
    const v1::Evidence& evidence, const policy::VerifyInputs& inputs) const {
  KMS_RETURN_IF_ERROR(
      policy::CheckSize(evidence, "sev_snp evidence", kEvidenceBytesMax));
  KMS_ASSIGN_OR_RETURN(
      const BytesView report_file,
      policy::RequireFile(evidence, "sev_snp evidence", "evidence"));
  KMS_ASSIGN_OR_RETURN(UnverifiedReport report, ParseReport(report_file));
  std::string cache_key;
  Chain chain;
  if (inputs.cache != nullptr) {
    cache_key = CacheKey(report.signing_key, evidence, inputs);
    chain = inputs.cache->Find<CheckedChain>(cache_key, inputs.now);
  }
  const bool cached = chain != nullptr;
  if (!cached) {
    KMS_ASSIGN_OR_RETURN(chain,
                         BuildChain(report.signing_key, evidence, inputs));
  }
  KMS_ASSIGN_OR_RETURN(const VerifiedReport verified,
                       VerifyReport(std::move(report), chain->chain));
  // Chains are public. Only who also has a report signed under one may take a
  // place among those that we remember.
  if (inputs.cache != nullptr && !cached) {
    inputs.cache->Insert(cache_key, chain, chain->chain.valid_from,
                         chain->chain.valid_until,
                         x509::MemoryBytes(chain->chain));
  }
  v1::Claims claims = MakeClaims(
      verified, inputs.anchors.For(v1::SEV_SNP).anchors[chain->chain.anchor]);
  for (const v1::CollateralClaims& crl : chain->crls) {
    *claims.add_collateral() = crl;
  }
  return claims;
}

}  // namespace kms::sev_snp

#include "policy/sev_snp/verifier.h"

#include <memory>
#include <string>
#include <utility>

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
#include "policy/verifier/evidence_files.h"

namespace kms::sev_snp {
namespace {

using Chain = std::shared_ptr<const x509::VerifiedChain>;

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
  KMS_ASSIGN_OR_RETURN(
      x509::VerifiedChain chain,
      x509::VerifyChain(*endorsements.leaf, endorsements.offered,
                        inputs.anchors.For(v1::SEV_SNP).x509, endorsements.crls,
                        inputs.now, {.schemes = kSchemes}));
  return std::make_shared<const x509::VerifiedChain>(std::move(chain));
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
    chain = inputs.cache->Find<x509::VerifiedChain>(cache_key, inputs.now);
  }
  const bool cached = chain != nullptr;
  if (!cached) {
    KMS_ASSIGN_OR_RETURN(chain,
                         BuildChain(report.signing_key, evidence, inputs));
  }
  KMS_ASSIGN_OR_RETURN(const VerifiedReport verified,
                       VerifyReport(std::move(report), *chain));
  // Chains are public. Only who also has a report signed under one may take a
  // place among those that we remember.
  if (inputs.cache != nullptr && !cached) {
    inputs.cache->Insert(cache_key, chain, chain->valid_from,
                         chain->valid_until, x509::MemoryBytes(*chain));
  }
  return MakeClaims(verified,
                    inputs.anchors.For(v1::SEV_SNP).anchors[chain->anchor]);
}

}  // namespace kms::sev_snp

#include "policy/sev_snp/verifier.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/x509/chain.h"
#include "kms/crypto/x509/chain_cache.h"
#include "policy/sev_snp/claims.h"
#include "policy/sev_snp/endorsements.h"
#include "policy/sev_snp/limits.h"
#include "policy/sev_snp/report.h"
#include "policy/sev_snp/verify.h"

namespace kms::sev_snp {
namespace {

using Chain = std::shared_ptr<const x509::VerifiedChain>;

// AMD 57230: the ARK, ASK and ASVK sign with RSASSA-PSS and SHA-384 only.
constexpr x509::SignatureScheme kSchemes[] = {
    x509::SignatureScheme::kRsaPssSha384};

// Every input of the chain's verification but the time.
std::string CacheKey(SigningKey kind, const v1::Evidence& evidence,
                     const policy::VerifyInputs& inputs) {
  x509::ChainCacheKey key;
  key.Add("sev-snp").Add(kind == SigningKey::kVlek ? "vlek" : "vcek");
  key.Add(inputs.anchors.For(v1::SEV_SNP).digest);
  for (const v1::EvidenceFile& file : evidence.files()) {
    if (file.role() == "evidence") continue;
    key.Add(file.role()).Add(file.content());
  }
  key.Add("collateral");
  for (const v1::EvidenceFile& file : inputs.collateral) {
    key.Add(file.role()).Add(file.content());
  }
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

absl::Status CheckSize(const v1::Evidence& evidence) {
  size_t bytes = 0;
  for (const v1::EvidenceFile& file : evidence.files()) {
    bytes += file.content().size();
  }
  if (bytes <= kEvidenceBytesMax) return absl::OkStatus();
  return Refuse(v1::REQUEST_TOO_LARGE,
                absl::StrCat("sev_snp evidence: ", bytes,
                             " bytes, want at most ", kEvidenceBytesMax));
}

}  // namespace

absl::StatusOr<v1::Claims> Verifier::Verify(
    const v1::Evidence& evidence, const policy::VerifyInputs& inputs) const {
  KMS_RETURN_IF_ERROR(CheckSize(evidence));
  const v1::EvidenceFile* report_file = nullptr;
  for (const v1::EvidenceFile& file : evidence.files()) {
    if (file.role() != "evidence") continue;
    if (report_file != nullptr) {
      return Refuse(v1::EVIDENCE_MALFORMED, "sev_snp evidence: two reports");
    }
    report_file = &file;
  }
  if (report_file == nullptr) {
    return Refuse(v1::EVIDENCE_MALFORMED, "sev_snp evidence: no report");
  }
  KMS_ASSIGN_OR_RETURN(UnverifiedReport report,
                       ParseReport(AsBytes(report_file->content())));
  std::string cache_key;
  Chain chain;
  if (inputs.chain_cache != nullptr) {
    cache_key = CacheKey(report.signing_key, evidence, inputs);
    chain = inputs.chain_cache->Find(cache_key, inputs.now);
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
  if (inputs.chain_cache != nullptr && !cached) {
    inputs.chain_cache->Insert(cache_key, chain);
  }
  return MakeClaims(verified,
                    inputs.anchors.For(v1::SEV_SNP).anchors[chain->anchor]);
}

}  // namespace kms::sev_snp

#include "policy/dcap/verify.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"

namespace kms::dcap {
namespace {

constexpr size_t kScalarBytes = 32;

using SharedPlatform = std::shared_ptr<const Platform>;

// Every input of VerifyPlatform but the time.
std::string CacheKey(const UnverifiedQuote& quote, const v1::Evidence& evidence,
                     const policy::VerifyInputs& inputs) {
  policy::VerifiedCacheKey key("dcap platform");
  key.Add(quote.tee == TeeKind::kTdx ? "tdx" : "sgx");
  key.Add(inputs.anchors.For(TypeOf(quote.tee)).digest);
  key.Add(quote.pck_chain).Add(quote.qe_report_bytes);
  key.Add(BytesView(quote.qe_report_signature)).Add(quote.qe_auth_data);
  key.Add(BytesView(quote.attestation_key));
  for (const v1::EvidenceFile& file : evidence.files()) {
    if (!IsCollateralRole(file.role())) continue;
    key.Add(file.role()).Add(file.content());
  }
  if (inputs.collateral != nullptr) key.Add(inputs.collateral->digest());
  return key.Finish();
}

absl::Status CheckSignature(const UnverifiedQuote& quote,
                            const Platform& platform) {
  const BytesView signature(quote.signature);
  if (platform.attestation_key
          .VerifyEcdsaRaw(crypto::Hash::kSha256, AsBytes(quote.signed_bytes),
                          signature.first(kScalarBytes),
                          signature.subspan(kScalarBytes))
          .ok()) {
    return absl::OkStatus();
  }
  return Refuse(v1::SIGNATURE_INVALID,
                "dcap quote: not signed by its attestation key");
}

}  // namespace

absl::StatusOr<VerifiedQuote> VerifyQuote(BytesView quote, TeeKind kind,
                                          const v1::Evidence& evidence,
                                          const policy::VerifyInputs& inputs) {
  KMS_ASSIGN_OR_RETURN(UnverifiedQuote parsed, ParseQuote(quote));
  if (parsed.tee != kind) {
    return Refuse(v1::EVIDENCE_MALFORMED,
                  "dcap quote: of another TEE than the Evidence's type");
  }
  std::string cache_key;
  SharedPlatform platform;
  if (inputs.cache != nullptr) {
    cache_key = CacheKey(parsed, evidence, inputs);
    platform = inputs.cache->Find<Platform>(cache_key, inputs.now);
  }
  const bool cached = platform != nullptr;
  if (!cached) {
    KMS_ASSIGN_OR_RETURN(Platform verified,
                         VerifyPlatform(parsed, evidence, inputs));
    platform = std::make_shared<const Platform>(std::move(verified));
  }
  KMS_RETURN_IF_ERROR(CheckSignature(parsed, *platform));
  KMS_ASSIGN_OR_RETURN(TcbRating rating,
                       RateTcb(parsed, platform->pck.sgx, platform->tcb_info,
                               platform->qe_identity));
  // A platform's part of a quote is public. Only who also has a quote signed
  // there may take a place among those that we remember.
  if (inputs.cache != nullptr && !cached) {
    inputs.cache->Insert(cache_key, platform, platform->valid_from,
                         platform->valid_until, platform->bytes);
  }
  return VerifiedQuote(std::move(parsed), std::move(platform),
                       std::move(rating));
}

}  // namespace kms::dcap

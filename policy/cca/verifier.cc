#include "policy/cca/verifier.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/cca/claims.h"
#include "policy/cca/limits.h"
#include "policy/cca/platform.h"
#include "policy/cca/realm.h"
#include "policy/cca/token.h"
#include "policy/cca/verify.h"
#include "policy/verifier/evidence_files.h"

namespace kms::cca {
namespace {

constexpr char kSubject[] = "cca evidence";
constexpr absl::string_view kRoles[] = {"evidence", "nonce"};

// A platform makes one token for all of its realms.
struct VerifiedPlatformToken {
  size_t anchor = 0;
};

}  // namespace

absl::StatusOr<v1::Claims> Verifier::Verify(
    const v1::Evidence& evidence, const policy::VerifyInputs& inputs) const {
  KMS_RETURN_IF_ERROR(policy::CheckRoles(evidence, kSubject, kRoles));
  KMS_RETURN_IF_ERROR(policy::CheckSize(evidence, kSubject, kEvidenceBytesMax));
  KMS_ASSIGN_OR_RETURN(const BytesView file,
                       policy::RequireFile(evidence, kSubject, "evidence"));
  KMS_ASSIGN_OR_RETURN(const Envelopes envelopes, ParseToken(file));
  KMS_ASSIGN_OR_RETURN(UnverifiedPlatform platform,
                       ParsePlatform(envelopes.platform.payload));
  KMS_ASSIGN_OR_RETURN(UnverifiedRealm realm,
                       ParseRealm(envelopes.realm.payload));
  const policy::TrustAnchors::OfType& anchors = inputs.anchors.For(v1::ARM_CCA);
  std::string cache_key;
  std::shared_ptr<const VerifiedPlatformToken> signer;
  if (inputs.cache != nullptr) {
    cache_key = policy::VerifiedCacheKey("cca platform token")
                    .Add(anchors.digest)
                    .Add(envelopes.platform_token)
                    .Finish();
    signer = inputs.cache->Find<VerifiedPlatformToken>(cache_key, inputs.now);
  }
  const bool cached = signer != nullptr;
  if (!cached) {
    KMS_ASSIGN_OR_RETURN(
        const size_t anchor,
        FindPlatformKey(envelopes.platform, platform, anchors.anchors));
    signer = std::make_shared<const VerifiedPlatformToken>(
        VerifiedPlatformToken{anchor});
  }
  KMS_ASSIGN_OR_RETURN(
      const VerifiedToken verified,
      VerifyToken(std::move(platform), envelopes.realm, std::move(realm)));
  const std::string* nonce = policy::FindFile(evidence, "nonce");
  if (nonce != nullptr && *nonce != verified.realm().challenge) {
    return Refuse(v1::EVIDENCE_NOT_BOUND,
                  "cca realm token: its challenge is not the one given");
  }
  if (inputs.cache != nullptr && !cached) {
    // The token has no dates; its anchor is part of the key.
    inputs.cache->Insert(cache_key, signer, absl::InfinitePast(),
                         absl::InfiniteFuture(), sizeof *signer);
  }
  return MakeClaims(verified, anchors.anchors[signer->anchor]);
}

}  // namespace kms::cca

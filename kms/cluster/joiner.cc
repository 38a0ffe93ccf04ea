#include "kms/cluster/joiner.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/cluster/limits.h"
#include "kms/cluster/signing.h"
#include "kms/crypto/hmac.h"
#include "kms/crypto/public_key.h"
#include "kms/crypto/random.h"
#include "kms/release/transcript.h"
#include "storage/state/limits.h"

namespace kms::cluster {
namespace {

constexpr crypto::Kem kKem = crypto::Kem::kX25519;

v1::Joiner JoinerOf(const std::string& instance_id,
                    const crypto::Ed25519SigningKey& key) {
  v1::Joiner joiner;
  joiner.set_instance_id(instance_id);
  joiner.set_public_key(key.public_key());
  joiner.set_feature_level_min(storage::kFeatureLevelMin);
  joiner.set_feature_level_max(storage::kFeatureLevelMax);
  return joiner;
}

}  // namespace

ProveFn ProveByEvidence(attester::Attester& attester) {
  return [&attester](BytesView transcript_digest,
                     v1::JoinRequest& request) -> absl::Status {
    KMS_ASSIGN_OR_RETURN(const v1::EvidenceBundle bundle,
                         attester.Attest(transcript_digest));
    request.set_evidence(bundle.SerializeAsString());
    if (request.evidence().size() <= kJoinEvidenceBytesMax) {
      return absl::OkStatus();
    }
    return Refuse(v1::REQUEST_TOO_LARGE,
                  absl::StrCat("evidence: ", request.evidence().size(),
                               " bytes, want at most ", kJoinEvidenceBytesMax));
  };
}

ProveFn ProveByToken(Secret token) {
  // std::function copies; a Secret does not.
  auto shared = std::make_shared<const Secret>(std::move(token));
  return [shared](BytesView transcript_digest,
                  v1::JoinRequest& request) -> absl::Status {
    KMS_ASSIGN_OR_RETURN(*request.mutable_development_token_mac(),
                         crypto::HmacSha256(*shared, transcript_digest));
    return absl::OkStatus();
  };
}

JoinAttempt::JoinAttempt(PinnedCluster pinned, std::string instance_id,
                         crypto::Ed25519SigningKey instance_key,
                         crypto::HpkePrivateKey recipient)
    : pinned_(std::move(pinned)),
      instance_id_(std::move(instance_id)),
      instance_key_(std::move(instance_key)),
      recipient_(std::move(recipient)) {}

absl::StatusOr<JoinAttempt> JoinAttempt::Begin(
    const PinnedCluster& pinned, const v1::GetJoinChallengeResponse& challenge,
    const ProveFn& prove) {
  if (challenge.cluster_id() != pinned.cluster_id) {
    return Refuse(v1::CLUSTER_MISMATCH,
                  "join: the donor is of another cluster than the pinned");
  }
  KMS_ASSIGN_OR_RETURN(crypto::Ed25519SigningKey instance_key,
                       crypto::Ed25519SigningKey::Generate());
  KMS_ASSIGN_OR_RETURN(crypto::HpkeKeyPair recipient,
                       crypto::HpkeGenerateKeyPair(kKem));
  JoinAttempt attempt(pinned, crypto::RandomString(storage::kIdBytes),
                      std::move(instance_key),
                      std::move(recipient.private_key));
  v1::JoinRequest& request = attempt.request_;
  request.set_joiner(JoinerOf(attempt.instance_id_, attempt.instance_key_)
                         .SerializeAsString());
  request.set_challenge(challenge.challenge());
  request.set_kem_id(static_cast<uint32_t>(kKem));
  request.set_recipient_public_key(attempt.recipient_.public_key());
  attempt.transcript_digest_ = release::TranscriptDigest(
      {.domain = release::kJoinDomain,
       .cluster_id = AsBytes(pinned.cluster_id),
       .challenge = AsBytes(request.challenge()),
       .kem_id = static_cast<uint16_t>(kKem),
       .recipient_public_key = AsBytes(request.recipient_public_key()),
       .request = AsBytes(request.joiner())});
  request.set_signature(
      attempt.instance_key_.Sign(JoinSigningInput(attempt.transcript_digest_)));
  KMS_RETURN_IF_ERROR(prove(AsBytes(attempt.transcript_digest_), request));
  return attempt;
}

absl::StatusOr<seal::JoinedCluster> JoinAttempt::Accept(
    const v1::JoinResponse& response) {
  // Anyone can seal to a public key: the signature, not the opening, tells the
  // cluster from an impostor that plants a root key.
  KMS_ASSIGN_OR_RETURN(
      const crypto::PublicKey identity,
      crypto::PublicKey::Ed25519(AsBytes(pinned_.identity_public_key)));
  const std::string message = JoinedSigningInput(transcript_digest_, response);
  if (!identity
           .VerifyEd25519(AsBytes(message),
                          AsBytes(response.identity_signature()))
           .ok()) {
    return Refuse(v1::SIGNATURE_INVALID,
                  "join: the answer is not signed by the pinned cluster");
  }
  const std::string aad =
      SealedRootAad(pinned_.cluster_id, instance_id_, response);
  absl::StatusOr<Secret> root = crypto::HpkeOpen(
      recipient_, AsBytes(response.enc()), AsBytes(transcript_digest_),
      AsBytes(aad), AsBytes(response.sealed_root()));
  if (absl::IsUnauthenticated(root.status())) {
    return Refuse(v1::DATA_LOSS, "join: the sealed root key does not open");
  }
  KMS_RETURN_IF_ERROR(root.status());
  KMS_ASSIGN_OR_RETURN(seal::SealFile seal,
                       seal::DecodeSealFile(AsBytes(response.seal_file())));
  if (seal.commitments.cluster_id != pinned_.cluster_id ||
      seal.identity_public_key != pinned_.identity_public_key) {
    return Refuse(v1::CLUSTER_MISMATCH,
                  "join: the seal file is of another cluster");
  }
  KMS_RETURN_IF_ERROR(seal::OpenKeyringOf(seal, *root).status());
  return seal::JoinedCluster{std::move(seal), *std::move(root),
                             std::move(instance_id_), std::move(instance_key_)};
}

}  // namespace kms::cluster

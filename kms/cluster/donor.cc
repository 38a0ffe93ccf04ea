#include "kms/cluster/donor.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/cluster/signing.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/hmac.h"
#include "kms/crypto/hpke.h"
#include "kms/crypto/public_key.h"
#include "kms/crypto/random.h"
#include "kms/release/challenge.h"
#include "kms/release/transcript.h"
#include "storage/replica/replica.h"
#include "storage/state/limits.h"

namespace kms::cluster {
namespace {

// The principal of those who joined by it: never a certificate's name, which
// is a URI or has been listed by the operator.
constexpr char kTokenPrincipal[] = "development-join-token";

absl::Status CheckSizes(const v1::JoinRequest& request) {
  if (request.joiner().size() > kJoinerBytesMax ||
      request.evidence().size() > kJoinEvidenceBytesMax) {
    return Refuse(v1::REQUEST_TOO_LARGE,
                  absl::StrCat("join: want at most ", kJoinerBytesMax,
                               " bytes of joiner and ", kJoinEvidenceBytesMax,
                               " of Evidence"));
  }
  if (request.evidence().empty() == request.development_token_mac().empty()) {
    return Refuse(v1::REQUEST_MALFORMED,
                  "join: want Evidence or a development token, not both");
  }
  return absl::OkStatus();
}

release::ChallengeKeeper Challenges(const Instance& instance,
                                    absl::Duration lifetime) {
  return release::ChallengeKeeper(
      instance.envelope->keyring(), AsBytes(instance.cluster_id),
      instance.replica->View()->position().epoch, lifetime);
}

}  // namespace

Donor::Donor(DonorOptions options)
    : options_(std::move(options)), joins_(kJoinsPerSecond, kJoinsBurst) {}

absl::StatusOr<v1::GetJoinChallengeResponse> Donor::GetJoinChallenge() {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       options_.holder->Get());
  KMS_ASSIGN_OR_RETURN(const release::Challenge challenge,
                       Challenges(*instance, options_.challenge_lifetime)
                           .Issue(options_.clock->Now()));
  v1::GetJoinChallengeResponse response;
  response.set_challenge(challenge.bytes);
  response.set_cluster_id(instance->cluster_id);
  return response;
}

absl::StatusOr<v1::JoinResponse> Donor::Join(const std::string& peer,
                                             const v1::JoinRequest& request,
                                             absl::Time deadline) {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       options_.holder->Get());
  if (options_.guard != nullptr) KMS_RETURN_IF_ERROR(options_.guard());
  KMS_ASSIGN_OR_RETURN(const Session session, Begin(peer, *instance, request));
  absl::Status stale;
  for (int attempt = 0; attempt < kJoinAppraisalsMax; ++attempt) {
    KMS_ASSIGN_OR_RETURN(const ::storage::v1::Command command,
                         Judge(*instance, session, request));
    // Recorded first: below this line the registration stands in the log.
    KMS_ASSIGN_OR_RETURN(const storage::Applied applied,
                         instance->replica->Propose(command, deadline));
    if (applied.effect.refusal == v1::APPRAISAL_STALE) {
      stale = applied.effect.status();
      continue;
    }
    KMS_RETURN_IF_ERROR(applied.effect.status());
    return Answer(*instance, session, request, applied.position);
  }
  return stale;
}

// Cheap checks first: nobody makes us check a signature for free.
absl::StatusOr<Donor::Session> Donor::Begin(const std::string& peer,
                                            const Instance& instance,
                                            const v1::JoinRequest& request) {
  KMS_RETURN_IF_ERROR(CheckSizes(request));
  Session session;
  if (!session.joiner.ParseFromString(request.joiner()) ||
      session.joiner.instance_id().size() != storage::kIdBytes) {
    return Refuse(v1::REQUEST_MALFORMED, "join: want a Joiner with an id");
  }
  const absl::Time now = options_.clock->Now();
  KMS_ASSIGN_OR_RETURN(session.challenge_expires,
                       Challenges(instance, options_.challenge_lifetime)
                           .Check(AsBytes(request.challenge()), now));
  if (!joins_.Allow(peer, now)) {
    return Refuse(v1::RATE_LIMITED, "join: too many from this address; wait");
  }
  KMS_ASSIGN_OR_RETURN(const crypto::Kem kem,
                       crypto::KemFromId(request.kem_id()));
  KMS_RETURN_IF_ERROR(
      crypto::HpkeCheckPublicKey(kem, AsBytes(request.recipient_public_key())));
  session.kem_id = static_cast<uint16_t>(kem);
  session.challenge_hash = crypto::Sha256(AsBytes(request.challenge()));
  session.transcript_digest = release::TranscriptDigest(
      {.domain = release::kJoinDomain,
       .cluster_id = AsBytes(instance.cluster_id),
       .challenge = AsBytes(request.challenge()),
       .kem_id = session.kem_id,
       .recipient_public_key = AsBytes(request.recipient_public_key()),
       .request = AsBytes(request.joiner())});
  const auto key =
      crypto::PublicKey::Ed25519(AsBytes(session.joiner.public_key()));
  if (!key.ok()) {
    return Refuse(v1::REQUEST_MALFORMED, "join: want an Ed25519 instance key");
  }
  const std::string message = JoinSigningInput(session.transcript_digest);
  if (!key->VerifyEd25519(AsBytes(message), AsBytes(request.signature()))
           .ok()) {
    return Refuse(v1::SIGNATURE_INVALID,
                  "join: not signed by the instance key that it names");
  }
  return session;
}

absl::Status Donor::CheckToken(const Session& session,
                               const v1::JoinRequest& request) const {
  const absl::Status rejected =
      Refuse(v1::JOIN_TOKEN_REJECTED,
             "join: no development token is configured here, or another one");
  if (!options_.development_token.has_value()) return rejected;
  KMS_ASSIGN_OR_RETURN(const std::string mac,
                       crypto::HmacSha256(*options_.development_token,
                                          AsBytes(session.transcript_digest)));
  return ConstantTimeEqual(AsBytes(mac),
                           AsBytes(request.development_token_mac()))
             ? absl::OkStatus()
             : rejected;
}

absl::StatusOr<::storage::v1::Command> Donor::Judge(
    const Instance& instance, const Session& session,
    const v1::JoinRequest& request) {
  const absl::Time now = options_.clock->Now();
  ::storage::v1::Command command;
  command.set_salt(crypto::RandomString(storage::kSaltBytes));
  command.set_namespace_("default");
  command.set_proposed_at_us(absl::ToUnixMicros(now));
  auto& op = *command.mutable_register_();
  op.set_instance_id(session.joiner.instance_id());
  op.set_public_key(session.joiner.public_key());
  op.set_feature_level_min(session.joiner.feature_level_min());
  op.set_feature_level_max(session.joiner.feature_level_max());
  op.set_challenge_hash(session.challenge_hash);
  op.set_challenge_expires_us(absl::ToUnixMicros(session.challenge_expires));
  op.set_transcript_digest(session.transcript_digest);
  if (request.evidence().empty()) {
    KMS_RETURN_IF_ERROR(CheckToken(session, request));
    command.set_principal(kTokenPrincipal);
    op.set_development(true);
    return command;
  }
  KMS_ASSIGN_OR_RETURN(
      const Admission admission,
      judge_.Judge(instance, *instance.replica->View(), request.evidence(),
                   session.transcript_digest, now));
  op.set_evidence_digest(crypto::Sha256(AsBytes(request.evidence())));
  op.set_join_policy_version(admission.policy_version);
  op.set_appraisal_generation(admission.appraisal_generation);
  // What could not be examined again admits nobody.
  if (instance.evidence_archive != nullptr) {
    KMS_RETURN_IF_ERROR(instance.evidence_archive->Put(
        AsBytes(op.evidence_digest()), AsBytes(request.evidence()), now));
  }
  return command;
}

absl::StatusOr<v1::JoinResponse> Donor::Answer(
    const Instance& instance, const Session& session,
    const v1::JoinRequest& request, storage::LogPosition position) const {
  // It may have been removed since it was registered.
  KMS_ASSIGN_OR_RETURN(const auto record, instance.replica->View()->GetInstance(
                                              session.joiner.instance_id()));
  if (record.removed()) {
    return Refuse(v1::INSTANCE_REMOVED, "join: this instance was removed");
  }
  KMS_ASSIGN_OR_RETURN(seal::RootCopy copy, options_.root->CopyRoot());
  v1::JoinResponse response;
  response.set_epoch(position.epoch);
  response.set_index(position.index);
  response.set_seal_file(std::move(copy.seal_file));
  const std::string aad = SealedRootAad(instance.cluster_id,
                                        session.joiner.instance_id(), response);
  KMS_ASSIGN_OR_RETURN(
      crypto::HpkeSealed sealed,
      crypto::HpkeSeal(static_cast<crypto::Kem>(session.kem_id),
                       AsBytes(request.recipient_public_key()),
                       AsBytes(session.transcript_digest), AsBytes(aad),
                       copy.root));
  response.set_enc(std::move(sealed.enc));
  response.set_sealed_root(std::move(sealed.ciphertext));
  response.set_identity_signature(instance.identity_key.Sign(
      JoinedSigningInput(session.transcript_digest, response)));
  return response;
}

}  // namespace kms::cluster

#include "kms/release/release_handler.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/hpke.h"
#include "kms/crypto/random.h"
#include "kms/release/answer.h"
#include "kms/release/challenge.h"
#include "kms/release/data_key.h"
#include "kms/release/limits.h"
#include "kms/release/transcript.h"

namespace kms::release {
namespace {

absl::Status TooLarge(absl::string_view what, size_t size, size_t limit) {
  return Refuse(v1::REQUEST_TOO_LARGE,
                absl::StrCat(what, ": ", size, " bytes, at most ", limit));
}

absl::Status CheckSizes(const v1::ReleaseKeyRequest& request) {
  if (request.request().size() > kRequestBytesMax) {
    return TooLarge("request", request.request().size(), kRequestBytesMax);
  }
  if (request.evidence().size() > kEvidenceBytesMax) {
    return TooLarge("evidence", request.evidence().size(), kEvidenceBytesMax);
  }
  return absl::OkStatus();
}

absl::Status KeepEvidence(const Instance& instance, const Session& session,
                          absl::Time now) {
  if (instance.evidence_archive == nullptr) return absl::OkStatus();
  return instance.evidence_archive->Put(AsBytes(session.evidence_digest),
                                        session.evidence, now);
}

// Fields that a Release and a refusal of one have in common.
template <typename Op>
void FillJudged(const Session& session, const Judgement& judgement, Op& op) {
  op.set_key_id(judgement.key_id);
  op.set_policy(judgement.policy);
  op.set_policy_version(judgement.policy_version);
  op.set_challenge_hash(session.challenge_hash);
  op.set_evidence_digest(session.evidence_digest);
  op.set_claims_digest(judgement.claims_digest);
  if (judgement.shadow.has_value()) *op.mutable_shadow() = *judgement.shadow;
  for (const v1::ReferenceInput& used : judgement.decision.references()) {
    auto& told = *op.add_references();
    told.set_set(used.set());
    told.set_version(used.version());
    told.set_digest(used.digest());
  }
}

::storage::v1::Command NewWorkloadCommand(const Session& session,
                                          absl::Time now) {
  ::storage::v1::Command command;
  command.set_salt(crypto::RandomString(16));
  command.set_namespace_(session.name_space);
  command.set_proposed_at_us(absl::ToUnixMicros(now));
  return command;
}

}  // namespace

ReleaseHandler::ReleaseHandler(
    const InstanceHolder& instances, const Clock& clock,
    const audit::CheckpointSigner& checkpoints, ReleaseOptions options,
    std::shared_ptr<collateral::AppraisalInputsCache> inputs)
    : instances_(instances),
      clock_(clock),
      options_(std::move(options)),
      appraiser_(std::move(inputs)),
      checkpoints_(checkpoints),
      peers_(options_.releases_per_second, options_.releases_burst),
      refused_keys_(options_.refusals_per_second, options_.refusals_burst),
      refusals_(clock.Now()) {}

absl::StatusOr<v1::GetChallengeResponse> ReleaseHandler::GetChallenge(
    const Caller&, const v1::GetChallengeRequest&) {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       instances_.Get());
  const ChallengeKeeper challenges(
      instance->envelope->keyring(), AsBytes(instance->cluster_id),
      instance->replica->View()->position().epoch, options_.challenge_lifetime);
  KMS_ASSIGN_OR_RETURN(const Challenge challenge,
                       challenges.Issue(clock_.Now()));
  v1::GetChallengeResponse response;
  response.set_challenge(challenge.bytes);
  response.set_cluster_id(instance->cluster_id);
  response.set_expires_us(absl::ToUnixMicros(challenge.expires));
  return response;
}

absl::StatusOr<v1::ReleaseKeyResponse> ReleaseHandler::ReleaseKey(
    const Caller& caller, const v1::ReleaseKeyRequest& request,
    absl::Time deadline) {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       instances_.Get());
  if (options_.guard != nullptr) KMS_RETURN_IF_ERROR(options_.guard());
  const absl::StatusOr<Session> session =
      BeginSession(caller, *instance, request, clock_.Now());
  if (!session.ok()) {
    refusals_.Count(caller.peer, session.status(), clock_.Now());
    return session.status();
  }
  return Release(caller, *instance, *session, deadline);
}

// Cheap checks first: nobody makes us check a signature for free.
absl::StatusOr<Session> ReleaseHandler::BeginSession(
    const Caller& caller, const Instance& instance,
    const v1::ReleaseKeyRequest& request, absl::Time now) {
  KMS_RETURN_IF_ERROR(CheckSizes(request));
  v1::ReleaseRequest wanted;
  if (!wanted.ParseFromString(request.request()) || wanted.key().empty() ||
      wanted.key().size() > kNameBytesMax ||
      wanted.namespace_().size() > kNameBytesMax) {
    return Refuse(v1::REQUEST_MALFORMED,
                  "request: want a ReleaseRequest that names a key");
  }
  const ChallengeKeeper challenges(
      instance.envelope->keyring(), AsBytes(instance.cluster_id),
      instance.replica->View()->position().epoch, options_.challenge_lifetime);
  KMS_ASSIGN_OR_RETURN(const absl::Time expires,
                       challenges.Check(AsBytes(request.challenge()), now));
  if (!peers_.Allow(caller.peer, now)) {
    return Refuse(v1::RATE_LIMITED,
                  "release: too many requests from this address; wait");
  }
  // Costs a few multiplications on a curve, so it waits its turn too.
  KMS_ASSIGN_OR_RETURN(const crypto::Kem kem,
                       crypto::KemFromId(request.kem_id()));
  KMS_RETURN_IF_ERROR(
      crypto::HpkeCheckPublicKey(kem, AsBytes(request.recipient_public_key())));

  Session session;
  session.name_space =
      wanted.namespace_().empty() ? "default" : wanted.namespace_();
  session.key = wanted.key();
  session.version = wanted.version();
  KMS_RETURN_IF_ERROR(ReadDataKeyRequest(instance, wanted, session));
  session.evidence = AsBytes(request.evidence());
  session.challenge_hash = crypto::Sha256(AsBytes(request.challenge()));
  session.challenge_expires = expires;
  session.kem_id = static_cast<uint16_t>(kem);
  session.recipient_public_key = AsBytes(request.recipient_public_key());
  session.transcript_digest =
      TranscriptDigest({.domain = kReleaseDomain,
                        .cluster_id = AsBytes(instance.cluster_id),
                        .challenge = AsBytes(request.challenge()),
                        .kem_id = session.kem_id,
                        .recipient_public_key = session.recipient_public_key,
                        .request = AsBytes(request.request())});
  session.evidence_digest = crypto::Sha256(session.evidence);
  return session;
}

absl::StatusOr<v1::ReleaseKeyResponse> ReleaseHandler::Release(
    const Caller& caller, const Instance& instance, const Session& session,
    absl::Time deadline) {
  // A policy input that moves between judging and ordering means judging
  // again; one that moves every time is an operator at work: the client waits.
  absl::Status stale;
  for (int attempt = 0; attempt < kAppraisalsMax; ++attempt) {
    storage::Replica::Announcement announcement = instance.replica->Announce();
    const std::shared_ptr<const storage::StateView> view =
        instance.replica->View();
    absl::StatusOr<Judgement> judgement =
        appraiser_.Judge(instance, *view, session, clock_.Now());
    if (!judgement.ok()) {
      refusals_.Count(caller.peer, judgement.status(), clock_.Now());
      return judgement.status();
    }
    DataKey data_key;
    if (judgement->verdict.ok() && session.wants_data_key()) {
      absl::StatusOr<DataKey> prepared =
          PrepareDataKey(instance, *view, session, *judgement);
      judgement->verdict = prepared.status();
      if (prepared.ok()) data_key = *std::move(prepared);
    }
    if (!judgement->verdict.ok()) {
      RecordRefusal(caller, instance, session, *judgement, deadline,
                    std::move(announcement));
      return ForWorkload(judgement->verdict);
    }
    KMS_RETURN_IF_ERROR(KeepEvidence(instance, session, clock_.Now()));

    ::storage::v1::Command command = NewWorkloadCommand(session, clock_.Now());
    ::storage::v1::Release& release = *command.mutable_release();
    FillJudged(session, *judgement, release);
    release.set_version(judgement->key_version);
    release.set_appraisal_generation(judgement->appraisal_generation);
    release.set_challenge_expires_us(
        absl::ToUnixMicros(session.challenge_expires));
    release.set_transcript_digest(session.transcript_digest);
    release.set_recipient_thumbprint(
        crypto::Sha256(session.recipient_public_key));
    release.set_kem_id(session.kem_id);
    release.set_blob_digest(session.blob_digest);
    release.set_new_blob_digest(data_key.new_blob_digest);
    release.set_new_blob_version(data_key.new_version);
    release.set_artifact_digest(session.artifact_digest);

    // Recorded first: below this line the release stands in the log.
    KMS_ASSIGN_OR_RETURN(
        const storage::Applied applied,
        instance.replica->Propose(command, deadline, std::move(announcement)));
    if (applied.effect.refusal == v1::APPRAISAL_STALE) {
      stale = applied.effect.status();
      continue;
    }
    if (!applied.effect.ok()) return ForWorkload(applied.effect.status());
    if (options_.guard != nullptr) KMS_RETURN_IF_ERROR(options_.guard());
    absl::StatusOr<v1::ReleaseKeyResponse> response =
        AnswerRelease(instance, checkpoints_, session, *judgement,
                      std::move(data_key), applied, clock_.Now());
    // An instance that was paused here must not answer on what may have been
    // revoked meanwhile; the client repeats, and is judged by the state of
    // then.
    if (options_.boot_time() - applied.proposed_at > storage::kReplyAgeMax) {
      return Refuse(v1::LOG_UNAVAILABLE,
                    "release: answered too late; repeat the same request");
    }
    return response;
  }
  return stale;
}

void ReleaseHandler::RecordRefusal(
    const Caller& caller, const Instance& instance, const Session& session,
    const Judgement& judgement, absl::Time deadline,
    storage::Replica::Announcement announcement) {
  const absl::Time now = clock_.Now();
  if (judgement.key_id.empty() || !refused_keys_.Allow(judgement.key_id, now)) {
    refusals_.Count(caller.peer, judgement.verdict, now);
    return;
  }
  ::storage::v1::Command command = NewWorkloadCommand(session, now);
  ::storage::v1::RecordRefusal& refusal = *command.mutable_record_refusal();
  FillJudged(session, judgement, refusal);
  refusal.set_code(RefusalOf(judgement.verdict));
  AddFailedRules(judgement.decision, kFailedRulesMax, refusal);
  // The workload is refused whether or not the log could record it; what it
  // could not is counted. Evidence is kept for leaves only: any genuine TEE
  // can be refused, as often as it likes.
  if (!KeepEvidence(instance, session, now).ok() ||
      !instance.replica->Propose(command, deadline, std::move(announcement))
           .ok()) {
    refusals_.Count(caller.peer, judgement.verdict, now);
  }
}

absl::Status ReleaseHandler::Tick(absl::Time deadline) {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       instances_.Get());
  // What the archive has lost must not keep refusals from being told.
  const absl::Status pruned =
      instance->evidence_archive == nullptr
          ? absl::OkStatus()
          : instance->evidence_archive->Prune(clock_.Now(), kPrunedPerTickMax)
                .status();
  const std::optional<::storage::v1::CountRefusals> counts =
      refusals_.Take(clock_.Now());
  if (!counts.has_value()) return pruned;
  ::storage::v1::Command command;
  command.set_salt(crypto::RandomString(16));
  command.set_namespace_("default");
  command.set_proposed_at_us(absl::ToUnixMicros(clock_.Now()));
  *command.mutable_count_refusals() = *counts;
  const absl::StatusOr<storage::Applied> applied =
      instance->replica->Propose(command, deadline);
  if (!applied.ok()) {
    refusals_.PutBack(*counts);
    return applied.status();
  }
  return pruned;
}

}  // namespace kms::release

#include "tools/kms_agent/agent.h"

#include <grpcpp/client_context.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/release/transcript.h"
#include "tools/client/grpc_status.h"
#include "tools/client/outcome.h"
#include "tools/kms_agent/backoff.h"

namespace kms::agent {
namespace {

using client::FromGrpc;
using client::IntegrityError;

// Far above the 77 bytes of today; a reply with more is not a challenge.
constexpr size_t kChallengeBytesMax = 1024;
// ReleaseKeyRequest's documented bound, all fields together.
constexpr size_t kRequestBytesMax = 4 * 1024 * 1024;

// The instance did nothing, or nobody knows whether it did: another one may
// be asked the same at once.
bool AskAnother(const absl::Status& status) {
  if (client::IsRefusal(status)) {
    const v1::RefusalCode code = RefusalOf(status);
    return code == v1::SEALED || code == v1::LOG_UNAVAILABLE ||
           code == v1::HEADS_MISSING;
  }
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

bool ChallengeIsGone(const absl::Status& status) {
  if (!client::IsRefusal(status)) return false;
  const v1::RefusalCode code = RefusalOf(status);
  return code == v1::CHALLENGE_EXPIRED || code == v1::CHALLENGE_INVALID;
}

// A later call may end otherwise without anybody changing anything. Never a
// judgement of Evidence or policy.
bool WorthRepeating(const absl::Status& status) {
  if (AskAnother(status) || ChallengeIsGone(status)) return true;
  if (!client::IsRefusal(status)) return false;
  return absl::IsAborted(status) || RefusalOf(status) == v1::RATE_LIMITED;
}

// By the system's clock, whatever clock the retries go by: gRPC knows no other.
void SetDeadline(grpc::ClientContext& context, absl::Duration timeout) {
  context.set_deadline(absl::ToChronoTime(SystemClock().Now() + timeout));
}

}  // namespace

ReleaseClient::ReleaseClient(PinnedCluster pinned,
                             std::vector<OpenFn> instances,
                             attester::Attester& attester, RetryPolicy policy,
                             Surroundings surroundings)
    : pinned_(std::move(pinned)),
      instances_(std::move(instances)),
      attester_(attester),
      policy_(policy),
      surroundings_(std::move(surroundings)) {}

absl::StatusOr<ReleasedKey> ReleaseClient::Release(
    const v1::ReleaseRequest& request) {
  const absl::Time give_up = surroundings_.clock.Now() + policy_.retry_for;
  Backoff backoff(surroundings_.uniform);
  std::optional<Attempt> attempt;
  for (;;) {
    absl::StatusOr<ReleasedKey> key = TryInstances(request, attempt);
    if (key.ok() || policy_.once || !WorthRepeating(key.status())) return key;
    if (ChallengeIsGone(key.status())) attempt.reset();
    const absl::Duration wait = backoff.Next();
    if (surroundings_.clock.Now() + wait > give_up) return key;
    surroundings_.sleep(wait);
  }
}

absl::StatusOr<ReleasedKey> ReleaseClient::TryInstances(
    const v1::ReleaseRequest& request, std::optional<Attempt>& attempt) {
  absl::StatusOr<ReleasedKey> key = absl::UnavailableError("no instance");
  for (size_t i = 0; i < instances_.size(); ++i) {
    const absl::StatusOr<std::unique_ptr<Instance>> instance =
        instances_[preferred_]();
    if (instance.ok()) {
      key = TryOne(**instance, request, attempt);
      // One that no longer trusts its own state says nothing about the others,
      // nor does one that is not what it should be.
      if (key.ok() || !(AskAnother(key.status()) ||
                        RefusalOf(key.status()) == v1::DATA_LOSS)) {
        return key;
      }
    } else {
      key = instance.status();
    }
    preferred_ = (preferred_ + 1) % instances_.size();
  }
  return key;
}

absl::StatusOr<ReleasedKey> ReleaseClient::TryOne(
    Instance& instance, const v1::ReleaseRequest& request,
    std::optional<Attempt>& attempt) {
  if (!attempt.has_value()) {
    absl::StatusOr<Attempt> begun = Begin(instance, request);
    if (!begun.ok()) return begun.status();
    attempt.emplace(*std::move(begun));
  }
  grpc::ClientContext context;
  SetDeadline(context, policy_.call_timeout);
  v1::ReleaseKeyResponse response;
  KMS_RETURN_IF_ERROR(
      FromGrpc(instance.ReleaseKey(&context, attempt->message, &response)));
  return Accept(*attempt, request, response);
}

absl::StatusOr<ReleaseClient::Attempt> ReleaseClient::Begin(
    Instance& instance, const v1::ReleaseRequest& request) {
  grpc::ClientContext context;
  SetDeadline(context, policy_.call_timeout);
  v1::GetChallengeResponse challenge;
  KMS_RETURN_IF_ERROR(FromGrpc(
      instance.GetChallenge(&context, v1::GetChallengeRequest(), &challenge)));
  if (challenge.cluster_id() != pinned_.cluster_id) {
    return IntegrityError(
        "challenge: the service is not the pinned cluster (its cluster id "
        "differs)");
  }
  if (challenge.challenge().empty() ||
      challenge.challenge().size() > kChallengeBytesMax) {
    return IntegrityError(
        absl::StrCat("challenge: ", challenge.challenge().size(),
                     " bytes, want 1 to ", kChallengeBytesMax));
  }
  KMS_ASSIGN_OR_RETURN(crypto::HpkeKeyPair pair,
                       crypto::HpkeGenerateKeyPair(crypto::Kem::kX25519));
  Attempt attempt{{}, {}, std::move(pair.private_key)};
  attempt.message.set_request(request.SerializeAsString());
  attempt.message.set_challenge(challenge.challenge());
  attempt.message.set_kem_id(static_cast<uint32_t>(attempt.recipient.kem()));
  attempt.message.set_recipient_public_key(attempt.recipient.public_key());
  attempt.transcript_digest = release::TranscriptDigest(
      {.domain = release::kReleaseDomain,
       .cluster_id = AsBytes(pinned_.cluster_id),
       .challenge = AsBytes(attempt.message.challenge()),
       .kem_id = static_cast<uint16_t>(attempt.message.kem_id()),
       .recipient_public_key = AsBytes(attempt.message.recipient_public_key()),
       .request = AsBytes(attempt.message.request())});
  const absl::StatusOr<v1::EvidenceBundle> evidence =
      attester_.Attest(AsBytes(attempt.transcript_digest));
  if (!evidence.ok()) {
    // One code for all: an Attester that timed out must not look like an
    // instance that did.
    return absl::FailedPreconditionError(evidence.status().message());
  }
  attempt.message.set_evidence(evidence->SerializeAsString());
  if (attempt.message.ByteSizeLong() > kRequestBytesMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("evidence: ", attempt.message.evidence().size(),
                     " bytes; a request has at most ", kRequestBytesMax));
  }
  return attempt;
}

absl::StatusOr<ReleasedKey> ReleaseClient::Accept(
    const Attempt& attempt, const v1::ReleaseRequest& request,
    const v1::ReleaseKeyResponse& response) {
  absl::StatusOr<release::VerifiedReceipt> verified = release::VerifyReceipt(
      response.receipt(), AsBytes(pinned_.identity_public_key),
      AsBytes(pinned_.cluster_id));
  if (!verified.ok()) return client::AsIntegrityError(verified.status());
  const release::ExpectedRelease expected = {
      .transcript_digest = AsBytes(attempt.transcript_digest),
      .kem_id = static_cast<uint16_t>(attempt.message.kem_id()),
      .recipient_public_key = AsBytes(attempt.recipient.public_key()),
      .key_version = request.version(),
      .artifact_digest = AsBytes(request.artifact_digest()),
      .blob = AsBytes(request.blob())};
  KMS_RETURN_IF_ERROR(client::AsIntegrityError(
      release::CheckReceiptFor(*verified, expected, response.wrapped_key())));
  const v1::ReceiptBody& body = verified->body;
  absl::StatusOr<Secret> key =
      crypto::HpkeOpen(attempt.recipient, AsBytes(response.wrapped_key().enc()),
                       AsBytes(attempt.transcript_digest),
                       AsBytes(release::WrappedKeyAad(
                           AsBytes(pinned_.cluster_id), AsBytes(body.key_id()),
                           body.key_version(), body.index())),
                       AsBytes(response.wrapped_key().ciphertext()));
  if (absl::IsUnauthenticated(key.status())) {
    return client::AsIntegrityError(Annotate(key.status(), "wrapped key"));
  }
  if (!key.ok()) return key.status();
  return ReleasedKey{*std::move(key), response.receipt(), *std::move(verified)};
}

}  // namespace kms::agent

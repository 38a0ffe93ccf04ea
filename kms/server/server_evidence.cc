#include "kms/server/server_evidence.h"

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "kms/attester/server_transcript.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/server/limits.h"

namespace kms::server {
namespace {

absl::Status TooMany() {
  return Refuse(v1::RATE_LIMITED, "server evidence: too many ask; wait");
}

}  // namespace

ServerEvidence::ServerEvidence(ServerEvidenceOptions options)
    : options_(std::move(options)),
      networks_(kServerEvidencePerNetwork,
                kServerEvidencePerNetwork * kRateBurstSeconds),
      all_(kServerEvidencePerSecond,
           kServerEvidencePerSecond * kRateBurstSeconds) {}

absl::StatusOr<v1::GetServerEvidenceResponse> ServerEvidence::GetServerEvidence(
    const Caller& caller, const v1::GetServerEvidenceRequest& request,
    absl::Time deadline) {
  if (options_.attester == nullptr) {
    return Refuse(v1::NOT_FOUND,
                  "server evidence: no attester is configured here");
  }
  const size_t size = request.nonce().size();
  if (size < attester::kServerNonceBytesMin ||
      size > attester::kServerNonceBytesMax) {
    return Refuse(v1::REQUEST_MALFORMED,
                  absl::StrCat("nonce: ", size, " bytes, want ",
                               attester::kServerNonceBytesMin, " to ",
                               attester::kServerNonceBytesMax));
  }
  const absl::Time now = options_.clock->Now();
  // Of one network first: it must not spend what is there for all.
  if (!networks_.Allow(caller.peer, now) || !all_.Allow("", now)) {
    return TooMany();
  }
  seal::SealState state = options_.state();
  const std::string digest = attester::ServerTranscriptDigest(
      {.cluster_id = AsBytes(state.cluster_id),
       .nonce = AsBytes(request.nonce()),
       .tls_key_digest = AsBytes(options_.tls_key_digest),
       .identity_public_key = AsBytes(state.identity_public_key)});
  KMS_ASSIGN_OR_RETURN(const v1::EvidenceBundle bundle,
                       Attest(AsBytes(digest), deadline));
  v1::GetServerEvidenceResponse response;
  response.set_evidence(bundle.SerializeAsString());
  response.set_cluster_id(std::move(state.cluster_id));
  response.set_identity_public_key(std::move(state.identity_public_key));
  return response;
}

absl::StatusOr<v1::EvidenceBundle> ServerEvidence::Attest(BytesView report_data,
                                                          absl::Time deadline) {
  {
    absl::MutexLock lock(&mutex_);
    if (waiting_ >= kServerEvidenceWaitersMax) return TooMany();
    ++waiting_;
    const bool mine = mutex_.AwaitWithTimeout(absl::Condition(&idle_),
                                              deadline - options_.clock->Now());
    --waiting_;
    if (!mine) {
      return absl::DeadlineExceededError("server evidence: others came first");
    }
    idle_ = false;
  }
  const auto done = absl::MakeCleanup([this] {
    absl::MutexLock lock(&mutex_);
    idle_ = true;
  });
  absl::StatusOr<v1::EvidenceBundle> bundle =
      options_.attester->Attest(report_data);
  // One code for all: what failed is this machine's affair, and in its log.
  if (!bundle.ok()) return absl::UnavailableError(bundle.status().message());
  return bundle;
}

}  // namespace kms::server

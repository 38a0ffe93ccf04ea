// The heart: Evidence in, wrapped key out.
//
// Reads like the promise (README.md): the Evidence is verified, bound and
// appraised; the release is committed to the log; only then is the key
// unwrapped, wrapped to the recipient key that the Evidence vouches for, and
// answered with a receipt that verifies offline.
// Source: architecture.md, "The release, step by step". Thread-safe. Knows
// nothing of gRPC.
#ifndef KMS_RELEASE_RELEASE_HANDLER_H_
#define KMS_RELEASE_RELEASE_HANDLER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kms/audit/checkpoint_signer.h"
#include "kms/base/caller.h"
#include "kms/base/rate_limiter.h"
#include "kms/instance/instance.h"
#include "kms/release/appraisal.h"
#include "kms/release/refusal_counter.h"
#include "proto/kms/v1/release.pb.h"

namespace kms::release {

struct ReleaseOptions {
  absl::Duration challenge_lifetime = absl::Minutes(5);

  // A peer's releases (by network address), before any signature is checked.
  double releases_per_second = 50;
  double releases_burst = 200;

  // Refusals of verified Evidence that enter the log, per key.
  double refusals_per_second = 1;
  double refusals_burst = 30;

  // Time since boot, suspended time included; dates answers (review.md 26).
  std::function<absl::Duration()> boot_time;

  // Whether this instance's state may be acted on: HEADS_MISSING where too few
  // others confirm it (kms/cluster). Asked before a release is judged and, as
  // time has passed, before it is answered. Null: nothing is asked.
  std::function<absl::Status()> guard;
};

class ReleaseHandler {
 public:
  // All but `options` outlive the handler. `checkpoints` is the one of this
  // process, so that no two of its parts sign a fork.
  ReleaseHandler(const InstanceHolder& instances, const Clock& clock,
                 const audit::CheckpointSigner& checkpoints,
                 ReleaseOptions options,
                 std::shared_ptr<collateral::AppraisalInputsCache> inputs =
                     std::make_shared<collateral::AppraisalInputsCache>());

  // Codes as release.proto says, for both.
  absl::StatusOr<v1::GetChallengeResponse> GetChallenge(
      const Caller& caller, const v1::GetChallengeRequest& request);
  absl::StatusOr<v1::ReleaseKeyResponse> ReleaseKey(
      const Caller& caller, const v1::ReleaseKeyRequest& request,
      absl::Time deadline);

  // To be called about once a minute: orders the summary of the refusals that
  // got no leaf of their own, and prunes Evidence past its time.
  // SEALED, and what Replica::Propose and EvidenceArchive::Prune return.
  absl::Status Tick(absl::Time deadline);

  const RefusalCounter& refusals() const { return refusals_; }

 private:
  // Steps 3 to 5: everything before the log.
  absl::StatusOr<Session> BeginSession(const Caller& caller,
                                       const Instance& instance,
                                       const v1::ReleaseKeyRequest& request,
                                       absl::Time now);

  absl::StatusOr<v1::ReleaseKeyResponse> Release(const Caller& caller,
                                                 const Instance& instance,
                                                 const Session& session,
                                                 absl::Time deadline);

  // A refusal of verified Evidence: ordered, up to a rate a key.
  void RecordRefusal(const Caller& caller, const Instance& instance,
                     const Session& session, const Judgement& judgement,
                     absl::Time deadline,
                     storage::Replica::Announcement announcement);

  const InstanceHolder& instances_;
  const Clock& clock_;
  const ReleaseOptions options_;
  Appraiser appraiser_;
  const audit::CheckpointSigner& checkpoints_;
  RateLimiter peers_;
  RateLimiter refused_keys_;
  RefusalCounter refusals_;
};

}  // namespace kms::release

#endif  // KMS_RELEASE_RELEASE_HANDLER_H_

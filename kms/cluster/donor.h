// The side of a join that is in the cluster already: kms.v1.Cluster's
// GetJoinChallenge and Join without gRPC.
//
// It reads like a release, with a domain of its own: cheap checks; the
// Evidence is verified, bound and appraised; the registration is committed to
// the log; only then is the root key sealed to the recipient key that the
// Evidence vouches for, in an answer that the cluster identity key signs.
//
// The development join token stands in for Evidence on machines that have no
// TEE. It proves that its holder knows it, and nothing about his machine: a
// cluster that has one configured admits whoever has read it. It is told as a
// warning, and in the leaf of each instance that it admitted.
//
// Source: architecture.md, "Seals"; review.md 22. Thread-safe.
#ifndef KMS_CLUSTER_DONOR_H_
#define KMS_CLUSTER_DONOR_H_

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kms/base/clock.h"
#include "kms/base/rate_limiter.h"
#include "kms/base/secret.h"
#include "kms/cluster/join_judge.h"
#include "kms/cluster/limits.h"
#include "kms/instance/instance.h"
#include "kms/seal/root_source.h"
#include "proto/kms/v1/cluster.pb.h"
#include "proto/storage/v1/command.pb.h"

namespace kms::cluster {

struct DonorOptions {
  // These outlive the donor.
  const InstanceHolder* holder = nullptr;
  const seal::RootSource* root = nullptr;
  const Clock* clock = nullptr;

  absl::Duration challenge_lifetime = absl::Minutes(5);
  std::optional<Secret> development_token;

  // Whether this instance's state may be acted on now; null: it may.
  std::function<absl::Status()> guard;
};

class Donor {
 public:
  explicit Donor(DonorOptions options);

  // SEALED.
  absl::StatusOr<v1::GetJoinChallengeResponse> GetJoinChallenge();

  // `peer`: the caller's network, for the rate. The codes are those of the
  // rpc's comment.
  absl::StatusOr<v1::JoinResponse> Join(const std::string& peer,
                                        const v1::JoinRequest& request,
                                        absl::Time deadline);

 private:
  // One request, its cheap checks done.
  struct Session {
    v1::Joiner joiner;
    std::string challenge_hash;
    absl::Time challenge_expires;
    std::string transcript_digest;
    uint16_t kem_id = 0;
  };
  absl::StatusOr<Session> Begin(const std::string& peer,
                                const Instance& instance,
                                const v1::JoinRequest& request);
  absl::Status CheckToken(const Session& session,
                          const v1::JoinRequest& request) const;
  absl::StatusOr<::storage::v1::Command> Judge(const Instance& instance,
                                               const Session& session,
                                               const v1::JoinRequest& request);
  absl::StatusOr<v1::JoinResponse> Answer(const Instance& instance,
                                          const Session& session,
                                          const v1::JoinRequest& request,
                                          storage::LogPosition position) const;

  const DonorOptions options_;
  RateLimiter joins_;  // By network.
  JoinJudge judge_;
};

}  // namespace kms::cluster

#endif  // KMS_CLUSTER_DONOR_H_

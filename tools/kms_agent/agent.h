// The workload's side of a release: challenge, recipient key, Evidence,
// request, and no key unless the receipt proves that the pinned cluster gave
// it for exactly this request. Source: architecture page, "The release, step
// by step", and proto/kms/v1/release.proto.
//
// Anyone can seal a key to a public one, so the receipt, not the decryption,
// is what tells the cluster from an impostor that plants a key.
//
// A challenge, its recipient key and its Evidence are one attempt. While the
// outcome of a call is unknown, the same attempt is sent again, to the next
// instance if need be: the service answers it once, and draws one quota unit.
// Only when the challenge has expired is a new attempt made.
// Thread-compatible.
#ifndef TOOLS_KMS_AGENT_AGENT_H_
#define TOOLS_KMS_AGENT_AGENT_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kms/attester/attester.h"
#include "kms/base/bytes.h"
#include "kms/base/clock.h"
#include "kms/base/secret.h"
#include "kms/crypto/hpke.h"
#include "kms/release/receipt.h"
#include "proto/kms/v1/release.grpc.pb.h"

namespace kms::agent {

// What the agent was told out of band, and believes instead of any reply.
struct PinnedCluster {
  std::string cluster_id;           // 16 bytes.
  std::string identity_public_key;  // 32 bytes, Ed25519.
};

struct RetryPolicy {
  bool once = false;  // One pass over the instances, then the status as it is.
  absl::Duration retry_for = absl::Minutes(5);  // From the first call.
  absl::Duration call_timeout = absl::Seconds(15);
};

// The world outside, replaced in tests.
struct Surroundings {
  const Clock& clock;
  std::function<void(absl::Duration)> sleep;
  std::function<double()> uniform;  // In [0, 1): the back-off's jitter.
};

struct ReleasedKey {
  Secret key;
  v1::Receipt receipt;  // As received, for the auditors.
  release::VerifiedReceipt verified;
};

class ReleaseClient {
 public:
  using Instance = v1::WorkloadService::StubInterface;

  // The way to one instance: where the next request goes. Fails with
  // kUnavailable if it cannot be reached; otherwise nothing may be sent there,
  // because it did not prove what it runs.
  using OpenFn = std::function<absl::StatusOr<std::unique_ptr<Instance>>()>;

  // `instances`: at least one, of one cluster, tried in this order.
  // `attester` outlives the client.
  ReleaseClient(PinnedCluster pinned, std::vector<OpenFn> instances,
                attester::Attester& attester, RetryPolicy policy,
                Surroundings surroundings);

  // IntegrityError: what answered is not the pinned cluster, or did not answer
  // this request; never retried. A refusal (client::IsRefusal): the service
  // said no. kUnavailable, kDeadlineExceeded: not within the retry policy.
  // kFailedPrecondition: the Attester could not make Evidence. An OpenFn's own,
  // if no instance may be asked.
  // kResourceExhausted: no locked memory, or Evidence over the bound.
  absl::StatusOr<ReleasedKey> Release(const v1::ReleaseRequest& request);

 private:
  // Sent as often as needed, always the same.
  struct Attempt {
    v1::ReleaseKeyRequest message;
    std::string transcript_digest;
    crypto::HpkePrivateKey recipient;
  };

  absl::StatusOr<ReleasedKey> TryInstances(const v1::ReleaseRequest& request,
                                           std::optional<Attempt>& attempt);
  absl::StatusOr<ReleasedKey> TryOne(Instance& instance,
                                     const v1::ReleaseRequest& request,
                                     std::optional<Attempt>& attempt);
  absl::StatusOr<Attempt> Begin(Instance& instance,
                                const v1::ReleaseRequest& request);
  absl::StatusOr<ReleasedKey> Accept(const Attempt& attempt,
                                     const v1::ReleaseRequest& request,
                                     const v1::ReleaseKeyResponse& response);

  const PinnedCluster pinned_;
  const std::vector<OpenFn> instances_;
  attester::Attester& attester_;
  const RetryPolicy policy_;
  const Surroundings surroundings_;
  size_t preferred_ = 0;  // The instance that answered last.
};

}  // namespace kms::agent

#endif  // TOOLS_KMS_AGENT_AGENT_H_

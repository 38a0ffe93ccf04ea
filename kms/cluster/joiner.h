// The side of a join that wants in. It believes nothing but what it was told
// out of band: the cluster's id and identity key.
//
// One attempt is one instance id, instance key, recipient key, challenge and
// Evidence. While its outcome is unknown the same request goes to the next
// donor: the cluster registers it once.
// Source: architecture.md, "Seals"; review.md 22. Thread-compatible.
#ifndef KMS_CLUSTER_JOINER_H_
#define KMS_CLUSTER_JOINER_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "kms/attester/attester.h"
#include "kms/base/bytes.h"
#include "kms/base/secret.h"
#include "kms/crypto/hpke.h"
#include "kms/crypto/signing_key.h"
#include "kms/seal/root_source.h"
#include "proto/kms/v1/cluster.pb.h"

namespace kms::cluster {

struct PinnedCluster {
  std::string cluster_id;           // 16 bytes.
  std::string identity_public_key;  // 32 bytes, Ed25519.
};

// Fills in Evidence, or the token's MAC, over the transcript digest (64 bytes).
using ProveFn = std::function<absl::Status(BytesView transcript_digest,
                                           v1::JoinRequest& request)>;

// The way of this machine's Evidence. `attester` outlives what is returned.
// REQUEST_TOO_LARGE: its Evidence is over the donor's bound. Others: Attest.
ProveFn ProveByEvidence(attester::Attester& attester);

// The development token's way to prove, which proves nothing about a machine.
ProveFn ProveByToken(Secret token);

class JoinAttempt {
 public:
  // CLUSTER_MISMATCH: the challenge is not the pinned cluster's.
  // kResourceExhausted: no locked memory. Others: those of `prove`.
  static absl::StatusOr<JoinAttempt> Begin(
      const PinnedCluster& pinned,
      const v1::GetJoinChallengeResponse& challenge, const ProveFn& prove);

  const v1::JoinRequest& request() const { return request_; }

  // Takes the answer to request(). Once: the attempt is spent then.
  // SIGNATURE_INVALID: not an answer of the pinned cluster to this request.
  // CLUSTER_MISMATCH: the seal file is another cluster's.
  // DATA_LOSS: what came does not open.
  absl::StatusOr<seal::JoinedCluster> Accept(const v1::JoinResponse& response);

 private:
  JoinAttempt(PinnedCluster pinned, std::string instance_id,
              crypto::Ed25519SigningKey instance_key,
              crypto::HpkePrivateKey recipient);

  PinnedCluster pinned_;
  std::string instance_id_;
  crypto::Ed25519SigningKey instance_key_;
  crypto::HpkePrivateKey recipient_;
  std::string transcript_digest_;
  v1::JoinRequest request_;
};

}  // namespace kms::cluster

#endif  // KMS_CLUSTER_JOINER_H_

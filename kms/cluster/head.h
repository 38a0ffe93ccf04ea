// A head: what an instance says of its own state, signed by its instance key.
// Two heads of one position with unequal digests are two histories.
// Source: architecture.md, "Digest"; review.md 3, 4.
// Thread-safe: free functions.
#ifndef KMS_CLUSTER_HEAD_H_
#define KMS_CLUSTER_HEAD_H_

#include "absl/status/statusor.h"
#include "kms/instance/instance.h"
#include "proto/kms/v1/cluster.pb.h"
#include "proto/storage/v1/record.pb.h"
#include "storage/state/state_view.h"

namespace kms::cluster {

// Of `view`, a state of `instance`. REQUIRES: instance.instance_key.
v1::SignedHead MakeHead(const Instance& instance,
                        const storage::StateView& view);

// The head that `sender` signed.
// PEER_UNKNOWN: he did not, or it is of another cluster or instance.
// REQUEST_MALFORMED: not a head, or over its bounds.
absl::StatusOr<v1::Head> OpenHead(const v1::SignedHead& head,
                                  const storage::StateView& view,
                                  const ::storage::v1::InstanceRecord& sender);

}  // namespace kms::cluster

#endif  // KMS_CLUSTER_HEAD_H_

// What the other instances' heads say of this one: who agrees, who contradicts,
// how fresh it is; whether this instance must stop, and whether it may release.
//
// A head at a position that is applied here is compared at once, for as long as
// its digest is remembered (4,096 entries). One that is ahead of us waits until
// we get there: whoever is shown another log than the others never does, so it
// never agrees. And whoever is shown a log that the others do not get is not
// confirmed by heads from before: what counts is a head that has reached where
// we were a second ago.
//
// Source: architecture.md, "Digest", `release_guard`; review.md 3, 4, 29.
// Thread-safe. Times are times since boot. It does no I/O, and trusts that a
// head was opened (head.h).
#ifndef KMS_CLUSTER_HEAD_KEEPER_H_
#define KMS_CLUSTER_HEAD_KEEPER_H_

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "proto/kms/v1/cluster.pb.h"
#include "storage/log/log_position.h"
#include "storage/state/state_view.h"

namespace kms::cluster {

class HeadKeeper {
 public:
  // `majority`: Guard wants fresh heads of most.
  explicit HeadKeeper(bool majority) : majority_(majority) {}

  // A head came in reply to a question, or with one, at `now`. `view`: our
  // state, taken after that. DATA_LOSS: a row of ours does not authenticate.
  absl::Status Received(const v1::Head& head, const storage::StateView& view,
                        absl::Duration now);

  // Compares what waited, after our state moved. Codes as Received.
  absl::Status Recheck(const storage::StateView& view);

  // DATA_LOSS: most of the other instances that take part contradict us. Then
  // this one must stop: nothing in itself tells who is right, and the others
  // agree with each other or stop as well.
  absl::Status Verdict(const storage::StateView& view,
                       const std::string& own_id) const;

  // Whether this instance's state may be acted on: nothing that came by a
  // snapshot is unconfirmed and, with `majority`, most of the registered
  // instances that take part (this one counts) agreed within kHeadFresh, at or
  // after the position that we had that long ago.
  // HEADS_MISSING otherwise.
  absl::Status Guard(const storage::StateView& view, const std::string& own_id,
                     absl::Duration now) const;

  // The state at `position` came from a peer: until another instance's head
  // after it agrees, nothing is done on it.
  void CameBySnapshot(storage::LogPosition position);

  // What is known of one instance, for its administrators.
  struct Peer {
    v1::Head head;            // The last that came.
    absl::Duration received;  // When.
    v1::InstanceStatus::Agreement agreement =
        v1::InstanceStatus::UNKNOWN;  // Of the last that could be compared.
    // Of the last head that agreed: when it came, and its position; {0, 0} if
    // none ever did.
    absl::Duration agreed;
    storage::LogPosition agreed_at;
    std::optional<v1::Head> waiting;  // Ahead of us.
    absl::Duration waiting_received;
  };
  std::map<std::string, Peer> peers() const;  // By instance id.

 private:
  // Where we were kHeadFresh ago, as far as is remembered.
  storage::LogPosition PositionBefore(absl::Duration now) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Compare(const v1::Head& head, absl::Duration received,
                       const storage::StateView& view, Peer& peer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const bool majority_;
  mutable absl::Mutex mutex_;
  std::map<std::string, Peer> peers_ ABSL_GUARDED_BY(mutex_);
  // Our own positions, when heads came: those of the last second, and the one
  // before them.
  std::deque<std::pair<absl::Duration, storage::LogPosition>> own_
      ABSL_GUARDED_BY(mutex_);
  std::optional<storage::LogPosition> unconfirmed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace kms::cluster

#endif  // KMS_CLUSTER_HEAD_KEEPER_H_

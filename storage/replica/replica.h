// One instance's place in the cluster: it proposes commands to the shared log,
// applies what the log holds, and answers each proposal with what Apply made
// of it.
//
// Source: architecture.md, "Shared log", "Batch", "Trim"; review.md 1, 3, 25,
// 26, 35, 37.
// Deadlines are times of the system's clock; what goes into the log comes from
// the options' clock. Two threads: the proposer (collects commands into a batch
// while the one before is in flight, signs, seals and appends it, and repeats
// it under the same id until its outcome is known) and the applier (reads the
// log, applies, answers). Thread-safe. It decides nothing about commands, opens
// no key material and speaks to no peer.
#ifndef STORAGE_REPLICA_REPLICA_H_
#define STORAGE_REPLICA_REPLICA_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "kms/base/clock.h"
#include "kms/crypto/signing_key.h"
#include "proto/storage/v1/command.pb.h"
#include "storage/engine/engine.h"
#include "storage/envelope/envelope.h"
#include "storage/log/log_position.h"
#include "storage/log/shared_log.h"
#include "storage/replica/limits.h"
#include "storage/state/effect.h"
#include "storage/state/state_view.h"

namespace kms::storage {

struct ReplicaOptions {
  // All of these outlive the replica.
  Engine* state = nullptr;
  SharedLog* log = nullptr;
  const Envelope* envelope = nullptr;
  const Clock* clock = nullptr;

  // Time since boot, suspended time included (CLOCK_BOOTTIME): dates
  // proposals, so that an answer that was held up is noticed.
  std::function<absl::Duration()> boot_time;

  InstanceId instance;
  // Of the key that Register (or Genesis) recorded for `instance`.
  const crypto::Ed25519SigningKey* signing_key = nullptr;
  std::string cluster_id;  // 16 bytes; the state's must be the same.

  // Told once, from one of the replica's threads, why it serves no more. It
  // must not call the replica.
  std::function<void(const absl::Status&)> on_fatal;

  // A pass over the whole state begins at most this often; the first at once.
  absl::Duration scrub_interval = absl::Hours(24);

  // How long a batch waits for commands that were announced (see Announce).
  absl::Duration batch_wait = kBatchWait;

  // Between tries of an append or read whose outcome is unknown.
  absl::Duration retry_delay = absl::Milliseconds(50);
};

// The first entry of a new cluster's log.
struct BootstrapOptions {
  SharedLog* log = nullptr;
  const Envelope* envelope = nullptr;
  const Clock* clock = nullptr;
  InstanceId instance;
  const crypto::Ed25519SigningKey* signing_key = nullptr;
  std::string cluster_id;  // 16 random bytes.
  std::string salt;        // 16 random bytes.
  std::string principal;   // Who did it.
  std::string reason = "init";
  uint32_t approval_threshold = 1;
  std::vector<::storage::v1::Approver> approvers;
  absl::Duration retry_delay = absl::Milliseconds(50);
};

// What became of a proposal.
struct Applied {
  Effect effect;           // Done or refused: see Effect::ok.
  LogPosition position;    // Of the entry that holds the command.
  uint64_t tree_size = 0;  // After that entry; as are root and log time.
  std::string tree_root;   // 32 bytes.
  int64_t log_time_us = 0;
  // boot_time() at the call of Propose. An answer that would leave more than
  // kReplyAgeMax later must not leave (review.md 26).
  absl::Duration proposed_at;
};

inline constexpr absl::Duration kReplyAgeMax = absl::Seconds(2);

class Replica {
 private:
  class Impl;

 public:
  // Says of its bearer that he is about to propose, until he proposes with it
  // or drops it. Must not outlive the replica.
  class Announcement {
   public:
    Announcement() = default;  // Of nobody.
    Announcement(Announcement&& other) noexcept
        : impl_(std::exchange(other.impl_, nullptr)) {}
    Announcement& operator=(Announcement&&) = delete;
    ~Announcement();

   private:
    friend class Replica;
    explicit Announcement(Impl* impl) : impl_(impl) {}

    Impl* impl_ = nullptr;
  };

  // Appends the Genesis entry to an empty log. Returns once it is durable.
  // ALREADY_INITIALIZED (kFailedPrecondition): the log is not empty.
  // kUnavailable: the log was out of reach; if it was so until `deadline`, the
  //   outcome is unknown: see whether Open succeeds.
  // Others: the log's, the envelope's.
  static absl::Status Bootstrap(const BootstrapOptions& options,
                                absl::Time deadline);

  // Gives the log of the epoch after the view's; it outlives BeginEpoch.
  using BeginLogFn =
      absl::FunctionRef<absl::StatusOr<SharedLog*>(const StateView&)>;

  // Begins the next epoch, in the log that `begin_log` gives, with an entry
  // that names where the state of `last` stands; what last.log has beyond it is
  // applied first. That log may be null, behind the state or damaged: then it
  // ends where the state does. Of `next`, cluster_id, approval_threshold and
  // approvers are the state's, and log is begin_log's. Returns once the entry
  // is durable; Open then goes on in the new epoch, in which every other
  // instance must join again.
  // OK also if this instance has begun it before.
  // ALREADY_INITIALIZED: another instance has.
  // kFailedPrecondition: `last.instance` is not registered, or it has to catch
  //   up first: begin the epoch on an instance that is not behind.
  // Others: as Open and Bootstrap, begin_log's.
  static absl::Status BeginEpoch(const ReplicaOptions& last,
                                 BootstrapOptions next, BeginLogFn begin_log,
                                 absl::Time deadline);

  // Opens and checks the state, applies what the log has beyond it, and opens
  // the next incarnation with an empty batch; then it serves. Blocks for as
  // long as that takes; gives up at `deadline`.
  // NOT_INITIALIZED (kFailedPrecondition): the log is empty.
  // kFailedPrecondition: not this cluster; `instance` is not registered with
  //   this key, removed or fenced; or a later epoch begins elsewhere than where
  //   the state stands.
  // kUnavailable: the log was out of reach until `deadline`.
  // Others: as StateMachine::Open and Apply, SharedLog::Read.
  static absl::StatusOr<std::unique_ptr<Replica>> Open(
      const ReplicaOptions& options, absl::Time deadline);

  // Stop(absl::InfinitePast()).
  ~Replica();

  // Orders `command` and waits for its effect. The command may be done even
  // if the call fails, unless the code is one of the first four: ask again
  // what became of it (a Release is answered as a repeat).
  // REQUEST_TOO_LARGE, REQUEST_MALFORMED (kInvalidArgument).
  // RATE_LIMITED (kResourceExhausted): the queue is full.
  // LIMIT_REACHED (kResourceExhausted): the log has no room.
  // LOG_UNAVAILABLE (kUnavailable): stopping, too far behind the log, or not
  //   in a batch by `deadline`: in those cases it was not ordered.
  // kDeadlineExceeded: in flight at `deadline`, or when the replica stopped.
  // Others: the fatal status, once there is one.
  absl::StatusOr<Applied> Propose(const ::storage::v1::ApprovedCommand& command,
                                  absl::Time deadline);
  // Without approvals; ends `announcement` once the command is queued.
  absl::StatusOr<Applied> Propose(const ::storage::v1::Command& command,
                                  absl::Time deadline,
                                  Announcement announcement);
  absl::StatusOr<Applied> Propose(const ::storage::v1::Command& command,
                                  absl::Time deadline) {
    return Propose(command, deadline, Announcement());
  }

  // For a caller with work to do before it can propose, such as verifying
  // Evidence: a batch that has begun to collect waits for his command, for at
  // most batch_wait, so that those who are judged at once share its cost. A
  // command while nothing is announced waits for nobody.
  Announcement Announce();

  // The state after the last applied entry. Never null.
  std::shared_ptr<const StateView> View() const;

  // To be called about once a second, from one thread: states the clock with
  // an empty batch if this instance proposed nothing for 10 s; makes the state
  // durable and trims the log when that is due (which may take a while); reads
  // a slice of the stored state, whose damage is fatal (scrubber.h).
  // The fatal status, once there is one; kUnavailable: the log is out of
  // reach.
  absl::Status Tick();

  // The log's last position. kUnavailable: it is out of reach.
  absl::StatusOr<LogPosition> LogTail() const;

  // See SharedLog::Members.
  std::vector<LogMember> LogMembers() const;

  // Ends service for `status`, a fault that somebody else found: as if the
  // replica had. `status` is not OK.
  void Halt(const absl::Status& status);

  // OK while it serves; else why not.
  absl::Status health() const;

  // Graceful: refuses new proposals, waits until those accepted are answered
  // or `deadline`, then ends the threads and makes the state durable. The
  // replica answers nothing after.
  void Stop(absl::Time deadline);

 private:
  friend class SteppedReplica;
  explicit Replica(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace kms::storage

#endif  // STORAGE_REPLICA_REPLICA_H_

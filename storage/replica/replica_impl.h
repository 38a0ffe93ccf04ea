// Inside of a replica: what its threads share. replica.h is its outside.
//
// opening.cc runs before the threads; proposer.cc holds the callers' side and
// the proposer thread, applier.cc the applier thread, replica.cc upkeep, ending
// and what both threads use.
#ifndef STORAGE_REPLICA_REPLICA_IMPL_H_
#define STORAGE_REPLICA_REPLICA_IMPL_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "proto/storage/v1/command.pb.h"
#include "storage/log/log_position.h"
#include "storage/log/shared_log.h"
#include "storage/replica/limits.h"
#include "storage/replica/log_keeper.h"
#include "storage/replica/replica.h"
#include "storage/state/reencryption.h"
#include "storage/state/scrubber.h"
#include "storage/state/state_machine.h"

namespace kms::storage {

// LOG_UNAVAILABLE: the command is not in the log, and will not be.
absl::Status NotOrdered(absl::string_view why);

std::string ToBytes(const InstanceId& id);

// INSTANCE_REMOVED, or DATA_LOSS: it is fenced. The log takes no batch of it.
absl::Status CheckTakesPart(const ::storage::v1::InstanceRecord& record);

// A caller's wait, from the queue to the answer. Guarded by the replica's
// mutex, but for the command, which does not change; shared, because a caller
// may leave before its command is applied.
struct Proposal {
  ::storage::v1::ApprovedCommand command;
  size_t bytes = 0;
  absl::Duration proposed_at;
  std::optional<absl::StatusOr<Applied>> answer;
  absl::CondVar answered;
};
using ProposalPtr = std::shared_ptr<Proposal>;

// A batch from when it is taken off the queue until it is applied: a proposal
// is always in the queue or in one of these.
struct InFlight {
  std::string sealed_digest;  // Empty until it is sealed.
  std::vector<ProposalPtr> proposals;
  std::optional<absl::Duration> appended_at;  // boot_time; nothing: unknown.
};

// A batch on its way into the log.
struct Outgoing {
  BatchId id;
  std::string sealed;
  bool unknown = false;  // An append of it may have come, or may yet come.
};

class Replica::Impl {
 public:
  Impl(const ReplicaOptions& options, std::unique_ptr<StateMachine> machine)
      : options_(options),
        machine_(std::move(machine)),
        reencryption_(*options.state, *options.envelope),
        keeper_(machine_->applied(), options.boot_time()),
        last_batch_at_(options.boot_time()) {}

  ~Impl() { Stop(absl::InfinitePast()); }

  // As Replica::Open, but for the threads.
  static absl::StatusOr<std::unique_ptr<Impl>> Open(
      const ReplicaOptions& options, absl::Time deadline);
  absl::Status CatchUp(absl::Time deadline);
  absl::Status CheckRegistration();
  void StartThreads();

  // What the threads do, over and over, between their waits. One thread calls
  // ProposerStep, and one ApplierStep.
  // Seals the next batch, if one is wanted and none is on its way, and tries
  // once to append it. False: the outcome is unknown; call again, later.
  bool ProposerStep();
  // Reads the log once and applies what came, waiting up to `wait` for it.
  // False: it is out of reach; call again, later.
  bool ApplierStep(absl::Duration wait);

  // Puts a command into the queue. Codes as Propose, but for those of its
  // wait.
  absl::StatusOr<ProposalPtr> Enqueue(::storage::v1::ApprovedCommand command,
                                      Announcement announcement);
  absl::StatusOr<Applied> Propose(::storage::v1::ApprovedCommand command,
                                  absl::Time deadline,
                                  Announcement announcement);
  void Announce() {
    absl::MutexLock lock(&mutex_);
    ++announced_;
  }
  void Withdraw() {
    absl::MutexLock lock(&mutex_);
    --announced_;
  }
  absl::Status Tick();
  void Stop(absl::Time deadline);
  absl::Status health() const {
    absl::MutexLock lock(&mutex_);
    return fatal_;
  }
  std::shared_ptr<const StateView> View() const { return machine_->View(); }
  absl::StatusOr<LogPosition> LogTail() const { return options_.log->Tail(); }
  std::vector<LogMember> LogMembers() const { return options_.log->Members(); }
  void Fatal(const absl::Status& status);

 private:
  absl::Status Compact(absl::Duration now);
  absl::Status Scrub(absl::Duration now);

  // --- Before the threads. ---
  absl::Status FollowEpoch(uint64_t epoch, absl::Time deadline);
  absl::Status OpenIncarnation(absl::Time deadline);
  absl::Status ApplyThrough(LogPosition position, absl::Time deadline,
                            std::optional<BatchResult>& last);

  // --- The proposer thread. ---
  void ProposerLoop();
  void AwaitAnnounced() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<ProposalPtr> TakeBatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SealNext();
  bool TryAppend(Outgoing& batch);
  bool BatchWanted() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return ended_ || !fatal_.ok() ||
           ((!queue_.empty() || tick_wanted_) &&
            in_flight_.size() < kBatchesInFlightMax);
  }

  // --- The apply thread. ---
  void ApplierLoop();
  absl::Status ApplyEntry(const LogEntry& entry);
  absl::Status Settle(BatchResult& result)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SettleOwn(InFlight batch, BatchResult& result)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // --- Any. ---
  // Its caller waits no more: what he is told of it.
  absl::Status GiveUp(const Proposal& proposal)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ::storage::v1::Batch NewBatch() const;
  BatchId IdOf(uint64_t sequence) const {
    return {options_.instance, incarnation_, sequence};
  }
  absl::Status CheckAdmission() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void Answer(Proposal& proposal, absl::StatusOr<Applied> answer);
  void AnswerAll(const absl::Status& queued, const absl::Status& in_flight)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Waits for the retry delay; false: the threads are to end.
  bool WaitToRetry();

  const ReplicaOptions options_;
  const std::unique_ptr<StateMachine> machine_;  // Applied by one thread.
  Reencryption reencryption_;                    // The apply thread's.
  std::optional<Scrubber> scrubber_;  // A pass in progress. Of Tick's thread,
  absl::Duration next_scrub_;         // as is the boot_time of the next one.
  uint64_t incarnation_ = 0;          // Set before the threads start.
  std::optional<Outgoing> outgoing_;  // The proposer thread's.
  std::thread proposer_;
  std::thread applier_;

  mutable absl::Mutex mutex_;
  LogKeeper keeper_ ABSL_GUARDED_BY(mutex_);
  std::deque<ProposalPtr> queue_ ABSL_GUARDED_BY(mutex_);
  size_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t announced_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<uint64_t, InFlight> in_flight_ ABSL_GUARDED_BY(mutex_);
  uint64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;  // Of the last batch.
  bool tick_wanted_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Duration last_batch_at_ ABSL_GUARDED_BY(mutex_);
  absl::Status fatal_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;  // Takes no more proposals.
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;     // The threads are to end.
};

}  // namespace kms::storage

#endif  // STORAGE_REPLICA_REPLICA_IMPL_H_

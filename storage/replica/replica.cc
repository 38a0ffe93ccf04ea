#include "storage/replica/replica.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "storage/replica/limits.h"
#include "storage/replica/log_keeper.h"
#include "storage/state/batch_codec.h"
#include "storage/state/limits.h"
#include "storage/state/scrubber.h"
#include "storage/state/state_machine.h"

namespace kms::storage {
namespace {

using ::storage::v1::ApprovedCommand;
using ::storage::v1::Batch;

std::string Bytes(const InstanceId& id) {
  return std::string(AsStringView(BytesView(id.bytes)));
}

absl::Status NotOrdered(absl::string_view why) {
  return Refuse(v1::LOG_UNAVAILABLE, absl::StrCat("command: ", why));
}

// A caller's wait, from the queue to the answer. Guarded by the replica's
// mutex, but for the command, which does not change; shared, because a caller
// may leave before its command is applied.
struct Proposal {
  ApprovedCommand command;
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

}  // namespace

class Replica::Impl {
 public:
  Impl(const ReplicaOptions& options, std::unique_ptr<StateMachine> machine)
      : options_(options),
        machine_(std::move(machine)),
        keeper_(machine_->applied(), options.boot_time()),
        last_batch_at_(options.boot_time()) {}

  ~Impl() { Stop(absl::InfinitePast()); }

  absl::Status CatchUp(absl::Time deadline);
  absl::Status CheckRegistration();
  absl::Status OpenIncarnation(absl::Time deadline);
  void StartThreads();

  absl::StatusOr<Applied> Propose(ApprovedCommand command, absl::Time deadline,
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

 private:
  absl::Status Compact(absl::Duration now);
  absl::Status Scrub(absl::Duration now);

  // --- Before the threads. ---
  absl::Status ApplyThrough(LogPosition position, absl::Time deadline,
                            std::optional<BatchResult>& last);

  // --- The proposer thread. ---
  void ProposerLoop();
  void AwaitAnnounced() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<ProposalPtr> TakeBatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ProposeBatch(uint64_t sequence,
                    const std::vector<ProposalPtr>& proposals);
  void AppendUntilKnown(const BatchId& id, const std::string& sealed);
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
  Batch NewBatch() const;
  BatchId IdOf(uint64_t sequence) const {
    return {options_.instance, incarnation_, sequence};
  }
  absl::Status CheckAdmission() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void Answer(Proposal& proposal, absl::StatusOr<Applied> answer);
  void AnswerAll(const absl::Status& queued, const absl::Status& in_flight)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Fatal(const absl::Status& status);
  // Waits for the retry delay; false: the threads are to end.
  bool WaitToRetry();

  const ReplicaOptions options_;
  const std::unique_ptr<StateMachine> machine_;  // Applied by one thread.
  std::optional<Scrubber> scrubber_;  // A pass in progress. Of Tick's thread,
  absl::Duration next_scrub_;         // as is the boot_time of the next one.
  uint64_t incarnation_ = 0;          // Set before the threads start.
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

// ---------------------------------------------------------------------------
// Opening

absl::Status Replica::Impl::CatchUp(absl::Time deadline) {
  for (;;) {
    const absl::StatusOr<LogPosition> tail = options_.log->Tail();
    if (tail.ok()) {
      if (tail->index == 0 && machine_->applied().index == 0) {
        return Refuse(v1::NOT_INITIALIZED, "log: empty; run init first");
      }
      std::optional<BatchResult> last;
      return ApplyThrough(*tail, deadline, last);
    }
    if (!absl::IsUnavailable(tail.status()) || absl::Now() >= deadline) {
      return tail.status();
    }
    absl::SleepFor(options_.retry_delay);
  }
}

// Applies what the log holds up to `position` and perhaps beyond; `last` is
// the result of the entry at `position`, if it was applied here. At least one
// Read is made, so that a log that ends before the state is noticed.
absl::Status Replica::Impl::ApplyThrough(LogPosition position,
                                         absl::Time deadline,
                                         std::optional<BatchResult>& last) {
  do {
    auto entries = options_.log->Read(machine_->applied(), kReadBytesMax,
                                      absl::ZeroDuration());
    if (!entries.ok() && !absl::IsUnavailable(entries.status())) {
      return entries.status();
    }
    if (!entries.ok() || (entries->empty() && machine_->applied() < position)) {
      if (absl::Now() >= deadline) {
        return NotOrdered("the log could not be read in time");
      }
      absl::SleepFor(options_.retry_delay);
      continue;
    }
    for (const LogEntry& entry : *entries) {
      KMS_ASSIGN_OR_RETURN(BatchResult result, machine_->Apply(entry));
      absl::MutexLock lock(&mutex_);
      keeper_.Applied(entry.position, entry.batch.size(), options_.boot_time());
      if (entry.position == position) last = std::move(result);
    }
  } while (machine_->applied() < position);
  return absl::OkStatus();
}

absl::Status Replica::Impl::CheckRegistration() {
  const auto view = machine_->View();
  if (view->header().cluster_id() != options_.cluster_id) {
    return absl::FailedPreconditionError(
        "replica: state and log are of another cluster");
  }
  KMS_ASSIGN_OR_RETURN(const auto record,
                       view->GetInstance(Bytes(options_.instance)));
  if (record.public_key() != options_.signing_key->public_key() ||
      record.removed() || record.fenced()) {
    return absl::FailedPreconditionError(
        "replica: this instance is registered with another key, removed or "
        "fenced");
  }
  return absl::OkStatus();
}

// The first batch of an incarnation closes all earlier ones: whatever a dead
// process of this instance still has on its way is a no-op from then on. If
// such a batch comes first and has taken the number, the next one is tried.
absl::Status Replica::Impl::OpenIncarnation(absl::Time deadline) {
  for (;;) {
    KMS_RETURN_IF_ERROR(CheckRegistration());
    KMS_ASSIGN_OR_RETURN(const auto record, machine_->View()->GetInstance(
                                                Bytes(options_.instance)));
    incarnation_ = std::max(incarnation_, record.incarnation()) + 1;
    Batch batch = NewBatch();
    batch.set_sequence(1);
    KMS_ASSIGN_OR_RETURN(
        const std::string sealed,
        SealBatch(*options_.envelope, *options_.signing_key, batch));
    auto position = options_.log->Append(IdOf(1), AsBytes(sealed));
    while (absl::IsUnavailable(position.status()) && absl::Now() < deadline) {
      absl::SleepFor(options_.retry_delay);
      position = options_.log->Append(IdOf(1), AsBytes(sealed));
    }
    KMS_RETURN_IF_ERROR(position.status());
    std::optional<BatchResult> result;
    KMS_RETURN_IF_ERROR(ApplyThrough(*position, deadline, result));
    if (result.has_value() && result->verdict == BatchVerdict::kApplied &&
        result->sealed_digest == crypto::Sha256(AsBytes(sealed))) {
      absl::MutexLock lock(&mutex_);
      sequence_ = 1;
      return absl::OkStatus();
    }
    if (absl::Now() >= deadline) {
      return NotOrdered("no incarnation could be opened in time");
    }
  }
}

void Replica::Impl::StartThreads() {
  proposer_ = std::thread([this] { ProposerLoop(); });
  applier_ = std::thread([this] { ApplierLoop(); });
}

// ---------------------------------------------------------------------------
// Callers

absl::Status Replica::Impl::CheckAdmission() const {
  KMS_RETURN_IF_ERROR(fatal_);
  if (stopping_) return NotOrdered("this instance is stopping");
  // The oldest batch that is in the log and not yet applied here.
  for (const auto& [sequence, batch] : in_flight_) {
    if (!batch.appended_at.has_value()) continue;
    if (options_.boot_time() - *batch.appended_at > kLagMax) {
      return NotOrdered("this instance is behind the log");
    }
    break;
  }
  if (in_flight_.size() >= kBatchesInFlightMax) {
    return NotOrdered("this instance is behind the log");
  }
  if (queue_.size() >= kQueuedCommandsMax || queued_bytes_ >= kQueuedBytesMax) {
    return Refuse(v1::RATE_LIMITED, "command: the queue is full");
  }
  return absl::OkStatus();
}

absl::StatusOr<Applied> Replica::Impl::Propose(ApprovedCommand command,
                                               absl::Time deadline,
                                               Announcement announcement) {
  if (command.command().size() > kCommandBytesMax) {
    return Refuse(v1::REQUEST_TOO_LARGE,
                  absl::StrCat("command: ", command.command().size(),
                               " bytes, want at most ", kCommandBytesMax));
  }
  if (command.approvals_size() > static_cast<int>(kApprovalsMax)) {
    return Refuse(v1::REQUEST_MALFORMED,
                  absl::StrCat("command: ", command.approvals_size(),
                               " approvals, want at most ", kApprovalsMax));
  }
  // Apply stops every instance, for good, on what it does not know: that must
  // never come from a caller.
  ::storage::v1::Command parsed;
  if (!parsed.ParseFromString(command.command()) || HasUnknown(parsed) ||
      HasUnknown(command)) {
    return Refuse(v1::REQUEST_MALFORMED,
                  "command: does not parse, or holds an unknown field or enum");
  }
  const auto proposal = std::make_shared<Proposal>();
  proposal->bytes = command.ByteSizeLong();
  if (proposal->bytes + kCommandFramingBytes >
      kSignedBatchBytesMax - kBatchOverheadBytes) {
    return Refuse(v1::REQUEST_TOO_LARGE, "command: does not fit a batch");
  }
  proposal->command = std::move(command);
  proposal->proposed_at = options_.boot_time();

  absl::MutexLock lock(&mutex_);
  if (std::exchange(announcement.impl_, nullptr) != nullptr) --announced_;
  KMS_RETURN_IF_ERROR(CheckAdmission());
  queue_.push_back(proposal);
  queued_bytes_ += proposal->bytes;
  while (!proposal->answer.has_value()) {
    if (!proposal->answered.WaitWithDeadline(&mutex_, deadline)) continue;
    if (proposal->answer.has_value()) break;
    const auto queued = std::find(queue_.begin(), queue_.end(), proposal);
    if (queued == queue_.end()) {
      return absl::DeadlineExceededError(
          "command: in flight; whether it is done is not known yet");
    }
    queue_.erase(queued);
    queued_bytes_ -= proposal->bytes;
    return NotOrdered("was not ordered in time");
  }
  return *std::move(proposal->answer);
}

absl::Status Replica::Impl::Tick() {
  const absl::Duration now = options_.boot_time();
  {
    absl::MutexLock lock(&mutex_);
    KMS_RETURN_IF_ERROR(fatal_);
    if (now - last_batch_at_ >= kTickInterval && in_flight_.empty()) {
      tick_wanted_ = true;
    }
  }
  const absl::Status scrubbed = Scrub(now);
  if (!scrubbed.ok()) {
    Fatal(scrubbed);
    return scrubbed;
  }
  return Compact(now);
}

// A slice of a pass. The view that a pass reads goes with the replica, so no
// pass outlives what it stands on.
absl::Status Replica::Impl::Scrub(absl::Duration now) {
  if (!scrubber_.has_value()) {
    if (now < next_scrub_) return absl::OkStatus();
    KMS_ASSIGN_OR_RETURN(
        Scrubber scrubber,
        Scrubber::Create(machine_->View(), *options_.envelope));
    scrubber_.emplace(std::move(scrubber));
    next_scrub_ = now + options_.scrub_interval;
  }
  bool done = false;
  do {
    KMS_ASSIGN_OR_RETURN(done, scrubber_->Step(kScrubStepRows));
  } while (!done && options_.boot_time() - now < kScrubSlice);
  if (done) scrubber_.reset();
  return absl::OkStatus();
}

// Makes the state durable and trims the log, when due.
absl::Status Replica::Impl::Compact(absl::Duration now) {
  LogPosition flush;
  {
    absl::MutexLock lock(&mutex_);
    // What the view shows is written; a flush that begins now covers it.
    if (keeper_.FlushDue(now)) flush = machine_->View()->position();
  }
  if (flush.index != 0) {
    const absl::Status flushed = options_.state->Flush();
    if (!flushed.ok()) {
      Fatal(flushed);
      return flushed;
    }
  }
  LogPosition trim;
  {
    absl::MutexLock lock(&mutex_);
    if (flush.index != 0) keeper_.Flushed(flush);
    trim = keeper_.TrimDue(now);
  }
  if (trim.index == 0) return absl::OkStatus();
  KMS_RETURN_IF_ERROR(options_.log->Trim(trim));
  absl::MutexLock lock(&mutex_);
  keeper_.Trimmed(trim);
  return absl::OkStatus();
}

void Replica::Impl::Stop(absl::Time deadline) {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    const auto settled = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return ended_ || !fatal_.ok() || (queue_.empty() && in_flight_.empty());
    };
    mutex_.AwaitWithDeadline(absl::Condition(&settled), deadline);
    ended_ = true;
    AnswerAll(NotOrdered("this instance stopped"),
              absl::DeadlineExceededError(
                  "command: in flight when this instance stopped"));
  }
  options_.log->Interrupt();
  if (proposer_.joinable()) proposer_.join();
  if (applier_.joinable()) applier_.join();
  // Only shortens the next start: the log has it all.
  (void)options_.state->Flush();
}

// ---------------------------------------------------------------------------
// The proposer

Batch Replica::Impl::NewBatch() const {
  const auto view = machine_->View();
  Batch batch;
  batch.set_instance_id(Bytes(options_.instance));
  batch.set_incarnation(incarnation_);
  batch.set_applied_epoch(view->position().epoch);
  batch.set_applied_index(view->position().index);
  batch.set_applied_digest(view->header().digest());
  batch.set_clock_us(absl::ToUnixMicros(options_.clock->Now()));
  batch.set_feature_level(view->header().feature_level());
  return batch;
}

void Replica::Impl::ProposerLoop() {
  for (;;) {
    std::vector<ProposalPtr> proposals;
    uint64_t sequence = 0;
    {
      absl::MutexLock lock(&mutex_);
      const auto wanted = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return BatchWanted();
      };
      mutex_.Await(absl::Condition(&wanted));
      AwaitAnnounced();
      if (ended_ || !fatal_.ok()) return;
      // The only command may have left meanwhile, at its deadline.
      if (!BatchWanted()) continue;
      proposals = TakeBatch();
      // A batch that was not appended leaves its number to the next.
      sequence = sequence_ + 1;
      in_flight_[sequence].proposals = proposals;
    }
    ProposeBatch(sequence, proposals);
  }
}

// Of a batch that nobody waits for, the clock is all; it goes at once.
void Replica::Impl::AwaitAnnounced() {
  if (queue_.empty()) return;
  const auto complete = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return ended_ || !fatal_.ok() || announced_ == 0 ||
           queue_.size() >= kBatchCommandsWanted ||
           queued_bytes_ >= kSignedBatchBytesMax - kBatchOverheadBytes;
  };
  const absl::Duration waited =
      options_.boot_time() - queue_.front()->proposed_at;
  mutex_.AwaitWithTimeout(absl::Condition(&complete),
                          options_.batch_wait - waited);
}

std::vector<ProposalPtr> Replica::Impl::TakeBatch() {
  std::vector<ProposalPtr> proposals;
  size_t room = kSignedBatchBytesMax - kBatchOverheadBytes;
  while (!queue_.empty() && proposals.size() < kCommandsPerBatchMax &&
         queue_.front()->bytes + kCommandFramingBytes <= room) {
    room -= queue_.front()->bytes + kCommandFramingBytes;
    queued_bytes_ -= queue_.front()->bytes;
    proposals.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  tick_wanted_ = false;
  last_batch_at_ = options_.boot_time();
  return proposals;
}

void Replica::Impl::ProposeBatch(uint64_t sequence,
                                 const std::vector<ProposalPtr>& proposals) {
  Batch batch = NewBatch();
  batch.set_sequence(sequence);
  for (const ProposalPtr& proposal : proposals) {
    *batch.add_commands() = proposal->command;
  }
  const auto sealed =
      SealBatch(*options_.envelope, *options_.signing_key, batch);
  if (!sealed.ok()) return Fatal(sealed.status());
  {
    // Its digest is known before it can be in the log: the applier may be
    // faster than the answer to the append.
    absl::MutexLock lock(&mutex_);
    const auto in_flight = in_flight_.find(sequence);
    if (in_flight == in_flight_.end()) return;  // Answered: stopping.
    in_flight->second.sealed_digest = crypto::Sha256(AsBytes(*sealed));
  }
  AppendUntilKnown(IdOf(sequence), *sealed);
}

void Replica::Impl::AppendUntilKnown(const BatchId& id,
                                     const std::string& sealed) {
  absl::StatusOr<LogPosition> position =
      options_.log->Append(id, AsBytes(sealed));
  // After one unknown outcome "no room" says nothing of that first try, which
  // may still come into the log.
  for (bool unknown = false;
       absl::IsUnavailable(position.status()) ||
       (unknown && absl::IsResourceExhausted(position.status()));
       position = options_.log->Append(id, AsBytes(sealed))) {
    unknown = true;
    if (!WaitToRetry()) return;
  }
  if (absl::IsResourceExhausted(position.status())) {
    absl::MutexLock lock(&mutex_);
    const auto batch = in_flight_.find(id.sequence);
    if (batch == in_flight_.end()) return;
    for (const ProposalPtr& proposal : batch->second.proposals) {
      Answer(*proposal, Refuse(v1::LIMIT_REACHED, "log: no room"));
    }
    in_flight_.erase(batch);
    return;
  }
  if (!position.ok()) return Fatal(position.status());
  absl::MutexLock lock(&mutex_);
  sequence_ = id.sequence;
  const auto batch = in_flight_.find(id.sequence);
  if (batch != in_flight_.end()) {
    batch->second.appended_at = options_.boot_time();
  }
}

// ---------------------------------------------------------------------------
// The applier

void Replica::Impl::ApplierLoop() {
  for (;;) {
    const auto entries =
        options_.log->Read(machine_->applied(), kReadBytesMax, kReadWait);
    {
      absl::MutexLock lock(&mutex_);
      if (ended_ || !fatal_.ok()) return;
    }
    if (absl::IsUnavailable(entries.status()) ||
        (entries.ok() && entries->empty())) {
      if (!entries.ok() && !WaitToRetry()) return;
      continue;
    }
    if (!entries.ok()) return Fatal(entries.status());
    for (const LogEntry& entry : *entries) {
      const absl::Status applied = ApplyEntry(entry);
      if (!applied.ok()) return Fatal(applied);
    }
  }
}

absl::Status Replica::Impl::ApplyEntry(const LogEntry& entry) {
  KMS_ASSIGN_OR_RETURN(
      BatchResult result,
      machine_->Apply(entry, [this](absl::string_view sealed_digest) {
        absl::MutexLock lock(&mutex_);
        for (const auto& [sequence, batch] : in_flight_) {
          if (batch.sealed_digest == sealed_digest) return true;
        }
        return false;
      }));
  absl::MutexLock lock(&mutex_);
  keeper_.Applied(entry.position, entry.batch.size(), options_.boot_time());
  // Everybody is answered by then; a batch of ours is not another process's
  // because nobody waits for it any more.
  if (ended_ || !fatal_.ok()) return absl::OkStatus();
  return Settle(result);
}

// Answers the callers of a batch of ours. An error: this instance must not
// serve any more.
absl::Status Replica::Impl::Settle(BatchResult& result) {
  if (result.id.instance != options_.instance) return absl::OkStatus();
  const auto found = result.id.incarnation == incarnation_
                         ? in_flight_.find(result.id.sequence)
                         : in_flight_.end();
  if (found != in_flight_.end() &&
      found->second.sealed_digest == result.sealed_digest) {
    InFlight batch = std::move(found->second);
    in_flight_.erase(found);
    return SettleOwn(std::move(batch), result);
  }
  switch (result.verdict) {
    case BatchVerdict::kDuplicate:        // A late copy of an earlier one.
    case BatchVerdict::kUnknownInstance:  // Whoever it was could not sign it.
      return absl::OkStatus();
    default:
      return absl::FailedPreconditionError(
          "replica: another process proposes as this instance");
  }
}

absl::Status Replica::Impl::SettleOwn(InFlight batch, BatchResult& result) {
  switch (result.verdict) {
    case BatchVerdict::kApplied:
      for (size_t i = 0; i < batch.proposals.size(); ++i) {
        Applied applied;
        applied.effect = std::move(result.effects[i]);
        applied.position = result.position;
        applied.tree_size = result.tree_size;
        applied.tree_root = result.tree_root;
        applied.log_time_us = result.log_time_us;
        applied.proposed_at = batch.proposals[i]->proposed_at;
        Answer(*batch.proposals[i], std::move(applied));
      }
      return absl::OkStatus();
    case BatchVerdict::kStale:
      // It was proposed on a state that is too old; this one is newer.
      for (auto it = batch.proposals.rbegin(); it != batch.proposals.rend();
           ++it) {
        queued_bytes_ += (*it)->bytes;
        queue_.push_front(std::move(*it));
      }
      return absl::OkStatus();
    default:
      break;
  }
  for (const ProposalPtr& proposal : batch.proposals) {
    Answer(*proposal, NotOrdered("its batch was rejected"));
  }
  switch (result.verdict) {
    case BatchVerdict::kDiverged:
      return Refuse(v1::DATA_LOSS,
                    "replica: this instance's state is not the log's");
    case BatchVerdict::kUnknownInstance:
      return absl::FailedPreconditionError(
          "replica: this instance was removed or fenced");
    default:
      return absl::InternalError("replica: its batch is malformed");
  }
}

// ---------------------------------------------------------------------------
// Shared

void Replica::Impl::Answer(Proposal& proposal, absl::StatusOr<Applied> answer) {
  proposal.answer = std::move(answer);
  proposal.answered.Signal();
}

void Replica::Impl::AnswerAll(const absl::Status& queued,
                              const absl::Status& in_flight) {
  for (const ProposalPtr& proposal : queue_) Answer(*proposal, queued);
  queue_.clear();
  queued_bytes_ = 0;
  for (const auto& [sequence, batch] : in_flight_) {
    for (const ProposalPtr& proposal : batch.proposals) {
      Answer(*proposal, in_flight);
    }
  }
  in_flight_.clear();
}

void Replica::Impl::Fatal(const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    if (!fatal_.ok()) return;
    fatal_ = status;
    AnswerAll(status, status);
  }
  options_.log->Interrupt();
  if (options_.on_fatal) options_.on_fatal(status);
}

bool Replica::Impl::WaitToRetry() {
  absl::MutexLock lock(&mutex_);
  const auto over = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return ended_ || !fatal_.ok();
  };
  return !mutex_.AwaitWithTimeout(absl::Condition(&over), options_.retry_delay);
}

// ---------------------------------------------------------------------------
// Replica

Replica::Replica(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Replica::~Replica() = default;

absl::Status Replica::Bootstrap(const BootstrapOptions& options,
                                absl::Time deadline) {
  KMS_ASSIGN_OR_RETURN(const LogPosition tail, options.log->Tail());
  if (tail.index != 0) {
    return Refuse(v1::ALREADY_INITIALIZED, "log: not empty");
  }
  const int64_t now_us = absl::ToUnixMicros(options.clock->Now());
  ::storage::v1::Command command;
  command.set_salt(options.salt);
  command.set_principal(options.principal);
  command.set_proposed_at_us(now_us);
  auto& genesis = *command.mutable_genesis();
  genesis.set_cluster_id(options.cluster_id);
  genesis.set_epoch(tail.epoch);
  genesis.set_reason(options.reason);
  genesis.set_feature_level(kFeatureLevelMax);
  genesis.set_approval_threshold(options.approval_threshold);
  genesis.set_epoch_started_us(now_us);
  for (const auto& approver : options.approvers) {
    *genesis.add_approvers() = approver;
  }
  auto& first = *genesis.mutable_first_instance();
  first.set_instance_id(Bytes(options.instance));
  first.set_public_key(options.signing_key->public_key());
  first.set_feature_level_min(kFeatureLevelMin);
  first.set_feature_level_max(kFeatureLevelMax);

  Batch batch;
  batch.set_instance_id(Bytes(options.instance));
  batch.set_incarnation(1);
  batch.set_sequence(1);
  batch.set_clock_us(now_us);
  batch.set_feature_level(kFeatureLevelMax);
  batch.add_commands()->set_command(command.SerializeAsString());
  KMS_ASSIGN_OR_RETURN(
      const std::string sealed,
      SealBatch(*options.envelope, *options.signing_key, batch));
  const BatchId id = {options.instance, 1, 1};
  auto position = options.log->Append(id, AsBytes(sealed));
  while (absl::IsUnavailable(position.status()) && absl::Now() < deadline) {
    absl::SleepFor(options.retry_delay);
    position = options.log->Append(id, AsBytes(sealed));
  }
  KMS_RETURN_IF_ERROR(position.status());
  if (position->index != 1) {
    return Refuse(v1::ALREADY_INITIALIZED,
                  "log: another instance started the cluster; join it");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Replica>> Replica::Open(
    const ReplicaOptions& options, absl::Time deadline) {
  KMS_ASSIGN_OR_RETURN(std::unique_ptr<StateMachine> machine,
                       StateMachine::Open(*options.state, *options.envelope));
  auto impl = std::make_unique<Impl>(options, std::move(machine));
  KMS_RETURN_IF_ERROR(impl->CatchUp(deadline));
  KMS_RETURN_IF_ERROR(impl->OpenIncarnation(deadline));
  impl->StartThreads();
  return std::unique_ptr<Replica>(new Replica(std::move(impl)));
}

absl::StatusOr<Applied> Replica::Propose(const ApprovedCommand& command,
                                         absl::Time deadline) {
  return impl_->Propose(command, deadline, Announcement());
}

absl::StatusOr<Applied> Replica::Propose(const ::storage::v1::Command& command,
                                         absl::Time deadline,
                                         Announcement announcement) {
  ApprovedCommand approved;
  approved.set_command(command.SerializeAsString());
  return impl_->Propose(std::move(approved), deadline, std::move(announcement));
}

Replica::Announcement Replica::Announce() {
  impl_->Announce();
  return Announcement(impl_.get());
}

Replica::Announcement::~Announcement() {
  if (impl_ != nullptr) impl_->Withdraw();
}

std::shared_ptr<const StateView> Replica::View() const { return impl_->View(); }

absl::Status Replica::Tick() { return impl_->Tick(); }

absl::Status Replica::health() const { return impl_->health(); }

void Replica::Stop(absl::Time deadline) { impl_->Stop(deadline); }

}  // namespace kms::storage

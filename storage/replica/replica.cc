#include "storage/replica/replica.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "storage/replica/replica_impl.h"

namespace kms::storage {

using ::storage::v1::ApprovedCommand;

std::string ToBytes(const InstanceId& id) {
  return std::string(AsStringView(BytesView(id.bytes)));
}

absl::Status NotOrdered(absl::string_view why) {
  return Refuse(v1::LOG_UNAVAILABLE, absl::StrCat("command: ", why));
}

void Replica::Impl::StartThreads() {
  proposer_ = std::thread([this] { ProposerLoop(); });
  applier_ = std::thread([this] { ApplierLoop(); });
}

// ---------------------------------------------------------------------------
// Upkeep and the end

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
  // Without threads nobody waits for the log, and one that did not open leaves
  // it to the next, which may after a snapshot was copied.
  if (proposer_.joinable() || applier_.joinable()) {
    options_.log->Interrupt();
    options_.log->Stop();
  }
  if (proposer_.joinable()) proposer_.join();
  if (applier_.joinable()) applier_.join();
  // Only shortens the next start: the log has it all.
  (void)options_.state->Flush();
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

absl::StatusOr<LogPosition> Replica::LogTail() const {
  return impl_->LogTail();
}

std::vector<LogMember> Replica::LogMembers() const {
  return impl_->LogMembers();
}

void Replica::Halt(const absl::Status& status) { impl_->Fatal(status); }

absl::Status Replica::health() const { return impl_->health(); }

void Replica::Stop(absl::Time deadline) { impl_->Stop(deadline); }

}  // namespace kms::storage

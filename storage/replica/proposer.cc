// The way of a command into the log: callers, and the proposer thread.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "storage/replica/replica_impl.h"
#include "storage/state/batch_codec.h"
#include "storage/state/limits.h"

namespace kms::storage {

using ::storage::v1::ApprovedCommand;
using ::storage::v1::Batch;

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

absl::StatusOr<ProposalPtr> Replica::Impl::Enqueue(ApprovedCommand command,
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
  return proposal;
}

absl::StatusOr<Applied> Replica::Impl::Propose(ApprovedCommand command,
                                               absl::Time deadline,
                                               Announcement announcement) {
  KMS_ASSIGN_OR_RETURN(const ProposalPtr proposal,
                       Enqueue(std::move(command), std::move(announcement)));
  absl::MutexLock lock(&mutex_);
  while (!proposal->answer.has_value()) {
    if (!proposal->answered.WaitWithDeadline(&mutex_, deadline)) continue;
    if (!proposal->answer.has_value()) return GiveUp(*proposal);
  }
  return *std::move(proposal->answer);
}

absl::Status Replica::Impl::GiveUp(const Proposal& proposal) {
  const auto queued =
      std::find_if(queue_.begin(), queue_.end(),
                   [&](const auto& p) { return p.get() == &proposal; });
  if (queued == queue_.end()) {
    return absl::DeadlineExceededError(
        "command: in flight; whether it is done is not known yet");
  }
  queued_bytes_ -= proposal.bytes;
  queue_.erase(queued);
  return NotOrdered("was not ordered in time");
}

Batch Replica::Impl::NewBatch() const {
  const auto view = machine_->View();
  Batch batch;
  batch.set_instance_id(ToBytes(options_.instance));
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
    {
      absl::MutexLock lock(&mutex_);
      const auto wanted = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return BatchWanted();
      };
      mutex_.Await(absl::Condition(&wanted));
      AwaitAnnounced();
      if (ended_ || !fatal_.ok()) return;
    }
    while (!ProposerStep()) {
      if (!WaitToRetry()) return;
    }
  }
}

bool Replica::Impl::ProposerStep() {
  if (!outgoing_.has_value()) {
    const absl::Status sealed = SealNext();
    if (!sealed.ok()) Fatal(sealed);
    if (!outgoing_.has_value()) return true;
  }
  if (!TryAppend(*outgoing_)) return false;
  outgoing_.reset();
  return true;
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

// The next batch off the queue, into outgoing_, unless none is wanted.
absl::Status Replica::Impl::SealNext() {
  std::vector<ProposalPtr> proposals;
  uint64_t sequence = 0;
  {
    absl::MutexLock lock(&mutex_);
    // The only command may have left meanwhile, at its deadline.
    if (ended_ || !fatal_.ok() || !BatchWanted()) return absl::OkStatus();
    proposals = TakeBatch();
    // A batch that was not appended leaves its number to the next.
    sequence = sequence_ + 1;
    in_flight_[sequence].proposals = proposals;
  }
  Batch batch = NewBatch();
  batch.set_sequence(sequence);
  for (const ProposalPtr& proposal : proposals) {
    *batch.add_commands() = proposal->command;
  }
  KMS_ASSIGN_OR_RETURN(
      std::string sealed,
      SealBatch(*options_.envelope, *options_.signing_key, batch));
  // Its digest is known before it can be in the log: the applier may be
  // faster than the answer to the append.
  absl::MutexLock lock(&mutex_);
  const auto in_flight = in_flight_.find(sequence);
  if (in_flight == in_flight_.end()) return absl::OkStatus();  // Stopping.
  in_flight->second.sealed_digest = crypto::Sha256(AsBytes(sealed));
  outgoing_ = Outgoing{IdOf(sequence), std::move(sealed), false};
  return absl::OkStatus();
}

// False: the outcome is not known yet.
bool Replica::Impl::TryAppend(Outgoing& batch) {
  const absl::StatusOr<LogPosition> position =
      options_.log->Append(batch.id, AsBytes(batch.sealed));
  // After one unknown outcome "no room" says nothing of that first try, which
  // may still come into the log.
  if (absl::IsUnavailable(position.status()) ||
      (batch.unknown && absl::IsResourceExhausted(position.status()))) {
    batch.unknown = true;
    return false;
  }
  if (!position.ok() && !absl::IsResourceExhausted(position.status())) {
    Fatal(position.status());
    return true;
  }
  absl::MutexLock lock(&mutex_);
  if (position.ok()) sequence_ = batch.id.sequence;
  const auto in_flight = in_flight_.find(batch.id.sequence);
  if (in_flight == in_flight_.end()) return true;
  if (position.ok()) {
    in_flight->second.appended_at = options_.boot_time();
    return true;
  }
  // Its words say what an operator can do.
  const absl::Status refusal =
      Refuse(v1::LIMIT_REACHED, position.status().message());
  for (const ProposalPtr& proposal : in_flight->second.proposals) {
    Answer(*proposal, refusal);
  }
  in_flight_.erase(in_flight);
  return true;
}

}  // namespace kms::storage

// The way of a command out of the log: the applier thread.
#include <algorithm>
#include <string>
#include <utility>

#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "storage/replica/replica_impl.h"

namespace kms::storage {

void Replica::Impl::ApplierLoop() {
  for (;;) {
    const bool read = ApplierStep(kReadWait);
    {
      absl::MutexLock lock(&mutex_);
      if (ended_ || !fatal_.ok()) return;
    }
    if (!read && !WaitToRetry()) return;
  }
}

bool Replica::Impl::ApplierStep(absl::Duration wait) {
  if (reencryption_.wanted()) wait = std::min(wait, kReencryptPause);
  const auto entries =
      options_.log->Read(machine_->applied(), kReadBytesMax, wait);
  {
    absl::MutexLock lock(&mutex_);
    if (ended_ || !fatal_.ok()) return true;
  }
  if (absl::IsUnavailable(entries.status())) return false;
  absl::Status status = entries.status();
  for (size_t i = 0; status.ok() && i < entries->size(); ++i) {
    status = ApplyEntry((*entries)[i]);
  }
  if (status.ok() && reencryption_.wanted()) {
    status = reencryption_.Step(kReencryptRows);
  }
  if (!status.ok()) Fatal(status);
  return true;
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
    case BatchVerdict::kUnknownInstance: {
      KMS_ASSIGN_OR_RETURN(const auto record,
                           View()->GetInstance(ToBytes(options_.instance)));
      KMS_RETURN_IF_ERROR(CheckTakesPart(record));
      break;
    }
    default:
      break;
  }
  return absl::InternalError("replica: its batch is malformed");
}

}  // namespace kms::storage

// A replica before its threads: a cluster's first entry, catching up, and the
// next incarnation.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "storage/replica/replica_impl.h"
#include "storage/state/batch_codec.h"
#include "storage/state/limits.h"

namespace kms::storage {

using ::storage::v1::Batch;

absl::Status Replica::Impl::CatchUp(absl::Time deadline) {
  for (;;) {
    const absl::StatusOr<LogPosition> tail = options_.log->Tail();
    if (tail.ok()) {
      if (tail->index == 0 && machine_->applied().index == 0) {
        return Refuse(v1::NOT_INITIALIZED, "log: empty; run init first");
      }
      if (machine_->applied().index == 0 && tail->epoch > 1) {
        // Only the first epoch begins with nothing: the entries of a later one
        // say nothing to who lacks the state that it goes on from.
        return absl::OutOfRangeError(
            "replica: the log goes on from an earlier epoch; copy a snapshot");
      }
      if (machine_->applied().index != 0 && tail->index != 0 &&
          tail->epoch > machine_->applied().epoch) {
        KMS_RETURN_IF_ERROR(FollowEpoch(tail->epoch, deadline));
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

// Applies the first entry of `epoch`, which must follow the state.
absl::Status Replica::Impl::FollowEpoch(uint64_t epoch, absl::Time deadline) {
  for (;;) {
    const auto entries =
        options_.log->Read({epoch, 0}, /*bytes_max=*/0, absl::ZeroDuration());
    if (absl::IsOutOfRange(entries.status())) {
      return absl::FailedPreconditionError(
          "replica: the log's new epoch has left this instance behind; it "
          "must join again");
    }
    if (!entries.ok() && !absl::IsUnavailable(entries.status())) {
      return entries.status();
    }
    if (entries.ok() && !entries->empty()) {
      KMS_RETURN_IF_ERROR(machine_->Apply(entries->front()).status());
      absl::MutexLock lock(&mutex_);
      keeper_ = LogKeeper(machine_->applied(), options_.boot_time());
      return absl::OkStatus();
    }
    if (absl::Now() >= deadline) {
      return NotOrdered("the log could not be read in time");
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

absl::Status CheckTakesPart(const ::storage::v1::InstanceRecord& record) {
  if (record.removed()) {
    return Refuse(v1::INSTANCE_REMOVED, "replica: this instance was removed");
  }
  if (record.fenced()) {
    return Refuse(v1::DATA_LOSS,
                  "replica: this instance is fenced: its state was not the "
                  "log's; copy it anew, then unfence it");
  }
  return absl::OkStatus();
}

absl::Status Replica::Impl::CheckRegistration() {
  const auto view = machine_->View();
  if (view->header().cluster_id() != options_.cluster_id) {
    return absl::FailedPreconditionError(
        "replica: state and log are of another cluster");
  }
  KMS_ASSIGN_OR_RETURN(const auto record,
                       view->GetInstance(ToBytes(options_.instance)));
  if (record.public_key() != options_.signing_key->public_key()) {
    return absl::FailedPreconditionError(
        "replica: this instance is registered with another key");
  }
  return CheckTakesPart(record);
}

// The first batch of an incarnation closes all earlier ones: whatever a dead
// process of this instance still has on its way is a no-op from then on. If
// such a batch comes first and has taken the number, the next one is tried.
absl::Status Replica::Impl::OpenIncarnation(absl::Time deadline) {
  for (;;) {
    KMS_RETURN_IF_ERROR(CheckRegistration());
    KMS_ASSIGN_OR_RETURN(const auto record, machine_->View()->GetInstance(
                                                ToBytes(options_.instance)));
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

namespace {

// Completes the first command of an epoch, and appends its entry.
absl::Status AppendGenesis(const BootstrapOptions& options,
                           ::storage::v1::Genesis genesis, uint64_t incarnation,
                           absl::Time deadline) {
  const int64_t now_us = absl::ToUnixMicros(options.clock->Now());
  genesis.set_reason(options.reason);
  genesis.set_epoch_started_us(now_us);
  auto& first = *genesis.mutable_first_instance();
  first.set_instance_id(ToBytes(options.instance));
  first.set_public_key(options.signing_key->public_key());
  first.set_feature_level_min(kFeatureLevelMin);
  first.set_feature_level_max(kFeatureLevelMax);
  ::storage::v1::Command command;
  command.set_salt(options.salt);
  command.set_principal(options.principal);
  command.set_proposed_at_us(now_us);
  *command.mutable_genesis() = std::move(genesis);

  Batch batch;
  batch.set_instance_id(ToBytes(options.instance));
  batch.set_incarnation(incarnation);
  batch.set_sequence(1);
  batch.set_clock_us(now_us);
  batch.set_feature_level(command.genesis().feature_level());
  batch.add_commands()->set_command(command.SerializeAsString());
  KMS_ASSIGN_OR_RETURN(
      const std::string sealed,
      SealBatch(*options.envelope, *options.signing_key, batch));
  const BatchId id = {options.instance, incarnation, 1};
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

}  // namespace

absl::Status Replica::Bootstrap(const BootstrapOptions& options,
                                absl::Time deadline) {
  KMS_ASSIGN_OR_RETURN(const LogPosition tail, options.log->Tail());
  if (tail.index != 0) {
    return Refuse(v1::ALREADY_INITIALIZED, "log: not empty");
  }
  ::storage::v1::Genesis genesis;
  genesis.set_cluster_id(options.cluster_id);
  genesis.set_epoch(tail.epoch);
  genesis.set_feature_level(kFeatureLevelMax);
  genesis.set_approval_threshold(options.approval_threshold);
  for (const auto& approver : options.approvers) {
    *genesis.add_approvers() = approver;
  }
  return AppendGenesis(options, std::move(genesis), /*incarnation=*/1,
                       deadline);
}

namespace {

// That a log which does not go on with the state is a damaged one of this
// cluster, and not another cluster's, which a new epoch in its place would end:
// its last entry is under a log key of ours. What cannot be read says nothing.
absl::Status CheckOurs(SharedLog& log, const Envelope& envelope) {
  KMS_ASSIGN_OR_RETURN(const LogPosition tail, log.Tail());
  if (tail.index == 0) return absl::OkStatus();
  const auto entries = log.Read({tail.epoch, tail.index - 1}, /*bytes_max=*/0,
                                absl::ZeroDuration());
  if (absl::IsUnavailable(entries.status())) return entries.status();
  if (!entries.ok() || entries->empty() ||
      !absl::IsDataLoss(OpenEntry(envelope, entries->front().batch).status())) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      "replica: this log holds what is not this cluster's; name another "
      "prefix, or remove what is there if it is damaged beyond repair");
}

}  // namespace

absl::Status Replica::BeginEpoch(const ReplicaOptions& last,
                                 BootstrapOptions next, BeginLogFn begin_log,
                                 absl::Time deadline) {
  KMS_ASSIGN_OR_RETURN(std::unique_ptr<StateMachine> machine,
                       StateMachine::Open(*last.state, *last.envelope));
  Impl impl(last, std::move(machine));
  const uint64_t ended = impl.View()->position().epoch;
  if (ended == 0) {
    return Refuse(v1::NOT_INITIALIZED, "state: empty; run init first");
  }
  if (last.log != nullptr) {
    const absl::Status caught_up = impl.CatchUp(deadline);
    if (absl::IsOutOfRange(caught_up)) {
      return absl::FailedPreconditionError(
          "replica: the log has trimmed what this instance lacks; begin the "
          "epoch on one that is not behind");
    }
    // A log that lost its end, or all of it, ends where the state does.
    KMS_RETURN_IF_ERROR(absl::IsDataLoss(caught_up)
                            ? CheckOurs(*last.log, *last.envelope)
                            : caught_up);
  }
  KMS_RETURN_IF_ERROR(impl.CheckRegistration());
  const auto view = impl.View();
  // An earlier try began it: in the new epoch only its beginner is registered.
  if (view->position().epoch != ended) return absl::OkStatus();
  // From here on the log of the ended epoch is not needed any more.
  KMS_RETURN_IF_ERROR(last.state->Flush());
  KMS_ASSIGN_OR_RETURN(next.log, begin_log(*view));
  ::storage::v1::Genesis genesis;
  genesis.set_cluster_id(view->header().cluster_id());
  genesis.set_epoch(ended + 1);
  genesis.set_previous_epoch(ended);
  genesis.set_previous_index(view->position().index);
  genesis.set_previous_digest(view->header().digest());
  genesis.set_feature_level(view->header().feature_level());
  genesis.set_approval_threshold(view->header().approval_threshold());
  KMS_ASSIGN_OR_RETURN(const auto record,
                       view->GetInstance(ToBytes(next.instance)));
  return AppendGenesis(next, std::move(genesis), record.incarnation() + 1,
                       deadline);
}

absl::StatusOr<std::unique_ptr<Replica::Impl>> Replica::Impl::Open(
    const ReplicaOptions& options, absl::Time deadline) {
  KMS_ASSIGN_OR_RETURN(std::unique_ptr<StateMachine> machine,
                       StateMachine::Open(*options.state, *options.envelope));
  // What is there may be what a killed process wrote and nobody synced: the
  // log keeper takes it to be on disk.
  KMS_RETURN_IF_ERROR(options.state->Flush());
  auto impl = std::make_unique<Impl>(options, std::move(machine));
  KMS_RETURN_IF_ERROR(impl->CatchUp(deadline));
  KMS_RETURN_IF_ERROR(impl->OpenIncarnation(deadline));
  return impl;
}

absl::StatusOr<std::unique_ptr<Replica>> Replica::Open(
    const ReplicaOptions& options, absl::Time deadline) {
  KMS_ASSIGN_OR_RETURN(std::unique_ptr<Impl> impl,
                       Impl::Open(options, deadline));
  impl->StartThreads();
  return std::unique_ptr<Replica>(new Replica(std::move(impl)));
}

}  // namespace kms::storage

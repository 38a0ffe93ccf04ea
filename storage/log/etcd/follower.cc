#include "storage/log/etcd/follower.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "kms/base/status.h"
#include "storage/log/checks.h"
#include "storage/log/etcd/limits.h"

namespace kms::storage {

absl::StatusOr<std::vector<LogEntry>> Follower::Read(LogPosition after,
                                                     size_t bytes_max,
                                                     absl::Duration wait) {
  const absl::Time until = absl::Now() + wait;
  for (;;) {
    if (!following_ || after != at_) KMS_RETURN_IF_ERROR(Begin(after));
    const absl::StatusOr<bool> filled = Fill(bytes_max, until);
    if (filled.ok()) return Take(bytes_max);
    following_ = false;  // What is ready is good all the same.
    if (!ready_.empty()) return Take(bytes_max);
    // Compaction passed it, or it contradicts itself: Begin lists.
    const bool aborted = absl::IsAborted(filled.status());
    if (!aborted && !absl::IsOutOfRange(filled.status())) {
      return filled.status();
    }
    if (++faults_ <= kFaultsMax) continue;
    faults_ = 0;
    const std::string why = absl::StrCat("no way on after index ", after.index,
                                         ": ", filled.status().message());
    return aborted ? EtcdDamaged(why) : absl::UnavailableError(why);
  }
}

std::vector<LogEntry> Follower::Take(size_t bytes_max) {
  std::vector<LogEntry> entries;
  size_t bytes = 0;
  while (!ready_.empty()) {
    const size_t size = ready_.front().batch.size();
    bytes += size;
    if (!entries.empty() && bytes > bytes_max) break;
    ready_bytes_ -= size;
    at_ = ready_.front().position;
    entries.push_back(std::move(ready_.front()));
    ready_.pop_front();
  }
  return entries;
}

// ---------------------------------------------------------------------------
// Where to read on

absl::Status Follower::Begin(LogPosition after) {
  std::optional<int64_t> revision;  // Of the entry at `after`, if known.
  if (assembler_.has_value() && assembler_->index() == after.index) {
    revision = assembler_->revision();
  }
  following_ = false;
  watch_.Stop();
  watching_ = false;
  ready_.clear();
  ready_bytes_ = 0;
  listed_.clear();
  KMS_ASSIGN_OR_RETURN(const EtcdBounds bounds, GetBounds(client_, keys_));
  KMS_RETURN_IF_ERROR(CheckReadable(after, bounds.trimmed, bounds.end()));
  at_ = after;
  known_ = bounds.tail.index;
  if (faults_ > 0) return List(bounds, after.index);
  // One from before a rollback says nothing of this log.
  const bool known = revision.has_value() && *revision <= bounds.revision;
  const absl::StatusOr<int64_t> start =
      known ? *revision + 1 : FindStart(client_, keys_, bounds, after.index);
  if (absl::IsOutOfRange(start.status())) return List(bounds, after.index);
  KMS_RETURN_IF_ERROR(start.status());
  assembler_.emplace(keys_, after.index, *start - 1);
  Watch(*start);
  following_ = true;
  return absl::OkStatus();
}

absl::Status Follower::List(const EtcdBounds& bounds, uint64_t after) {
  KMS_ASSIGN_OR_RETURN(const std::vector<EtcdEntry> entries,
                       ListEntries(client_, keys_, bounds));
  const auto next =
      entries.begin() + static_cast<int64_t>(after - bounds.trimmed.index);
  int64_t before = 0;
  if (next != entries.begin()) before = std::prev(next)->revision;
  if (next == entries.end()) before = bounds.revision;
  assembler_.emplace(keys_, after, before);
  listed_.assign(next, entries.end());
  list_revision_ = bounds.revision;
  following_ = true;
  return absl::OkStatus();
}

void Follower::Watch(int64_t start) {
  etcdserverpb::WatchCreateRequest request;
  request.set_key(keys_.EpochPrefix());
  request.set_range_end(RangeEnd(keys_.EpochPrefix()));
  request.set_start_revision(start);
  request.add_filters(etcdserverpb::WatchCreateRequest::NODELETE);
  request.set_fragment(true);
  watched_endpoint_ = client_.current();
  watch_.Start(client_.watch(watched_endpoint_), request);
  watching_ = true;
}

// ---------------------------------------------------------------------------
// What comes

absl::StatusOr<bool> Follower::Fill(size_t bytes_max, absl::Time until) {
  // Whatever else a watch may say: without an entry it is silent.
  absl::Time silent_at = absl::Now() + kSilenceMax;
  while (ready_.empty() || ready_bytes_ < bytes_max) {
    const bool behind = assembler_->index() < known_;
    if (!behind && ready_.empty() && std::exchange(interrupted_, false)) {
      return false;
    }
    const absl::Time now = absl::Now();
    absl::Time limit = silent_at;
    if (!behind) limit = ready_.empty() ? std::min(limit, until) : now;
    const uint64_t before = assembler_->index();
    const bool waited = assembler_->waits();
    KMS_ASSIGN_OR_RETURN(Pulled pulled, Pull(limit));
    if (assembler_->index() != before || assembler_->waits() != waited) {
      silent_at = absl::Now() + kSilenceMax;
    } else if (pulled == Pulled::kSome && now >= silent_at) {
      pulled = Pulled::kNothing;
    }
    switch (pulled) {
      case Pulled::kSome:
        break;
      case Pulled::kInterrupted:
        interrupted_ = true;
        break;
      case Pulled::kNothing:
        if (behind) {
          client_.Leave(watched_endpoint_);
          return absl::UnavailableError(
              "etcd: a watch withholds entries, or hangs");
        }
        if (!ready_.empty()) return true;
        KMS_ASSIGN_OR_RETURN(const bool more, LookBeyond());
        if (!more && absl::Now() >= until) return false;
        silent_at = absl::Now() + kSilenceMax;
        break;
    }
  }
  return true;
}

// Whether there are entries that the watch has not shown.
absl::StatusOr<bool> Follower::LookBeyond() {
  KMS_ASSIGN_OR_RETURN(const EtcdBounds bounds, GetBounds(client_, keys_));
  KMS_RETURN_IF_ERROR(CheckReadable({keys_.epoch(), assembler_->index()},
                                    bounds.trimmed, bounds.end()));
  if (client_.current() != watched_endpoint_) {
    return absl::UnavailableError("etcd: the watched endpoint hangs");
  }
  known_ = bounds.tail.index;
  if (known_ > assembler_->index()) return true;
  faults_ = 0;
  return false;
}

absl::StatusOr<Follower::Pulled> Follower::Pull(absl::Time until) {
  if (!listed_.empty()) {
    KMS_RETURN_IF_ERROR(Fetch());
    return Pulled::kSome;
  }
  if (!watching_) Watch(list_revision_ + 1);
  etcdserverpb::WatchResponse response;
  switch (watch_.Next(until, response)) {
    case WatchStream::Outcome::kResponse:
      KMS_RETURN_IF_ERROR(Absorb(std::move(response)));
      return Pulled::kSome;
    case WatchStream::Outcome::kTimeout:
      return Pulled::kNothing;
    case WatchStream::Outcome::kInterrupted:
      return Pulled::kInterrupted;
    case WatchStream::Outcome::kEnded:
      break;
  }
  client_.Leave(watched_endpoint_);
  return absl::UnavailableError("etcd: the watch ended");
}

absl::Status Follower::Absorb(etcdserverpb::WatchResponse response) {
  const absl::Status ours = client_.CheckCluster(response.header());
  if (!ours.ok() || (response.canceled() && response.compact_revision() == 0)) {
    client_.Leave(watched_endpoint_);
    return ours.ok() ? absl::UnavailableError("etcd: it canceled the watch")
                     : ours;
  }
  if (response.canceled()) {
    return absl::OutOfRangeError("compaction has passed the watch");
  }
  for (mvccpb::Event& event : *response.mutable_events()) {
    KMS_ASSIGN_OR_RETURN(std::optional<AssembledEntry> assembled,
                         assembler_->Take(std::move(event)));
    if (!assembled.has_value()) continue;
    faults_ = 0;
    Accept(*std::move(assembled));
  }
  return absl::OkStatus();
}

// The next few of the list.
absl::Status Follower::Fetch() {
  etcdserverpb::TxnRequest request;
  const size_t count = std::min(listed_.size(), kFetchEntries);
  for (size_t i = 0; i < count; ++i) {
    AddGet(*request.add_success(), keys_.Batch(listed_[i].id), list_revision_);
  }
  KMS_ASSIGN_OR_RETURN(const etcdserverpb::TxnResponse response,
                       client_.Get(request, kBulkTimeout));
  for (size_t i = 0; i < count; ++i) {
    const EtcdEntry entry = listed_.front();
    KMS_ASSIGN_OR_RETURN(
        const mvccpb::KeyValue* const got,
        GotAt(response, static_cast<int>(i), keys_.Batch(entry.id)));
    if (got == nullptr || got->mod_revision() != entry.revision) {
      return absl::AbortedError("an entry that was listed is not there");
    }
    KMS_ASSIGN_OR_RETURN(AssembledEntry assembled,
                         assembler_->TakeListed(entry.id, *got));
    Accept(std::move(assembled));
    listed_.pop_front();
  }
  return absl::OkStatus();
}

void Follower::Accept(AssembledEntry assembled) {
  entry_index_.Add(assembled.entry.position.index, assembled.id);
  known_ = std::max(known_, assembled.entry.position.index);
  ready_bytes_ += assembled.entry.batch.size();
  ready_.push_back(std::move(assembled.entry));
}

}  // namespace kms::storage

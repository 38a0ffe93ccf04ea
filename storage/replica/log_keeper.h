// Decides how much of the shared log may be forgotten, and how far the state
// is on disk.
// Source: architecture.md, "Trim"; review.md 7, 25.
// Thread-compatible. It calls neither log nor engine.
#ifndef STORAGE_REPLICA_LOG_KEEPER_H_
#define STORAGE_REPLICA_LOG_KEEPER_H_

#include <cstdint>
#include <deque>

#include "absl/time/time.h"
#include "storage/log/log_position.h"

namespace kms::storage {

class LogKeeper {
 public:
  // `applied`: where the state on disk stands at the start. What came before
  // is taken to be as old as the start.
  LogKeeper(LogPosition applied, absl::Duration now);

  // An entry of `bytes` was applied at `now`.
  void Applied(LogPosition position, uint64_t bytes, absl::Duration now);

  // All up to `position` is on disk.
  void Flushed(LogPosition position);

  // Whether the state should be made durable now: much log has come since, or
  // some is to be forgotten.
  bool FlushDue(absl::Duration now) const;

  // The last entry that may be forgotten now: old, or beyond what is kept, and
  // on disk here. {0, 0} if there is none, or it was asked for before.
  LogPosition TrimDue(absl::Duration now) const;
  void Trimmed(LogPosition position) { trimmed_ = position; }

 private:
  struct Mark {
    LogPosition position;
    uint64_t bytes;  // Of the log up to it, since the start.
    absl::Duration at;
  };
  LogPosition Forgettable(absl::Duration now) const;

  std::deque<Mark> marks_;  // Oldest first; never empty.
  LogPosition applied_;
  uint64_t bytes_ = 0;
  LogPosition flushed_;
  uint64_t flushed_bytes_ = 0;
  LogPosition trimmed_;
};

}  // namespace kms::storage

#endif  // STORAGE_REPLICA_LOG_KEEPER_H_

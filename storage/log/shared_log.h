// The shared log: the one thing instances agree through. A totally ordered
// sequence of sealed batches; this folder never looks inside one.
//
// Source: architecture.md, "State, storage and replication"; review.md 1, 5-7.
// Implementations: local (one instance, RocksDB), etcd (clusters), simulated
// (tests). One suite (conformance_test.cc) holds all of them to this page.
//
// A log may forget that it knew a batch once the entry is trimmed, so an old
// batch can appear again at a new position. The state machine, which keeps the
// last (incarnation, sequence) of each instance, is what makes that harmless.
//
// Thread-safe, for this use: one proposer thread calls Append and one reader
// thread calls Read, at the same time; Tail, Trim, Interrupt, Members and Stop
// may be called from any.
#ifndef STORAGE_LOG_SHARED_LOG_H_
#define STORAGE_LOG_SHARED_LOG_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "storage/log/log_position.h"

namespace kms::storage {

// etcd refuses requests over 1.5 MiB (review.md 35).
inline constexpr size_t kBatchBytesMax = size_t{1} << 20;

struct LogEntry {
  LogPosition position;
  std::string batch;  // The sealed bytes, as they were appended.
};

// What a server behind the log says of itself, or why it does not.
struct LogMember {
  std::string address;
  absl::Status status;
  std::string version;
  uint64_t member_id = 0;
  uint64_t leader_id = 0;    // 0: it knows of none.
  int64_t bytes = 0;         // Of its files ...
  int64_t bytes_in_use = 0;  // ... and what a defragmentation would leave.
  std::vector<std::string> alarms;  // Such as "NOSPACE".
};

class SharedLog {
 public:
  virtual ~SharedLog() = default;

  // Appends `sealed_batch` (1 to kBatchBytesMax bytes) under `id`, and returns
  // its position once it is durable. Appending an id that the log still knows
  // changes nothing and returns the first position; the bytes are not
  // compared.
  // kUnavailable: the outcome is unknown. The batch may be in the log, or come
  //   into it later; call again with the same id until the answer is another.
  // kResourceExhausted: `sealed_batch` is too large, or the log has no room;
  //   nothing was appended.
  // kInvalidArgument: `sealed_batch` is empty.
  // kDataLoss: the log is damaged.
  virtual absl::StatusOr<LogPosition> Append(const BatchId& id,
                                             BytesView sealed_batch) = 0;

  // The entries strictly after `after`, in order and without gaps: at least
  // one, if there is one, and as many more as keep their batches within
  // `bytes_max` together. `after` is the position last applied; {0, 0} or
  // {epoch, 0} reads from the first.
  // If there is none it waits up to `wait`, then returns an empty list.
  // kOutOfRange: entries after `after` were trimmed, or it is of an earlier
  //   epoch: copy a snapshot.
  // kDataLoss: the log ends before `after` or is of an earlier epoch, so it
  //   has lost what this reader has already applied; or it is damaged.
  // kUnavailable: the log is out of reach; call again.
  virtual absl::StatusOr<std::vector<LogEntry>> Read(LogPosition after,
                                                     size_t bytes_max,
                                                     absl::Duration wait) = 0;

  // The position of the last entry; {epoch, 0} if there was none yet.
  // Linearizable: not before any append that was answered before the call.
  // kUnavailable: the log is out of reach.
  virtual absl::StatusOr<LogPosition> Tail() = 0;

  // Forgets all entries up to and including `through`, of the current epoch
  // and not after the tail. Trimming what is trimmed already is no error.
  // kInvalidArgument: another epoch, or after the tail.
  // kUnavailable: unknown outcome; call again.
  virtual absl::Status Trim(LogPosition through) = 0;

  // Ends the wait of the Read in progress or, if none is waiting, of the next
  // one that would wait; that Read returns an empty list. To stop a reader:
  // set a flag that it looks at, then call this.
  virtual void Interrupt() = 0;

  // For status: asks every server behind the log. Empty: there is none.
  virtual std::vector<LogMember> Members() { return {}; }

  // For a process that ends and will not wait for a log that hangs: every call
  // in progress, and every later one, returns kUnavailable as soon as may be.
  // A log that never hangs need do nothing.
  virtual void Stop() {}
};

}  // namespace kms::storage

#endif  // STORAGE_LOG_SHARED_LOG_H_

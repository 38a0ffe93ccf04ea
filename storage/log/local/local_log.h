// The shared log of a single instance: rows of an Engine of its own, each
// append synced before it is answered.
//
// Rows (integers are 8 bytes, big-endian in keys and little-endian in values):
//   h               -> format(1) epoch
//   t               -> the last index
//   x               -> the last trimmed index; absent: none
//   e index         -> batch id(32) sealed batch
//   i batch id(32)  -> index
//   batch id = instance(16) incarnation sequence
//
// One append is one synced WriteBatch (e, i, t); then the position goes to the
// acknowledged file, unsynced; only then does the caller hear of it. An epoch
// is one directory; a new one is made by LocalLog::Create elsewhere.
//
// Source: architecture.md, "Shared log"; review.md 24, 25. Thread-safe as
// SharedLog says. It does not group commits: its caller puts many commands into
// one batch.
#ifndef STORAGE_LOG_LOCAL_LOCAL_LOG_H_
#define STORAGE_LOG_LOCAL_LOCAL_LOG_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "storage/engine/engine.h"
#include "storage/log/local/acknowledged_file.h"
#include "storage/log/log_position.h"
#include "storage/log/shared_log.h"

namespace kms::storage {

struct LocalLogOptions {
  // The second file: beside the engine's directory, not inside it.
  std::string acknowledged_path;

  // Append refuses while less than this is free, so that a full disk is met
  // before a write fails, which would be fatal. Trim goes on.
  uint64_t free_bytes_min = uint64_t{64} << 20;
};

class LocalLog : public SharedLog {
 public:
  // Begins an epoch (from 1) in an engine that holds no log. `engine` must
  // outlive the log and be used by nothing else.
  // kAlreadyExists: it holds one. kDataLoss: it does not, but the acknowledged
  // file says that it did. kUnavailable: the disk failed.
  static absl::StatusOr<std::unique_ptr<LocalLog>> Create(
      Engine* engine, const LocalLogOptions& options, uint64_t epoch);

  // kNotFound: no log was begun here.
  // kDataLoss: it ends before the last acknowledged entry, or is damaged.
  // kUnavailable: the disk failed.
  static absl::StatusOr<std::unique_ptr<LocalLog>> Open(
      Engine* engine, const LocalLogOptions& options);

  // kInternal, besides SharedLog's: an append before this one failed, and no
  // more will be until the log is opened again.
  absl::StatusOr<LogPosition> Append(const BatchId& id,
                                     BytesView sealed_batch) override;
  absl::StatusOr<std::vector<LogEntry>> Read(LogPosition after,
                                             size_t bytes_max,
                                             absl::Duration wait) override;
  absl::StatusOr<LogPosition> Tail() override;
  absl::Status Trim(LogPosition through) override;
  void Interrupt() override;

 private:
  LocalLog(Engine* engine, const LocalLogOptions& options,
           std::unique_ptr<AcknowledgedFile> acknowledged, LogPosition tail,
           uint64_t trimmed);

  struct Bounds {
    LogPosition trimmed;
    LogPosition tail;
  };
  Bounds bounds() const;
  // The bounds, after waiting up to `wait` for an entry after `after`.
  Bounds WaitFor(LogPosition after, absl::Duration wait);

  absl::Status CheckRoom() const;
  absl::StatusOr<LogPosition> Acknowledge(LogPosition position);
  // Trims what one WriteBatch holds of (trimmed, through]; returns how far.
  absl::StatusOr<uint64_t> TrimSome(uint64_t trimmed, uint64_t through);

  Engine* const engine_;
  const uint64_t free_bytes_min_;
  const uint64_t epoch_;

  // Held across I/O, but only against callers that break SharedLog's rule of
  // one proposer: two batches at one index must be impossible.
  absl::Mutex append_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  std::unique_ptr<AcknowledgedFile> acknowledged_
      ABSL_GUARDED_BY(append_mutex_);
  bool failed_ ABSL_GUARDED_BY(append_mutex_) = false;

  absl::Mutex trim_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);  // Likewise.

  mutable absl::Mutex mutex_;  // Never held across I/O.
  uint64_t tail_ ABSL_GUARDED_BY(mutex_);
  uint64_t trimmed_ ABSL_GUARDED_BY(mutex_);
  bool interrupted_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace kms::storage

#endif  // STORAGE_LOG_LOCAL_LOCAL_LOG_H_

// Where an instance's shared log is: in a cluster's directory on this disk, or
// in etcd. Files in that directory:
//
//   log/              the local log (RocksDB), one epoch
//   log.acknowledged  beside it
//   log.etcd          of a log in etcd: hex of the id of etcd's cluster, and a
//                     line feed. Another etcd in its place is refused.
//
//   log.ended/        a local log that another epoch, in etcd, has followed
//
// A directory has a local log or log.etcd; which one must be what the
// configuration says. It has both while an epoch is being moved to etcd.
// Source: architecture.md, "Shared log"; review.md 34 (the id is pinned).
// Thread-safe: free functions, each over its own directory.
#ifndef KMS_SEAL_LOG_STORE_H_
#define KMS_SEAL_LOG_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "storage/engine/engine.h"
#include "storage/log/etcd/etcd_log.h"
#include "storage/log/shared_log.h"

namespace kms::seal {

struct LogPlace {
  std::string directory;  // The cluster's.
  std::optional<storage::EtcdLogOptions> etcd;
  // Told of a failed disk of a local log, from its engine's thread.
  std::function<void(const absl::Status&)> on_fatal;
};

// A log and what it stands on.
struct OpenedLog {
  std::unique_ptr<storage::Engine> engine;  // Null for etcd.
  std::unique_ptr<storage::SharedLog> log;
};

// A log that is to begin `epoch`.
// ALREADY_INITIALIZED: another instance has. kUnavailable: the disk; etcd is
// out of reach until `deadline`. Others: the log's.
absl::StatusOr<OpenedLog> CreateLog(const LogPlace& place, uint64_t epoch,
                                    absl::Time deadline);

// The log that was begun here.
// kFailedPrecondition: it is not where the configuration says, or in another
// etcd. Others: as CreateLog.
absl::StatusOr<OpenedLog> OpenLog(const LogPlace& place, absl::Time deadline);

// For a new epoch: the log that it follows, wherever it was; null if there is
// none any more. Another etcd than before is no fault here.
// kFailedPrecondition: the configuration has no log.etcd: epochs after the
// first are begun there. Others: as CreateLog.
absl::StatusOr<OpenedLog> OpenEndedLog(const LogPlace& place,
                                       absl::Time deadline);

// Once the log in etcd serves: puts the local log that it followed aside, if
// there is one. kUnavailable: the disk.
absl::Status RetireLocalLog(const LogPlace& place);

}  // namespace kms::seal

#endif  // KMS_SEAL_LOG_STORE_H_

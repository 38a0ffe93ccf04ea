// Reads a log in etcd on from a position: by a watch; where compaction has
// passed the reader, by a list of what is there.
//
// Before each watch the log's end is asked for (linearizable), so a log that
// was rolled back behind the reader is noticed, and before saying that there
// is nothing new, so a watch that lost events in silence is, too. A watch that
// contradicts itself is left for a list, whose entries are counted against the
// tail.
//
// Source: architecture.md, "Shared log"; review.md 6, 34. Owned by the reader's
// thread, which it keeps waiting; only Interrupt is thread-safe.
#ifndef STORAGE_LOG_ETCD_FOLLOWER_H_
#define STORAGE_LOG_ETCD_FOLLOWER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "storage/log/etcd/client.h"
#include "storage/log/etcd/entry_assembler.h"
#include "storage/log/etcd/entry_index.h"
#include "storage/log/etcd/keys.h"
#include "storage/log/etcd/queries.h"
#include "storage/log/etcd/watch_stream.h"
#include "storage/log/shared_log.h"

namespace kms::storage {

class Follower {
 public:
  // All outlive it. `client` is its own, so that the watch shares its
  // connection with nothing but what the reader asks. Entries read go into
  // `index`.
  Follower(EtcdClient* client, const EtcdKeys* keys, EntryIndex* index)
      : client_(*client), keys_(*keys), entry_index_(*index) {}

  // As SharedLog::Read; `after` is not {0, 0}.
  absl::StatusOr<std::vector<LogEntry>> Read(LogPosition after,
                                             size_t bytes_max,
                                             absl::Duration wait);
  void Interrupt() { watch_.Interrupt(); }

 private:
  enum class Pulled { kSome, kNothing, kInterrupted };

  absl::Status Begin(LogPosition after);
  absl::Status List(const EtcdBounds& bounds, uint64_t after);
  // Makes ready_ hold what `bytes_max` asks for. False: there is nothing.
  absl::StatusOr<bool> Fill(size_t bytes_max, absl::Time until);
  absl::StatusOr<bool> LookBeyond();
  absl::StatusOr<Pulled> Pull(absl::Time until);
  absl::Status Fetch();
  absl::Status Absorb(etcdserverpb::WatchResponse response);
  void Watch(int64_t start);
  void Accept(AssembledEntry assembled);
  std::vector<LogEntry> Take(size_t bytes_max);

  EtcdClient& client_;
  const EtcdKeys& keys_;
  EntryIndex& entry_index_;
  WatchStream watch_;

  bool following_ = false;      // What follows describes a reader on its way.
  LogPosition at_;              // After what was returned.
  std::deque<LogEntry> ready_;  // What comes after it.
  size_t ready_bytes_ = 0;
  std::optional<EntryAssembler> assembler_;  // Stands after ready_.
  uint64_t known_ = 0;  // There are entries up to this index at least.

  int64_t list_revision_ = 0;     // Of the list ...
  std::deque<EtcdEntry> listed_;  // ... of which these are to be fetched.
  bool watching_ = false;
  size_t watched_endpoint_ = 0;

  int faults_ = 0;  // Watches in a row that led nowhere: list instead.
  bool interrupted_ = false;
};

}  // namespace kms::storage

#endif  // STORAGE_LOG_ETCD_FOLLOWER_H_

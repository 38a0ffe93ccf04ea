// Entries of the log out of a watch's events: each is the put of a batch and,
// at the same revision, the put of the tail, whose version is the index.
// Bounded parser of what etcd sends.
//
// Source: architecture.md, "Shared log"; review.md 6, 34 (refuse an entry with
// version != 1 or a mod-revision not above the last; an index that jumps is a
// gap). Thread-compatible.
#ifndef STORAGE_LOG_ETCD_ENTRY_ASSEMBLER_H_
#define STORAGE_LOG_ETCD_ENTRY_ASSEMBLER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/etcd/mvcc.pb.h"
#include "storage/log/etcd/keys.h"
#include "storage/log/shared_log.h"

namespace kms::storage {

struct AssembledEntry {
  BatchId id;
  LogEntry entry;
};

class EntryAssembler {
 public:
  // For the entries after `index`, whose revisions are above `revision`.
  // `keys` outlives it.
  EntryAssembler(const EtcdKeys& keys, uint64_t index, int64_t revision)
      : keys_(keys), index_(index), revision_(revision) {}

  // Takes the next event; the entry that it completes, or nothing. Keys that
  // are none of an entry's are skipped.
  // kAborted: a gap, or out of order: read again from index().
  // kDataLoss: no honest log has such an entry.
  absl::StatusOr<std::optional<AssembledEntry>> Take(mvccpb::Event event);

  // Takes the `id`'s batch of a list, which is the next entry.
  // Codes as above.
  absl::StatusOr<AssembledEntry> TakeListed(const BatchId& id,
                                            mvccpb::KeyValue kv);

  // Has a batch whose tail is still to come.
  bool waits() const { return id_.has_value(); }

  // Of the last entry given.
  uint64_t index() const { return index_; }
  int64_t revision() const { return revision_; }

 private:
  absl::Status CheckBatch(const mvccpb::KeyValue& kv) const;

  const EtcdKeys& keys_;
  uint64_t index_;
  int64_t revision_;
  // A batch that waits for its tail.
  std::optional<BatchId> id_;
  mvccpb::KeyValue batch_;
};

}  // namespace kms::storage

#endif  // STORAGE_LOG_ETCD_ENTRY_ASSEMBLER_H_

// What is asked of a log in etcd beside appends and the watch. Every answer is
// checked for what honest servers cannot say.
// Source: architecture.md, "Shared log"; review.md 6. Thread-safe: free
// functions. All reads are linearizable, or of a revision that one such gave.
#ifndef STORAGE_LOG_ETCD_QUERIES_H_
#define STORAGE_LOG_ETCD_QUERIES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/etcd/server.pb.h"
#include "storage/log/etcd/client.h"
#include "storage/log/etcd/keys.h"
#include "storage/log/log_position.h"

namespace kms::storage {

// Operations of a transaction.
void AddGet(etcdserverpb::RequestOp& op, const std::string& key,
            int64_t revision = 0);
void AddPut(etcdserverpb::RequestOp& op, const std::string& key,
            const std::string& value);
// Holds if the last put of `key` was at `revision`; 0: if there is no key.
void AddUnmoved(etcdserverpb::TxnRequest& request, const std::string& key,
                int64_t revision);

// The one value that the `number`th operation got; null: there is no such key.
// kDataLoss: it is not the answer to a get of `key`.
absl::StatusOr<const mvccpb::KeyValue*> GotAt(
    const etcdserverpb::TxnResponse& response, int number,
    const std::string& key);

// Where a log stands at `revision`.
struct EtcdBounds {
  int64_t revision = 0;
  uint64_t current_epoch = 0;  // 0: none was begun.
  int64_t epoch_revision = 0;  // Of the first entry of that epoch.

  // Of the asked epoch; zero until it was begun.
  LogPosition tail;
  int64_t tail_revision = 0;  // Of the last entry.
  LogPosition trimmed;
  int64_t trimmed_revision = 0;  // Of the last trim.

  // The tail; {current_epoch, 0} if a later epoch has begun.
  LogPosition end() const {
    return current_epoch > tail.epoch ? LogPosition{current_epoch, 0} : tail;
  }
};

// Codes: EtcdClient::Get; kDataLoss: no honest answer.
absl::StatusOr<EtcdBounds> GetBounds(EtcdClient& client, const EtcdKeys& keys);

// The least revision at which a watch shows the entry after `index` and
// nothing before it. REQUIRES: trimmed <= index <= tail.
// kOutOfRange: compaction has passed it. Others: EtcdClient::Range; kDataLoss.
absl::StatusOr<int64_t> FindStart(EtcdClient& client, const EtcdKeys& keys,
                                  const EtcdBounds& bounds, uint64_t index);

// The last index when the store was at `revision`. Codes as FindStart.
absl::StatusOr<uint64_t> IndexAt(EtcdClient& client, const EtcdKeys& keys,
                                 int64_t revision);

struct EtcdEntry {
  int64_t revision = 0;
  BatchId id;
};

// All entries that there are at bounds.revision, in order: the first has the
// index after bounds.trimmed, the last is bounds.tail. Reads only keys, in
// their order and in pages, and sorts here: etcd's range by revision reads the
// whole log whatever its limit.
// kOutOfRange: entries are missing, or more than kListEntriesMax.
// kUnavailable: also, compaction has passed the revision meanwhile.
// Others: EtcdClient::Range; kDataLoss: an entry was put twice, or a key is
// none of a batch.
absl::StatusOr<std::vector<EtcdEntry>> ListEntries(EtcdClient& client,
                                                   const EtcdKeys& keys,
                                                   const EtcdBounds& bounds);

// "etcd log: `what`", DATA_LOSS.
absl::Status EtcdDamaged(absl::string_view what);

}  // namespace kms::storage

#endif  // STORAGE_LOG_ETCD_QUERIES_H_

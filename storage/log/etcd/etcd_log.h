// The shared log of a cluster, in etcd (3.4 to 3.6). We write no consensus:
// etcd is what operators already run.
//
// An append is one transaction that creates the batch's key and puts the tail,
// whose version is the index (keys.h); a retry finds the key there. Every
// append compares the epoch's key, so that none reaches a log that another
// epoch has followed. One instance of this class belongs to one epoch.
//
// Source: architecture.md, "Shared log"; review.md 1, 5-7, 34. Thread-safe as
// SharedLog says. It has two clients of etcd's, so that a watch that carries
// much does not hold up an append. It does not repair, and it changes nothing
// outside its prefix; but compaction is etcd's as a whole: what else uses that
// etcd must not rely on old revisions.
#ifndef STORAGE_LOG_ETCD_ETCD_LOG_H_
#define STORAGE_LOG_ETCD_ETCD_LOG_H_

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
#include "storage/log/etcd/client.h"
#include "storage/log/etcd/entry_index.h"
#include "storage/log/etcd/follower.h"
#include "storage/log/etcd/keys.h"
#include "storage/log/etcd/queries.h"
#include "storage/log/log_position.h"
#include "storage/log/shared_log.h"

namespace kms::storage {

struct EtcdLogOptions {
  EtcdEndpoints endpoints;
  // All keys begin with it and a slash; 1 to kEtcdPrefixBytesMax bytes.
  std::string prefix;
  // Of etcd's cluster, which is asked no more when another one answers in its
  // place. 0: not known yet.
  uint64_t cluster_id = 0;
};

class EtcdLog : public SharedLog {
 public:
  // A log to begin `epoch` (from 1) with. Nothing is written before the first
  // Append, which begins the epoch: of two that begin it one wins, and the
  // other's Append answers ALREADY_INITIALIZED (kFailedPrecondition).
  // ALREADY_INITIALIZED: this epoch or a later one was begun.
  // kUnavailable: etcd was out of reach until `deadline`.
  // Others: EtcdClient::Get.
  static absl::StatusOr<std::unique_ptr<EtcdLog>> Create(
      const EtcdLogOptions& options, uint64_t epoch, absl::Time deadline);

  // The log's current epoch. kNotFound: none was begun under this prefix.
  // kUnavailable: etcd was out of reach until `deadline`.
  // Others: EtcdClient::Get; kDataLoss.
  static absl::StatusOr<std::unique_ptr<EtcdLog>> Open(
      const EtcdLogOptions& options, absl::Time deadline);

  // Besides SharedLog's:
  // kFailedPrecondition: another epoch has begun: this instance must join
  //   again. ALREADY_INITIALIZED: see Create.
  absl::StatusOr<LogPosition> Append(const BatchId& id,
                                     BytesView sealed_batch) override;
  absl::StatusOr<std::vector<LogEntry>> Read(LogPosition after,
                                             size_t bytes_max,
                                             absl::Duration wait) override;
  absl::StatusOr<LogPosition> Tail() override;
  // Deletes the entries, then compacts etcd to where the trim before this one
  // stood: readers that are a little behind keep their watch.
  absl::Status Trim(LogPosition through) override;
  void Interrupt() override { follower_.Interrupt(); }
  std::vector<LogMember> Members() override { return client_.Members(); }
  void Stop() override;

  // The etcd cluster that answers.
  uint64_t cluster_id() const { return client_.cluster_id(); }
  uint64_t epoch() const { return keys_.epoch(); }
  // How many entries it knows the keys of (EntryIndex).
  size_t entries_remembered() const { return index_.size(); }

 private:
  EtcdLog(const EtcdLogOptions& options, uint64_t cluster_id, uint64_t epoch,
          int64_t epoch_revision, bool begun);

  struct Epoch {
    bool begun = false;
    // Of the epoch's key: its beginning; until begun, what stands there.
    int64_t revision = 0;
  };
  Epoch epoch_state() const;

  etcdserverpb::TxnRequest AppendRequest(const BatchId& id,
                                         BytesView sealed_batch,
                                         const Epoch& epoch) const;
  void AddGets(google::protobuf::RepeatedPtrField<etcdserverpb::RequestOp>* ops,
               const BatchId& id) const;
  absl::StatusOr<LogPosition> LookForRefused(const BatchId& id,
                                             const absl::Status& refusal,
                                             bool unknown, const Epoch& epoch);
  absl::StatusOr<LogPosition> Appended(
      const etcdserverpb::TxnResponse& response);
  absl::StatusOr<LogPosition> NotAppended(
      const BatchId& id, const etcdserverpb::TxnResponse& response,
      const Epoch& epoch);
  absl::StatusOr<LogPosition> Found(const mvccpb::KeyValue& batch,
                                    const mvccpb::KeyValue* tail);
  absl::StatusOr<std::vector<BatchId>> IdsOf(const EtcdBounds& bounds,
                                             uint64_t through);
  absl::StatusOr<bool> TrimAll(const std::vector<BatchId>& ids,
                               EtcdBounds bounds);

  const EtcdKeys keys_;
  EtcdClient client_;         // Of everyone but the reader.
  EtcdClient reader_client_;  // Of the reader, with the watch.
  EntryIndex index_;
  Follower follower_;

  // Held across I/O, but only against callers that break SharedLog's rule of
  // one proposer.
  absl::Mutex append_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  absl::Mutex trim_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);  // Likewise.

  mutable absl::Mutex mutex_;  // Never held across I/O.
  Epoch epoch_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace kms::storage

#endif  // STORAGE_LOG_ETCD_ETCD_LOG_H_

#include "storage/engine/rocksdb_engine.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/listener.h"
#include "rocksdb/table.h"
#include "rocksdb/write_batch.h"
#include "storage/engine/private_file_system.h"

namespace kms::storage {
namespace {

rocksdb::Slice ToSlice(absl::string_view s) { return {s.data(), s.size()}; }
absl::string_view FromSlice(const rocksdb::Slice& s) {
  return {s.data(), s.size()};
}

// Whether the disk can still be trusted; shared with RocksDB's own threads.
class Health {
 public:
  explicit Health(FatalFn on_fatal) : on_fatal_(std::move(on_fatal)) {}

  absl::Status Check() const {
    if (!failed_) return absl::OkStatus();
    return absl::UnavailableError("rocksdb: stopped after an earlier failure");
  }

  // Returns what the failed call should.
  absl::Status Fail(absl::string_view during, const rocksdb::Status& cause) {
    const absl::Status status = absl::UnavailableError(
        absl::StrCat("rocksdb: ", during, " failed: ", cause.ToString()));
    if (!failed_.exchange(true)) on_fatal_(status);
    return status;
  }

  // A read that failed. Corruption is for the caller to judge: the rest of
  // the disk may be well. Any other error means that the disk is not, and
  // RocksDB before 8.5.1 could turn one into lost rows during a compaction.
  absl::Status ReadError(const rocksdb::Status& cause) {
    if (!cause.IsCorruption()) return Fail("read", cause);
    return Refuse(v1::DATA_LOSS, absl::StrCat("rocksdb: ", cause.ToString()));
  }

 private:
  const FatalFn on_fatal_;
  std::atomic<bool> failed_ = false;
};

class FailureListener : public rocksdb::EventListener {
 public:
  explicit FailureListener(std::shared_ptr<Health> health)
      : health_(std::move(health)) {}

  void OnBackgroundError(rocksdb::BackgroundErrorReason,
                         rocksdb::Status* status) override {
    health_->Fail("background work", *status).IgnoreError();
  }

  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }

 private:
  std::shared_ptr<Health> health_;
};

rocksdb::BlockBasedTableOptions TableOptions(const RocksdbOptions& options) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  // 10 bits a key: one point read in a hundred looks into a file in vain.
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.whole_key_filtering = true;
  table.data_block_index_type =
      rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  return table;
}

rocksdb::Options DbOptions(const RocksdbOptions& options, rocksdb::Env* env,
                           std::shared_ptr<Health> health) {
  rocksdb::Options db;
  db.env = env;

  // What a power cut leaves: a torn last record opens, a hole does not. The
  // stricter mode refuses every torn tail; the laxer ones accept holes
  // (issue 7701), which only rows that are replayed may have at their end.
  db.wal_recovery_mode =
      options.replayable
          ? rocksdb::WALRecoveryMode::kPointInTimeRecovery
          : rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  // Features of the write-ahead log with known faults in 7.8: recycling
  // (12918), compression (fixed in 7.10.2), two write queues and manual
  // flushes (12995, 13903).
  db.recycle_log_file_num = 0;
  db.wal_compression = rocksdb::kNoCompression;
  db.two_write_queues = false;
  db.manual_wal_flush = false;
  db.enable_pipelined_write = false;
  db.unordered_write = false;
  db.atomic_flush = true;

  // Writers are few, and a core that spins for another's write is one that does
  // not verify signatures.
  db.enable_write_thread_adaptive_yield = false;
  db.allow_concurrent_memtable_write = false;

  // Any background error is the end: no second try.
  db.max_bgerror_resume_count = 0;
  db.listeners = {std::make_shared<FailureListener>(std::move(health))};

  db.paranoid_checks = true;
  db.force_consistency_checks = true;
  db.paranoid_file_checks = true;  // Each new table file is read back.

  // Ciphertext does not compress.
  db.compression = rocksdb::kNoCompression;
  db.write_buffer_size = options.memtable_bytes;
  db.max_total_wal_size = 2 * options.memtable_bytes;
  db.table_factory.reset(
      rocksdb::NewBlockBasedTableFactory(TableOptions(options)));

  db.info_log_level = rocksdb::WARN_LEVEL;
  db.max_log_file_size = size_t{1} << 20;
  db.keep_log_file_num = 4;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  return db;
}

rocksdb::ReadOptions Reading(const rocksdb::Snapshot* snapshot) {
  rocksdb::ReadOptions read;
  read.verify_checksums = true;
  read.snapshot = snapshot;
  return read;
}

absl::StatusOr<std::optional<std::string>> GetRow(
    rocksdb::DB* db, Health& health, const rocksdb::Snapshot* snapshot,
    absl::string_view key) {
  KMS_RETURN_IF_ERROR(health.Check());
  std::string value;
  const rocksdb::Status status =
      db->Get(Reading(snapshot), ToSlice(key), &value);
  if (status.IsNotFound()) return std::optional<std::string>();
  if (!status.ok()) return health.ReadError(status);
  return std::optional<std::string>(std::move(value));
}

absl::Status ScanRows(rocksdb::DB* db, Health& health,
                      const rocksdb::Snapshot* snapshot,
                      absl::string_view prefix, absl::string_view start_after,
                      size_t limit, RowFn fn) {
  KMS_RETURN_IF_ERROR(health.Check());
  rocksdb::ReadOptions read = Reading(snapshot);
  // A scan of everything would push the hot rows out of the cache.
  read.fill_cache = limit != EngineReader::kNoLimit;
  const std::unique_ptr<rocksdb::Iterator> row(db->NewIterator(read));
  row->Seek(ToSlice(std::max(prefix, start_after)));
  for (; limit > 0 && row->Valid(); row->Next()) {
    const absl::string_view key = FromSlice(row->key());
    if (key == start_after) continue;
    if (!absl::StartsWith(key, prefix)) break;
    if (!fn(key, FromSlice(row->value()))) break;
    --limit;
  }
  // An iterator that met an error is no longer valid, like one at the end.
  if (!row->status().ok()) return health.ReadError(row->status());
  return absl::OkStatus();
}

class RocksdbSnapshot : public EngineSnapshot {
 public:
  RocksdbSnapshot(rocksdb::DB* db, Health* health)
      : db_(db), health_(health), pin_(db), snapshot_(pin_.snapshot()) {}

  absl::StatusOr<std::optional<std::string>> Get(
      absl::string_view key) const override {
    return GetRow(db_, *health_, snapshot_, key);
  }

  absl::Status Scan(absl::string_view prefix, absl::string_view start_after,
                    size_t limit, RowFn fn) const override {
    return ScanRows(db_, *health_, snapshot_, prefix, start_after, limit, fn);
  }

 private:
  rocksdb::DB* db_;
  Health* health_;
  rocksdb::ManagedSnapshot pin_;
  const rocksdb::Snapshot* const snapshot_;
};

class RocksdbEngine : public Engine {
 public:
  RocksdbEngine(std::string path, std::unique_ptr<rocksdb::Env> env,
                std::shared_ptr<Health> health, std::unique_ptr<rocksdb::DB> db)
      : path_(std::move(path)),
        env_(std::move(env)),
        health_(std::move(health)),
        db_(std::move(db)) {}

  absl::StatusOr<std::optional<std::string>> Get(
      absl::string_view key) const override {
    return GetRow(db_.get(), *health_, nullptr, key);
  }

  absl::Status Scan(absl::string_view prefix, absl::string_view start_after,
                    size_t limit, RowFn fn) const override {
    return ScanRows(db_.get(), *health_, nullptr, prefix, start_after, limit,
                    fn);
  }

  absl::Status Write(const WriteBatch& batch, Sync sync) override {
    KMS_RETURN_IF_ERROR(health_->Check());
    if (batch.empty()) {
      if (sync == Sync::kNo) return absl::OkStatus();
      return Done("sync", db_->SyncWAL());
    }
    rocksdb::WriteBatch rows;
    for (const WriteBatch::Operation& operation : batch.operations()) {
      const rocksdb::Status added =
          operation.kind == WriteBatch::Operation::Kind::kPut
              ? rows.Put(operation.key, operation.value)
              : rows.Delete(operation.key);
      if (!added.ok()) return Done("write", added);
    }
    rocksdb::WriteOptions write;
    write.sync = sync == Sync::kYes;
    return Done("write", db_->Write(write, &rows));
  }

  std::unique_ptr<EngineSnapshot> Snapshot() const override {
    return std::make_unique<RocksdbSnapshot>(db_.get(), health_.get());
  }

  absl::Status Flush() override {
    KMS_RETURN_IF_ERROR(health_->Check());
    return Done("flush", db_->Flush(rocksdb::FlushOptions()));
  }

  absl::StatusOr<uint64_t> FreeBytes() const override {
    KMS_RETURN_IF_ERROR(health_->Check());
    uint64_t bytes = 0;
    const rocksdb::IOStatus status = env_->GetFileSystem()->GetFreeSpace(
        path_, rocksdb::IOOptions(), &bytes, nullptr);
    if (!status.ok()) {
      return absl::UnavailableError(
          absl::StrCat("rocksdb: free space: ", status.ToString()));
    }
    return bytes;
  }

 private:
  // Any failed write is fatal, synced or not: RocksDB's memory and its disk
  // may differ from now on.
  absl::Status Done(absl::string_view what, const rocksdb::Status& status) {
    if (!status.ok()) return health_->Fail(what, status);
    return health_->Check();
  }

  const std::string path_;
  std::unique_ptr<rocksdb::Env> env_;
  std::shared_ptr<Health> health_;
  std::unique_ptr<rocksdb::DB> db_;  // Destroyed first.
};

// A power cut must not take the directory itself away, with all that RocksDB
// synced inside. Each time: an earlier start may have ended before it could.
absl::Status SyncParent(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string parent =
      slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int directory =
      ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = directory >= 0 && ::fsync(directory) == 0;
  const int error = errno;
  if (directory >= 0) ::close(directory);
  if (synced) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("rocksdb: sync parent directory: errno ", error));
}

absl::Status MakeDirectory(const std::string& path) {
  if (::mkdir(path.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    return absl::ErrnoToStatus(errno, "rocksdb: make directory");
  }
  struct stat info;
  if (::lstat(path.c_str(), &info) != 0) {
    return absl::ErrnoToStatus(errno, "rocksdb: look at directory");
  }
  if (!S_ISDIR(info.st_mode)) {
    return absl::FailedPreconditionError("rocksdb: path is not a directory");
  }
  if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return absl::FailedPreconditionError(
        "rocksdb: directory open to group or others, want mode 0700");
  }
  return absl::OkStatus();
}

// Whether to make a new database. Without CURRENT RocksDB would start an empty
// one in the place of the old; only a directory that never held a row, such as
// one whose making was cut short, may be begun anew.
absl::StatusOr<bool> IsNew(rocksdb::Env* env, const std::string& path) {
  std::vector<std::string> names;
  const rocksdb::Status listed = env->GetChildren(path, &names);
  if (!listed.ok()) {
    return absl::UnavailableError(
        absl::StrCat("rocksdb: list directory: ", listed.ToString()));
  }
  bool rows = false;
  for (const std::string& name : names) {
    if (name == "CURRENT") return false;
    rows |= absl::EndsWith(name, ".sst") || absl::EndsWith(name, ".log");
  }
  if (rows) return Refuse(v1::DATA_LOSS, "rocksdb: file CURRENT is missing");
  return true;
}

// Fails if another engine, of this process or another, has the directory open.
absl::Status CheckLock(rocksdb::Env* env, const std::string& path) {
  rocksdb::FileLock* lock = nullptr;
  if (!env->LockFile(path + "/LOCK", &lock).ok()) {
    return absl::FailedPreconditionError("rocksdb: directory is in use");
  }
  env->UnlockFile(lock);
  return absl::OkStatus();
}

absl::Status OpenError(const rocksdb::Status& status) {
  const std::string message =
      absl::StrCat("rocksdb: open: ", status.ToString());
  // A file that the manifest names and the disk does not have.
  if (status.IsCorruption() || status.IsPathNotFound()) {
    return Refuse(v1::DATA_LOSS, message);
  }
  return absl::UnavailableError(message);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> OpenRocksdbEngine(
    const RocksdbOptions& options) {
  KMS_RETURN_IF_ERROR(MakeDirectory(options.path));
  KMS_RETURN_IF_ERROR(SyncParent(options.path));
  std::unique_ptr<rocksdb::Env> env =
      rocksdb::NewCompositeEnv(NewPrivateFileSystem(
          options.file_system != nullptr ? options.file_system
                                         : rocksdb::FileSystem::Default()));
  KMS_RETURN_IF_ERROR(CheckLock(env.get(), options.path));
  KMS_ASSIGN_OR_RETURN(const bool is_new, IsNew(env.get(), options.path));

  auto health = std::make_shared<Health>(options.on_fatal);
  rocksdb::Options db_options = DbOptions(options, env.get(), health);
  db_options.create_if_missing = is_new;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::Open(db_options, options.path, &db);
  if (!status.ok()) return OpenError(status);
  return std::make_unique<RocksdbEngine>(options.path, std::move(env),
                                         std::move(health),
                                         std::unique_ptr<rocksdb::DB>(db));
}

}  // namespace kms::storage

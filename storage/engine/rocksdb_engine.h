// The Engine on RocksDB 7.8: one directory, one column family.
// Source: threats.md, section 6, "RocksDB"; each setting's reason stands
// beside it in rocksdb_engine.cc. Thread-safe.
#ifndef STORAGE_ENGINE_ROCKSDB_ENGINE_H_
#define STORAGE_ENGINE_ROCKSDB_ENGINE_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "storage/engine/engine.h"

namespace rocksdb {
class FileSystem;
}  // namespace rocksdb

namespace kms::storage {

struct RocksdbOptions {
  // Made with mode 0700 if absent; its parent must exist.
  std::string path;

  // Uncompressed blocks kept in memory. Point reads of a data set that fits
  // never touch the disk.
  size_t block_cache_bytes = size_t{64} << 20;

  // Writes gathered in memory before they become a table file; also bounds
  // the write-ahead log that a start has to replay.
  size_t memtable_bytes = size_t{32} << 20;

  // Whether every row can be made again from elsewhere, as the state is from
  // the shared log. Then a damaged write-ahead log ends where the damage
  // begins: a power cut may have written unsynced pages in any order, and what
  // was flushed is never in question. If not, only an unfinished last record
  // is forgiven.
  bool replayable = false;

  // See engine.h. If it returns, the engine refuses everything after.
  FatalFn on_fatal = AbortOnFatal;

  // Null: the system's. Tests put faults here.
  std::shared_ptr<rocksdb::FileSystem> file_system;
};

// Opens the directory, or makes a new one.
// kDataLoss: a file does not match its checksum, or is missing; a write-ahead
//   log that merely ends in an unfinished record opens, without that record,
//   and a damaged one does if `replayable`.
// kFailedPrecondition: another process has it open, or group or others may
//   enter the directory.
// kUnavailable: the disk failed.
absl::StatusOr<std::unique_ptr<Engine>> OpenRocksdbEngine(
    const RocksdbOptions& options);

}  // namespace kms::storage

#endif  // STORAGE_ENGINE_ROCKSDB_ENGINE_H_

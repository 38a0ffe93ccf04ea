// An ordered store of byte keys and byte values: what the state, the local log
// and the tests see of a disk. Two implementations: RocksdbEngine, and its
// in-memory twin MemoryEngine; one suite (engine_test.cc) holds both to this
// page.
//
// Source: threats.md, section 6, "RocksDB"; review.md 24, 25.
// Keys order by unsigned bytes. Only ciphertext, keyed hashes and random ids
// go in: caches, memtables, the write-ahead log and the info log hold whatever
// is written.
//
// A failed write is never retried. After a failed fsync the kernel may have
// dropped the dirty pages and report success the next time, so an engine whose
// disk failed once calls its FatalFn (by default: abort) and answers every
// later call with kUnavailable.
//
// Thread-safe: engines and snapshots. It does not encrypt, parse or interpret.
#ifndef STORAGE_ENGINE_ENGINE_H_
#define STORAGE_ENGINE_ENGINE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace kms::storage {

// Puts and deletes that take effect together or not at all, in order: a later
// operation on a key wins.
// Thread-compatible.
class WriteBatch {
 public:
  struct Operation {
    enum class Kind : uint8_t { kPut, kDelete };
    Kind kind;
    std::string key;
    std::string value;  // Empty for kDelete.
  };

  // `key` is not empty.
  void Put(absl::string_view key, absl::string_view value);
  // Deleting an absent key is no error.
  void Delete(absl::string_view key);
  void Clear() { operations_.clear(); }

  const std::vector<Operation>& operations() const { return operations_; }
  bool empty() const { return operations_.empty(); }

 private:
  std::vector<Operation> operations_;
};

// kYes: on disk, and everything written before it, when Write returns.
// kNo: visible at once, on disk some time later; a crash loses a suffix of
// the unsynced writes, never one from their middle.
enum class Sync { kNo, kYes };

// Called for each row of a scan; false ends the scan. The views hold until it
// returns. It may call the engine.
using RowFn =
    absl::FunctionRef<bool(absl::string_view key, absl::string_view value)>;

// Told, at most once per engine, why the disk can no longer be trusted; from
// any thread, perhaps one of the engine's own: it must not call the engine.
// It should end the process. If it returns, the engine refuses everything.
using FatalFn = std::function<void(const absl::Status&)>;

// Writes the status to stderr and aborts.
void AbortOnFatal(const absl::Status& status);

// What an engine and a snapshot of it have in common.
class EngineReader {
 public:
  static constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();

  virtual ~EngineReader() = default;

  // The value at `key`, or nothing.
  // kDataLoss: a block does not match its checksum. kUnavailable: the engine
  // has failed.
  virtual absl::StatusOr<std::optional<std::string>> Get(
      absl::string_view key) const = 0;

  // Calls `fn` for at most `limit` rows in key order, of those whose key
  // begins with `prefix` (empty: all) and is greater than `start_after`
  // (empty: from the first). The rows are those of one moment.
  // Codes as for Get.
  virtual absl::Status Scan(absl::string_view prefix,
                            absl::string_view start_after, size_t limit,
                            RowFn fn) const = 0;
};

// The rows as they were when it was taken. Its engine must outlive it.
class EngineSnapshot : public EngineReader {};

class Engine : public EngineReader {
 public:
  // Applies `batch` as a whole. An empty batch with kYes syncs what came
  // before.
  // kUnavailable: the engine has failed, now or before; whether `batch` is on
  // disk is unknown.
  virtual absl::Status Write(const WriteBatch& batch, Sync sync) = 0;

  // Later writes do not show in it. Never null.
  virtual std::unique_ptr<EngineSnapshot> Snapshot() const = 0;

  // When it returns, every write made before the call is on disk.
  // kUnavailable as for Write.
  virtual absl::Status Flush() = 0;

  // Bytes free where the engine lives: for a caller that stops growing before
  // a full disk fails a write, which is fatal.
  // kUnavailable: the engine has failed, or the system does not say.
  virtual absl::StatusOr<uint64_t> FreeBytes() const = 0;
};

}  // namespace kms::storage

#endif  // STORAGE_ENGINE_ENGINE_H_

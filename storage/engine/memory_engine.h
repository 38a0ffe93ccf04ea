// The in-memory twin of RocksdbEngine: for tests and simulation. It keeps the
// difference between written and synced, so that a power cut can be played.
// Thread-safe.
#ifndef STORAGE_ENGINE_MEMORY_ENGINE_H_
#define STORAGE_ENGINE_MEMORY_ENGINE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "storage/engine/engine.h"

namespace kms::storage {

class MemoryEngine : public Engine {
 public:
  MemoryEngine();

  absl::StatusOr<std::optional<std::string>> Get(
      absl::string_view key) const override;
  absl::Status Scan(absl::string_view prefix, absl::string_view start_after,
                    size_t limit, RowFn fn) const override;
  absl::Status Write(const WriteBatch& batch, Sync sync) override;
  std::unique_ptr<EngineSnapshot> Snapshot() const override;
  absl::Status Flush() override;
  absl::StatusOr<uint64_t> FreeBytes() const override;

  // A power cut: undoes every write since the last synced one or Flush.
  void LoseUnsynced();

  // From the next call on, as if the disk had failed: all is kUnavailable.
  void Fail();

  void SetFreeBytes(uint64_t bytes);

 private:
  using Rows = std::map<std::string, std::string, std::less<>>;
  class MapSnapshot;
  struct Undo {
    std::string key;
    std::optional<std::string> value;  // Nothing: the key was absent.
  };

  absl::Status CheckAlive() const;
  // The rows for writing: copied first if a snapshot may hold them.
  Rows& Own() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::shared_ptr<Rows> rows_ ABSL_GUARDED_BY(mutex_);
  // A snapshot was taken of *rows_: they are not to be changed in place.
  mutable bool rows_shared_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Undo> unsynced_ ABSL_GUARDED_BY(mutex_);  // Oldest first.
  uint64_t free_bytes_ ABSL_GUARDED_BY(mutex_);
  bool failed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace kms::storage

#endif  // STORAGE_ENGINE_MEMORY_ENGINE_H_

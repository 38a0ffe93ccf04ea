// A RocksDB file system for tests that loses what was not synced and fails
// when told to. It works on real files of its own scratch directory, and keeps
// for each what a power cut would leave of it.
//
// Model: appended bytes are durable once their file is synced; new, renamed and
// deleted names once their directory is. A failed sync loses the file's
// unsynced bytes for good, whatever later syncs say, as Linux may do.
// Source: threats.md, section 4, X6-X9. Thread-safe.
#ifndef STORAGE_ENGINE_FAULT_FILE_SYSTEM_H_
#define STORAGE_ENGINE_FAULT_FILE_SYSTEM_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "rocksdb/file_system.h"

namespace kms::storage {

class FaultFileSystem : public rocksdb::FileSystemWrapper {
 public:
  FaultFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}

  const char* Name() const override { return "FaultFileSystem"; }

  enum class Fault {
    kSync,    // Syncs of files fail with EIO.
    kWrite,   // Appends fail with EIO, having written half of their bytes.
    kNoSpace  // Appends fail with ENOSPC, having written nothing.
  };
  // Fails the next `count` calls that `fault` names.
  void Fail(Fault fault, int count);

  // The power goes when `operations` more changes (append, sync, create,
  // rename, delete) have been made: that one and all later ones fail.
  void CutPowerAfter(uint64_t operations);
  bool power_is_cut() const;

  // Changes made so far.
  uint64_t operations() const;
  // Syncs of files that succeeded so far.
  uint64_t syncs() const;

  // Once every engine on this file system is gone: leaves on disk what a power
  // cut leaves, and of each file's unsynced bytes the first `torn_bytes`; then
  // power is back.
  void RestorePower(size_t torn_bytes = 0);

  rocksdb::IOStatus NewWritableFile(
      const std::string& path, const rocksdb::FileOptions& options,
      std::unique_ptr<rocksdb::FSWritableFile>* file,
      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& path,
                                 const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* result,
                                 rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;

 private:
  class WritableFile;
  class Directory;

  // A file as it would be after a power cut.
  struct Durable {
    std::string bytes;
  };
  struct FileState {
    uint64_t written = 0;
    uint64_t synced = 0;
    bool poisoned = false;  // A sync failed: nothing more becomes durable.
  };

  // Counts a change; not OK if there is no power for it.
  rocksdb::IOStatus Change();
  // True if a fault of this kind is due; uses it up.
  bool Take(Fault fault);
  void Appended(const std::string& path, size_t bytes);
  rocksdb::IOStatus Sync(const std::string& path);
  void DirectorySynced(const std::string& directory);
  // Remembers, before the first unsynced change of the name `path`, what a
  // power cut brings back there.
  void RememberName(const std::string& path)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::map<Fault, int> faults_ ABSL_GUARDED_BY(mutex_);
  uint64_t operations_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t syncs_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<uint64_t> cut_at_ ABSL_GUARDED_BY(mutex_);
  // Files written since power was last restored.
  std::map<std::string, FileState> files_ ABSL_GUARDED_BY(mutex_);
  // Names changed since their directory was synced; nothing: absent before.
  std::map<std::string, std::optional<Durable>> names_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace kms::storage

#endif  // STORAGE_ENGINE_FAULT_FILE_SYSTEM_H_

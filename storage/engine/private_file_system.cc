#include "storage/engine/private_file_system.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>

namespace kms::storage {
namespace {

// Makes the file before RocksDB does: an existing file keeps its mode. A
// failure is left for RocksDB to meet and report.
void MakePrivate(const std::string& path) {
  const int file =
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (file >= 0) ::close(file);
}

class PrivateFileSystem : public rocksdb::FileSystemWrapper {
 public:
  using FileSystemWrapper::FileSystemWrapper;

  const char* Name() const override { return "PrivateFileSystem"; }

  rocksdb::IOStatus NewWritableFile(
      const std::string& path, const rocksdb::FileOptions& options,
      std::unique_ptr<rocksdb::FSWritableFile>* file,
      rocksdb::IODebugContext* debug) override {
    MakePrivate(path);
    return target()->NewWritableFile(path, options, file, debug);
  }

  rocksdb::IOStatus ReopenWritableFile(
      const std::string& path, const rocksdb::FileOptions& options,
      std::unique_ptr<rocksdb::FSWritableFile>* file,
      rocksdb::IODebugContext* debug) override {
    MakePrivate(path);
    return target()->ReopenWritableFile(path, options, file, debug);
  }

  rocksdb::IOStatus NewLogger(const std::string& path,
                              const rocksdb::IOOptions& options,
                              std::shared_ptr<rocksdb::Logger>* logger,
                              rocksdb::IODebugContext* debug) override {
    MakePrivate(path);
    return target()->NewLogger(path, options, logger, debug);
  }

  rocksdb::IOStatus LockFile(const std::string& path,
                             const rocksdb::IOOptions& options,
                             rocksdb::FileLock** lock,
                             rocksdb::IODebugContext* debug) override {
    MakePrivate(path);
    return target()->LockFile(path, options, lock, debug);
  }
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> NewPrivateFileSystem(
    std::shared_ptr<rocksdb::FileSystem> target) {
  return std::make_shared<PrivateFileSystem>(std::move(target));
}

}  // namespace kms::storage

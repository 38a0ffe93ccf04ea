#include "storage/engine/fault_file_system.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

namespace kms::storage {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

std::optional<std::string> ReadWhole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file),
                     std::istreambuf_iterator<char>());
}

std::string DirectoryOf(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

}  // namespace

class FaultFileSystem::WritableFile
    : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  WritableFile(FaultFileSystem* system, std::string path,
               std::unique_ptr<rocksdb::FSWritableFile> file)
      : FSWritableFileOwnerWrapper(std::move(file)),
        system_(system),
        path_(std::move(path)) {}

  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  IODebugContext* debug) override {
    IOStatus status = system_->Change();
    if (!status.ok()) return status;
    if (system_->Take(Fault::kNoSpace)) return IOStatus::NoSpace("injected");
    const bool fail = system_->Take(Fault::kWrite);
    const rocksdb::Slice part(data.data(),
                              fail ? data.size() / 2 : data.size());
    status = target()->Append(part, options, debug);
    if (status.ok()) system_->Appended(path_, part.size());
    return fail ? IOStatus::IOError("injected") : status;
  }
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }

  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    return system_->Sync(path_);
  }
  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    return system_->Sync(path_);
  }
  // Starts write-back and promises nothing.
  IOStatus RangeSync(uint64_t, uint64_t, const IOOptions&,
                     IODebugContext*) override {
    return IOStatus::OK();
  }

 private:
  FaultFileSystem* const system_;
  const std::string path_;
};

class FaultFileSystem::Directory : public rocksdb::FSDirectoryWrapper {
 public:
  Directory(FaultFileSystem* system, std::string path,
            std::unique_ptr<rocksdb::FSDirectory> directory)
      : FSDirectoryWrapper(std::move(directory)),
        system_(system),
        path_(std::move(path)) {}

  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    const IOStatus status = system_->Change();
    if (status.ok()) system_->DirectorySynced(path_);
    return status;
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                               const rocksdb::DirFsyncOptions&) override {
    return Fsync(options, debug);
  }

 private:
  FaultFileSystem* const system_;
  const std::string path_;
};

void FaultFileSystem::Fail(Fault fault, int count) {
  absl::MutexLock lock(&mutex_);
  faults_[fault] = count;
}

void FaultFileSystem::CutPowerAfter(uint64_t operations) {
  absl::MutexLock lock(&mutex_);
  cut_at_ = operations_ + operations;
}

bool FaultFileSystem::power_is_cut() const {
  absl::MutexLock lock(&mutex_);
  return cut_at_.has_value() && operations_ >= *cut_at_;
}

uint64_t FaultFileSystem::operations() const {
  absl::MutexLock lock(&mutex_);
  return operations_;
}

uint64_t FaultFileSystem::syncs() const {
  absl::MutexLock lock(&mutex_);
  return syncs_;
}

void FaultFileSystem::RestorePower(size_t torn_bytes) {
  absl::MutexLock lock(&mutex_);
  for (const auto& [path, state] : files_) {
    const uint64_t kept =
        std::min<uint64_t>(state.written, state.synced + torn_bytes);
    std::error_code gone;  // Renamed or deleted since: nothing to cut.
    std::filesystem::resize_file(path, kept, gone);
  }
  // Names last: a file that a power cut brings back has its own contents.
  for (const auto& [path, before] : names_) {
    if (before.has_value()) {
      std::ofstream(path, std::ios::binary) << before->bytes;
    } else {
      std::remove(path.c_str());
    }
  }
  files_.clear();
  names_.clear();
  faults_.clear();
  cut_at_.reset();
}

IOStatus FaultFileSystem::Change() {
  absl::MutexLock lock(&mutex_);
  if (cut_at_.has_value() && operations_ >= *cut_at_) {
    return IOStatus::IOError("injected: no power");
  }
  ++operations_;
  return IOStatus::OK();
}

bool FaultFileSystem::Take(Fault fault) {
  absl::MutexLock lock(&mutex_);
  int& count = faults_[fault];
  if (count == 0) return false;
  --count;
  return true;
}

void FaultFileSystem::Appended(const std::string& path, size_t bytes) {
  absl::MutexLock lock(&mutex_);
  files_[path].written += bytes;
}

// Nothing is really synced: the machine that runs the test stays up.
IOStatus FaultFileSystem::Sync(const std::string& path) {
  const IOStatus status = Change();
  if (!status.ok()) return status;
  const bool fail = Take(Fault::kSync);
  absl::MutexLock lock(&mutex_);
  FileState& state = files_[path];
  state.poisoned |= fail;
  if (fail) return IOStatus::IOError("injected");
  if (!state.poisoned) state.synced = state.written;
  ++syncs_;
  return IOStatus::OK();
}

void FaultFileSystem::DirectorySynced(const std::string& directory) {
  absl::MutexLock lock(&mutex_);
  for (auto name = names_.begin(); name != names_.end();) {
    const bool inside = DirectoryOf(name->first) == directory;
    name = inside ? names_.erase(name) : std::next(name);
  }
}

void FaultFileSystem::RememberName(const std::string& path) {
  if (names_.count(path) != 0) return;
  std::optional<std::string> bytes = ReadWhole(path);
  if (!bytes.has_value()) {
    names_[path] = std::nullopt;
    return;
  }
  const auto file = files_.find(path);
  if (file != files_.end()) {
    bytes->resize(std::min<size_t>(bytes->size(), file->second.synced));
  }
  names_[path] = Durable{*std::move(bytes)};
}

IOStatus FaultFileSystem::NewWritableFile(
    const std::string& path, const FileOptions& options,
    std::unique_ptr<rocksdb::FSWritableFile>* file, IODebugContext* debug) {
  IOStatus status = Change();
  if (!status.ok()) return status;
  {
    absl::MutexLock lock(&mutex_);
    // PrivateFileSystem has made it, empty, just before.
    if (files_.count(path) == 0) names_.emplace(path, std::nullopt);
    files_[path] = FileState();
  }
  std::unique_ptr<rocksdb::FSWritableFile> real;
  status = target()->NewWritableFile(path, options, &real, debug);
  if (!status.ok()) return status;
  *file = std::make_unique<WritableFile>(this, path, std::move(real));
  return status;
}

IOStatus FaultFileSystem::NewDirectory(
    const std::string& path, const IOOptions& options,
    std::unique_ptr<rocksdb::FSDirectory>* result, IODebugContext* debug) {
  std::unique_ptr<rocksdb::FSDirectory> real;
  const IOStatus status = target()->NewDirectory(path, options, &real, debug);
  if (!status.ok()) return status;
  *result = std::make_unique<Directory>(this, path, std::move(real));
  return status;
}

IOStatus FaultFileSystem::RenameFile(const std::string& from,
                                     const std::string& to,
                                     const IOOptions& options,
                                     IODebugContext* debug) {
  IOStatus status = Change();
  if (!status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  RememberName(from);
  RememberName(to);
  status = target()->RenameFile(from, to, options, debug);
  if (!status.ok()) return status;
  const auto file = files_.find(from);
  if (file != files_.end()) {
    files_[to] = file->second;
    files_.erase(file);
  }
  return status;
}

IOStatus FaultFileSystem::DeleteFile(const std::string& path,
                                     const IOOptions& options,
                                     IODebugContext* debug) {
  const IOStatus status = Change();
  if (!status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  RememberName(path);
  files_.erase(path);
  return target()->DeleteFile(path, options, debug);
}

}  // namespace kms::storage

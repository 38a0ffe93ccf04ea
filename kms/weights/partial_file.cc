#include "kms/weights/partial_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/status.h"

namespace kms::weights {
namespace {

constexpr char kSuffix[] = ".kms-partial";
// Each time another process has renamed or removed it between our open and our
// lock; twice in a row is already strange.
constexpr int kLockAttempts = 8;

absl::Status CheckTarget(const File& folder, const std::string& name,
                         const std::string& path, bool overwrite) {
  struct stat facts;
  if (fstatat(folder.fd(), name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? absl::OkStatus() : folder.Error("stat in");
  }
  if (!S_ISREG(facts.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": not a regular file"));
  }
  if (overwrite) return absl::OkStatus();
  return absl::AlreadyExistsError(absl::StrCat(path, ": exists"));
}

// Opens and locks `name`, which is then what its folder holds under that name.
absl::StatusOr<File> OpenLocked(const File& folder, const std::string& name,
                                const std::string& path) {
  for (int i = 0; i < kLockAttempts; ++i) {
    File file(
        openat(folder.fd(), name.c_str(),
               O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600),
        path);
    if (file.fd() < 0 && errno == ELOOP) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": a symbolic link"));
    }
    if (file.fd() < 0) return file.Error("open");
    if (flock(file.fd(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return file.Error("lock");
      return absl::UnavailableError(
          absl::StrCat(path, ": another process is writing it"));
    }
    struct stat opened, named;
    if (fstat(file.fd(), &opened) != 0) return file.Error("stat");
    if (fstatat(folder.fd(), name.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0 ||
        opened.st_ino != named.st_ino || opened.st_dev != named.st_dev) {
      continue;
    }
    if (!S_ISREG(opened.st_mode) || opened.st_uid != geteuid() ||
        opened.st_nlink != 1) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": not a regular file of this user"));
    }
    if (fchmod(file.fd(), 0600) != 0) return file.Error("chmod");
    return file;
  }
  return absl::UnavailableError(
      absl::StrCat(path, ": another process is writing it"));
}

}  // namespace

PartialFile::PartialFile(File file, File folder, std::string path,
                         std::string name, bool overwrite, bool resumed)
    : file_(std::move(file)),
      folder_(std::move(folder)),
      path_(std::move(path)),
      name_(std::move(name)),
      overwrite_(overwrite),
      resumed_(resumed) {}

absl::StatusOr<PartialFile> PartialFile::Open(const std::string& path,
                                              bool overwrite) {
  const size_t slash = path.rfind('/');
  const std::string name =
      slash == std::string::npos ? path : path.substr(slash + 1);
  if (name.empty() || name == "." || name == "..") {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": want a path that ends in a file's name"));
  }
  const std::string folder_path =
      slash == std::string::npos ? "." : path.substr(0, slash + 1);
  // From here on relative to this descriptor: the folder that is synced at the
  // end is the one that was written to.
  File folder(open(folder_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC),
              folder_path);
  if (folder.fd() < 0) return folder.Error("open");
  KMS_RETURN_IF_ERROR(CheckTarget(folder, name, path, overwrite));
  KMS_ASSIGN_OR_RETURN(File file, OpenLocked(folder, name + kSuffix,
                                             absl::StrCat(path, kSuffix)));
  KMS_ASSIGN_OR_RETURN(const uint64_t size, file.Size());
  return PartialFile(std::move(file), std::move(folder), path, name, overwrite,
                     /*resumed=*/size > 0);
}

PartialFile::~PartialFile() {
  const bool moved_from = folder_.fd() < 0;
  if (!keep_ && !moved_from) Remove();
}

absl::Status PartialFile::Clear() {
  resumed_ = false;
  return ftruncate(file_.fd(), 0) == 0 ? absl::OkStatus()
                                       : file_.Error("truncate");
}

absl::Status PartialFile::Reserve(uint64_t size) {
  const auto reserve = [&]() -> absl::Status {
    if (ftruncate(file_.fd(), static_cast<off_t>(size)) != 0) {
      return file_.Error("resize");
    }
    struct stat facts;
    struct statvfs space;
    struct statfs kind;
    if (fstat(file_.fd(), &facts) != 0 || fstatvfs(file_.fd(), &space) != 0 ||
        fstatfs(file_.fd(), &kind) != 0) {
      return file_.Error("stat");
    }
    const uint64_t has = static_cast<uint64_t>(facts.st_blocks) * 512;
    const uint64_t free = uint64_t{space.f_bavail} * space.f_frsize;
    if (has < size && size - has > free) {
      errno = ENOSPC;
      return file_.Error("reserve space for");
    }
    // Reserving in tmpfs is done page by page, on one core: the workers, who
    // need the same pages, do it on all of them.
    if (size == 0 || static_cast<uint32_t>(kind.f_type) == TMPFS_MAGIC ||
        fallocate(file_.fd(), 0, 0, static_cast<off_t>(size)) == 0 ||
        errno == EOPNOTSUPP || errno == ENOSYS) {
      return absl::OkStatus();
    }
    return file_.Error("reserve space for");
  };
  const absl::Status status = reserve();
  if (!status.ok() && !resumed_) Remove();
  return Explain(status);
}

absl::Status PartialFile::Finish(mode_t mode) {
  const mode_t mask = umask(0);
  umask(mask);
  if (fchmod(file_.fd(), mode & ~mask) != 0) return file_.Error("chmod");
  return fsync(file_.fd()) == 0 ? absl::OkStatus()
                                : Explain(file_.Error("sync"));
}

absl::Status PartialFile::Commit() {
  const std::string partial = name_ + kSuffix;
  if (renameat2(folder_.fd(), partial.c_str(), folder_.fd(), name_.c_str(),
                overwrite_ ? 0 : RENAME_NOREPLACE) != 0) {
    // Some file systems cannot refuse to replace: look first, then.
    if (errno != EINVAL || overwrite_) return file_.Error("rename");
    KMS_RETURN_IF_ERROR(CheckTarget(folder_, name_, path_, overwrite_));
    if (renameat(folder_.fd(), partial.c_str(), folder_.fd(), name_.c_str()) !=
        0) {
      return file_.Error("rename");
    }
  }
  named_ = true;
  return fsync(folder_.fd()) == 0 ? absl::OkStatus() : folder_.Error("sync");
}

void PartialFile::Remove() {
  // Under that name may be another writer's by now.
  if (named_) return;
  unlinkat(folder_.fd(), (name_ + kSuffix).c_str(), 0);
}

absl::Status PartialFile::Explain(const absl::Status& status) const {
  if (!absl::IsResourceExhausted(status)) return status;
  struct stat facts;
  const bool kept =
      keep_ && fstatat(folder_.fd(), (name_ + kSuffix).c_str(), &facts, 0) == 0;
  return absl::ResourceExhaustedError(absl::StrCat(
      status.message(), "; make room and run it again",
      kept ? absl::StrCat(": it goes on from ", file_.path()) : ""));
}

}  // namespace kms::weights

#include "kms/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/status.h"

namespace kms {

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = other.Release();
  }
  return *this;
}

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

int Fd::Release() { return std::exchange(fd_, -1); }

absl::Status ErrnoError(absl::string_view what, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat(what, " ", path));
}

absl::StatusOr<std::string> ReadFile(const std::string& path,
                                     size_t bytes_max) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return ErrnoError("open", path);
  struct stat facts;
  if (fstat(file.get(), &facts) != 0) return ErrnoError("stat", path);
  if (S_ISDIR(facts.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": is a directory"));
  }
  std::string contents;
  char piece[16 * 1024];
  for (;;) {
    const ssize_t got = read(file.get(), piece, sizeof(piece));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError("read", path);
    if (got == 0) return contents;
    contents.append(piece, static_cast<size_t>(got));
    if (contents.size() > bytes_max) {
      return absl::ResourceExhaustedError(
          absl::StrCat(path, ": over ", bytes_max, " bytes"));
    }
  }
}

absl::Status WriteAll(int fd, BytesView bytes) {
  while (!bytes.empty()) {
    const ssize_t put = write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return absl::ErrnoToStatus(errno, "write");
    bytes.remove_prefix(static_cast<size_t>(put));
  }
  return absl::OkStatus();
}

absl::Status WriteFile(const std::string& path, BytesView bytes) {
  const size_t slash = path.rfind('/');
  const std::string folder_path =
      slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const Fd folder(
      open(folder_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return ErrnoError("open", folder_path);
  // Beside the target, so that the rename stays within one file system.
  std::string temporary = absl::StrCat(path, ".", std::string(6, 'X'));
  const Fd file(mkostemp(temporary.data(), O_CLOEXEC));
  if (!file.valid()) return ErrnoError("create", path);
  const auto write_and_rename = [&]() -> absl::Status {
    KMS_RETURN_IF_ERROR(WriteAll(file.get(), bytes));
    const mode_t mask = umask(0);
    umask(mask);
    if (fchmod(file.get(), 0644 & ~mask) != 0) return ErrnoError("chmod", path);
    if (fsync(file.get()) != 0) return ErrnoError("sync", path);
    if (rename(temporary.c_str(), path.c_str()) != 0) {
      return ErrnoError("rename", path);
    }
    return fsync(folder.get()) == 0 ? absl::OkStatus()
                                    : ErrnoError("sync", folder_path);
  };
  const absl::Status status = write_and_rename();
  if (!status.ok()) unlink(temporary.c_str());
  return status;
}

}  // namespace kms

#include "kms/weights/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace kms::weights {

File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = std::exchange(other.fd_, -1);
    path_ = std::move(other.path_);
  }
  return *this;
}

File::~File() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<File> File::OpenToRead(const std::string& path) {
  // Not to be held up by a pipe that nobody writes to.
  File file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK), path);
  if (file.fd_ < 0) return file.Error("open");
  struct stat facts;
  if (fstat(file.fd_, &facts) != 0) return file.Error("stat");
  if (!S_ISREG(facts.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": not a regular file"));
  }
  posix_fadvise(file.fd_, 0, 0, POSIX_FADV_SEQUENTIAL);  // Best effort.
  return file;
}

absl::StatusOr<uint64_t> File::Size() const {
  struct stat facts;
  if (fstat(fd_, &facts) != 0) return Error("stat");
  return static_cast<uint64_t>(facts.st_size);
}

absl::Status File::ReadAt(uint64_t offset, absl::Span<uint8_t> out) const {
  while (!out.empty()) {
    const ssize_t got =
        pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error("read");
    if (got == 0) {
      return absl::UnauthenticatedError(
          absl::StrCat(path_, ": ends at byte ", offset, ", too early"));
    }
    offset += static_cast<uint64_t>(got);
    out.remove_prefix(static_cast<size_t>(got));
  }
  return absl::OkStatus();
}

absl::Status File::WriteAt(uint64_t offset, BytesView bytes) const {
  while (!bytes.empty()) {
    const ssize_t put =
        pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return Error("write");
    offset += static_cast<uint64_t>(put);
    bytes.remove_prefix(static_cast<size_t>(put));
  }
  return absl::OkStatus();
}

absl::Status File::Error(const char* what) const {
  absl::Status status =
      absl::ErrnoToStatus(errno, absl::StrCat(what, " ", path_));
  switch (status.code()) {
    // In this folder these say what a file holds, or should.
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kAborted:
      return absl::UnknownError(status.message());
    default:
      return status;
  }
}

}  // namespace kms::weights

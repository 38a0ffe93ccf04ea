#include "kms/seal/private_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/secret_access.h"
#include "kms/base/status.h"

namespace kms::seal {
namespace {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

absl::Status Failure(const std::string& path, absl::string_view doing) {
  const int error = errno;
  const std::string message =
      absl::StrCat(path, ": cannot ", doing, " (errno ", error, ")");
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(message);
    case ELOOP:  // O_NOFOLLOW met a symbolic link.
      return absl::FailedPreconditionError(
          absl::StrCat(path, ": a symbolic link, want a regular file"));
    default:
      return absl::UnavailableError(message);
  }
}

// Judges the open file, not the name: nobody can swap it in between.
absl::StatusOr<size_t> CheckedSize(int fd, const std::string& path,
                                   size_t bytes_max) {
  struct stat info;
  if (fstat(fd, &info) != 0) return Failure(path, "stat");
  if (!S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": not a regular file"));
  }
  if (info.st_uid != geteuid()) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": owned by uid ", info.st_uid,
                     ", want this process's, ", geteuid()));
  }
  if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": group or others may access it, want mode 0600"));
  }
  const auto size = static_cast<size_t>(info.st_size);
  if (size > bytes_max) {
    return absl::ResourceExhaustedError(
        absl::StrCat(path, ": ", size, " bytes, want at most ", bytes_max));
  }
  return size;
}

// O_NONBLOCK: a FIFO put in the place must not hang the start.
int OpenForReading(const std::string& path) {
  return open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

absl::Status ReadExactly(int fd, absl::Span<uint8_t> into,
                         const std::string& path) {
  size_t done = 0;
  while (done < into.size()) {
    const ssize_t n = read(fd, into.data() + done, into.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failure(path, "read");
    if (n == 0) {
      return absl::UnavailableError(
          absl::StrCat(path, ": changed while it was read"));
    }
    done += static_cast<size_t>(n);
  }
  return absl::OkStatus();
}

absl::Status WriteAndSync(int fd, BytesView bytes, const std::string& path) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = write(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failure(path, "write");
    done += static_cast<size_t>(n);
  }
  if (fsync(fd) != 0) return Failure(path, "sync");
  return absl::OkStatus();
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

absl::StatusOr<std::string> ReadPrivateFile(const std::string& path,
                                            size_t bytes_max) {
  const FileDescriptor fd(OpenForReading(path));
  if (fd.get() < 0) return Failure(path, "open");
  KMS_ASSIGN_OR_RETURN(const size_t size,
                       CheckedSize(fd.get(), path, bytes_max));
  std::string bytes(size, '\0');
  KMS_RETURN_IF_ERROR(ReadExactly(
      fd.get(), {reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()},
      path));
  return bytes;
}

absl::StatusOr<Secret> ReadSecretFile(const std::string& path,
                                      size_t bytes_max) {
  const FileDescriptor fd(OpenForReading(path));
  if (fd.get() < 0) return Failure(path, "open");
  KMS_ASSIGN_OR_RETURN(const size_t size,
                       CheckedSize(fd.get(), path, bytes_max));
  KMS_ASSIGN_OR_RETURN(Secret bytes, Secret::Allocate(size));
  KMS_RETURN_IF_ERROR(
      ReadExactly(fd.get(), bytes.ExposeMutable(GrantSecretAccess()), path));
  return bytes;
}

absl::Status WritePrivateFile(const std::string& path, BytesView bytes) {
  const std::string fresh = path + ".new";
  // What an earlier crash left here was never taken into use.
  if (unlink(fresh.c_str()) != 0 && errno != ENOENT) {
    return Failure(fresh, "remove");
  }
  const auto write_fresh = [&]() -> absl::Status {
    const FileDescriptor fd(open(
        fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
        S_IRUSR | S_IWUSR));
    if (fd.get() < 0) return Failure(fresh, "create");
    return WriteAndSync(fd.get(), bytes, fresh);
  };
  absl::Status written = write_fresh();
  if (written.ok() && rename(fresh.c_str(), path.c_str()) != 0) {
    written = Failure(path, "rename");
  }
  if (!written.ok()) {
    unlink(fresh.c_str());
    return absl::UnavailableError(written.message());
  }
  return SyncDirectory(DirectoryOf(path));
}

absl::Status WriteSecretFile(const std::string& path, const Secret& bytes) {
  return WritePrivateFile(path, bytes.Expose(GrantSecretAccess()));
}

absl::Status SyncDirectory(const std::string& directory) {
  const FileDescriptor fd(
      open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 || fsync(fd.get()) != 0) {
    return absl::UnavailableError(
        absl::StrCat(directory, ": cannot sync (errno ", errno, ")"));
  }
  return absl::OkStatus();
}

}  // namespace kms::seal

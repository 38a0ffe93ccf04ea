// Small files, whole: public ones as strings, secret ones never outside
// locked memory, and writing that leaves either the old file or the new one.
// Thread-safe: free functions.
#ifndef KMS_BASE_FILE_H_
#define KMS_BASE_FILE_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kms/base/bytes.h"

namespace kms {

// Closes a file descriptor when it dies.
class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.Release()) {}
  Fd& operator=(Fd&& other) noexcept;
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd();

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release();

 private:
  int fd_;
};

// "`what` `path`: No such file or directory" under the nearest status code.
// Call it while errno is still the failure's.
absl::Status ErrnoError(absl::string_view what, const std::string& path);

// The contents of a regular file.
// kNotFound, kPermissionDenied, ...: it cannot be read. kResourceExhausted:
// over `bytes_max`.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t bytes_max);

// Writes all of `bytes`, whatever the pieces.
absl::Status WriteAll(int fd, BytesView bytes);

// Replaces `path` at once and durably; mode 0644 under the umask.
absl::Status WriteFile(const std::string& path, BytesView bytes);

}  // namespace kms

#endif  // KMS_BASE_FILE_H_

// An open file, read and written at offsets, whole or not at all.
// Thread-safe: threads may read, and write different bytes, at once.
#ifndef KMS_WEIGHTS_FILE_H_
#define KMS_WEIGHTS_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kms/base/bytes.h"

namespace kms::weights {

class File {
 public:
  File() = default;
  // Takes `fd`; `path` is for messages.
  File(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  File(File&& other) noexcept { *this = std::move(other); }
  File& operator=(File&& other) noexcept;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File();

  // A regular file, to be read. kInvalidArgument: it is none. Others: errno's.
  static absl::StatusOr<File> OpenToRead(const std::string& path);

  int fd() const { return fd_; }
  const std::string& path() const { return path_; }

  absl::StatusOr<uint64_t> Size() const;

  // Fills `out` from `offset`. kUnauthenticated: the file ends before.
  absl::Status ReadAt(uint64_t offset, absl::Span<uint8_t> out) const;

  absl::Status WriteAt(uint64_t offset, BytesView bytes) const;

  // "`what` `path`: No such file or directory" under errno's code; kUnknown
  // where that would be taken for a verdict on what the file holds.
  absl::Status Error(const char* what) const;

 private:
  int fd_ = -1;
  std::string path_;
};

}  // namespace kms::weights

#endif  // KMS_WEIGHTS_FILE_H_

// Remembers, beside the local log, the last position that was acknowledged.
// A write-ahead log that lost its end at a record boundary still opens; this
// file is what tells an entry that was never acknowledged from one that is
// missing.
//
//   file = slot zero[4064] slot          ; 4128 bytes
//   slot = zero[32] / magic epoch index check
//   magic = "KMSACK01"
//   epoch, index = uint64le
//   check = the first 8 bytes of SHA-256(magic epoch index)
//
// Successive indexes alternate between the slots, which share no page, so a
// write torn by a power cut leaves the one before it whole. Writes are not
// synced: the entry itself is, and a file that is behind only checks less.
//
// Source: review.md 24. Thread-compatible. It does not protect against someone
// who puts back an old file and an old log together: the cluster's other
// instances and published checkpoints do.
#ifndef STORAGE_LOG_LOCAL_ACKNOWLEDGED_FILE_H_
#define STORAGE_LOG_LOCAL_ACKNOWLEDGED_FILE_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "storage/log/log_position.h"

namespace kms::storage {

inline constexpr size_t kAcknowledgedSlotBytes = 32;
inline constexpr size_t kAcknowledgedSlotOffset = 4096;
inline constexpr size_t kAcknowledgedFileBytes =
    kAcknowledgedSlotOffset + kAcknowledgedSlotBytes;

// 32 bytes.
std::string EncodeAcknowledgedSlot(LogPosition position);

// The higher position of the slots that are whole; {0, 0} if neither was ever
// written.
// kDataLoss: another size, or a slot is damaged and the other holds nothing.
absl::StatusOr<LogPosition> DecodeAcknowledgedFile(BytesView file);

class AcknowledgedFile {
 public:
  // Makes the file with no position in it, mode 0600, synced with its
  // directory; an existing one is left alone.
  // kUnavailable: the disk failed.
  static absl::Status Create(const std::string& path);

  // kNotFound: no such file. kDataLoss: as DecodeAcknowledgedFile.
  // kUnavailable: the disk failed.
  static absl::StatusOr<std::unique_ptr<AcknowledgedFile>> Open(
      const std::string& path);

  AcknowledgedFile(const AcknowledgedFile&) = delete;
  AcknowledgedFile& operator=(const AcknowledgedFile&) = delete;
  ~AcknowledgedFile();

  // What it held when opened, or what was last recorded.
  LogPosition position() const { return position_; }

  // Writes `position` without syncing it.
  // kUnavailable: the disk failed; do not acknowledge.
  absl::Status Record(LogPosition position);

 private:
  AcknowledgedFile(int file, LogPosition position)
      : file_(file), position_(position) {}

  const int file_;
  LogPosition position_;
};

}  // namespace kms::storage

#endif  // STORAGE_LOG_LOCAL_ACKNOWLEDGED_FILE_H_

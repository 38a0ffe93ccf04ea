#include "storage/log/local/acknowledged_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"

namespace kms::storage {
namespace {

constexpr absl::string_view kMagic = "KMSACK01";
constexpr size_t kCheckBytes = 8;

absl::Status Failed(absl::string_view what) {
  return absl::UnavailableError(
      absl::StrCat("acknowledged file: ", what, ": errno ", errno));
}

// Closes a descriptor that is not yet anyone's.
class Descriptor {
 public:
  explicit Descriptor(int file) : file_(file) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (file_ >= 0) ::close(file_);
  }
  int get() const { return file_; }
  int Release() { return std::exchange(file_, -1); }

 private:
  int file_;
};

absl::Status SyncDirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string directory =
      slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const Descriptor file(
      ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (file.get() < 0) return Failed("open directory");
  if (::fsync(file.get()) != 0) return Failed("sync directory");
  return absl::OkStatus();
}

enum class SlotState { kEmpty, kWhole, kDamaged };

SlotState DecodeSlot(BytesView slot, LogPosition* position) {
  if (AllZero(slot)) return SlotState::kEmpty;
  ByteReader reader(slot.subspan(kMagic.size()));
  *position = {reader.U64Le(), reader.U64Le()};
  if (AsStringView(slot) != EncodeAcknowledgedSlot(*position)) {
    return SlotState::kDamaged;
  }
  return SlotState::kWhole;
}

}  // namespace

std::string EncodeAcknowledgedSlot(LogPosition position) {
  ByteWriter slot;
  slot.Bytes(kMagic).U64Le(position.epoch).U64Le(position.index);
  const std::string digest = crypto::Sha256(AsBytes(slot.str()));
  slot.Bytes(absl::string_view(digest).substr(0, kCheckBytes));
  return slot.Take();
}

absl::StatusOr<LogPosition> DecodeAcknowledgedFile(BytesView file) {
  if (file.size() != kAcknowledgedFileBytes) {
    return Refuse(v1::DATA_LOSS,
                  absl::StrCat("acknowledged file: ", file.size(),
                               " bytes, want ", kAcknowledgedFileBytes));
  }
  LogPosition last;
  bool whole = false;
  bool damaged = false;
  for (const size_t offset : {size_t{0}, kAcknowledgedSlotOffset}) {
    LogPosition position;
    switch (
        DecodeSlot(file.subspan(offset, kAcknowledgedSlotBytes), &position)) {
      case SlotState::kEmpty:
        break;
      case SlotState::kWhole:
        whole = true;
        last = std::max(last, position);
        break;
      case SlotState::kDamaged:
        damaged = true;
    }
  }
  if (damaged && !whole) {
    return Refuse(v1::DATA_LOSS, "acknowledged file: no slot is whole");
  }
  return last;
}

absl::Status AcknowledgedFile::Create(const std::string& path) {
  const Descriptor file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (file.get() < 0) return Failed("create");
  struct stat info;
  if (::fstat(file.get(), &info) != 0) return Failed("look at");
  // Only a file that is empty, because its making was cut short, is changed.
  if (info.st_size == 0) {
    const std::string zeros(kAcknowledgedFileBytes, '\0');
    if (::pwrite(file.get(), zeros.data(), zeros.size(), 0) !=
        static_cast<ssize_t>(zeros.size())) {
      return Failed("write");
    }
  }
  if (::fsync(file.get()) != 0) return Failed("sync");
  return SyncDirectoryOf(path);
}

absl::StatusOr<std::unique_ptr<AcknowledgedFile>> AcknowledgedFile::Open(
    const std::string& path) {
  Descriptor file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (file.get() < 0) {
    if (errno == ENOENT) {
      return absl::NotFoundError("acknowledged file: absent");
    }
    return Failed("open");
  }
  // One byte more than it should have, to notice a longer one.
  std::array<uint8_t, kAcknowledgedFileBytes + 1> bytes;
  const ssize_t size = ::pread(file.get(), bytes.data(), bytes.size(), 0);
  if (size < 0) return Failed("read");
  KMS_ASSIGN_OR_RETURN(
      const LogPosition position,
      DecodeAcknowledgedFile({bytes.data(), static_cast<size_t>(size)}));
  return std::unique_ptr<AcknowledgedFile>(
      new AcknowledgedFile(file.Release(), position));
}

AcknowledgedFile::~AcknowledgedFile() { ::close(file_); }

absl::Status AcknowledgedFile::Record(LogPosition position) {
  const std::string slot = EncodeAcknowledgedSlot(position);
  const off_t offset =
      position.index % 2 == 0 ? 0 : off_t{kAcknowledgedSlotOffset};
  if (::pwrite(file_, slot.data(), slot.size(), offset) !=
      static_cast<ssize_t>(slot.size())) {
    return Failed("write");
  }
  position_ = position;
  return absl::OkStatus();
}

}  // namespace kms::storage

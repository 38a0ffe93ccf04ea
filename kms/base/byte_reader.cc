#include "kms/base/byte_reader.h"

#include "absl/strings/str_cat.h"

namespace kms {

BytesView ByteReader::Bytes(size_t size) {
  // The one bounds check that everything else stands on.
  if (failed_ || size > rest_.size()) {
    failed_ = true;
    return {};
  }
  const BytesView taken = rest_.subspan(0, size);
  rest_.remove_prefix(size);
  return taken;
}

void ByteReader::Zeros(size_t size) {
  if (!AllZero(Bytes(size))) failed_ = true;
}

uint64_t ByteReader::Little(size_t size) {
  uint64_t value = 0;
  const BytesView taken = Bytes(size);
  for (size_t i = taken.size(); i > 0; --i) value = value << 8 | taken[i - 1];
  return value;
}

uint64_t ByteReader::Big(size_t size) {
  uint64_t value = 0;
  for (uint8_t b : Bytes(size)) value = value << 8 | b;
  return value;
}

absl::Status ByteReader::Finish(absl::string_view subject) const {
  if (failed_) {
    return absl::InvalidArgumentError(
        absl::StrCat(subject, ": too short, or a reserved byte is set"));
  }
  if (!rest_.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(subject, ": ", rest_.size(), " bytes left over"));
  }
  return absl::OkStatus();
}

}  // namespace kms

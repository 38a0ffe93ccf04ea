// ByteReader takes bounded, typed pieces off the front of untrusted bytes.
//
// It fails once and stays failed: after the first short read every later read
// gives zero or an empty view, so a parser may read a whole structure and ask
// for the verdict at its end. Finish() also demands that nothing is left over.
// Thread-compatible. Views it returns alias the input.
#ifndef KMS_BASE_BYTE_READER_H_
#define KMS_BASE_BYTE_READER_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"

namespace kms {

class ByteReader {
 public:
  explicit ByteReader(BytesView bytes) : rest_(bytes) {}

  uint8_t U8() { return static_cast<uint8_t>(Little(1)); }
  uint16_t U16Le() { return static_cast<uint16_t>(Little(2)); }
  uint32_t U32Le() { return static_cast<uint32_t>(Little(4)); }
  uint64_t U64Le() { return Little(8); }
  uint16_t U16Be() { return static_cast<uint16_t>(Big(2)); }
  uint32_t U32Be() { return static_cast<uint32_t>(Big(4)); }
  uint64_t U64Be() { return Big(8); }

  // The next `size` bytes; empty, and failed, if there are fewer.
  BytesView Bytes(size_t size);

  // Takes `size` bytes and fails unless each is zero: reserved fields.
  void Zeros(size_t size);

  // Marks the input as bad for a reason of the caller's own.
  void Fail() { failed_ = true; }

  bool failed() const { return failed_; }
  size_t remaining() const { return rest_.size(); }

  // OK only if nothing failed and nothing is left.
  // kInvalidArgument "`subject`: ..." otherwise.
  absl::Status Finish(absl::string_view subject) const;

 private:
  uint64_t Little(size_t size);
  uint64_t Big(size_t size);

  BytesView rest_;
  bool failed_ = false;
};

}  // namespace kms

#endif  // KMS_BASE_BYTE_READER_H_

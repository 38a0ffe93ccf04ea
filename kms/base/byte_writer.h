// ByteWriter builds our own byte formats: fixed-width integers and
// length-prefixed fields, appended to a string. The inverse of ByteReader.
// Thread-compatible.
#ifndef KMS_BASE_BYTE_WRITER_H_
#define KMS_BASE_BYTE_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"

namespace kms {

class ByteWriter {
 public:
  ByteWriter& U8(uint8_t v) { return Little(v, 1); }
  ByteWriter& U16Le(uint16_t v) { return Little(v, 2); }
  ByteWriter& U32Le(uint32_t v) { return Little(v, 4); }
  ByteWriter& U64Le(uint64_t v) { return Little(v, 8); }
  ByteWriter& U16Be(uint16_t v) { return Big(v, 2); }
  ByteWriter& U32Be(uint32_t v) { return Big(v, 4); }
  ByteWriter& U64Be(uint64_t v) { return Big(v, 8); }

  ByteWriter& Bytes(BytesView bytes) {
    out_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return *this;
  }
  ByteWriter& Bytes(absl::string_view bytes) { return Bytes(AsBytes(bytes)); }

  // uint32 big-endian length, then the bytes: no two lists of fields give the
  // same output.
  ByteWriter& Field(BytesView bytes) {
    return U32Be(static_cast<uint32_t>(bytes.size())).Bytes(bytes);
  }
  ByteWriter& Field(absl::string_view bytes) { return Field(AsBytes(bytes)); }

  const std::string& str() const { return out_; }
  std::string Take() { return std::move(out_); }

 private:
  ByteWriter& Little(uint64_t v, size_t size) {
    for (size_t i = 0; i < size; ++i) {
      out_.push_back(static_cast<char>(v >> (8 * i) & 0xff));
    }
    return *this;
  }
  ByteWriter& Big(uint64_t v, size_t size) {
    for (size_t i = size; i > 0; --i) {
      out_.push_back(static_cast<char>(v >> (8 * (i - 1)) & 0xff));
    }
    return *this;
  }

  std::string out_;
};

}  // namespace kms

#endif  // KMS_BASE_BYTE_WRITER_H_

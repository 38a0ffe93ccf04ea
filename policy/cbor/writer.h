// Writes CBOR: definite lengths and shortest heads. Source: RFC 8949, section
// 3. Thread-compatible.
#ifndef POLICY_CBOR_WRITER_H_
#define POLICY_CBOR_WRITER_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "kms/base/byte_writer.h"
#include "kms/base/bytes.h"

namespace kms::cbor {

class Writer {
 public:
  Writer& Unsigned(uint64_t value) { return Head(0, value); }
  Writer& Integer(int64_t value) {
    return value >= 0 ? Head(0, static_cast<uint64_t>(value))
                      : Head(1, static_cast<uint64_t>(-(value + 1)));
  }
  Writer& Bytes(BytesView bytes) {
    Head(2, bytes.size());
    out_.Bytes(bytes);
    return *this;
  }
  Writer& Bytes(absl::string_view bytes) { return Bytes(AsBytes(bytes)); }
  Writer& Text(absl::string_view text) {
    Head(3, text.size());
    out_.Bytes(text);
    return *this;
  }
  // Followed by `size` items, or by `size` keys and values in turn.
  Writer& Array(uint64_t size) { return Head(4, size); }
  Writer& Map(uint64_t size) { return Head(5, size); }
  Writer& Tag(uint64_t number) { return Head(6, number); }
  Writer& Bool(bool value) { return Raw(value ? "\xf5" : "\xf4"); }
  Writer& Null() { return Raw("\xf6"); }
  // An item, or part of one, that is encoded already.
  Writer& Raw(absl::string_view encoding) {
    out_.Bytes(encoding);
    return *this;
  }

  // Major type 0 to 7 and its argument.
  Writer& Head(int major, uint64_t argument) {
    const auto first = static_cast<uint8_t>(major << 5);
    if (argument < 24) {
      out_.U8(static_cast<uint8_t>(first | argument));
    } else if (argument <= 0xff) {
      out_.U8(first | 24).U8(static_cast<uint8_t>(argument));
    } else if (argument <= 0xffff) {
      out_.U8(first | 25).U16Be(static_cast<uint16_t>(argument));
    } else if (argument <= 0xffffffff) {
      out_.U8(first | 26).U32Be(static_cast<uint32_t>(argument));
    } else {
      out_.U8(first | 27).U64Be(argument);
    }
    return *this;
  }

  const std::string& str() const { return out_.str(); }
  std::string Take() { return out_.Take(); }

 private:
  ByteWriter out_;
};

}  // namespace kms::cbor

#endif  // POLICY_CBOR_WRITER_H_

#include "kms/crypto/utf8.h"

#include <cstddef>

namespace kms::crypto {

std::optional<uint32_t> TakeCodePoint(absl::string_view& text) {
  const auto byte = [&text](size_t i) {
    return static_cast<uint32_t>(static_cast<uint8_t>(text[i]));
  };
  const uint32_t first = byte(0);
  size_t size = 0;
  uint32_t least = 0;  // The least that needs this many bytes.
  uint32_t value = 0;
  if (first < 0x80) {
    size = 1, least = 0, value = first;
  } else if (first >> 5 == 0b110) {
    size = 2, least = 0x80, value = first & 0x1f;
  } else if (first >> 4 == 0b1110) {
    size = 3, least = 0x800, value = first & 0x0f;
  } else if (first >> 3 == 0b11110) {
    size = 4, least = 0x10000, value = first & 0x07;
  } else {
    return std::nullopt;
  }
  if (text.size() < size) return std::nullopt;
  for (size_t i = 1; i < size; ++i) {
    if (byte(i) >> 6 != 0b10) return std::nullopt;
    value = value << 6 | (byte(i) & 0x3f);
  }
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  if (value < least || surrogate || value > 0x10ffff) return std::nullopt;
  text.remove_prefix(size);
  return value;
}

bool IsUnicodeSpace(uint32_t c) {
  return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
         c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

}  // namespace kms::crypto

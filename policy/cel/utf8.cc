#include "policy/cel/utf8.h"

namespace kms::cel {
namespace {

bool IsContinuation(char c) { return (static_cast<uint8_t>(c) & 0xc0) == 0x80; }

}  // namespace

bool IsScalarValue(uint32_t rune) {
  return rune <= 0x10ffff && (rune < 0xd800 || rune > 0xdfff);
}

bool IsValidUtf8(absl::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const auto lead = static_cast<uint8_t>(text[at]);
    if (lead < 0x80) {
      ++at;
      continue;
    }
    size_t extra = 0;
    uint32_t rune = 0;
    uint32_t least = 0;  // Below it, the form is overlong.
    if ((lead & 0xe0) == 0xc0) {
      extra = 1, rune = lead & 0x1f, least = 0x80;
    } else if ((lead & 0xf0) == 0xe0) {
      extra = 2, rune = lead & 0x0f, least = 0x800;
    } else if ((lead & 0xf8) == 0xf0) {
      extra = 3, rune = lead & 0x07, least = 0x10000;
    } else {
      return false;
    }
    if (text.size() - at <= extra) return false;
    for (size_t i = 1; i <= extra; ++i) {
      if (!IsContinuation(text[at + i])) return false;
      rune = rune << 6 | (static_cast<uint8_t>(text[at + i]) & 0x3f);
    }
    if (rune < least || !IsScalarValue(rune)) return false;
    at += 1 + extra;
  }
  return true;
}

void AppendUtf8(uint32_t rune, std::string& out) {
  const auto tail = [&](int shift) {
    out.push_back(static_cast<char>(0x80 | (rune >> shift & 0x3f)));
  };
  if (rune < 0x80) {
    out.push_back(static_cast<char>(rune));
  } else if (rune < 0x800) {
    out.push_back(static_cast<char>(0xc0 | rune >> 6));
    tail(0);
  } else if (rune < 0x10000) {
    out.push_back(static_cast<char>(0xe0 | rune >> 12));
    tail(6);
    tail(0);
  } else {
    out.push_back(static_cast<char>(0xf0 | rune >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

size_t CountRunes(absl::string_view text) {
  size_t count = 0;
  for (const char c : text) count += !IsContinuation(c);
  return count;
}

size_t RuneOffset(absl::string_view text, size_t rune) {
  size_t offset = 0;
  while (rune > 0 && offset < text.size()) {
    offset += RuneBytes(text, offset);
    --rune;
  }
  return offset;
}

size_t RuneBytes(absl::string_view text, size_t offset) {
  size_t bytes = 1;
  while (bytes < 4 && offset + bytes < text.size() &&
         IsContinuation(text[offset + bytes])) {
    ++bytes;
  }
  return bytes;
}

uint32_t DecodeRune(absl::string_view bytes) {
  const auto lead = static_cast<uint8_t>(bytes[0]);
  if (bytes.size() == 1) return lead;
  uint32_t rune = lead & (0x7fu >> bytes.size());
  for (const char c : bytes.substr(1)) {
    rune = rune << 6 | (static_cast<uint8_t>(c) & 0x3f);
  }
  return rune;
}

}  // namespace kms::cel

#include "policy/event_log/uefi_variable.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/crypto/utf8.h"

namespace kms::event_log {
namespace {

bool IsText(uint32_t code_point) {
  if (code_point == '\t' || code_point == '\n' || code_point == '\r') {
    return true;
  }
  // C0, DEL and C1 controls; and what turns text around, so that a person
  // reads another line than a policy does.
  if (code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0)) {
    return false;
  }
  return !(code_point >= 0x202a && code_point <= 0x202e) &&
         !(code_point >= 0x2066 && code_point <= 0x2069);
}

void AppendUtf8(uint32_t code_point, std::string& out) {
  const auto tail = [&](int shift) {
    out.push_back(static_cast<char>(0x80 | (code_point >> shift & 0x3f)));
  };
  if (code_point < 0x80) {
    out.push_back(static_cast<char>(code_point));
  } else if (code_point < 0x800) {
    out.push_back(static_cast<char>(0xc0 | code_point >> 6));
    tail(0);
  } else if (code_point < 0x10000) {
    out.push_back(static_cast<char>(0xe0 | code_point >> 12));
    tail(6);
    tail(0);
  } else {
    out.push_back(static_cast<char>(0xf0 | code_point >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

// The text form swaps the first three fields, which are little-endian.
std::string GuidText(BytesView guid) {
  std::string swapped;
  for (const size_t i : {3, 2, 1, 0, 5, 4, 7, 6}) {
    swapped.push_back(static_cast<char>(guid[i]));
  }
  const std::string hex = Hex(swapped) + Hex(guid.subspan(8));
  return absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-",
                      hex.substr(12, 4), "-", hex.substr(16, 4), "-",
                      hex.substr(20));
}

}  // namespace

std::optional<std::string> Utf8Text(BytesView bytes) {
  if (!bytes.empty() && bytes.back() == 0) bytes.remove_suffix(1);
  if (bytes.empty()) return std::nullopt;
  absl::string_view rest = AsStringView(bytes);
  while (!rest.empty()) {
    if (rest[0] >= ' ' && rest[0] <= '~') {  // Nearly all of any log's text.
      rest.remove_prefix(1);
      continue;
    }
    const std::optional<uint32_t> code_point = crypto::TakeCodePoint(rest);
    if (!code_point.has_value() || !IsText(*code_point)) return std::nullopt;
  }
  return ToString(bytes);
}

std::optional<std::string> Utf16Text(BytesView bytes) {
  if (bytes.size() % 2 != 0) return std::nullopt;
  std::string text;
  ByteReader reader(bytes);
  while (reader.remaining() > 0) {
    uint32_t unit = reader.U16Le();
    if (unit == 0 && reader.remaining() == 0) break;
    if (unit >= 0xd800 && unit < 0xdc00) {
      const uint32_t low = reader.U16Le();
      if (low < 0xdc00 || low > 0xdfff) return std::nullopt;
      unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    } else if (unit >= 0xdc00 && unit < 0xe000) {
      return std::nullopt;
    }
    if (!IsText(unit)) return std::nullopt;
    AppendUtf8(unit, text);
  }
  if (text.empty()) return std::nullopt;
  return text;
}

std::optional<UefiVariable> ParseUefiVariable(BytesView bytes) {
  ByteReader reader(bytes);
  const BytesView guid = reader.Bytes(16);
  const uint64_t name_units = reader.U64Le();
  const uint64_t data_bytes = reader.U64Le();
  // Compared by division: the sender chose both numbers.
  if (reader.failed() || name_units > reader.remaining() / 2 ||
      data_bytes != reader.remaining() - 2 * name_units) {
    return std::nullopt;
  }
  const BytesView name = reader.Bytes(static_cast<size_t>(2 * name_units));
  // A zero would end the name for firmware, and not for us.
  if (name.size() >= 2 && name[name.size() - 1] == 0 &&
      name[name.size() - 2] == 0) {
    return std::nullopt;
  }
  std::optional<std::string> text = Utf16Text(name);
  if (!text.has_value()) return std::nullopt;
  return UefiVariable{.guid = GuidText(guid),
                      .name = *std::move(text),
                      .data = reader.Bytes(reader.remaining())};
}

std::optional<std::string> LoadOptionDescription(BytesView bytes) {
  ByteReader reader(bytes);
  reader.U32Le();
  const uint16_t path_bytes = reader.U16Le();
  const BytesView rest = reader.Bytes(reader.remaining());
  if (reader.failed()) return std::nullopt;
  for (size_t i = 0; i + 1 < rest.size(); i += 2) {
    if (rest[i] != 0 || rest[i + 1] != 0) continue;
    if (path_bytes == 0 || path_bytes > rest.size() - i - 2) break;
    return Utf16Text(rest.first(i));
  }
  return std::nullopt;
}

}  // namespace kms::event_log

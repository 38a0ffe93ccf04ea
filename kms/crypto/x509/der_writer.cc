#include "kms/crypto/x509/der_writer.h"

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "kms/crypto/x509/der.h"

namespace kms::x509 {
namespace {

std::string BigEndian(uint64_t value) {
  std::string bytes;
  for (; value != 0; value >>= 8) {
    bytes.insert(bytes.begin(), static_cast<char>(value & 0xff));
  }
  return bytes;
}

std::string Base128(uint64_t value) {
  std::string bytes(1, static_cast<char>(value & 0x7f));
  for (value >>= 7; value != 0; value >>= 7) {
    bytes.insert(bytes.begin(), static_cast<char>(0x80 | (value & 0x7f)));
  }
  return bytes;
}

}  // namespace

std::string DerEncode(uint8_t tag, absl::string_view content) {
  std::string out(1, static_cast<char>(tag));
  if (content.size() < 0x80) {
    out += static_cast<char>(content.size());
  } else {
    const std::string length = BigEndian(content.size());
    out += static_cast<char>(0x80 | length.size());
    out += length;
  }
  absl::StrAppend(&out, content);
  return out;
}

std::string DerUnsigned(absl::string_view magnitude) {
  while (!magnitude.empty() && magnitude[0] == 0) magnitude.remove_prefix(1);
  std::string content(magnitude);
  if (content.empty() || (content[0] & 0x80) != 0) content.insert(0, 1, '\0');
  return DerEncode(kDerInteger, content);
}

std::string DerU32(uint32_t value) { return DerUnsigned(BigEndian(value)); }

std::string DerBoolean(bool value) {
  return DerEncode(kDerBoolean, value ? "\xff" : absl::string_view("\0", 1));
}

std::string DerBitString(absl::string_view bytes) {
  return DerEncode(kDerBitString,
                   absl::StrCat(absl::string_view("\0", 1), bytes));
}

std::string DerOid(absl::string_view dotted) {
  std::string content;
  std::vector<uint64_t> arcs;
  for (absl::string_view text : absl::StrSplit(dotted, '.')) {
    uint64_t arc = 0;
    if (!absl::SimpleAtoi(text, &arc)) return "";
    arcs.push_back(arc);
  }
  if (arcs.size() < 2) return "";
  content = Base128(40 * arcs[0] + arcs[1]);
  for (size_t i = 2; i < arcs.size(); ++i) content += Base128(arcs[i]);
  return DerEncode(kDerOid, content);
}

std::string DerTime(absl::Time time) {
  const absl::TimeZone utc = absl::UTCTimeZone();
  const bool generalized = absl::ToCivilYear(time, utc).year() >= 2050;
  return DerEncode(
      generalized ? kDerGeneralizedTime : kDerUtcTime,
      absl::FormatTime(generalized ? "%E4Y%m%d%H%M%SZ" : "%y%m%d%H%M%SZ", time,
                       utc));
}

}  // namespace kms::x509

#include "policy/cel/format.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "kms/base/bytes.h"
#include "policy/cel/conversions.h"
#include "policy/cel/limits.h"
#include "policy/cel/message_reader.h"
#include "policy/cel/network.h"
#include "policy/cel/utf8.h"

namespace kms::cel {
namespace {

using Kind = Value::Kind;

constexpr char kBadClause[] = "unrecognized formatting clause";
constexpr char kBadArgument[] = "formatting clause does not take this value";
constexpr int kDefaultPrecision = 6;

// In full, without an exponent: at most 309 digits before the point, or some
// 330 after it.
std::string Decimal(double value) {
  if (!std::isfinite(value)) return DoubleText(value);
  char buffer[400];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value,
                                 std::chars_format::fixed)
                       .ptr;
  return std::string(buffer, end);
}

// Each run of bytes that are no UTF-8 becomes one U+FFFD.
std::string Repaired(absl::string_view bytes) {
  if (IsValidUtf8(bytes)) return std::string(bytes);
  std::string out;
  bool bad = false;
  for (size_t at = 0; at < bytes.size();) {
    const size_t size = RuneBytes(bytes, at);
    const absl::string_view rune = bytes.substr(at, size);
    if (IsValidUtf8(rune)) {
      out.append(rune.data(), rune.size());
      bad = false;
      at += size;
      continue;
    }
    // The first byte alone may be good, as in "a" followed by "\x80".
    const bool ascii = static_cast<uint8_t>(bytes[at]) < 0x80;
    if (ascii) out.push_back(bytes[at]);
    if (!ascii && !bad) out.append("\xef\xbf\xbd");
    bad = !ascii;
    ++at;
  }
  return out;
}

Error Text(Context& context, const Value& value, std::string* out);

Error ListText(Context& context, const Value& list, std::string* out) {
  std::vector<std::string> parts;
  const size_t size = list.size();
  for (size_t i = 0; i < size; ++i) {
    Value item;
    if (const Error error = ReadElement(context, list, i, &item)) return error;
    parts.emplace_back();
    if (const Error error = Text(context, item, &parts.back())) return error;
  }
  *out = absl::StrCat("[", absl::StrJoin(parts, ", "), "]");
  return nullptr;
}

// Sorted by the keys' texts.
Error MapText(Context& context, const Value& map, std::string* out) {
  std::vector<std::pair<std::string, std::string>> parts;
  for (size_t i = 0; i < map.size(); ++i) {
    parts.emplace_back();
    if (const Error error =
            Text(context, map.items()[2 * i], &parts.back().first)) {
      return error;
    }
    if (const Error error =
            Text(context, map.items()[2 * i + 1], &parts.back().second)) {
      return error;
    }
  }
  std::sort(parts.begin(), parts.end());
  *out = absl::StrCat(
      "{", absl::StrJoin(parts, ", ", absl::PairFormatter(": ")), "}");
  return nullptr;
}

// %s
Error Text(Context& context, const Value& value, std::string* out) {
  const Context::Level level(context);
  if (!level.ok()) return kTooDeep;
  if (!context.Charge(1)) return kCostExceeded;
  switch (value.kind()) {
    case Kind::kNull:
      *out = "null";
      return nullptr;
    case Kind::kBool:
      *out = value.bool_value() ? "true" : "false";
      return nullptr;
    case Kind::kInt:
      *out = absl::StrCat(value.int_value());
      return nullptr;
    case Kind::kUint:
      *out = absl::StrCat(value.uint_value());
      return nullptr;
    case Kind::kDouble:
      *out = Decimal(value.double_value());
      return nullptr;
    case Kind::kString:
    case Kind::kType:
      if (!context.ChargeBytes(value.text().size())) return kCostExceeded;
      *out = std::string(value.text());
      return nullptr;
    case Kind::kBytes:
      if (!context.ChargeBytes(value.text().size())) return kCostExceeded;
      *out = Repaired(value.text());
      return nullptr;
    case Kind::kTimestamp:
      *out = TimestampText(value.timestamp());
      return nullptr;
    case Kind::kDuration:
      *out = DurationText(value.duration());
      return nullptr;
    case Kind::kIp:
    case Kind::kCidr:
      *out = NetworkText(value);
      return nullptr;
    case Kind::kList:
      return ListText(context, value, out);
    case Kind::kMap:
      return MapText(context, value, out);
    default:
      return kBadArgument;
  }
}

// %b, %o, %x, %X of numbers: the magnitude in a base of 2, 8 or 16.
std::string InBase(uint64_t magnitude, bool negative, int base) {
  char buffer[64];
  const auto end =
      std::to_chars(buffer, buffer + sizeof(buffer), magnitude, base).ptr;
  return absl::StrCat(
      negative ? "-" : "",
      absl::string_view(buffer, static_cast<size_t>(end - buffer)));
}

Error Integer(const Value& value, int base, std::string* out) {
  if (value.Is(Kind::kInt)) {
    const int64_t number = value.int_value();
    const auto bits = static_cast<uint64_t>(number);
    *out = InBase(number < 0 ? 0 - bits : bits, number < 0, base);
    return nullptr;
  }
  if (!value.Is(Kind::kUint)) return kBadArgument;
  *out = InBase(value.uint_value(), false, base);
  return nullptr;
}

Error HexText(Context& context, const Value& value, bool upper,
              std::string* out) {
  if (value.is_text()) {
    if (!context.ChargeBytes(2 * value.text().size())) return kCostExceeded;
    *out = Hex(value.text());
  } else if (const Error error = Integer(value, 16, out)) {
    return error;
  }
  if (upper) absl::AsciiStrToUpper(out);
  return nullptr;
}

// %f, %e
Error Floating(const Value& value, char conversion, int precision,
               std::string* out) {
  double number = 0;
  if (value.Is(Kind::kInt)) {
    number = static_cast<double>(value.int_value());
  } else if (value.Is(Kind::kUint)) {
    number = static_cast<double>(value.uint_value());
  } else if (value.Is(Kind::kDouble)) {
    number = value.double_value();
  } else {
    return kBadArgument;
  }
  if (!std::isfinite(number)) {
    *out = DoubleText(number);
  } else if (conversion == 'f') {
    *out = absl::StrFormat("%.*f", precision, number);
  } else {
    *out = absl::StrFormat("%.*e", precision, number);
  }
  return nullptr;
}

Error Clause(Context& context, char conversion, int precision,
             const Value& value, std::string* out) {
  switch (conversion) {
    case 's':
      return Text(context, value, out);
    case 'd':
      return value.is_number() ? Text(context, value, out) : kBadArgument;
    case 'f':
    case 'e':
      return Floating(value, conversion, precision, out);
    case 'b':
      if (value.Is(Kind::kBool)) {
        *out = value.bool_value() ? "1" : "0";
        return nullptr;
      }
      return Integer(value, 2, out);
    case 'o':
      return Integer(value, 8, out);
    case 'x':
    case 'X':
      return HexText(context, value, conversion == 'X', out);
    default:
      return kBadClause;
  }
}

// The digits of "%.3f", from after the point; `at` is left after them.
Error Precision(absl::string_view text, size_t* at, int* out) {
  *out = 0;
  const size_t begin = *at;
  for (; *at < text.size() && text[*at] >= '0' && text[*at] <= '9'; ++*at) {
    *out = *out * 10 + (text[*at] - '0');
    if (*out > kPrecisionMax) return "precision is too large";
  }
  return *at == begin ? kBadClause : nullptr;
}

}  // namespace

Error Format(Context& context, absl::Span<const Value> args, Value* out) {
  if (!args[0].Is(Kind::kString) || !args[1].Is(Kind::kList)) {
    return kNoOverload;
  }
  const absl::string_view text = args[0].text();
  const Value& values = args[1];
  const size_t count = values.size();
  if (!context.ChargeBytes(text.size())) return kCostExceeded;
  std::string result;
  size_t next = 0;
  for (size_t at = 0; at < text.size();) {
    if (text[at] != '%') {
      result.push_back(text[at++]);
      continue;
    }
    ++at;
    if (at < text.size() && text[at] == '%') {
      result.push_back(text[at++]);
      continue;
    }
    int precision = kDefaultPrecision;
    if (at < text.size() && text[at] == '.') {
      ++at;
      if (const Error error = Precision(text, &at, &precision)) return error;
    }
    if (at == text.size()) return kBadClause;
    const char conversion = text[at++];
    if (next == count) return "more formatting clauses than values";
    Value value;
    if (const Error error = ReadElement(context, values, next++, &value)) {
      return error;
    }
    std::string piece;
    if (const Error error =
            Clause(context, conversion, precision, value, &piece)) {
      return error;
    }
    if (!context.ChargeBytes(piece.size())) return kCostExceeded;
    result.append(piece);
  }
  *out = context.MakeText(Kind::kString, std::move(result));
  return nullptr;
}

}  // namespace kms::cel

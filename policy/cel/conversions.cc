#include "policy/cel/conversions.h"

#include <charconv>
#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kms/base/bytes.h"
#include "policy/cel/functions.h"
#include "policy/cel/network.h"
#include "policy/cel/numbers.h"
#include "policy/cel/utf8.h"

namespace kms::cel {
namespace {

using Kind = Value::Kind;
using Args = absl::Span<const Value>;

constexpr char kOverflow[] = "number is out of range";
constexpr char kBadText[] = "text does not convert to this type";

// "+5", but not "+-5".
absl::string_view WithoutPlus(absl::string_view text) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') {
    text.remove_prefix(1);
  }
  return text;
}

template <typename T>
bool ParseWhole(absl::string_view text, T* out) {
  text = WithoutPlus(text);
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, *out);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

Error ToInt(Context& context, Args args, Value* out) {
  const Value& in = args[0];
  int64_t result = 0;
  switch (in.kind()) {
    case Kind::kInt:
      result = in.int_value();
      break;
    case Kind::kUint:
      result = static_cast<int64_t>(in.uint_value());
      if (result < 0) return kOverflow;
      break;
    case Kind::kDouble:
      // Strictly inside (-2^63, 2^63); NaN fails both.
      if (!(in.double_value() > -0x1p63 && in.double_value() < 0x1p63)) {
        return kOverflow;
      }
      result = static_cast<int64_t>(in.double_value());
      break;
    case Kind::kString:
      if (!context.ChargeBytes(in.text().size())) return kCostExceeded;
      if (!ParseWhole(in.text(), &result)) return kBadText;
      break;
    case Kind::kTimestamp:
      result = absl::ToUnixSeconds(in.timestamp());
      break;
    case Kind::kEnum:
      result = in.enum_number();
      break;
    default:
      return kNoOverload;
  }
  *out = Value::Int(result);
  return nullptr;
}

Error ToUint(Context& context, Args args, Value* out) {
  const Value& in = args[0];
  uint64_t result = 0;
  switch (in.kind()) {
    case Kind::kUint:
      result = in.uint_value();
      break;
    case Kind::kInt:
      if (in.int_value() < 0) return kOverflow;
      result = static_cast<uint64_t>(in.int_value());
      break;
    case Kind::kDouble:
      if (!(in.double_value() >= 0 && in.double_value() < 0x1p64)) {
        return kOverflow;
      }
      result = static_cast<uint64_t>(in.double_value());
      break;
    case Kind::kString:
      if (!context.ChargeBytes(in.text().size())) return kCostExceeded;
      if (!ParseWhole(in.text(), &result)) return kBadText;
      break;
    default:
      return kNoOverload;
  }
  *out = Value::Uint(result);
  return nullptr;
}

Error ToDouble(Context& context, Args args, Value* out) {
  const Value& in = args[0];
  double result = 0;
  switch (in.kind()) {
    case Kind::kDouble:
      result = in.double_value();
      break;
    case Kind::kInt:
      result = static_cast<double>(in.int_value());
      break;
    case Kind::kUint:
      result = static_cast<double>(in.uint_value());
      break;
    case Kind::kString:
      if (!context.ChargeBytes(in.text().size())) return kCostExceeded;
      if (!ParseDouble(WithoutPlus(in.text()), &result)) return kBadText;
      break;
    default:
      return kNoOverload;
  }
  *out = Value::Double(result);
  return nullptr;
}

Error ToText(Context& context, Args args, Value* out) {
  const Value& in = args[0];
  std::string text;
  switch (in.kind()) {
    case Kind::kString:
      *out = in;
      return nullptr;
    case Kind::kBytes:
      if (!context.ChargeBytes(in.text().size())) return kCostExceeded;
      if (!IsValidUtf8(in.text())) return "bytes are not valid UTF-8";
      *out = Value::String(in.text());
      return nullptr;
    case Kind::kBool:
      *out = Value::String(in.bool_value() ? "true" : "false");
      return nullptr;
    case Kind::kInt:
      text = absl::StrCat(in.int_value());
      break;
    case Kind::kUint:
      text = absl::StrCat(in.uint_value());
      break;
    case Kind::kDouble:
      text = DoubleText(in.double_value());
      break;
    case Kind::kTimestamp:
      text = TimestampText(in.timestamp());
      break;
    case Kind::kDuration:
      text = DurationText(in.duration());
      break;
    case Kind::kIp:
    case Kind::kCidr:
      text = NetworkText(in);
      break;
    default:
      return kNoOverload;
  }
  *out = context.MakeText(Kind::kString, std::move(text));
  return nullptr;
}

Error ToBytes(Context&, Args args, Value* out) {
  if (!args[0].is_text()) return kNoOverload;
  *out = Value::Bytes(args[0].text());
  return nullptr;
}

Error ToBool(Context&, Args args, Value* out) {
  if (args[0].Is(Kind::kBool)) {
    *out = args[0];
    return nullptr;
  }
  if (!args[0].Is(Kind::kString)) return kNoOverload;
  for (const char* yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (args[0].text() == yes) {
      *out = Value::Bool(true);
      return nullptr;
    }
  }
  for (const char* no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (args[0].text() == no) {
      *out = Value::Bool(false);
      return nullptr;
    }
  }
  return kBadText;
}

Error ToHex(Context& context, Args args, Value* out) {
  if (!args[0].Is(Kind::kBytes)) return kNoOverload;
  if (!context.ChargeBytes(2 * args[0].text().size())) return kCostExceeded;
  *out = context.MakeText(Kind::kString, Hex(args[0].text()));
  return nullptr;
}

Error ToBase64(Context& context, Args args, Value* out) {
  if (!args[0].Is(Kind::kBytes)) return kNoOverload;
  if (!context.ChargeBytes(2 * args[0].text().size())) return kCostExceeded;
  *out = context.MakeText(Kind::kString, absl::Base64Escape(args[0].text()));
  return nullptr;
}

// Padding may be left out. abseil also skips spaces and takes ".", so what it
// decodes must encode to the text again.
Error FromBase64(Context& context, Args args, Value* out) {
  if (!args[0].Is(Kind::kString)) return kNoOverload;
  const absl::string_view text = args[0].text();
  if (!context.ChargeBytes(2 * text.size())) return kCostExceeded;
  std::string padded(text);
  while (padded.size() % 4 != 0) padded.push_back('=');
  std::string bytes;
  if (!absl::Base64Unescape(padded, &bytes) ||
      absl::Base64Escape(bytes) != padded) {
    return "text is not base64";
  }
  *out = context.MakeText(Kind::kBytes, std::move(bytes));
  return nullptr;
}

constexpr Style kGlobal = Style::kGlobal;

constexpr Declaration kDeclarations[] = {
    {"int", kGlobal, "i", 'i', ToInt},
    {"int", kGlobal, "u", 'i', ToInt},
    {"int", kGlobal, "d", 'i', ToInt},
    {"int", kGlobal, "s", 'i', ToInt},
    {"int", kGlobal, "t", 'i', ToInt},
    {"uint", kGlobal, "u", 'u', ToUint},
    {"uint", kGlobal, "i", 'u', ToUint},
    {"uint", kGlobal, "d", 'u', ToUint},
    {"uint", kGlobal, "s", 'u', ToUint},
    {"double", kGlobal, "d", 'd', ToDouble},
    {"double", kGlobal, "i", 'd', ToDouble},
    {"double", kGlobal, "u", 'd', ToDouble},
    {"double", kGlobal, "s", 'd', ToDouble},
    {"string", kGlobal, "s", 's', ToText},
    {"string", kGlobal, "b", 's', ToText},
    {"string", kGlobal, "i", 's', ToText},
    {"string", kGlobal, "u", 's', ToText},
    {"string", kGlobal, "d", 's', ToText},
    {"string", kGlobal, "y", 's', ToText},
    {"string", kGlobal, "t", 's', ToText},
    {"string", kGlobal, "n", 's', ToText},
    {"string", kGlobal, "I", 's', ToText},
    {"string", kGlobal, "C", 's', ToText},
    {"bytes", kGlobal, "y", 'y', ToBytes},
    {"bytes", kGlobal, "s", 'y', ToBytes},
    {"bool", kGlobal, "b", 'b', ToBool},
    {"bool", kGlobal, "s", 'b', ToBool},
    {"timestamp", kGlobal, "t", 't', ToTimestamp},
    {"timestamp", kGlobal, "s", 't', ToTimestamp},
    {"timestamp", kGlobal, "i", 't', ToTimestamp},
    {"duration", kGlobal, "n", 'n', ToDuration},
    {"duration", kGlobal, "s", 'n', ToDuration},
    {"hex", kGlobal, "y", 's', ToHex},
    {"unhex", kGlobal, "s", 'y', FromHex},
    {"base64.encode", kGlobal, "y", 's', ToBase64},
    {"base64.decode", kGlobal, "s", 'y', FromBase64},
};

}  // namespace

absl::Span<const Declaration> ConversionDeclarations() { return kDeclarations; }

Error ToTimestamp(Context& context, Args args, Value* out) {
  absl::Time time;
  switch (args[0].kind()) {
    case Kind::kTimestamp:
      *out = args[0];
      return nullptr;
    case Kind::kInt:
      time = absl::FromUnixSeconds(args[0].int_value());
      break;
    case Kind::kString: {
      // abseil also takes "infinite-future", spaces, and years of any length:
      // "2024-01-01T" must stand where RFC 3339 puts it.
      const absl::string_view text = args[0].text();
      if (!context.ChargeBytes(text.size())) return kCostExceeded;
      std::string ignored;
      if (text.size() < 20 || text[4] != '-' || text[10] != 'T' ||
          text.find_first_not_of("0123456789-+:.TZ") !=
              absl::string_view::npos ||
          !absl::ParseTime(absl::RFC3339_full, text, &time, &ignored)) {
        return "text is not an RFC 3339 time";
      }
      break;
    }
    default:
      return kNoOverload;
  }
  // abseil counts quarters of a nanosecond.
  time = absl::UnixEpoch() +
         absl::Floor(time - absl::UnixEpoch(), absl::Nanoseconds(1));
  *out = Value::Timestamp(time);
  return InRange(time) ? nullptr : "timestamp is out of range";
}

Error ToDuration(Context& context, Args args, Value* out) {
  if (args[0].Is(Kind::kDuration)) {
    *out = args[0];
    return nullptr;
  }
  if (!args[0].Is(Kind::kString)) return kNoOverload;
  if (!context.ChargeBytes(args[0].text().size())) return kCostExceeded;
  absl::Duration duration;
  // abseil also takes "inf".
  if (args[0].text().find_first_not_of("0123456789.+-hmsnu") !=
          absl::string_view::npos ||
      !absl::ParseDuration(args[0].text(), &duration)) {
    return "text is not a duration such as 1h30m";
  }
  duration = absl::Trunc(duration, absl::Nanoseconds(1));
  *out = Value::Duration(duration);
  return InRange(duration) ? nullptr : "duration is out of range";
}

Error FromHex(Context& context, Args args, Value* out) {
  if (!args[0].Is(Kind::kString)) return kNoOverload;
  if (!context.ChargeBytes(args[0].text().size())) return kCostExceeded;
  auto bytes = Unhex(args[0].text());
  if (!bytes.ok()) return "text is not an even number of hex digits";
  *out = context.MakeText(Kind::kBytes, *std::move(bytes));
  return nullptr;
}

std::string DurationText(absl::Duration duration) {
  const absl::Duration size = absl::AbsDuration(duration);
  absl::Duration rest;
  const int64_t seconds = absl::IDivDuration(size, absl::Seconds(1), &rest);
  std::string text =
      absl::StrCat(duration < absl::ZeroDuration() ? "-" : "", seconds);
  if (rest != absl::ZeroDuration()) {
    const std::string nanos = absl::StrCat(absl::ToInt64Nanoseconds(rest));
    absl::StrAppend(&text, ".", std::string(9 - nanos.size(), '0'), nanos);
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text + "s";
}

std::string TimestampText(absl::Time time) {
  return absl::FormatTime("%E4Y-%m-%d%ET%H:%M:%E*SZ", time,
                          absl::UTCTimeZone());
}

std::string DoubleText(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  char buffer[32];  // The shortest form that reads back takes at most 24.
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
  return std::string(buffer, end);
}

}  // namespace kms::cel

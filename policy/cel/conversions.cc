#include "policy/cel/conversions.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "kms/base/bytes.h"
#include "policy/cel/arithmetic.h"
#include "policy/cel/utf8.h"

namespace kms::cel {
namespace {

using Kind = Value::Kind;

constexpr char kOverflow[] = "number is out of range";
constexpr char kBadText[] = "text does not convert to this type";

template <typename T>
bool ParseWhole(absl::string_view text, T* out) {
  if (!text.empty() && text[0] == '+') {
    text.remove_prefix(1);
    if (!text.empty() && text[0] == '-') return false;
  }
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, *out);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

Error ToInt(const Value& in, Value* out) {
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
      if (!ParseWhole(in.text(), &result)) return kBadText;
      break;
    case Kind::kTimestamp:
      result = absl::ToUnixSeconds(in.timestamp());
      break;
    default:
      return kNoOverload;
  }
  *out = Value::Int(result);
  return nullptr;
}

Error ToUint(const Value& in, Value* out) {
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
      if (!(in.double_value() > -1 && in.double_value() < 0x1p64)) {
        return kOverflow;
      }
      result = static_cast<uint64_t>(in.double_value());
      break;
    case Kind::kString:
      if (!ParseWhole(in.text(), &result)) return kBadText;
      break;
    default:
      return kNoOverload;
  }
  *out = Value::Uint(result);
  return nullptr;
}

Error ToDouble(const Value& in, Value* out) {
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
      if (!ParseWhole(in.text(), &result)) return kBadText;
      break;
    default:
      return kNoOverload;
  }
  *out = Value::Double(result);
  return nullptr;
}

std::string DoubleText(double value) {
  char buffer[32];  // The shortest form that reads back takes at most 24.
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
  return std::string(buffer, end);
}

// As protobuf's JSON: seconds with a fraction, "90s", "0.5s".
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

Error ToText(Runtime& runtime, const Value& in, Value* out) {
  std::string text;
  switch (in.kind()) {
    case Kind::kString:
      *out = in;
      return nullptr;
    case Kind::kBytes:
      if (!runtime.ChargeBytes(in.text().size())) return kCostExceeded;
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
      text = absl::FormatTime("%E4Y-%m-%d%ET%H:%M:%E*SZ", in.timestamp(),
                              absl::UTCTimeZone());
      break;
    case Kind::kDuration:
      text = DurationText(in.duration());
      break;
    default:
      return kNoOverload;
  }
  *out = runtime.MakeText(Kind::kString, std::move(text));
  return nullptr;
}

Error ToBool(const Value& in, Value* out) {
  if (in.Is(Kind::kBool)) {
    *out = in;
    return nullptr;
  }
  if (!in.Is(Kind::kString)) return kNoOverload;
  for (const char* yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (in.text() == yes) {
      *out = Value::Bool(true);
      return nullptr;
    }
  }
  for (const char* no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (in.text() == no) {
      *out = Value::Bool(false);
      return nullptr;
    }
  }
  return kBadText;
}

Error ToTimestamp(const Value& in, Value* out) {
  absl::Time time;
  switch (in.kind()) {
    case Kind::kTimestamp:
      *out = in;
      return nullptr;
    case Kind::kInt:
      time = absl::FromUnixSeconds(in.int_value());
      break;
    case Kind::kString: {
      // abseil also takes "infinite-future", spaces, and years of any length:
      // "2024-01-01T" must stand where RFC 3339 puts it.
      const absl::string_view text = in.text();
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
  *out = Value::Timestamp(time);
  return InRange(time) ? nullptr : "timestamp is out of range";
}

Error ToDuration(const Value& in, Value* out) {
  if (in.Is(Kind::kDuration)) {
    *out = in;
    return nullptr;
  }
  if (!in.Is(Kind::kString)) return kNoOverload;
  absl::Duration duration;
  // abseil also takes "inf".
  if (in.text().find_first_not_of("0123456789.+-hmsnu") !=
          absl::string_view::npos ||
      !absl::ParseDuration(in.text(), &duration)) {
    return "text is not a duration such as 1h30m";
  }
  *out = Value::Duration(duration);
  return InRange(duration) ? nullptr : "duration is out of range";
}

Error HexText(Runtime& runtime, const Value& in, Value* out) {
  if (!in.Is(Kind::kBytes)) return kNoOverload;
  if (!runtime.ChargeBytes(2 * in.text().size())) return kCostExceeded;
  *out = runtime.MakeText(Kind::kString, Hex(in.text()));
  return nullptr;
}

Error UnhexBytes(Runtime& runtime, const Value& in, Value* out) {
  if (!in.Is(Kind::kString)) return kNoOverload;
  if (!runtime.ChargeBytes(in.text().size())) return kCostExceeded;
  auto bytes = Unhex(in.text());
  if (!bytes.ok()) return "text is not an even number of hex digits";
  *out = runtime.MakeText(Kind::kBytes, *std::move(bytes));
  return nullptr;
}

int64_t DurationPart(Function function, absl::Duration duration) {
  switch (function) {
    case Function::kHours:
      return absl::ToInt64Hours(duration);
    case Function::kMinutes:
      return absl::ToInt64Minutes(duration);
    case Function::kSeconds:
      return absl::ToInt64Seconds(duration);
    default:
      return absl::ToInt64Milliseconds(duration) % 1000;
  }
}

}  // namespace

Error Convert(Runtime& runtime, Function function, const Value& in,
              Value* out) {
  switch (function) {
    case Function::kToInt:
      return ToInt(in, out);
    case Function::kToUint:
      return ToUint(in, out);
    case Function::kToDouble:
      return ToDouble(in, out);
    case Function::kToString:
      return ToText(runtime, in, out);
    case Function::kToBytes:
      if (!in.Is(Kind::kBytes) && !in.Is(Kind::kString)) return kNoOverload;
      *out = Value::Bytes(in.text());
      return nullptr;
    case Function::kToBool:
      return ToBool(in, out);
    case Function::kToTimestamp:
      return ToTimestamp(in, out);
    case Function::kToDuration:
      return ToDuration(in, out);
    case Function::kToDyn:
      *out = in;
      return nullptr;
    case Function::kHex:
      return HexText(runtime, in, out);
    case Function::kUnhex:
      return UnhexBytes(runtime, in, out);
    default:
      return kNoOverload;
  }
}

Error TimePart(Function function, const Value& in, Value* out) {
  if (in.Is(Kind::kDuration)) {
    *out = Value::Int(DurationPart(function, in.duration()));
    return nullptr;
  }
  if (!in.Is(Kind::kTimestamp)) return kNoOverload;
  const absl::TimeZone::CivilInfo info = absl::UTCTimeZone().At(in.timestamp());
  const absl::CivilSecond civil = info.cs;
  const absl::CivilDay day(civil);
  int64_t part = 0;
  switch (function) {
    case Function::kFullYear:
      part = civil.year();
      break;
    case Function::kMonth:  // From 0, as is kDayOfMonth; kDate is from 1.
      part = civil.month() - 1;
      break;
    case Function::kDate:
      part = civil.day();
      break;
    case Function::kDayOfMonth:
      part = civil.day() - 1;
      break;
    case Function::kDayOfWeek:  // From Sunday, 0; abseil's Monday is 0.
      part = (static_cast<int>(absl::GetWeekday(day)) + 1) % 7;
      break;
    case Function::kDayOfYear:
      part = absl::GetYearDay(day) - 1;
      break;
    case Function::kHours:
      part = civil.hour();
      break;
    case Function::kMinutes:
      part = civil.minute();
      break;
    case Function::kSeconds:
      part = civil.second();
      break;
    default:
      part = absl::ToInt64Milliseconds(info.subsecond);
  }
  *out = Value::Int(part);
  return nullptr;
}

}  // namespace kms::cel

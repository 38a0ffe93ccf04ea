// The parts of timestamps, in a time zone, and of durations.
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "policy/cel/functions.h"
#include "policy/cel/time_zone.h"

namespace kms::cel {
namespace {

using Kind = Value::Kind;
using Args = absl::Span<const Value>;

enum class Part {
  kFullYear,
  kMonth,
  kDate,
  kDayOfMonth,
  kDayOfWeek,
  kDayOfYear,
  kHours,
  kMinutes,
  kSeconds,
  kMilliseconds,
};

// Hours, minutes and seconds are those of the whole duration, milliseconds
// those beyond its seconds.
int64_t OfDuration(Part part, absl::Duration duration) {
  switch (part) {
    case Part::kHours:
      return absl::ToInt64Hours(duration);
    case Part::kMinutes:
      return absl::ToInt64Minutes(duration);
    case Part::kSeconds:
      return absl::ToInt64Seconds(duration);
    default:
      return absl::ToInt64Milliseconds(duration) % 1000;
  }
}

int64_t OfTime(Part part, const absl::TimeZone::CivilInfo& info) {
  const absl::CivilSecond civil = info.cs;
  const absl::CivilDay day(civil);
  switch (part) {
    case Part::kFullYear:
      return civil.year();
    case Part::kMonth:  // From 0, as is kDayOfMonth; kDate is from 1.
      return civil.month() - 1;
    case Part::kDate:
      return civil.day();
    case Part::kDayOfMonth:
      return civil.day() - 1;
    case Part::kDayOfWeek:  // From Sunday, 0; abseil's Monday is 0.
      return (static_cast<int>(absl::GetWeekday(day)) + 1) % 7;
    case Part::kDayOfYear:
      return absl::GetYearDay(day) - 1;
    case Part::kHours:
      return civil.hour();
    case Part::kMinutes:
      return civil.minute();
    case Part::kSeconds:
      return civil.second();
    case Part::kMilliseconds:
      return absl::ToInt64Milliseconds(info.subsecond);
  }
  return 0;
}

template <Part part>
Error Get(Context& context, Args args, Value* out) {
  if (args[0].Is(Kind::kDuration)) {
    if (part < Part::kHours || args.size() != 1) return kNoOverload;
    *out = Value::Int(OfDuration(part, args[0].duration()));
    return nullptr;
  }
  if (!args[0].Is(Kind::kTimestamp)) return kNoOverload;
  absl::TimeZone zone = absl::UTCTimeZone();
  if (args.size() == 2) {
    if (!args[1].Is(Kind::kString)) return kNoOverload;
    if (!context.Charge(kTimeZoneCost)) return kCostExceeded;
    if (!FindTimeZone(args[1].text(), &zone)) return "unknown time zone";
  }
  *out = Value::Int(OfTime(part, zone.At(args[0].timestamp())));
  return nullptr;
}

constexpr Style kMember = Style::kMember;

#define KMS_CEL_PART(name, part) \
  {name, kMember, "t", 'i', Get<part>}, { name, kMember, "ts", 'i', Get<part> }
constexpr Declaration kDeclarations[] = {
    KMS_CEL_PART("getFullYear", Part::kFullYear),
    KMS_CEL_PART("getMonth", Part::kMonth),
    KMS_CEL_PART("getDate", Part::kDate),
    KMS_CEL_PART("getDayOfMonth", Part::kDayOfMonth),
    KMS_CEL_PART("getDayOfWeek", Part::kDayOfWeek),
    KMS_CEL_PART("getDayOfYear", Part::kDayOfYear),
    KMS_CEL_PART("getHours", Part::kHours),
    KMS_CEL_PART("getMinutes", Part::kMinutes),
    KMS_CEL_PART("getSeconds", Part::kSeconds),
    KMS_CEL_PART("getMilliseconds", Part::kMilliseconds),
    {"getHours", kMember, "n", 'i', Get<Part::kHours>},
    {"getMinutes", kMember, "n", 'i', Get<Part::kMinutes>},
    {"getSeconds", kMember, "n", 'i', Get<Part::kSeconds>},
    {"getMilliseconds", kMember, "n", 'i', Get<Part::kMilliseconds>},
};
#undef KMS_CEL_PART

}  // namespace

absl::Span<const Declaration> TimeDeclarations() { return kDeclarations; }

}  // namespace kms::cel

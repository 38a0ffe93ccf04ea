// Type conversions, base64 and hex.
// Source: cel-spec, doc/langdef.md, "List of Standard Definitions"; cel-go,
// ext, "Encoders".
// Thread-safe: free functions, apart from their Context.
#ifndef POLICY_CEL_CONVERSIONS_H_
#define POLICY_CEL_CONVERSIONS_H_

#include <string>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "policy/cel/context.h"
#include "policy/cel/value.h"

namespace kms::cel {

// timestamp(), duration() and unhex(), whose literals are converted when an
// expression is compiled. Strings are read strictly: no spaces, the whole text.
Error ToTimestamp(Context& context, absl::Span<const Value> args, Value* out);
Error ToDuration(Context& context, absl::Span<const Value> args, Value* out);
Error FromHex(Context& context, absl::Span<const Value> args, Value* out);

// As protobuf's JSON: seconds with a fraction, "90s", "0.5s".
std::string DurationText(absl::Duration duration);
// RFC 3339 in UTC with as many decimals as it takes.
std::string TimestampText(absl::Time time);
// The shortest text that reads back as `value`; "NaN", "-Infinity".
std::string DoubleText(double value);

}  // namespace kms::cel

#endif  // POLICY_CEL_CONVERSIONS_H_

// The functions and operators of the language with their overloads: one table,
// read by the checker (which overloads fit) and named by the evaluator (what
// to run).
// Source: cel-spec, doc/langdef.md, "List of Standard Definitions". hex and
// unhex are our own: Reference Values are written in hex and compared as
// bytes.
// Thread-safe: constant tables.
#ifndef POLICY_CEL_FUNCTIONS_H_
#define POLICY_CEL_FUNCTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "policy/cel/type.h"

namespace kms::cel {

enum class Function : uint8_t {
  kNone,
  kNot,
  kNegate,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kModulo,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kIndex,
  kSize,
  kStartsWith,
  kEndsWith,
  kContains,
  kMatches,
  kToInt,
  kToUint,
  kToDouble,
  kToString,
  kToBytes,
  kToBool,
  kToTimestamp,
  kToDuration,
  kToDyn,
  kHex,
  kUnhex,
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

struct Overload {
  absl::string_view name;
  Function function;
  bool global;  // May be called name(a, b).
  bool member;  // May be called a.name(b).
  // One letter a type: b bool, i int, u uint, d double, s string, y bytes,
  // t timestamp, n duration (a span of nanoseconds), A or B any one type,
  // L list(A), M map(A, B), * dyn.
  absl::string_view args;
  char result;
};

absl::Span<const Overload> Overloads();

// How people write the function: "<" for "_<_", "in" for "@in", "size()".
std::string DisplayName(absl::string_view function);

// What a call gives: every overload that fits the argument types is counted,
// and if they differ in their result, it is dyn.
struct Resolved {
  Function function = Function::kNone;  // kNone: no overload fits.
  Type result;
};
Resolved ResolveOverload(absl::string_view name, bool member,
                         absl::Span<const Type> args);

}  // namespace kms::cel

#endif  // POLICY_CEL_FUNCTIONS_H_

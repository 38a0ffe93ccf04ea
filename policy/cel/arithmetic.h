// Arithmetic on numbers, timestamps and durations, with every overflow an
// error.
// Source: cel-spec, doc/langdef.md, "Numeric Values" and "Timestamps".
// Thread-safe: free functions.
#ifndef POLICY_CEL_ARITHMETIC_H_
#define POLICY_CEL_ARITHMETIC_H_

#include <optional>

#include "policy/cel/functions.h"
#include "policy/cel/runtime.h"
#include "policy/cel/value.h"

namespace kms::cel {

inline constexpr char kNoOverload[] = "no overload for these values";

Error Negate(const Value& value, Value* out);

// `function` is kAdd to kModulo.
Error Arithmetic(Function function, const Value& a, const Value& b, Value* out);

// Less than, equal to or greater than zero as `a` is to `b`, mathematically,
// whatever mix of int, uint and double they are; nothing if one is NaN.
std::optional<int> CompareNumbers(const Value& a, const Value& b);

}  // namespace kms::cel

#endif  // POLICY_CEL_ARITHMETIC_H_

// Arithmetic on numbers, timestamps and durations, with every overflow an
// error, and the order of numbers.
// Source: cel-spec, doc/langdef.md, "Numeric Values" and "Timestamps".
// Thread-safe: free functions.
#ifndef POLICY_CEL_ARITHMETIC_H_
#define POLICY_CEL_ARITHMETIC_H_

#include <cstdint>
#include <optional>

#include "policy/cel/value.h"

namespace kms::cel {

enum class Arithmetic : uint8_t {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kModulo,
};

Error Negate(const Value& value, Value* out);

Error Calculate(Arithmetic op, const Value& a, const Value& b, Value* out);

// Less than, equal to or greater than zero as `a` is to `b`, mathematically,
// whatever mix of int, uint and double they are; nothing if one is NaN.
std::optional<int> CompareNumbers(const Value& a, const Value& b);

// Orders the keys of maps. Keys of different kinds come by kind.
int CompareKeys(const Value& a, const Value& b);

}  // namespace kms::cel

#endif  // POLICY_CEL_ARITHMETIC_H_

// Equality and order of values, and finding them in lists and maps.
// Source: cel-spec, doc/langdef.md, "Equality", "Ordering" and "Field
// Selection".
// Thread-safe: free functions, apart from their Context.
#ifndef POLICY_CEL_RELATIONS_H_
#define POLICY_CEL_RELATIONS_H_

#include <cstdint>

#include "policy/cel/context.h"
#include "policy/cel/value.h"

namespace kms::cel {

inline constexpr char kNoSuchKey[] = "no such key in the map";
inline constexpr char kIndexRange[] = "index is out of range";

// Values of different types are not equal, but numbers are compared as
// numbers. NaN equals nothing. Messages are equal if the same fields are set
// to equal values; unknown fields are not looked at.
Error Equal(Context& context, const Value& a, const Value& b, bool* out);

// The value under `key` in `map`; kNoSuchKey if there is none.
Error Lookup(Context& context, const Value& map, const Value& key, Value* out);

// operand[index], of a list or a map; kIndexRange, kNoSuchKey.
Error Index(Context& context, const Value& operand, const Value& index,
            Value* out);

// Whether `needle` is an element of a list or a key of a map.
Error In(Context& context, const Value& needle, const Value& haystack,
         bool* out);

enum class Order : uint8_t { kLess, kLessEqual, kGreater, kGreaterEqual };
Error Compare(Context& context, Order order, const Value& a, const Value& b,
              Value* out);

}  // namespace kms::cel

#endif  // POLICY_CEL_RELATIONS_H_

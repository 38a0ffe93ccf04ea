// Type conversions, hex, and the parts of timestamps and durations.
// Source: cel-spec, doc/langdef.md, "List of Standard Definitions".
// Thread-compatible, as is the Runtime.
#ifndef POLICY_CEL_CONVERSIONS_H_
#define POLICY_CEL_CONVERSIONS_H_

#include "policy/cel/functions.h"
#include "policy/cel/runtime.h"
#include "policy/cel/value.h"

namespace kms::cel {

// `function` is kToInt to kUnhex. Strings are read strictly: no spaces, and
// the whole text.
Error Convert(Runtime& runtime, Function function, const Value& in, Value* out);

// `function` is kFullYear to kMilliseconds; in UTC.
Error TimePart(Function function, const Value& in, Value* out);

}  // namespace kms::cel

#endif  // POLICY_CEL_CONVERSIONS_H_

// Values that may be absent: what `a.?b`, `a[?b]` and chains over them give,
// and the functions of the optionals extension.
// Source: cel-go, ext, "Optionals" (the extension's only specification).
// Thread-safe: free functions, apart from their Context.
#ifndef POLICY_CEL_OPTIONALS_H_
#define POLICY_CEL_OPTIONALS_H_

#include "absl/types/span.h"
#include "policy/cel/context.h"
#include "policy/cel/value.h"

namespace kms::cel {

// operand[?index], and optional[index]: none where there is no such element or
// key. The operand may itself be optional.
Error OptionalIndex(Context& context, const Value& operand, const Value& index,
                    Value* out);

// a.or(b) and a.orValue(b) of evaluated operands. The evaluator does not
// evaluate `b` where `a` has a value.
Error OrElse(Context& context, absl::Span<const Value> args, Value* out);
Error OrElseValue(Context& context, absl::Span<const Value> args, Value* out);

// True for null, false, numbers that are 0, empty texts, lists and maps,
// messages without fields, the Unix epoch's timestamp and no duration.
bool IsZero(const Value& value);

}  // namespace kms::cel

#endif  // POLICY_CEL_OPTIONALS_H_

// The operators, and the functions of every value: size, type, in, matches.
// Source: cel-spec, doc/langdef.md, "List of Standard Definitions".
// Thread-safe: free functions, apart from their Context.
#ifndef POLICY_CEL_OPERATORS_H_
#define POLICY_CEL_OPERATORS_H_

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "policy/cel/context.h"
#include "policy/cel/value.h"
#include "re2/re2.h"

namespace kms::cel {

// matches() with a pattern compiled beforehand.
Error Match(Context& context, const RE2& pattern, absl::string_view text,
            Value* out);

// matches(text, pattern), where the pattern may be anything.
Error Matches(Context& context, absl::Span<const Value> args, Value* out);

// Options for every pattern: UTF-8, quiet, bounded memory.
RE2::Options PatternOptions();

}  // namespace kms::cel

#endif  // POLICY_CEL_OPERATORS_H_

// text.format(list): a text with its clauses replaced by values.
// Source: cel-spec, doc/extensions/strings.md.
// Thread-safe: a free function, apart from its Context.
#ifndef POLICY_CEL_FORMAT_H_
#define POLICY_CEL_FORMAT_H_

#include "absl/types/span.h"
#include "policy/cel/context.h"
#include "policy/cel/value.h"

namespace kms::cel {

Error Format(Context& context, absl::Span<const Value> args, Value* out);

}  // namespace kms::cel

#endif  // POLICY_CEL_FORMAT_H_

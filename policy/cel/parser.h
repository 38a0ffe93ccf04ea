// Source text to syntax tree: the whole CEL grammar but message construction,
// which is refused. Operators become calls named as in CEL's standard
// definitions ("_+_", "!_", "@in", "_[_]").
// Source: cel-spec, doc/langdef.md, "Syntax" and "Macros".
// Thread-safe: a free function. Bounded by limits.h.
#ifndef POLICY_CEL_PARSER_H_
#define POLICY_CEL_PARSER_H_

#include <optional>

#include "absl/strings/string_view.h"
#include "policy/cel/ast.h"
#include "policy/cel/issue.h"

namespace kms::cel {

// Nothing if `source` (any bytes) is not an expression; why is in `issue`.
std::optional<Ast> Parse(absl::string_view source, Issue& issue);

}  // namespace kms::cel

#endif  // POLICY_CEL_PARSER_H_

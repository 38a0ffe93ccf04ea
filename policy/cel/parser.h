// Source text to syntax tree. Source: cel-spec, doc/langdef.md, "Syntax" and
// "Macros"; cel-go, ext, for the macros of extensions.
// Thread-safe: a free function. Bounded by limits.h.
#ifndef POLICY_CEL_PARSER_H_
#define POLICY_CEL_PARSER_H_

#include <optional>

#include "absl/strings/string_view.h"
#include "policy/cel/ast.h"
#include "policy/cel/issue.h"

namespace kms::cel {

struct ParseOptions {
  bool macros = true;  // False: a macro is a call of a function of its name.
  // cel.block, cel.index, cel.iterVar and cel.accuVar: what optimizers write,
  // and the specification's tests of them.
  bool block_macros = false;
};

// Nothing if `source` (any bytes) is not an expression; why is in `issue`.
std::optional<Ast> Parse(absl::string_view source, const ParseOptions& options,
                         Issue& issue);

}  // namespace kms::cel

#endif  // POLICY_CEL_PARSER_H_

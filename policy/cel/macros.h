// Calls that are not calls: has(), all(), cel.bind() and their kin become nodes
// of their own while the text is parsed.
// Source: cel-spec, doc/langdef.md, "Macros"; cel-go, ext, "Bindings",
// "TwoVarComprehensions", "Optionals", "Protos" and "Math".
// Thread-safe: free functions.
#ifndef POLICY_CEL_MACROS_H_
#define POLICY_CEL_MACROS_H_

#include <optional>
#include <string>
#include <vector>

#include "policy/cel/ast_builder.h"
#include "policy/cel/parser.h"

namespace kms::cel {

struct CallSite {
  SourceSpan span;  // Of the whole call.
  std::string name;
  uint32_t name_begin = 0;
  std::vector<ExprId> args;  // Without a receiver.
};

// The node that `call` becomes; nothing if it is a call after all. Faults go to
// the builder.
std::optional<ExprId> ExpandGlobalMacro(AstBuilder& builder,
                                        const ParseOptions& options,
                                        const CallSite& call);
std::optional<ExprId> ExpandMemberMacro(AstBuilder& builder,
                                        const ParseOptions& options,
                                        ExprId receiver, const CallSite& call);

}  // namespace kms::cel

#endif  // POLICY_CEL_MACROS_H_

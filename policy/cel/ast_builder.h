// Puts nodes into a syntax tree and holds it to the limits.
// Thread-compatible.
#ifndef POLICY_CEL_AST_BUILDER_H_
#define POLICY_CEL_AST_BUILDER_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "policy/cel/ast.h"
#include "policy/cel/issue.h"

namespace kms::cel {

class AstBuilder {
 public:
  explicit AstBuilder(Issue& issue) : issue_(issue) {}

  // Appends a node. After a fault the ids in `expr` mean nothing, and neither
  // does the result.
  ExprId Add(SourceSpan span, Expr expr);
  ExprId AddKind(SourceSpan span, Expr::Kind kind, std::vector<ExprId> args);
  ExprId AddCall(SourceSpan span, uint32_t name_begin, absl::string_view name,
                 bool member, std::vector<ExprId> args);
  ExprId AddName(SourceSpan span, Expr::Kind kind, uint32_t name_begin,
                 std::string name, std::vector<ExprId> args);

  // Always 0, an id that nobody will look at.
  ExprId Fail(uint32_t offset, std::string text) {
    issue_.Raise(offset, std::move(text));
    return 0;
  }
  bool failed() const { return issue_.raised(); }

  // Of a node that was added. The reference lives until the next Add.
  Expr& at(ExprId id) { return ast_.nodes[id]; }

  // "a.b.c" if the node is a plain chain of names; else "".
  std::string QualifiedName(ExprId id) const;

  Ast Take(ExprId root) {
    ast_.root = root;
    return std::move(ast_);
  }

 private:
  Issue& issue_;
  Ast ast_;
};

}  // namespace kms::cel

#endif  // POLICY_CEL_AST_BUILDER_H_

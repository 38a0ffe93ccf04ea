#include "policy/cel/ast_builder.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "policy/cel/limits.h"

namespace kms::cel {

static_assert(kHeightMax <= std::numeric_limits<uint8_t>::max(),
              "Expr::height would wrap and the bound would not hold");

ExprId AstBuilder::Add(SourceSpan span, Expr expr) {
  if (failed()) return 0;
  expr.span = span;
  int height = 0;
  for (const ExprId arg : expr.args) {
    height = std::max<int>(height, ast_.nodes[arg].height);
  }
  if (height >= kHeightMax) return Fail(span.begin, "expression is too deep");
  if (ast_.nodes.size() >= kNodesMax) {
    return Fail(span.begin, "expression is too large");
  }
  expr.height = static_cast<uint8_t>(height + 1);
  ast_.nodes.push_back(std::move(expr));
  return static_cast<ExprId>(ast_.nodes.size() - 1);
}

ExprId AstBuilder::AddKind(SourceSpan span, Expr::Kind kind,
                           std::vector<ExprId> args) {
  Expr expr;
  expr.kind = kind;
  expr.args = std::move(args);
  return Add(span, std::move(expr));
}

ExprId AstBuilder::AddCall(SourceSpan span, uint32_t name_begin,
                           absl::string_view name, bool member,
                           std::vector<ExprId> args) {
  Expr expr;
  expr.kind = Expr::Kind::kCall;
  expr.member = member;
  expr.name_begin = name_begin;
  expr.name = std::string(name);
  expr.args = std::move(args);
  return Add(span, std::move(expr));
}

ExprId AstBuilder::AddName(SourceSpan span, Expr::Kind kind,
                           uint32_t name_begin, std::string name,
                           std::vector<ExprId> args) {
  Expr expr;
  expr.kind = kind;
  expr.name_begin = name_begin;
  expr.name = std::move(name);
  expr.args = std::move(args);
  return Add(span, std::move(expr));
}

std::string AstBuilder::QualifiedName(ExprId id) const {
  const Expr& expr = ast_[id];
  if (expr.kind == Expr::Kind::kIdentifier) return expr.name;
  if (expr.kind != Expr::Kind::kSelect) return "";
  const std::string operand = QualifiedName(expr.args[0]);
  return operand.empty() ? "" : absl::StrCat(operand, ".", expr.name);
}

}  // namespace kms::cel

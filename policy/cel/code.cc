#include "policy/cel/code.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "policy/cel/conversions.h"
#include "policy/cel/limits.h"
#include "policy/cel/parser.h"
#include "policy/cel/runtime.h"

namespace kms::cel {
namespace {

// False if the node is not a literal.
bool Literal(const Expr& expr, Value* out) {
  switch (expr.kind) {
    case Expr::Kind::kNull:
      *out = Value();
      return true;
    case Expr::Kind::kBool:
      *out = Value::Bool(expr.bool_value);
      return true;
    case Expr::Kind::kInt:
      *out = Value::Int(expr.int_value);
      return true;
    case Expr::Kind::kUint:
      *out = Value::Uint(expr.uint_value);
      return true;
    case Expr::Kind::kDouble:
      *out = Value::Double(expr.double_value);
      return true;
    case Expr::Kind::kString:
      *out = Value::String(expr.name);
      return true;
    case Expr::Kind::kBytes:
      *out = Value::Bytes(expr.name);
      return true;
    default:
      return false;
  }
}

bool IsFolded(Function function) {
  return function == Function::kUnhex || function == Function::kToTimestamp ||
         function == Function::kToDuration;
}

void FoldConversion(Code& code, ExprId id, Issue& issue) {
  const Expr& argument = code.ast[code.ast[id].args[0]];
  Value in;
  if (!Literal(argument, &in)) return;
  Runtime runtime(code.arena, kCostMax);
  Code::Node& node = code.nodes[id];
  node.is_constant = true;
  const Error error =
      Convert(runtime, code.tree.meanings[id].function, in, &node.constant);
  if (error != nullptr) issue.Raise(argument.span.begin, error);
}

void CompilePattern(Code& code, ExprId id, Issue& issue) {
  const Expr& argument = code.ast[code.ast[id].args[1]];
  if (argument.kind != Expr::Kind::kString) return;
  if (argument.name.size() > kPatternBytesMax) {
    issue.Raise(argument.span.begin,
                absl::StrCat("pattern: ", argument.name.size(),
                             " bytes, want at most ", kPatternBytesMax));
    return;
  }
  auto pattern = std::make_unique<RE2>(argument.name, PatternOptions());
  if (!pattern->ok()) {
    issue.Raise(argument.span.begin,
                "pattern is not a regular expression that RE2 accepts");
    return;
  }
  code.nodes[id].pattern = std::move(pattern);
}

// Every node by itself: children stand before their parents.
void Prepare(Code& code, Issue& issue) {
  code.nodes.resize(code.ast.nodes.size());
  for (ExprId id = 0; id < code.nodes.size(); ++id) {
    const Meaning& meaning = code.tree.meanings[id];
    Code::Node& node = code.nodes[id];
    if (meaning.kind == Meaning::Kind::kConstant) {
      node.is_constant = true;
      node.constant = Value::Int(meaning.constant);
    } else if (Literal(code.ast[id], &node.constant)) {
      node.is_constant = true;
    } else if (IsFolded(meaning.function)) {
      FoldConversion(code, id, issue);
    } else if (meaning.function == Function::kMatches) {
      CompilePattern(code, id, issue);
    }
  }
}

}  // namespace

std::shared_ptr<const Code> MakeCode(absl::string_view source,
                                     const Environment& environment,
                                     const Type& want, Issue& issue) {
  auto code = std::make_shared<Code>();
  code->source = std::string(source);
  auto ast = Parse(source, issue);
  if (!ast.has_value()) return nullptr;
  code->ast = *std::move(ast);
  auto tree = Check(code->ast, environment, issue);
  if (!tree.has_value()) return nullptr;
  code->tree = *std::move(tree);
  if (!want.Is(Type::Kind::kDyn) && code->tree.type.Name() != want.Name()) {
    issue.Raise(code->ast[code->ast.root].span.begin,
                absl::StrCat("expression is ", code->tree.type.Name(),
                             ", want ", want.Name()));
    return nullptr;
  }
  Prepare(*code, issue);
  if (issue.raised()) return nullptr;
  return code;
}

}  // namespace kms::cel

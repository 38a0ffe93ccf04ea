#include "policy/cel/code.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "policy/cel/conversions.h"
#include "policy/cel/limits.h"
#include "policy/cel/network.h"
#include "policy/cel/operators.h"
#include "policy/cel/parser.h"

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

bool IsFolded(Implementation run) {
  return run == FromHex || run == ToTimestamp || run == ToDuration ||
         run == ToIp || run == ToCidr;
}

// The argument that a call has beyond the namespace it may be called in.
const Expr& Argument(const Code& code, ExprId id, size_t i) {
  return code.ast[code.ast[id].args[i + code.tree.meanings[id].skips_receiver]];
}

void FoldConversion(Code& code, ExprId id, bool checked, Issue& issue) {
  const Expr& argument = Argument(code, id, 0);
  Value in;
  if (!Literal(argument, &in)) return;
  Context context(code.arena, *code.schema, kCostMax);
  Code::Node& node = code.nodes[id];
  const Error error =
      code.tree.meanings[id].run(context, {&in, 1}, &node.constant);
  node.is_constant = error == nullptr;
  if (error != nullptr && checked) issue.Raise(argument.span.begin, error);
}

// `room`: the instructions that may yet be kept.
void CompilePattern(Code& code, ExprId id, bool checked, int& room,
                    Issue& issue) {
  const Expr& argument = Argument(code, id, 1);
  if (argument.kind != Expr::Kind::kString) return;
  if (argument.name.size() > kPatternBytesMax) {
    if (!checked) return;
    issue.Raise(argument.span.begin,
                absl::StrCat("pattern: ", argument.name.size(),
                             " bytes, want at most ", kPatternBytesMax));
    return;
  }
  auto pattern = std::make_unique<RE2>(argument.name, PatternOptions());
  const bool fits = pattern->ok() && pattern->ProgramSize() <= room;
  if (fits) {
    room -= pattern->ProgramSize();
    code.nodes[id].pattern = std::move(pattern);
  } else if (checked) {
    issue.Raise(argument.span.begin,
                pattern->ok()
                    ? "patterns of the expression are too large"
                    : "pattern is not a regular expression that RE2 accepts");
  }
}

// Every node by itself: children stand before their parents.
void Prepare(Code& code, bool checked, Issue& issue) {
  code.nodes.resize(code.ast.nodes.size());
  int room = kProgramSizeMax;
  for (ExprId id = 0; id < code.nodes.size(); ++id) {
    const Meaning& meaning = code.tree.meanings[id];
    Code::Node& node = code.nodes[id];
    if (meaning.kind == Meaning::Kind::kConstant) {
      node.is_constant = true;
      node.constant = meaning.constant;
    } else if (Literal(code.ast[id], &node.constant)) {
      node.is_constant = true;
    } else if (meaning.run != nullptr && IsFolded(meaning.run)) {
      FoldConversion(code, id, checked, issue);
    } else if (meaning.run == Matches) {
      CompilePattern(code, id, checked, room, issue);
    }
  }
}

}  // namespace

std::shared_ptr<const Code> MakeCode(absl::string_view source,
                                     const Environment& environment,
                                     const Type& want, Issue& issue) {
  auto code = std::make_shared<Code>();
  code->source = std::string(source);
  auto ast = Parse(source, environment.parse_options(), issue);
  if (!ast.has_value()) return nullptr;
  code->ast = *std::move(ast);
  auto tree = Check(code->ast, environment, issue);
  if (!tree.has_value()) return nullptr;
  code->tree = *std::move(tree);
  if (!want.Is(Type::Kind::kDyn) && code->tree.type != want) {
    issue.Raise(code->ast[code->ast.root].span.begin,
                absl::StrCat("expression is ", code->tree.type.Name(),
                             ", want ", want.Name()));
    return nullptr;
  }
  code->schema = environment.shared_schema();
  Prepare(*code, environment.literals_checked(), issue);
  if (issue.raised()) return nullptr;
  return code;
}

}  // namespace kms::cel

#include "policy/cel/parser.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "policy/cel/lexer.h"
#include "policy/cel/limits.h"
#include "policy/cel/utf8.h"

namespace kms::cel {
namespace {

static_assert(kHeightMax <= std::numeric_limits<uint8_t>::max(),
              "Expr::height would wrap and the bound would not hold");

// Binary operators of one precedence level: the symbol, then its function.
struct Operator {
  absl::string_view symbol;
  absl::string_view function;
};
constexpr Operator kRelations[] = {
    {"<", "_<_"},   {"<=", "_<=_"}, {">", "_>_"}, {">=", "_>=_"},
    {"==", "_==_"}, {"!=", "_!=_"}, {"in", "@in"}};
constexpr Operator kSums[] = {{"+", "_+_"}, {"-", "_-_"}};
constexpr Operator kProducts[] = {{"*", "_*_"}, {"/", "_/_"}, {"%", "_%_"}};

std::optional<Expr::Macro> MacroNamed(absl::string_view name, size_t args) {
  if (args == 2) {
    if (name == "all") return Expr::Macro::kAll;
    if (name == "exists") return Expr::Macro::kExists;
    if (name == "exists_one") return Expr::Macro::kExistsOne;
    if (name == "filter") return Expr::Macro::kFilter;
  }
  if (name == "map" && (args == 2 || args == 3)) return Expr::Macro::kMap;
  return std::nullopt;
}

// Recursive descent, one function per level of precedence. After the first
// fault every function still returns a node, and Parse drops the tree.
class Parser {
 public:
  Parser(absl::string_view source, Issue& issue)
      : issue_(issue), lexer_(source, issue) {
    Advance();
  }

  Ast Run() {
    ast_.root = Expression();
    if (token_.kind != Token::Kind::kEnd) Fail("unexpected " + Shown());
    return std::move(ast_);
  }

 private:
  void Advance() {
    last_end_ = token_.span.end;
    token_ = lexer_.Next();
    if (issue_.raised()) token_.kind = Token::Kind::kEnd;
  }
  bool Is(absl::string_view symbol) const {
    return (token_.kind == Token::Kind::kSymbol ||
            token_.kind == Token::Kind::kKeyword) &&
           token_.text == symbol;
  }
  bool Take(absl::string_view symbol) {
    if (!Is(symbol)) return false;
    Advance();
    return true;
  }
  void Want(absl::string_view symbol) {
    if (!Take(symbol)) {
      Fail(absl::StrCat("unexpected ", Shown(), ", want '", symbol, "'"));
    }
  }
  void Fail(std::string text) { FailAt(token_.span.begin, std::move(text)); }
  void FailAt(uint32_t offset, std::string text) {
    issue_.Raise(offset, std::move(text));
    token_.kind = Token::Kind::kEnd;  // Every loop below ends on it.
  }
  std::string Shown() const {
    if (token_.kind == Token::Kind::kEnd) return "end of expression";
    if (token_.kind == Token::Kind::kReserved) {
      return absl::StrCat("reserved word '", token_.text, "'");
    }
    if (token_.kind == Token::Kind::kSymbol ||
        token_.kind == Token::Kind::kKeyword ||
        token_.kind == Token::Kind::kIdentifier) {
      return absl::StrCat("'", token_.text, "'");
    }
    return "literal";
  }

  // Appends a node that began at `begin` and ends with the last token taken.
  // After a fault the ids in `expr` mean nothing, and neither does the result.
  ExprId Add(uint32_t begin, Expr expr) {
    if (issue_.raised()) return 0;
    expr.span = {begin, last_end_};
    int height = 0;
    for (const ExprId arg : expr.args) {
      height = std::max<int>(height, ast_.nodes[arg].height);
    }
    if (height >= kHeightMax) {
      FailAt(begin, "expression is too deep");
      return 0;
    }
    if (ast_.nodes.size() >= kNodesMax) {
      FailAt(begin, "expression is too large");
      return 0;
    }
    expr.height = static_cast<uint8_t>(height + 1);
    ast_.nodes.push_back(std::move(expr));
    return static_cast<ExprId>(ast_.nodes.size() - 1);
  }
  ExprId AddCall(uint32_t begin, absl::string_view name,
                 std::vector<ExprId> args) {
    Expr expr;
    expr.kind = Expr::Kind::kCall;
    expr.name_begin = begin;
    expr.name = std::string(name);
    expr.args = std::move(args);
    return Add(begin, std::move(expr));
  }
  ExprId AddKind(uint32_t begin, Expr::Kind kind, std::vector<ExprId> args) {
    Expr expr;
    expr.kind = kind;
    expr.args = std::move(args);
    return Add(begin, std::move(expr));
  }

  // Expr = ConditionalOr ["?" ConditionalOr ":" Expr]
  ExprId Expression() {
    if (++nesting_ > kNestingMax) Fail("expression is nested too deeply");
    const uint32_t begin = token_.span.begin;
    ExprId id = Chain(Expr::Kind::kOr);
    if (Take("?")) {
      const ExprId yes = Chain(Expr::Kind::kOr);
      Want(":");
      const ExprId no = Expression();
      id = AddKind(begin, Expr::Kind::kConditional, {id, yes, no});
    }
    --nesting_;
    return id;
  }

  // ConditionalOr = [ConditionalOr "||"] ConditionalAnd, and the same for
  // "&&" over relations; flattened to one node.
  ExprId Chain(Expr::Kind kind) {
    const bool is_or = kind == Expr::Kind::kOr;
    const uint32_t begin = token_.span.begin;
    const auto operand = [&] {
      return is_or ? Chain(Expr::Kind::kAnd) : Binary(kRelations, 0);
    };
    std::vector<ExprId> args = {operand()};
    while (Take(is_or ? "||" : "&&")) args.push_back(operand());
    return args.size() == 1 ? args[0] : AddKind(begin, kind, std::move(args));
  }

  // Left-associative: Relation over Addition over Multiplication over Unary.
  ExprId Binary(absl::Span<const Operator> operators, int level) {
    const auto operand = [&] {
      return level == 0   ? Binary(kSums, 1)
             : level == 1 ? Binary(kProducts, 2)
                          : Unary();
    };
    const uint32_t begin = token_.span.begin;
    ExprId left = operand();
    while (true) {
      const auto* found =
          std::find_if(operators.begin(), operators.end(),
                       [&](const Operator& o) { return Is(o.symbol); });
      if (found == operators.end()) return left;
      Advance();
      const ExprId right = operand();
      left = AddCall(begin, found->function, {left, right});
    }
  }

  // Unary = Member | "!" {"!"} Member | "-" {"-"} Member
  ExprId Unary() {
    if (!Is("!") && !Is("-")) return Member();
    const std::string symbol = token_.text;
    std::vector<uint32_t> begins;
    while (Is(symbol)) {
      begins.push_back(token_.span.begin);
      Advance();
    }
    // A minus belongs to the number after it: the least integer has no
    // positive twin to negate.
    const bool signs = symbol == "-" && (token_.kind == Token::Kind::kInt ||
                                         token_.kind == Token::Kind::kDouble);
    negative_ = signs;
    if (signs) begins.pop_back();
    ExprId id = signs ? MemberFrom(last_end_ - 1) : Member();
    for (; !begins.empty(); begins.pop_back()) {
      id = AddCall(begins.back(), symbol == "!" ? "!_" : "-_", {id});
    }
    return id;
  }

  ExprId Member() { return MemberFrom(token_.span.begin); }

  // Member = Primary | Member "." SELECTOR ["(" [ExprList] ")"]
  //        | Member "[" Expr "]"
  ExprId MemberFrom(uint32_t begin) {
    ExprId id = Primary(begin);
    while (true) {
      if (Take(".")) {
        if (token_.kind != Token::Kind::kIdentifier &&
            token_.kind != Token::Kind::kReserved) {
          Fail(absl::StrCat("unexpected ", Shown(), ", want a field name"));
          return id;
        }
        const Token name = token_;
        Advance();
        if (Take("(")) {
          id = MemberCall(begin, id, name);
        } else {
          Expr select;
          select.kind = Expr::Kind::kSelect;
          select.name = name.text;
          select.name_begin = name.span.begin;
          select.args = {id};
          id = Add(begin, std::move(select));
        }
      } else if (Take("[")) {
        const ExprId index = Expression();
        Want("]");
        id = AddCall(begin, "_[_]", {id, index});
      } else if (Is("{") && IsName(id)) {
        Fail("message construction is not supported");
        return id;
      } else {
        return id;
      }
    }
  }

  bool IsName(ExprId id) const {
    const Expr::Kind kind = ast_.nodes[id].kind;
    return kind == Expr::Kind::kIdentifier || kind == Expr::Kind::kSelect;
  }

  // The "(" has been taken.
  ExprId MemberCall(uint32_t begin, ExprId receiver, const Token& name) {
    std::vector<ExprId> args = List(")");
    if (issue_.raised()) return 0;
    const auto macro = MacroNamed(name.text, args.size());
    if (!macro.has_value()) {
      args.insert(args.begin(), receiver);
      Expr call;
      call.kind = Expr::Kind::kCall;
      call.member = true;
      call.name = name.text;
      call.name_begin = name.span.begin;
      call.args = std::move(args);
      return Add(begin, std::move(call));
    }
    const Expr& variable = ast_.nodes[args[0]];
    if (variable.kind != Expr::Kind::kIdentifier || variable.name[0] == '.') {
      FailAt(variable.span.begin, absl::StrCat("first argument of ", name.text,
                                               "() must be a plain name"));
      return 0;
    }
    Expr expr;
    expr.kind = Expr::Kind::kComprehension;
    expr.macro = *macro;
    expr.name = variable.name;
    args[0] = receiver;
    expr.args = std::move(args);
    return Add(begin, std::move(expr));
  }

  // Expressions up to `close`, which is taken. A comma may follow the last one
  // of a list literal.
  std::vector<ExprId> List(absl::string_view close) {
    std::vector<ExprId> args;
    while (!Is(close) && token_.kind != Token::Kind::kEnd) {
      args.push_back(Expression());
      if (Is(close)) break;
      Want(",");
      if (Is(close) && close == ")") Fail("unexpected ')' after ','");
    }
    Want(close);
    return args;
  }

  // Primary = ["."] IDENT ["(" [ExprList] ")"] | "(" Expr ")"
  //         | "[" [ExprList] [","] "]" | "{" [MapInits] [","] "}" | LITERAL
  ExprId Primary(uint32_t begin) {
    if (Take("(")) {
      const ExprId id = Expression();
      Want(")");
      return id;
    }
    if (Take("[")) {
      std::vector<ExprId> args = List("]");
      return AddKind(begin, Expr::Kind::kList, std::move(args));
    }
    if (Take("{")) return MapLiteral(begin);
    const bool absolute = Take(".");
    if (token_.kind == Token::Kind::kIdentifier) return Name(begin, absolute);
    if (absolute) {
      Fail(absl::StrCat("unexpected ", Shown(), ", want a name"));
      return 0;
    }
    return Literal(begin);
  }

  ExprId Name(uint32_t begin, bool absolute) {
    const std::string name = absl::StrCat(absolute ? "." : "", token_.text);
    Advance();
    if (!Take("(")) {
      Expr expr;
      expr.kind = Expr::Kind::kIdentifier;
      expr.name = name;
      return Add(begin, std::move(expr));
    }
    std::vector<ExprId> args = List(")");
    if (name != "has") return AddCall(begin, name, std::move(args));
    if (issue_.raised()) return 0;
    if (args.size() != 1 || ast_.nodes[args[0]].kind != Expr::Kind::kSelect) {
      FailAt(begin, "has() takes one field, as in has(claims.cpu)");
      return 0;
    }
    Expr& select = ast_.nodes[args[0]];
    select.kind = Expr::Kind::kHas;
    select.span = {begin, last_end_};
    return args[0];
  }

  // The "{" has been taken.
  ExprId MapLiteral(uint32_t begin) {
    std::vector<ExprId> args;
    while (!Is("}") && token_.kind != Token::Kind::kEnd) {
      args.push_back(Expression());
      Want(":");
      args.push_back(Expression());
      if (!Is("}")) Want(",");
    }
    Want("}");
    return AddKind(begin, Expr::Kind::kMap, std::move(args));
  }

  ExprId Literal(uint32_t begin) {
    const bool negative = std::exchange(negative_, false);
    Expr expr;
    switch (token_.kind) {
      case Token::Kind::kInt:
        expr.kind = Expr::Kind::kInt;
        IntLiteral(negative, expr.int_value);
        break;
      case Token::Kind::kUint:
        expr.kind = Expr::Kind::kUint;
        if (!Digits(token_.text, expr.uint_value)) {
          Fail("number is out of range for uint");
        }
        break;
      case Token::Kind::kDouble: {
        expr.kind = Expr::Kind::kDouble;
        const char* end = token_.text.data() + token_.text.size();
        const auto parsed =
            std::from_chars(token_.text.data(), end, expr.double_value);
        if (parsed.ec != std::errc() || parsed.ptr != end) {
          Fail("number is out of range for double");
        }
        if (negative) expr.double_value = -expr.double_value;
        break;
      }
      case Token::Kind::kString:
      case Token::Kind::kBytes:
        expr.kind = token_.kind == Token::Kind::kString ? Expr::Kind::kString
                                                        : Expr::Kind::kBytes;
        expr.name = token_.text;
        break;
      default:
        if (Is("true") || Is("false")) {
          expr.kind = Expr::Kind::kBool;
          expr.bool_value = Is("true");
        } else if (!Is("null")) {
          Fail(absl::StrCat("unexpected ", Shown(), ", want a value"));
          return 0;
        }
    }
    Advance();
    return Add(begin, std::move(expr));
  }

  static bool Digits(absl::string_view text, uint64_t& out) {
    int base = 10;
    if (text.size() > 2 && (text[1] == 'x' || text[1] == 'X')) {
      base = 16;
      text.remove_prefix(2);
    }
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, out, base);
    return parsed.ec == std::errc() && parsed.ptr == end;
  }

  void IntLiteral(bool negative, int64_t& out) {
    constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
    uint64_t magnitude = 0;
    if (!Digits(token_.text, magnitude) || magnitude > kMax + negative) {
      Fail("number is out of range for int");
      return;
    }
    out = static_cast<int64_t>(negative ? 0 - magnitude : magnitude);
  }

  Issue& issue_;
  Lexer lexer_;
  Token token_;
  uint32_t last_end_ = 0;  // Of the token before token_.
  int nesting_ = 0;
  bool negative_ = false;  // A minus sign waits for its number.
  Ast ast_;
};

}  // namespace

std::optional<Ast> Parse(absl::string_view source, Issue& issue) {
  if (source.size() > kSourceBytesMax) {
    issue.Raise(0, absl::StrCat("expression: ", source.size(),
                                " bytes, want at most ", kSourceBytesMax));
    return std::nullopt;
  }
  if (!IsValidUtf8(source)) {
    issue.Raise(0, "expression is not valid UTF-8");
    return std::nullopt;
  }
  Ast ast = Parser(source, issue).Run();
  if (issue.raised()) return std::nullopt;
  return ast;
}

}  // namespace kms::cel

#include "policy/cel/parser.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "policy/cel/ast_builder.h"
#include "policy/cel/lexer.h"
#include "policy/cel/limits.h"
#include "policy/cel/macros.h"
#include "policy/cel/numbers.h"
#include "policy/cel/utf8.h"

namespace kms::cel {
namespace {

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

// Recursive descent, one function per level of precedence. After the first
// fault every function still returns a node, and Parse drops the tree.
class Parser {
 public:
  Parser(absl::string_view source, const ParseOptions& options, Issue& issue)
      : options_(options),
        issue_(issue),
        lexer_(source, issue),
        builder_(issue) {
    Advance();
  }

  Ast Run() {
    const ExprId root = Expression();
    if (token_.kind != Token::Kind::kEnd) Fail("unexpected " + Shown());
    return builder_.Take(root);
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
        token_.kind == Token::Kind::kIdentifier ||
        token_.kind == Token::Kind::kQuotedName) {
      return absl::StrCat("'", token_.text, "'");
    }
    return "literal";
  }

  // From `begin` to the last token taken.
  SourceSpan From(uint32_t begin) const { return {begin, last_end_}; }

  // Expr = ConditionalOr ["?" ConditionalOr ":" Expr]
  ExprId Expression() {
    if (++nesting_ > kNestingMax) Fail("expression is nested too deeply");
    const uint32_t begin = token_.span.begin;
    ExprId id = Chain(Expr::Kind::kOr);
    if (Take("?")) {
      const ExprId yes = Chain(Expr::Kind::kOr);
      Want(":");
      const ExprId no = Expression();
      id = builder_.AddKind(From(begin), Expr::Kind::kConditional,
                            {id, yes, no});
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
    return args.size() == 1
               ? args[0]
               : builder_.AddKind(From(begin), kind, std::move(args));
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
      left = builder_.AddCall(From(begin), begin, found->function,
                              /*member=*/false, {left, right});
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
      id =
          builder_.AddCall(From(begins.back()), begins.back(),
                           symbol == "!" ? "!_" : "-_", /*member=*/false, {id});
    }
    return id;
  }

  ExprId Member() { return MemberFrom(token_.span.begin); }

  // Member = Primary | Member "." ["?"] SELECTOR
  //        | Member "." IDENT "(" [ExprList] ")" | Member "[" ["?"] Expr "]"
  //        | ["."] SELECTOR {"." SELECTOR} "{" [FieldInits] [","] "}"
  ExprId MemberFrom(uint32_t begin) {
    // A chain of names may name a message type.
    bool is_name = !Is("(");
    ExprId id = Primary(begin);
    is_name &=
        !issue_.raised() && builder_.at(id).kind == Expr::Kind::kIdentifier;
    while (true) {
      if (Take(".")) {
        const bool optional = Take("?");
        id = Selector(begin, id, optional, &is_name);
      } else if (Take("[")) {
        is_name = false;
        const absl::string_view function = Take("?") ? "_[?_]" : "_[_]";
        const ExprId index = Expression();
        Want("]");
        id = builder_.AddCall(From(begin), begin, function, /*member=*/false,
                              {id, index});
      } else if (is_name && Take("{")) {
        id = Message(begin, id);
        is_name = false;
      } else {
        return id;
      }
    }
  }

  bool IsFieldName() const {
    return token_.kind == Token::Kind::kIdentifier ||
           token_.kind == Token::Kind::kReserved ||
           token_.kind == Token::Kind::kQuotedName;
  }

  // The "." has been taken.
  ExprId Selector(uint32_t begin, ExprId operand, bool optional,
                  bool* is_name) {
    if (!IsFieldName()) {
      Fail(absl::StrCat("unexpected ", Shown(), ", want a field name"));
      return operand;
    }
    Token name = token_;
    Advance();
    const bool quoted = name.kind == Token::Kind::kQuotedName;
    if (!quoted && !optional && Take("(")) {
      *is_name = false;
      return MemberCall(begin, operand, name);
    }
    *is_name &= !quoted && !optional;
    return builder_.AddName(
        From(begin),
        optional ? Expr::Kind::kOptionalSelect : Expr::Kind::kSelect,
        name.span.begin, std::move(name.text), {operand});
  }

  // The "(" has been taken.
  ExprId MemberCall(uint32_t begin, ExprId receiver, const Token& name) {
    CallSite call;
    call.args = Arguments();
    if (issue_.raised()) return 0;
    call.span = From(begin);
    call.name = name.text;
    call.name_begin = name.span.begin;
    if (const auto id = ExpandMemberMacro(builder_, options_, receiver, call)) {
      return *id;
    }
    std::vector<ExprId> args = std::move(call.args);
    args.insert(args.begin(), receiver);
    return builder_.AddCall(call.span, call.name_begin, call.name,
                            /*member=*/true, std::move(args));
  }

  // Expressions up to ")", which is taken.
  std::vector<ExprId> Arguments() {
    std::vector<ExprId> args;
    while (!Is(")") && token_.kind != Token::Kind::kEnd) {
      args.push_back(Expression());
      if (Is(")")) break;
      Want(",");
      if (Is(")")) Fail("unexpected ')' after ','");
    }
    Want(")");
    return args;
  }

  // Primary = ["."] IDENT ["(" [ExprList] ")"] | "(" Expr ")"
  //         | "[" [["?"] Expr {"," ["?"] Expr}] [","] "]"
  //         | "{" [MapInits] [","] "}" | LITERAL
  ExprId Primary(uint32_t begin) {
    if (Take("(")) {
      const ExprId id = Expression();
      Want(")");
      return id;
    }
    if (Take("[")) return ListLiteral(begin);
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
      return builder_.AddName(From(begin), Expr::Kind::kIdentifier, begin, name,
                              {});
    }
    CallSite call;
    call.args = Arguments();
    call.span = From(begin);
    call.name = name;
    call.name_begin = begin;
    if (const auto id = ExpandGlobalMacro(builder_, options_, call)) return *id;
    return builder_.AddCall(call.span, begin, name, /*member=*/false,
                            std::move(call.args));
  }

  // What stands between brackets, up to `close`, which is taken: `entry` reads
  // one after its "?". A comma may follow the last.
  template <typename Entry>
  void Entries(absl::string_view close, Expr& expr, Entry entry) {
    bool any = expr.kind == Expr::Kind::kMessage;
    while (!Is(close) && token_.kind != Token::Kind::kEnd) {
      Expr::Entry mark;
      mark.optional = Take("?");
      any |= mark.optional;
      entry(mark);
      expr.entries.push_back(std::move(mark));
      if (!Is(close)) Want(",");
    }
    Want(close);
    if (!any) expr.entries.clear();
  }

  // The "[" has been taken.
  ExprId ListLiteral(uint32_t begin) {
    Expr expr;
    expr.kind = Expr::Kind::kList;
    Entries("]", expr,
            [&](Expr::Entry&) { expr.args.push_back(Expression()); });
    return builder_.Add(From(begin), std::move(expr));
  }

  // The "{" has been taken.
  ExprId MapLiteral(uint32_t begin) {
    Expr expr;
    expr.kind = Expr::Kind::kMap;
    Entries("}", expr, [&](Expr::Entry&) {
      expr.args.push_back(Expression());
      Want(":");
      expr.args.push_back(Expression());
    });
    return builder_.Add(From(begin), std::move(expr));
  }

  // FieldInits = ["?"] SELECTOR ":" Expr {"," ["?"] SELECTOR ":" Expr}
  // The "{" has been taken.
  ExprId Message(uint32_t begin, ExprId name) {
    Expr expr;
    expr.kind = Expr::Kind::kMessage;
    expr.name = issue_.raised() ? "" : builder_.QualifiedName(name);
    expr.name_begin = begin;
    Entries("}", expr, [&](Expr::Entry& field) {
      if (!IsFieldName()) {
        Fail(absl::StrCat("unexpected ", Shown(), ", want a field name"));
        return;
      }
      field.name = token_.text;
      field.begin = token_.span.begin;
      Advance();
      Want(":");
      expr.args.push_back(Expression());
    });
    return builder_.Add(From(begin), std::move(expr));
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
      case Token::Kind::kDouble:
        expr.kind = Expr::Kind::kDouble;
        if (!ParseDouble(token_.text, &expr.double_value)) {
          Fail("number is out of range for double");
        }
        if (negative) expr.double_value = -expr.double_value;
        break;
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
    return builder_.Add(From(begin), std::move(expr));
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

  const ParseOptions& options_;
  Issue& issue_;
  Lexer lexer_;
  AstBuilder builder_;
  Token token_;
  uint32_t last_end_ = 0;  // Of the token before token_.
  int nesting_ = 0;
  bool negative_ = false;  // A minus sign waits for its number.
};

}  // namespace

std::optional<Ast> Parse(absl::string_view source, const ParseOptions& options,
                         Issue& issue) {
  if (source.size() > kSourceBytesMax) {
    issue.Raise(0, absl::StrCat("expression: ", source.size(),
                                " bytes, want at most ", kSourceBytesMax));
    return std::nullopt;
  }
  if (!IsValidUtf8(source)) {
    issue.Raise(0, "expression is not valid UTF-8");
    return std::nullopt;
  }
  Ast ast = Parser(source, options, issue).Run();
  if (issue.raised()) return std::nullopt;
  return ast;
}

}  // namespace kms::cel

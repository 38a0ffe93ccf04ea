#include "policy/cel/lexer.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "policy/cel/utf8.h"

namespace kms::cel {
namespace {

constexpr absl::string_view kKeywords[] = {"true", "false", "null", "in"};

constexpr absl::string_view kReserved[] = {
    "as",        "break",  "const",  "continue", "else", "for",
    "function",  "if",     "import", "let",      "loop", "package",
    "namespace", "return", "var",    "void",     "while"};

// Longest first: the first that matches is taken.
constexpr absl::string_view kSymbols[] = {
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/",
    "%",  "!",  "?",  ":",  ".",  ",",  "(", ")", "[", "]", "{", "}"};

// abseil's classes want the unsigned value.
unsigned char U(char c) { return static_cast<unsigned char>(c); }

bool IsDigit(char c) { return absl::ascii_isdigit(U(c)); }
bool IsHexDigit(char c) { return absl::ascii_isxdigit(U(c)); }
bool IsWordStart(char c) { return c == '_' || absl::ascii_isalpha(U(c)); }
bool IsWordPart(char c) { return c == '_' || absl::ascii_isalnum(U(c)); }
bool IsOctal(char c) { return c >= '0' && c <= '7'; }

uint32_t HexDigit(char c) {
  if (IsDigit(c)) return static_cast<uint32_t>(c - '0');
  return static_cast<uint32_t>(absl::ascii_tolower(U(c)) - 'a' + 10);
}

// The letter after a backslash that stands for one character, and which.
constexpr absl::string_view kEscapes = "abfnrtv\\?\"'`";
constexpr absl::string_view kEscaped = "\a\b\f\n\r\t\v\\?\"'`";

}  // namespace

void Lexer::SkipSpace() {
  while (at_ < source_.size()) {
    if (absl::string_view(" \t\n\f\r").find(Peek()) !=
        absl::string_view::npos) {
      ++at_;
    } else if (Peek() == '/' && Peek(1) == '/') {
      if (!first_comment_) first_comment_ = static_cast<uint32_t>(at_);
      at_ = std::min(source_.find('\n', at_), source_.size());
    } else {
      return;
    }
  }
}

Token Lexer::Finish(Token::Kind kind, std::string text) {
  return {kind,
          {static_cast<uint32_t>(start_), static_cast<uint32_t>(at_)},
          std::move(text)};
}

Token Lexer::Fail(size_t offset, std::string text) {
  issue_.Raise(static_cast<uint32_t>(offset), std::move(text));
  start_ = at_ = source_.size();
  return Finish(Token::Kind::kEnd, "");
}

Token Lexer::Next() {
  SkipSpace();
  start_ = at_;
  if (at_ == source_.size()) return Finish(Token::Kind::kEnd, "");
  const char c = Peek();
  if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) {
    return Number();
  }
  if (c == '"' || c == '\'') return Quoted(false, false);
  if (c == '`') return QuotedName();
  if (IsWordStart(c)) return Word();
  for (const absl::string_view symbol : kSymbols) {
    if (source_.substr(at_, symbol.size()) == symbol) {
      at_ += symbol.size();
      return Finish(Token::Kind::kSymbol, std::string(symbol));
    }
  }
  return Fail(at_, "unexpected character");
}

// FLOAT_LIT ::= DIGIT* . DIGIT+ EXPONENT? | DIGIT+ EXPONENT
// INT_LIT   ::= DIGIT+ | 0x HEXDIGIT+        UINT_LIT ::= INT_LIT [uU]
Token Lexer::Number() {
  const auto digits = [this] {
    const size_t from = at_;
    while (IsDigit(Peek())) ++at_;
    return at_ > from;
  };
  Token::Kind kind = Token::Kind::kInt;
  if (Peek() == '0' && (Peek(1) == 'x' || Peek(1) == 'X')) {
    at_ += 2;
    const size_t from = at_;
    while (IsHexDigit(Peek())) ++at_;
    if (at_ == from) return Fail(start_, "hexadecimal number without digits");
  } else {
    digits();
    if (Peek() == '.' && IsDigit(Peek(1))) {
      kind = Token::Kind::kDouble;
      ++at_;
      digits();
    }
    if (Peek() == 'e' || Peek() == 'E') {
      kind = Token::Kind::kDouble;
      ++at_;
      if (Peek() == '+' || Peek() == '-') ++at_;
      if (!digits()) return Fail(start_, "exponent without digits");
    }
  }
  std::string text(source_.substr(start_, at_ - start_));
  if (kind == Token::Kind::kInt && (Peek() == 'u' || Peek() == 'U')) {
    kind = Token::Kind::kUint;
    ++at_;
  }
  if (IsWordPart(Peek())) return Fail(at_, "unexpected letter after a number");
  return Finish(kind, std::move(text));
}

Token Lexer::Word() {
  // A string's prefix looks like a word: r"", b"", rb"", br"".
  bool raw = false;
  bool bytes = false;
  size_t prefix = 0;
  for (; prefix < 2; ++prefix) {
    const char c = absl::ascii_tolower(U(Peek(prefix)));
    if (c == 'r' && !raw) {
      raw = true;
    } else if (c == 'b' && !bytes) {
      bytes = true;
    } else {
      break;
    }
  }
  if (prefix > 0 && (Peek(prefix) == '"' || Peek(prefix) == '\'')) {
    at_ += prefix;
    return Quoted(raw, bytes);
  }
  while (IsWordPart(Peek())) ++at_;
  std::string word(source_.substr(start_, at_ - start_));
  const auto among = [&word](const auto& list) {
    return std::find(std::begin(list), std::end(list), word) != std::end(list);
  };
  const Token::Kind kind = among(kKeywords)   ? Token::Kind::kKeyword
                           : among(kReserved) ? Token::Kind::kReserved
                                              : Token::Kind::kIdentifier;
  return Finish(kind, std::move(word));
}

// ESC_IDENT ::= ` [a-zA-Z0-9_.-/ ]+ `
Token Lexer::QuotedName() {
  ++at_;
  const size_t from = at_;
  while (IsWordPart(Peek()) || Peek() == '.' || Peek() == '-' ||
         Peek() == '/' || Peek() == ' ') {
    ++at_;
  }
  std::string name(source_.substr(from, at_ - from));
  if (Peek() != '`') return Fail(at_, "unexpected character in a quoted name");
  if (name.empty()) return Fail(from, "quoted name is empty");
  ++at_;
  return Finish(Token::Kind::kQuotedName, std::move(name));
}

Token Lexer::Quoted(bool raw, bool bytes) {
  const char quote = Peek();
  const bool triple = Peek(1) == quote && Peek(2) == quote;
  const size_t width = triple ? 3 : 1;
  at_ += width;
  std::string out;
  while (true) {
    if (at_ >= source_.size()) return Fail(start_, "string is not closed");
    const char c = Peek();
    if (c == quote && (!triple || (Peek(1) == quote && Peek(2) == quote))) {
      at_ += width;
      return Finish(bytes ? Token::Kind::kBytes : Token::Kind::kString,
                    std::move(out));
    }
    if (!triple && (c == '\n' || c == '\r')) {
      return Fail(at_, "line break in a string; use triple quotes or \\n");
    }
    if (c == '\\' && !raw) {
      if (!Escape(bytes, out)) return Fail(at_, "invalid escape in a string");
      continue;
    }
    out.push_back(c);
    ++at_;
  }
}

// On failure at_ is left at the backslash.
bool Lexer::Escape(bool bytes, std::string& out) {
  const char c = Peek(1);
  const size_t simple = kEscapes.find(c);
  if (c != '\0' && simple != absl::string_view::npos) {
    out.push_back(kEscaped[simple]);
    at_ += 2;
    return true;
  }
  uint32_t rune = 0;
  size_t used = 2;
  if (IsOctal(c)) {  // \ooo, at most \377.
    if (c > '3' || !IsOctal(Peek(2)) || !IsOctal(Peek(3))) return false;
    for (size_t i = 1; i <= 3; ++i) rune = rune * 8 + HexDigit(Peek(i));
    used = 4;
  } else {
    size_t digits = 0;
    if (c == 'x' || c == 'X') digits = 2;
    if (!bytes && c == 'u') digits = 4;
    if (!bytes && c == 'U') digits = 8;
    if (digits == 0) return false;
    for (size_t i = 0; i < digits; ++i) {
      const char digit = Peek(2 + i);
      if (!IsHexDigit(digit)) return false;
      rune = rune << 4 | HexDigit(digit);
    }
    used = 2 + digits;
  }
  if (bytes) {
    out.push_back(static_cast<char>(rune));
  } else {
    if (!IsScalarValue(rune)) return false;
    AppendUtf8(rune, out);
  }
  at_ += used;
  return true;
}

std::optional<uint32_t> FindComment(absl::string_view source) {
  Issue issue;
  Lexer lexer(source, issue);
  while (lexer.Next().kind != Token::Kind::kEnd) continue;
  return lexer.first_comment();
}

}  // namespace kms::cel

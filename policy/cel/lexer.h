// Cuts an expression into tokens and decodes its literals.
// Source: the CEL language definition (cel-spec, doc/langdef.md), "Syntax".
// Thread-compatible. It knows nothing of grammar.
#ifndef POLICY_CEL_LEXER_H_
#define POLICY_CEL_LEXER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "policy/cel/issue.h"

namespace kms::cel {

struct Token {
  enum class Kind {
    kEnd,
    kIdentifier,
    kKeyword,     // true, false, null, in.
    kReserved,    // Words kept for other languages; still usable after a dot.
    kQuotedName,  // `a-name`, without its quotes: after a dot only.
    kInt,         // Text: digits, or 0x and hex digits.
    kUint,        // The same, without its u.
    kDouble,
    kString,  // Text: decoded, valid UTF-8.
    kBytes,   // Text: decoded.
    kSymbol,
  };
  Kind kind = Kind::kEnd;
  SourceSpan span;
  std::string text;
};

class Lexer {
 public:
  // Both must outlive the lexer. REQUIRES: `source` is valid UTF-8.
  Lexer(absl::string_view source, Issue& issue)
      : source_(source), issue_(issue) {}

  // The next token; kEnd at the end of the text, and for ever after a fault,
  // which is in the Issue.
  Token Next();

  // Where the first comment began that was passed over.
  std::optional<uint32_t> first_comment() const { return first_comment_; }

 private:
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
  }
  void SkipSpace();
  Token Finish(Token::Kind kind, std::string text);
  Token Fail(size_t offset, std::string text);
  Token Number();
  Token Word();
  Token QuotedName();
  Token Quoted(bool raw, bool bytes);
  bool Escape(bool bytes, std::string& out);

  const absl::string_view source_;
  Issue& issue_;
  size_t start_ = 0;  // Of the current token.
  size_t at_ = 0;
  std::optional<uint32_t> first_comment_;
};

// Where the first comment of `source` begins, in bytes; nothing if there is
// none, or a fault before it.
std::optional<uint32_t> FindComment(absl::string_view source);

}  // namespace kms::cel

#endif  // POLICY_CEL_LEXER_H_

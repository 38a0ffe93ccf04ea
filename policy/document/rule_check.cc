#include "policy/document/rule_check.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/descriptor.h"
#include "policy/cel/issue.h"
#include "proto/kms/v1/claims.pb.h"
#include "proto/kms/v1/decision.pb.h"

namespace kms::policy {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

struct Token {
  enum class Kind {
    kEnd,
    kPath,    // text: "claims.cpu.debug"; called: "(" follows.
    kString,  // text: its content, if `plain`.
    kBytes,   // size: of its content, if `plain`.
    kNumber,  // number, if `plain`: not a floating-point one.
    kMark,    // text: an operator or bracket.
  };
  Kind kind = Kind::kEnd;
  uint32_t offset = 0;
  std::string text;
  bool called = false;
  bool plain = false;
  size_t size = 0;
  uint64_t number = 0;

  bool Is(absl::string_view mark) const {
    return kind == Kind::kMark && text == mark;
  }
};

bool StartsName(char c) {
  return absl::ascii_isalpha(static_cast<unsigned char>(c)) || c == '_';
}
bool InName(char c) {
  return StartsName(c) || absl::ascii_isdigit(static_cast<unsigned char>(c));
}

// Enough of the language's grammar (cel-spec, "Syntax") to tell its tokens
// apart in text that is known to be an expression.
class Scanner {
 public:
  explicit Scanner(absl::string_view text) : text_(text) {}

  std::vector<Token> Run() {
    std::vector<Token> tokens;
    for (;;) {
      tokens.push_back(Next());
      if (tokens.back().kind == Token::Kind::kEnd) break;
    }
    return JoinHex(std::move(tokens));
  }

 private:
  char At(size_t i) const { return i < text_.size() ? text_[i] : '\0'; }

  Token Next() {
    while (absl::ascii_isspace(static_cast<unsigned char>(At(at_))) ||
           text_.substr(at_, 2) == "//") {
      if (At(at_) == '/') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else {
        ++at_;
      }
    }
    Token token;
    token.offset = static_cast<uint32_t>(at_);
    if (at_ >= text_.size()) return token;
    const char c = At(at_);
    size_t quote = at_;  // After the letters r and b of a literal.
    while (quote < at_ + 2 && absl::ascii_isalpha(At(quote)) &&
           absl::string_view("rRbB").find(At(quote)) !=
               absl::string_view::npos) {
      ++quote;
    }
    if (At(quote) == '"' || At(quote) == '\'') {
      ReadText(quote, token);
    } else if (StartsName(c)) {
      ReadPath(token);
    } else if (absl::ascii_isdigit(static_cast<unsigned char>(c))) {
      ReadNumber(token);
    } else {
      token.kind = Token::Kind::kMark;
      const absl::string_view two = text_.substr(at_, 2);
      const bool pair = two == "==" || two == "!=" || two == "<=" ||
                        two == ">=" || two == "&&" || two == "||";
      token.text = std::string(text_.substr(at_, pair ? 2 : 1));
      at_ += token.text.size();
    }
    return token;
  }

  void ReadText(size_t quote, Token& token) {
    const absl::string_view prefix = text_.substr(at_, quote - at_);
    const bool raw = prefix.find_first_of("rR") != absl::string_view::npos;
    const bool bytes = prefix.find_first_of("bB") != absl::string_view::npos;
    const std::string triple(3, text_[quote]);
    const std::string end =
        text_.substr(quote, 3) == triple ? triple : triple.substr(2);
    const size_t begin = quote + end.size();
    size_t i = begin;
    bool escaped = false;
    while (i < text_.size() && text_.substr(i, end.size()) != end) {
      if (text_[i] == '\\' && !raw) escaped = true, ++i;
      ++i;
    }
    i = std::min(i, text_.size());
    token.kind = bytes ? Token::Kind::kBytes : Token::Kind::kString;
    token.plain = !escaped;
    token.text = std::string(text_.substr(begin, i - begin));
    token.size = token.text.size();
    at_ = std::min(i + end.size(), text_.size());
  }

  void ReadPath(Token& token) {
    size_t i = at_;
    for (;;) {
      while (InName(At(i))) ++i;
      if (At(i) != '.' || !StartsName(At(i + 1))) break;
      ++i;
    }
    token.kind = Token::Kind::kPath;
    token.text = std::string(text_.substr(at_, i - at_));
    token.called = At(i) == '(';
    if (token.text == "in") token.kind = Token::Kind::kMark;
    at_ = i;
  }

  void ReadNumber(Token& token) {
    size_t i = at_;
    while (InName(At(i)) || At(i) == '.') ++i;
    absl::string_view digits = text_.substr(at_, i - at_);
    token.kind = Token::Kind::kNumber;
    token.text = std::string(digits);
    if (digits.back() == 'u' || digits.back() == 'U') digits.remove_suffix(1);
    token.plain = digits.size() > 2 && (digits[1] == 'x' || digits[1] == 'X')
                      ? absl::SimpleHexAtoi(digits, &token.number)
                      : absl::SimpleAtoi(digits, &token.number);
    at_ = i;
  }

  // unhex('00ff') is a bytes literal of its own.
  static std::vector<Token> JoinHex(std::vector<Token> tokens) {
    std::vector<Token> joined;
    for (size_t i = 0; i < tokens.size(); ++i) {
      const bool hex = tokens[i].kind == Token::Kind::kPath &&
                       tokens[i].text == "unhex" && i + 3 < tokens.size() &&
                       tokens[i + 2].kind == Token::Kind::kString &&
                       tokens[i + 3].Is(")");
      if (hex) {
        Token token = tokens[i + 2];
        token.kind = Token::Kind::kBytes;
        token.offset = tokens[i].offset;
        token.size = token.text.size() / 2;
        joined.push_back(std::move(token));
        i += 3;
      } else {
        joined.push_back(std::move(tokens[i]));
      }
    }
    return joined;
  }

  const absl::string_view text_;
  size_t at_ = 0;
};

std::string TypeName(v1::EvidenceType type) {
  return absl::StrReplaceAll(absl::AsciiStrToLower(v1::EvidenceType_Name(type)),
                             {{"_", "-"}});
}
std::string TypeNames(absl::Span<const v1::EvidenceType> types) {
  return absl::StrJoin(types, ", ", [](std::string* out, v1::EvidenceType t) {
    out->append(TypeName(t));
  });
}

bool IsComparison(const Token& token) {
  static constexpr absl::string_view kOperators[] = {
      "==", "<", "<=", ">", ">=", "in"};
  return std::any_of(std::begin(kOperators), std::end(kOperators),
                     [&](absl::string_view op) { return token.Is(op); });
}

// What may stand before the first operand of a comparison that is all of what
// it belongs to, and after the last. The literals of other operators bind
// closer, so that anything else makes the operand only a part of one.
bool Opens(const Token& token) {
  return token.Is("(") || token.Is("&&") || token.Is("||") || token.Is(",") ||
         token.Is("?") || token.Is(":") || token.Is("[");
}
bool Closes(const Token& token) {
  return token.kind == Token::Kind::kEnd || token.Is(")") || token.Is("&&") ||
         token.Is("||") || token.Is(",") || token.Is("?") || token.Is(":") ||
         token.Is("]");
}

class Finder {
 public:
  Finder(absl::string_view expression, const EvidenceTypes& types,
         const ListSizes& lists)
      : tokens_(Scanner(expression).Run()), types_(types), lists_(lists) {}

  std::optional<RuleFault> Run() {
    for (at_ = 0; at_ < tokens_.size(); ++at_) {
      const Token& token = tokens_[at_];
      std::optional<RuleFault> fault;
      if (token.kind == Token::Kind::kPath) {
        Bind();
        fault = CheckStated(token);
      } else if (IsComparison(token)) {
        fault = CheckComparison();
      }
      if (fault.has_value()) return fault;
    }
    return std::nullopt;
  }

 private:
  static RuleFault Fault(const Token& at, std::string text) {
    return {at.offset, std::move(text)};
  }

  const Token& Peek(size_t ahead) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }

  // claims.gpus.all(g, ...): g is an element of claims.gpus.
  void Bind() {
    const Token& token = tokens_[at_];
    const size_t dot = token.text.rfind('.');
    if (!token.called || dot == std::string::npos ||
        Peek(2).kind != Token::Kind::kPath || !Peek(3).Is(",")) {
      return;
    }
    variables_[Peek(2).text] = Resolve(token.text.substr(0, dot));
  }

  // With a macro's variable replaced by what it goes over.
  std::string Resolve(const std::string& path) const {
    const size_t dot = path.find('.');
    const auto variable = variables_.find(path.substr(0, dot));
    if (variable == variables_.end()) return path;
    return dot == std::string::npos
               ? variable->second
               : absl::StrCat(variable->second, path.substr(dot));
  }

  // The field at the end of a path below claims or request; null if it is none.
  static const FieldDescriptor* FieldOf(const std::string& path) {
    const std::vector<std::string> names = absl::StrSplit(path, '.');
    const Descriptor* message = names[0] == "claims" ? v1::Claims::descriptor()
                                : names[0] == "request"
                                    ? v1::RequestContext::descriptor()
                                    : nullptr;
    const FieldDescriptor* field = nullptr;
    for (size_t i = 1; i < names.size(); ++i) {
      if (message == nullptr) return nullptr;
      field = message->FindFieldByName(names[i]);
      if (field == nullptr) return nullptr;
      message = field->message_type();
    }
    return field;
  }

  // A message that only some types state, unless the rule asks whether it is
  // there.
  std::optional<RuleFault> CheckStated(const Token& token) const {
    const std::vector<std::string> names =
        absl::StrSplit(Resolve(token.text), '.');
    if (names[0] != "claims") return std::nullopt;
    std::string path;
    for (size_t i = 1; i < names.size() && i <= 2; ++i) {
      absl::StrAppend(&path, path.empty() ? "" : ".", names[i]);
      const auto by = StatedBy(path);
      const bool stated =
          by.empty() || std::any_of(types_.begin(), types_.end(), [&](auto t) {
            return std::find(by.begin(), by.end(), t) != by.end();
          });
      if (stated || AskedFor(absl::StrCat("claims.", path))) continue;
      return Fault(
          token, absl::StrCat("claims.", path, " is stated by ", TypeNames(by),
                              " only, and the policy requires ",
                              TypeNames(types_), Instead(path)));
    }
    return std::nullopt;
  }

  // "; did you mean claims.cpu.tdx?" for the part of the CPU that is stated.
  std::string Instead(const std::string& path) const {
    for (const absl::string_view part : {"snp", "tdx", "sgx", "nitro", "cca"}) {
      const auto by = StatedBy(absl::StrCat("cpu.", part));
      for (const v1::EvidenceType type : types_) {
        if (path.substr(0, 4) == "cpu." &&
            std::find(by.begin(), by.end(), type) != by.end()) {
          return absl::StrCat("; did you mean claims.cpu.", part, "?");
        }
      }
    }
    return "";
  }

  // has(claims.cpu.tdx) or has(claims.cpu.tdx.mrtd), anywhere in the rule.
  bool AskedFor(const std::string& path) const {
    for (size_t i = 0; i + 2 < tokens_.size(); ++i) {
      const std::string& asked = tokens_[i + 2].text;
      if (tokens_[i].kind == Token::Kind::kPath && tokens_[i].text == "has" &&
          asked.substr(0, path.size()) == path &&
          (asked.size() == path.size() || asked[path.size()] == '.')) {
        return true;
      }
    }
    return false;
  }

  std::optional<RuleFault> CheckComparison() const {
    const Token& op = tokens_[at_];
    if (at_ == 0) return std::nullopt;
    const Token& left = tokens_[at_ - 1];
    if (at_ >= 2 && !Opens(tokens_[at_ - 2])) return std::nullopt;
    const Token& right = Peek(1);
    if (op.Is("in") && right.Is("[")) return CheckList(left);
    if (!Closes(Peek(2))) return std::nullopt;
    if (op.Is("in")) return CheckSet(left, right);
    if (left.kind == Token::Kind::kNumber &&
        right.kind == Token::Kind::kNumber) {
      return CheckNumbers(op, left, right);
    }
    if (left.kind == Token::Kind::kPath) return CheckAgainst(op, left, right);
    if (right.kind == Token::Kind::kPath && op.Is("==")) {
      return CheckAgainst(op, right, left);
    }
    return std::nullopt;
  }

  static std::optional<RuleFault> CheckNumbers(const Token& op,
                                               const Token& left,
                                               const Token& right) {
    const uint64_t a = left.number;
    const uint64_t b = right.number;
    const bool holds = op.Is("==")   ? a == b
                       : op.Is("<")  ? a < b
                       : op.Is("<=") ? a <= b
                       : op.Is(">")  ? a > b
                                     : a >= b;
    if (holds || !left.plain || !right.plain) return std::nullopt;
    return Fault(left, "comparison of two constants is never true");
  }

  // PATH in [a, b]: each of them is a comparison.
  std::optional<RuleFault> CheckList(const Token& path) const {
    Token equal;
    equal.kind = Token::Kind::kMark;
    equal.text = "==";
    for (size_t i = 2; !Peek(i).Is("]"); ++i) {
      if (Peek(i).kind == Token::Kind::kEnd) break;
      const bool alone = (Peek(i - 1).Is("[") || Peek(i - 1).Is(",")) &&
                         (Peek(i + 1).Is("]") || Peek(i + 1).Is(","));
      if (!alone) continue;
      if (auto fault = CheckAgainst(equal, path, Peek(i)); fault.has_value()) {
        return fault;
      }
    }
    return std::nullopt;
  }

  // PATH in reference.images, of which the document lists the values.
  std::optional<RuleFault> CheckSet(const Token& path, const Token& set) const {
    constexpr absl::string_view kPrefix = "reference.";
    const FieldDescriptor* field =
        path.kind == Token::Kind::kPath && !path.called
            ? FieldOf(Resolve(path.text))
            : nullptr;
    if (field == nullptr || set.kind != Token::Kind::kPath ||
        absl::string_view(set.text).substr(0, kPrefix.size()) != kPrefix) {
      return std::nullopt;
    }
    const auto list = lists_.find(set.text.substr(kPrefix.size()));
    if (list == lists_.end()) return std::nullopt;
    const std::vector<size_t> sizes = SizesOf(field, types_);
    for (const size_t size : list->second) {
      if (sizes.empty() || IsOneOf(size, sizes)) continue;
      return Fault(set, absl::StrCat("a value of ", set.text, " is ", size,
                                     " bytes, and ", path.text, " is ",
                                     absl::StrJoin(sizes, " or "), " bytes"));
    }
    return std::nullopt;
  }

  template <typename T>
  static bool IsOneOf(const T& value, const std::vector<T>& values) {
    return std::find(values.begin(), values.end(), value) != values.end();
  }

  // `path` `op` `literal`.
  std::optional<RuleFault> CheckAgainst(const Token& op, const Token& path,
                                        const Token& literal) const {
    if (path.kind != Token::Kind::kPath || path.called || !literal.plain) {
      return std::nullopt;
    }
    const FieldDescriptor* field = FieldOf(Resolve(path.text));
    if (field == nullptr || field->is_repeated()) return std::nullopt;
    switch (literal.kind) {
      case Token::Kind::kBytes:
        return op.Is("==") ? CheckSize(path, field, literal) : std::nullopt;
      case Token::Kind::kString:
        return op.Is("==") ? CheckWord(path, field, literal) : std::nullopt;
      case Token::Kind::kNumber:
        return CheckNumber(op, path, field, literal);
      default:
        return std::nullopt;
    }
  }

  std::optional<RuleFault> CheckSize(const Token& path,
                                     const FieldDescriptor* field,
                                     const Token& literal) const {
    const std::vector<size_t> sizes = SizesOf(field, types_);
    // Empty: the Evidence does not say.
    if (sizes.empty() || literal.size == 0 || IsOneOf(literal.size, sizes)) {
      return std::nullopt;
    }
    return Fault(literal, absl::StrCat(literal.size, " bytes, and ", path.text,
                                       " is ", absl::StrJoin(sizes, " or "),
                                       " bytes: never equal"));
  }

  static std::optional<RuleFault> CheckWord(const Token& path,
                                            const FieldDescriptor* field,
                                            const Token& literal) {
    const std::vector<std::string> words = WordsOf(field);
    if (words.empty() || literal.text.empty() || IsOneOf(literal.text, words)) {
      return std::nullopt;
    }
    return Fault(literal, absl::StrCat(path.text, " is never this, but one of ",
                                       absl::StrJoin(words, ", "),
                                       cel::Suggest(literal.text, words)));
  }

  static std::optional<RuleFault> CheckNumber(const Token& op,
                                              const Token& path,
                                              const FieldDescriptor* field,
                                              const Token& literal) {
    uint64_t most = 0;
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_UINT32:
        most = std::numeric_limits<uint32_t>::max();
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        most = std::numeric_limits<uint64_t>::max();
        break;
      default:
        return std::nullopt;
    }
    const uint64_t n = literal.number;
    const bool never = (op.Is("<") && n == 0) || (op.Is(">") && n >= most) ||
                       ((op.Is("==") || op.Is(">=")) && n > most);
    if (never) {
      return Fault(literal, absl::StrCat(path.text, " is 0 to ", most,
                                         ": this comparison is never true"));
    }
    const std::vector<uint64_t> numbers = NumbersOf(field);
    if (!op.Is("==") || numbers.empty() || IsOneOf(n, numbers)) {
      return std::nullopt;
    }
    return Fault(literal,
                 absl::StrCat(path.text, " is one of ",
                              absl::StrJoin(numbers, ", "), ": never equal"));
  }

  const std::vector<Token> tokens_;
  const EvidenceTypes& types_;
  const ListSizes& lists_;
  std::map<std::string, std::string> variables_;
  size_t at_ = 0;
};

}  // namespace

std::optional<RuleFault> FindRuleFault(absl::string_view expression,
                                       const EvidenceTypes& types,
                                       const ListSizes& lists) {
  return Finder(expression, types, lists).Run();
}

}  // namespace kms::policy

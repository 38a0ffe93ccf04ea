#include "policy/formats/json.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace kms::formats {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Fails once and stays failed, like ByteReader.
class Parser {
 public:
  Parser(absl::string_view text, const JsonBounds& bounds)
      : text_(text), bounds_(bounds) {}

  JsonValue Document() {
    Space();
    JsonValue value = Value(0);
    Space();
    if (at_ != text_.size()) Fail();
    return value;
  }
  bool failed() const { return failed_; }

 private:
  void Fail() { failed_ = true; }

  char Peek() const {
    return failed_ || at_ == text_.size() ? '\0' : text_[at_];
  }
  bool Take(char c) {
    if (Peek() != c) return false;
    ++at_;
    return true;
  }
  void Want(char c) {
    if (!Take(c)) Fail();
  }
  void Space() {
    while (Peek() == ' ' || Peek() == '\t' || Peek() == '\n' ||
           Peek() == '\r') {
      ++at_;
    }
  }

  JsonValue Value(size_t depth) {
    JsonValue value;
    if (depth > bounds_.depth_max || ++values_ > bounds_.values_max) {
      Fail();
      return value;
    }
    const size_t start = at_;
    switch (Peek()) {
      case '{':
        Object(depth, value);
        break;
      case '[':
        Array(depth, value);
        break;
      case '"':
        value.kind = JsonValue::Kind::kString;
        String();
        break;
      case 't':
        Word("true");
        break;
      case 'f':
        Word("false");
        break;
      case 'n':
        Word("null");
        break;
      default:
        Number(value);
    }
    value.text = text_.substr(start, at_ - start);
    return value;
  }

  void Object(size_t depth, JsonValue& value) {
    value.kind = JsonValue::Kind::kObject;
    Want('{');
    Space();
    if (Take('}')) return;
    std::vector<absl::string_view> names;
    do {
      Space();
      const absl::string_view name = String();
      Space();
      Want(':');
      Space();
      value.members.push_back({name, Value(depth + 1)});
      names.push_back(name);
      Space();
    } while (Take(','));
    Want('}');
    std::sort(names.begin(), names.end());
    if (std::adjacent_find(names.begin(), names.end()) != names.end()) Fail();
  }

  void Array(size_t depth, JsonValue& value) {
    value.kind = JsonValue::Kind::kArray;
    Want('[');
    Space();
    if (Take(']')) return;
    do {
      Space();
      value.items.push_back(Value(depth + 1));
      Space();
    } while (Take(','));
    Want(']');
  }

  absl::string_view String() {
    Want('"');
    const size_t start = at_;
    while (Peek() >= 0x20 && Peek() < 0x7f && Peek() != '"' && Peek() != '\\') {
      ++at_;
    }
    const absl::string_view content = text_.substr(start, at_ - start);
    Want('"');
    return content;
  }

  void Word(absl::string_view word) {
    for (char c : word) Want(c);
  }

  void Digits() {
    if (!IsDigit(Peek())) Fail();
    while (IsDigit(Peek())) ++at_;
  }

  // RFC 8259 section 6: no leading zero, no sign but minus.
  void Number(JsonValue& value) {
    const size_t start = at_;
    const bool negative = Take('-');
    const bool zero = Peek() == '0';
    const size_t digits = at_;
    Digits();
    if (zero && at_ != digits + 1) Fail();
    const size_t end = at_;
    if (Take('.')) Digits();
    if (Take('e') || Take('E')) {
      if (!Take('+')) Take('-');
      Digits();
    }
    constexpr size_t kDigitsMax = 18;  // Below 2^63.
    if (negative || at_ != end || end - start > kDigitsMax) return;
    value.kind = JsonValue::Kind::kUnsigned;
    for (char c : text_.substr(start, end - start)) {
      value.number = 10 * value.number + static_cast<uint64_t>(c - '0');
    }
  }

  const absl::string_view text_;
  const JsonBounds& bounds_;
  size_t at_ = 0;
  size_t values_ = 0;
  bool failed_ = false;
};

}  // namespace

const JsonValue* JsonValue::Find(absl::string_view name) const {
  for (const auto& [member, value] : members) {
    if (member == name) return &value;
  }
  return nullptr;
}

std::optional<absl::string_view> JsonValue::String() const {
  if (kind != Kind::kString) return std::nullopt;
  return text.substr(1, text.size() - 2);
}

std::optional<bool> JsonValue::Bool() const {
  if (text == "true") return true;
  if (text == "false") return false;
  return std::nullopt;
}

absl::StatusOr<JsonValue> ParseJson(absl::string_view text,
                                    absl::string_view subject,
                                    const JsonBounds& bounds) {
  if (text.size() > bounds.bytes_max) {
    return absl::InvalidArgumentError(absl::StrCat(
        subject, ": ", text.size(), " bytes, want at most ", bounds.bytes_max));
  }
  Parser parser(text, bounds);
  JsonValue value = parser.Document();
  if (parser.failed()) {
    return absl::InvalidArgumentError(absl::StrCat(
        subject, ": JSON ill-formed, a member twice, or nested too deep"));
  }
  return value;
}

}  // namespace kms::formats

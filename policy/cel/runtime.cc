#include "policy/cel/runtime.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "google/protobuf/util/message_differencer.h"
#include "policy/cel/arithmetic.h"
#include "policy/cel/conversions.h"
#include "policy/cel/limits.h"
#include "policy/cel/utf8.h"

namespace kms::cel {
namespace {

using Kind = Value::Kind;

bool IsText(const Value& value) {
  return value.Is(Kind::kString) || value.Is(Kind::kBytes);
}

bool Holds(Function function, int sign) {
  switch (function) {
    case Function::kLess:
      return sign < 0;
    case Function::kLessEqual:
      return sign <= 0;
    case Function::kGreater:
      return sign > 0;
    default:
      return sign >= 0;
  }
}

}  // namespace

RE2::Options PatternOptions() {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kPatternMemoryMax);
  return options;
}

Value Runtime::MakeText(Kind kind, std::string text) {
  const auto* owned =
      google::protobuf::Arena::Create<std::string>(&arena_, std::move(text));
  return kind == Kind::kString ? Value::String(*owned) : Value::Bytes(*owned);
}

absl::Span<Value> Runtime::MakeItems(size_t size) {
  auto* owned =
      google::protobuf::Arena::Create<std::vector<Value>>(&arena_, size);
  return absl::MakeSpan(*owned);
}

Error Runtime::Call(Function function, absl::Span<const Value> args,
                    Value* out) {
  if (!Charge(1)) return kCostExceeded;
  switch (function) {
    case Function::kNot:
      if (!args[0].Is(Kind::kBool)) return kNoOverload;
      *out = Value::Bool(!args[0].bool_value());
      return nullptr;
    case Function::kNegate:
      return Negate(args[0], out);
    case Function::kAdd:
      if (args[0].kind() == args[1].kind() &&
          (IsText(args[0]) || args[0].Is(Kind::kList))) {
        return Concatenate(args[0], args[1], out);
      }
      return Arithmetic(function, args[0], args[1], out);
    case Function::kSubtract:
    case Function::kMultiply:
    case Function::kDivide:
    case Function::kModulo:
      return Arithmetic(function, args[0], args[1], out);
    case Function::kEqual:
    case Function::kNotEqual: {
      bool equal = false;
      const Error error = Equal(args[0], args[1], &equal);
      *out = Value::Bool(equal == (function == Function::kEqual));
      return error;
    }
    case Function::kLess:
    case Function::kLessEqual:
    case Function::kGreater:
    case Function::kGreaterEqual:
      return Order(function, args[0], args[1], out);
    case Function::kIn:
      return In(args[0], args[1], out);
    case Function::kIndex:
      return Index(args[0], args[1], out);
    case Function::kSize:
      if (IsText(args[0])) {
        const absl::string_view text = args[0].text();
        if (!ChargeBytes(text.size())) return kCostExceeded;
        *out = Value::Int(static_cast<int64_t>(
            args[0].Is(Kind::kString) ? CountRunes(text) : text.size()));
        return nullptr;
      }
      if (!args[0].Is(Kind::kList) && !args[0].Is(Kind::kMap)) {
        return kNoOverload;
      }
      *out = Value::Int(static_cast<int64_t>(args[0].size()));
      return nullptr;
    case Function::kStartsWith:
    case Function::kEndsWith:
    case Function::kContains: {
      if (!args[0].Is(Kind::kString) || !args[1].Is(Kind::kString)) {
        return kNoOverload;
      }
      const absl::string_view text = args[0].text();
      const absl::string_view part = args[1].text();
      // A search may look at every pair of bytes; the other two at one part.
      const bool paid =
          function == Function::kContains
              ? Charge((1 + text.size() / 16) * (1 + part.size() / 16))
              : ChargeBytes(part.size());
      if (!paid) return kCostExceeded;
      *out = Value::Bool(
          function == Function::kStartsWith ? absl::StartsWith(text, part)
          : function == Function::kEndsWith ? absl::EndsWith(text, part)
                                            : absl::StrContains(text, part));
      return nullptr;
    }
    case Function::kMatches:
      return DynamicMatch(args[0], args[1], out);
    case Function::kNone:
      return kNoOverload;
    default:
      return function >= Function::kFullYear
                 ? TimePart(function, args[0], out)
                 : Convert(*this, function, args[0], out);
  }
}

Error Runtime::Equal(const Value& a, const Value& b, bool* out) {
  *out = false;
  if (!Charge(1)) return kCostExceeded;
  if (a.is_number() && b.is_number()) {
    *out = CompareNumbers(a, b) == 0;
    return nullptr;
  }
  if (a.kind() != b.kind()) return nullptr;
  switch (a.kind()) {
    case Kind::kNull:
      *out = true;
      return nullptr;
    case Kind::kBool:
      *out = a.bool_value() == b.bool_value();
      return nullptr;
    case Kind::kString:
    case Kind::kBytes:
      if (a.text().size() != b.text().size()) return nullptr;
      if (!Charge(a.text().size() / 16)) return kCostExceeded;
      *out = a.text() == b.text();
      return nullptr;
    case Kind::kTimestamp:
    case Kind::kDuration:
      *out = a.duration() == b.duration();
      return nullptr;
    case Kind::kMessage: {
      if (a.message().GetDescriptor() != b.message().GetDescriptor()) {
        return nullptr;
      }
      const size_t bytes =
          a.message().ByteSizeLong() + b.message().ByteSizeLong();
      // Comparing by reflection costs about a field for every two bytes.
      if (!Charge(bytes)) return kCostExceeded;
      *out = google::protobuf::util::MessageDifferencer::Equals(a.message(),
                                                                b.message());
      return nullptr;
    }
    default:
      return EqualItems(a, b, out);
  }
}

// Lists in order; maps by key. The recursion ends: values nest no deeper than
// the expression that built them, and fields hold no nested lists.
Error Runtime::EqualItems(const Value& a, const Value& b, bool* out) {
  *out = false;
  if (a.size() != b.size()) return nullptr;
  for (size_t i = 0; i < a.size(); ++i) {
    Value key;
    Value left;
    Value right;
    if (a.Is(Kind::kList)) {
      if (!a.Element(i, &left) || !b.Element(i, &right)) return kNoOverload;
    } else {
      if (!a.Entry(i, &key, &left)) return kNoOverload;
      const Error error = Lookup(b, key, &right);
      if (error == kNoSuchKey) return nullptr;
      if (error != nullptr) return error;
    }
    bool equal = false;
    if (const Error error = Equal(left, right, &equal)) return error;
    if (!equal) return nullptr;
  }
  *out = true;
  return nullptr;
}

Error Runtime::Order(Function function, const Value& a, const Value& b,
                     Value* out) {
  int sign = 0;
  if (a.is_number() && b.is_number()) {
    const auto compared = CompareNumbers(a, b);
    *out = Value::Bool(compared.has_value() && Holds(function, *compared));
    return nullptr;
  }
  if (a.kind() != b.kind()) return kNoOverload;
  if (IsText(a)) {
    if (!ChargeBytes(std::min(a.text().size(), b.text().size()))) {
      return kCostExceeded;
    }
    sign = a.text().compare(b.text());
  } else if (a.Is(Kind::kBool)) {
    sign = a.bool_value() - b.bool_value();
  } else if (a.Is(Kind::kTimestamp) || a.Is(Kind::kDuration)) {
    sign = a.duration() < b.duration() ? -1 : a.duration() > b.duration();
  } else {
    return kNoOverload;
  }
  *out = Value::Bool(Holds(function, sign));
  return nullptr;
}

Error Runtime::In(const Value& needle, const Value& haystack, Value* out) {
  bool found = false;
  if (haystack.Is(Kind::kMap)) {
    Value ignored;
    const Error error = Lookup(haystack, needle, &ignored);
    if (error != nullptr && error != kNoSuchKey) return error;
    found = error == nullptr;
  } else if (haystack.Is(Kind::kList)) {
    const size_t size = haystack.size();
    for (size_t i = 0; i < size && !found; ++i) {
      Value item;
      if (!haystack.Element(i, &item)) return kNoOverload;
      if (const Error error = Equal(needle, item, &found)) return error;
    }
  } else {
    return kNoOverload;
  }
  *out = Value::Bool(found);
  return nullptr;
}

Error Runtime::Lookup(const Value& map, const Value& key, Value* out) {
  const size_t size = map.size();
  for (size_t i = 0; i < size; ++i) {
    Value candidate;
    if (!map.Entry(i, &candidate, out)) return kNoOverload;
    bool equal = false;
    if (const Error error = Equal(candidate, key, &equal)) return error;
    if (equal) return nullptr;
  }
  return kNoSuchKey;
}

Error Runtime::Index(const Value& operand, const Value& index, Value* out) {
  if (operand.Is(Kind::kMap)) return Lookup(operand, index, out);
  if (!operand.Is(Kind::kList) || !index.is_number()) return kNoOverload;
  const Value zero = Value::Int(0);
  const Value size = Value::Uint(operand.size());
  const auto low = CompareNumbers(index, zero);
  const auto high = CompareNumbers(index, size);
  if (!low.has_value() || *low < 0 || *high >= 0) {
    return "index is out of range";
  }
  size_t at = 0;
  if (index.Is(Kind::kDouble)) {
    if (std::trunc(index.double_value()) != index.double_value()) {
      return "index is not a whole number";
    }
    at = static_cast<size_t>(index.double_value());
  } else {
    at = index.Is(Kind::kInt) ? static_cast<size_t>(index.int_value())
                              : static_cast<size_t>(index.uint_value());
  }
  return operand.Element(at, out) ? nullptr : kNoOverload;
}

Error Runtime::Concatenate(const Value& a, const Value& b, Value* out) {
  if (IsText(a)) {
    if (!ChargeBytes(a.text().size() + b.text().size())) return kCostExceeded;
    std::string text(a.text());
    text.append(b.text().data(), b.text().size());
    *out = MakeText(a.kind(), std::move(text));
    return nullptr;
  }
  const size_t size = a.size() + b.size();
  if (!Charge(1 + size)) return kCostExceeded;
  absl::Span<Value> items = MakeItems(size);
  for (size_t i = 0; i < size; ++i) {
    const bool first = i < a.size();
    if (!(first ? a : b).Element(first ? i : i - a.size(), &items[i])) {
      return kNoOverload;
    }
  }
  *out = Value::List(items);
  return nullptr;
}

Error Runtime::Match(const RE2& pattern, absl::string_view text, Value* out) {
  // Linear in the text for each byte of pattern.
  if (!Charge((1 + text.size() / 16) * (1 + pattern.pattern().size() / 4))) {
    return kCostExceeded;
  }
  *out = Value::Bool(
      RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), pattern));
  return nullptr;
}

Error Runtime::DynamicMatch(const Value& text, const Value& pattern,
                            Value* out) {
  if (!text.Is(Kind::kString) || !pattern.Is(Kind::kString)) {
    return kNoOverload;
  }
  const absl::string_view source = pattern.text();
  if (source.size() > kPatternBytesMax) return "pattern is too long";
  // Compiling dominates: some microseconds for each byte.
  if (!Charge(64 * (1 + source.size()))) return kCostExceeded;
  const RE2 compiled(re2::StringPiece(source.data(), source.size()),
                     PatternOptions());
  if (!compiled.ok()) return "pattern is not a regular expression";
  return Match(compiled, text.text(), out);
}

}  // namespace kms::cel

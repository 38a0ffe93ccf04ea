#include "policy/cel/functions.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace kms::cel {
namespace {

using F = Function;
constexpr bool kYes = true;
constexpr bool kNo = false;

constexpr Overload kOverloads[] = {
    {"!_", F::kNot, kYes, kNo, "b", 'b'},
    {"-_", F::kNegate, kYes, kNo, "i", 'i'},
    {"-_", F::kNegate, kYes, kNo, "d", 'd'},
    {"-_", F::kNegate, kYes, kNo, "n", 'n'},

    {"_+_", F::kAdd, kYes, kNo, "ii", 'i'},
    {"_+_", F::kAdd, kYes, kNo, "uu", 'u'},
    {"_+_", F::kAdd, kYes, kNo, "dd", 'd'},
    {"_+_", F::kAdd, kYes, kNo, "ss", 's'},
    {"_+_", F::kAdd, kYes, kNo, "yy", 'y'},
    {"_+_", F::kAdd, kYes, kNo, "LL", 'L'},
    {"_+_", F::kAdd, kYes, kNo, "tn", 't'},
    {"_+_", F::kAdd, kYes, kNo, "nt", 't'},
    {"_+_", F::kAdd, kYes, kNo, "nn", 'n'},
    {"_-_", F::kSubtract, kYes, kNo, "ii", 'i'},
    {"_-_", F::kSubtract, kYes, kNo, "uu", 'u'},
    {"_-_", F::kSubtract, kYes, kNo, "dd", 'd'},
    {"_-_", F::kSubtract, kYes, kNo, "tt", 'n'},
    {"_-_", F::kSubtract, kYes, kNo, "tn", 't'},
    {"_-_", F::kSubtract, kYes, kNo, "nn", 'n'},
    {"_*_", F::kMultiply, kYes, kNo, "ii", 'i'},
    {"_*_", F::kMultiply, kYes, kNo, "uu", 'u'},
    {"_*_", F::kMultiply, kYes, kNo, "dd", 'd'},
    {"_/_", F::kDivide, kYes, kNo, "ii", 'i'},
    {"_/_", F::kDivide, kYes, kNo, "uu", 'u'},
    {"_/_", F::kDivide, kYes, kNo, "dd", 'd'},
    {"_%_", F::kModulo, kYes, kNo, "ii", 'i'},
    {"_%_", F::kModulo, kYes, kNo, "uu", 'u'},

    {"_==_", F::kEqual, kYes, kNo, "AA", 'b'},
    {"_!=_", F::kNotEqual, kYes, kNo, "AA", 'b'},

#define KMS_CEL_ORDER(name, function)           \
  {name, function, kYes, kNo, "bb", 'b'},       \
      {name, function, kYes, kNo, "ii", 'b'},   \
      {name, function, kYes, kNo, "iu", 'b'},   \
      {name, function, kYes, kNo, "id", 'b'},   \
      {name, function, kYes, kNo, "ui", 'b'},   \
      {name, function, kYes, kNo, "uu", 'b'},   \
      {name, function, kYes, kNo, "ud", 'b'},   \
      {name, function, kYes, kNo, "di", 'b'},   \
      {name, function, kYes, kNo, "du", 'b'},   \
      {name, function, kYes, kNo, "dd", 'b'},   \
      {name, function, kYes, kNo, "ss", 'b'},   \
      {name, function, kYes, kNo, "yy", 'b'},   \
      {name, function, kYes, kNo, "tt", 'b'}, { \
    name, function, kYes, kNo, "nn", 'b'        \
  }
    KMS_CEL_ORDER("_<_", F::kLess),
    KMS_CEL_ORDER("_<=_", F::kLessEqual),
    KMS_CEL_ORDER("_>_", F::kGreater),
    KMS_CEL_ORDER("_>=_", F::kGreaterEqual),
#undef KMS_CEL_ORDER

    {"@in", F::kIn, kYes, kNo, "AL", 'b'},
    {"@in", F::kIn, kYes, kNo, "AM", 'b'},
    {"_[_]", F::kIndex, kYes, kNo, "Li", 'A'},
    {"_[_]", F::kIndex, kYes, kNo, "MA", 'B'},

    {"size", F::kSize, kYes, kYes, "s", 'i'},
    {"size", F::kSize, kYes, kYes, "y", 'i'},
    {"size", F::kSize, kYes, kYes, "L", 'i'},
    {"size", F::kSize, kYes, kYes, "M", 'i'},
    {"startsWith", F::kStartsWith, kNo, kYes, "ss", 'b'},
    {"endsWith", F::kEndsWith, kNo, kYes, "ss", 'b'},
    {"contains", F::kContains, kNo, kYes, "ss", 'b'},
    {"matches", F::kMatches, kYes, kYes, "ss", 'b'},

    {"int", F::kToInt, kYes, kNo, "i", 'i'},
    {"int", F::kToInt, kYes, kNo, "u", 'i'},
    {"int", F::kToInt, kYes, kNo, "d", 'i'},
    {"int", F::kToInt, kYes, kNo, "s", 'i'},
    {"int", F::kToInt, kYes, kNo, "t", 'i'},
    {"uint", F::kToUint, kYes, kNo, "u", 'u'},
    {"uint", F::kToUint, kYes, kNo, "i", 'u'},
    {"uint", F::kToUint, kYes, kNo, "d", 'u'},
    {"uint", F::kToUint, kYes, kNo, "s", 'u'},
    {"double", F::kToDouble, kYes, kNo, "d", 'd'},
    {"double", F::kToDouble, kYes, kNo, "i", 'd'},
    {"double", F::kToDouble, kYes, kNo, "u", 'd'},
    {"double", F::kToDouble, kYes, kNo, "s", 'd'},
    {"string", F::kToString, kYes, kNo, "s", 's'},
    {"string", F::kToString, kYes, kNo, "b", 's'},
    {"string", F::kToString, kYes, kNo, "i", 's'},
    {"string", F::kToString, kYes, kNo, "u", 's'},
    {"string", F::kToString, kYes, kNo, "d", 's'},
    {"string", F::kToString, kYes, kNo, "y", 's'},
    {"string", F::kToString, kYes, kNo, "t", 's'},
    {"string", F::kToString, kYes, kNo, "n", 's'},
    {"bytes", F::kToBytes, kYes, kNo, "y", 'y'},
    {"bytes", F::kToBytes, kYes, kNo, "s", 'y'},
    {"bool", F::kToBool, kYes, kNo, "b", 'b'},
    {"bool", F::kToBool, kYes, kNo, "s", 'b'},
    {"timestamp", F::kToTimestamp, kYes, kNo, "t", 't'},
    {"timestamp", F::kToTimestamp, kYes, kNo, "s", 't'},
    {"timestamp", F::kToTimestamp, kYes, kNo, "i", 't'},
    {"duration", F::kToDuration, kYes, kNo, "n", 'n'},
    {"duration", F::kToDuration, kYes, kNo, "s", 'n'},
    {"dyn", F::kToDyn, kYes, kNo, "A", '*'},
    {"hex", F::kHex, kYes, kNo, "y", 's'},
    {"unhex", F::kUnhex, kYes, kNo, "s", 'y'},

    {"getFullYear", F::kFullYear, kNo, kYes, "t", 'i'},
    {"getMonth", F::kMonth, kNo, kYes, "t", 'i'},
    {"getDate", F::kDate, kNo, kYes, "t", 'i'},
    {"getDayOfMonth", F::kDayOfMonth, kNo, kYes, "t", 'i'},
    {"getDayOfWeek", F::kDayOfWeek, kNo, kYes, "t", 'i'},
    {"getDayOfYear", F::kDayOfYear, kNo, kYes, "t", 'i'},
    {"getHours", F::kHours, kNo, kYes, "t", 'i'},
    {"getHours", F::kHours, kNo, kYes, "n", 'i'},
    {"getMinutes", F::kMinutes, kNo, kYes, "t", 'i'},
    {"getMinutes", F::kMinutes, kNo, kYes, "n", 'i'},
    {"getSeconds", F::kSeconds, kNo, kYes, "t", 'i'},
    {"getSeconds", F::kSeconds, kNo, kYes, "n", 'i'},
    {"getMilliseconds", F::kMilliseconds, kNo, kYes, "t", 'i'},
    {"getMilliseconds", F::kMilliseconds, kNo, kYes, "n", 'i'},
};

std::optional<Type::Kind> Simple(char code) {
  switch (code) {
    case 'b':
      return Type::Kind::kBool;
    case 'i':
      return Type::Kind::kInt;
    case 'u':
      return Type::Kind::kUint;
    case 'd':
      return Type::Kind::kDouble;
    case 's':
      return Type::Kind::kString;
    case 'y':
      return Type::Kind::kBytes;
    case 't':
      return Type::Kind::kTimestamp;
    case 'n':
      return Type::Kind::kDuration;
    case '*':
      return Type::Kind::kDyn;
    default:
      return std::nullopt;
  }
}

// What the letters A and B of one overload stand for in one call.
class Binding {
 public:
  bool Match(char code, const Type& type) {
    if (const auto kind = Simple(code)) {
      return !type.Is(Type::Kind::kNull) && Compatible(*kind, type);
    }
    if (code == 'A') return Bind(a_, type);
    if (code == 'B') return Bind(b_, type);
    if (type.Is(Type::Kind::kDyn)) return true;
    if (code == 'L') {
      return type.Is(Type::Kind::kList) && Bind(a_, type.element());
    }
    return type.Is(Type::Kind::kMap) && Bind(a_, type.key()) &&
           Bind(b_, type.value());
  }

  Type Result(char code) const {
    if (const auto kind = Simple(code)) return *kind;
    if (code == 'L') return Type::List(a_.value_or(Type()));
    return (code == 'A' ? a_ : b_).value_or(Type());
  }

 private:
  static bool Bind(std::optional<Type>& bound, const Type& type) {
    if (bound.has_value() && !Compatible(*bound, type)) return false;
    // Of several types for one letter, the least known one holds for all.
    if (!bound.has_value() || type.Is(Type::Kind::kDyn)) bound = type;
    return true;
  }

  std::optional<Type> a_;
  std::optional<Type> b_;
};

}  // namespace

absl::Span<const Overload> Overloads() { return kOverloads; }

std::string DisplayName(absl::string_view function) {
  if (function == "_[_]") return "[]";
  if (absl::ConsumePrefix(&function, "@")) return std::string(function);
  if (function.find('_') == absl::string_view::npos) {
    return absl::StrCat(function, "()");
  }
  absl::ConsumePrefix(&function, "_");
  absl::ConsumeSuffix(&function, "_");
  return std::string(function);
}

Resolved ResolveOverload(absl::string_view name, bool member,
                         absl::Span<const Type> args) {
  Resolved resolved;
  for (const Overload& overload : kOverloads) {
    if (overload.name != name || overload.args.size() != args.size() ||
        !(member ? overload.member : overload.global)) {
      continue;
    }
    Binding binding;
    bool fits = true;
    for (size_t i = 0; i < args.size() && fits; ++i) {
      fits = binding.Match(overload.args[i], args[i]);
    }
    if (!fits) continue;
    const Type result = binding.Result(overload.result);
    if (resolved.function == Function::kNone) {
      resolved = {overload.function, result};
    } else if (resolved.result.Name() != result.Name()) {
      resolved.result = Type();
    }
  }
  return resolved;
}

}  // namespace kms::cel

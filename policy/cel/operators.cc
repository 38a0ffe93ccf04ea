#include "policy/cel/operators.h"

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "policy/cel/arithmetic.h"
#include "policy/cel/functions.h"
#include "policy/cel/limits.h"
#include "policy/cel/message_reader.h"
#include "policy/cel/optionals.h"
#include "policy/cel/relations.h"
#include "policy/cel/utf8.h"

namespace kms::cel {
namespace {

using Kind = Value::Kind;
using Args = absl::Span<const Value>;

Error Not(Context&, Args args, Value* out) {
  if (!args[0].Is(Kind::kBool)) return kNoOverload;
  *out = Value::Bool(!args[0].bool_value());
  return nullptr;
}

Error Minus(Context&, Args args, Value* out) { return Negate(args[0], out); }

Error Concatenate(Context& context, const Value& a, const Value& b,
                  Value* out) {
  if (a.is_text()) {
    if (!context.ChargeBytes(a.text().size() + b.text().size())) {
      return kCostExceeded;
    }
    std::string text(a.text());
    text.append(b.text().data(), b.text().size());
    *out = context.MakeText(a.kind(), std::move(text));
    return nullptr;
  }
  const size_t first = a.size();
  const size_t size = first + b.size();
  if (!context.Charge(1 + size)) return kCostExceeded;
  absl::Span<Value> items = context.MakeItems(size);
  for (size_t i = 0; i < size; ++i) {
    const Error error = i < first
                            ? ReadElement(context, a, i, &items[i])
                            : ReadElement(context, b, i - first, &items[i]);
    if (error != nullptr) return error;
  }
  *out = Value::List(items);
  return nullptr;
}

template <Arithmetic op>
Error Binary(Context& context, Args args, Value* out) {
  if (op == Arithmetic::kAdd && args[0].kind() == args[1].kind() &&
      (args[0].is_text() || args[0].Is(Kind::kList))) {
    return Concatenate(context, args[0], args[1], out);
  }
  return Calculate(op, args[0], args[1], out);
}

template <bool want>
Error Equality(Context& context, Args args, Value* out) {
  bool equal = false;
  const Error error = Equal(context, args[0], args[1], &equal);
  *out = Value::Bool(equal == want);
  return error;
}

template <Order order>
Error Relation(Context& context, Args args, Value* out) {
  return Compare(context, order, args[0], args[1], out);
}

Error Contained(Context& context, Args args, Value* out) {
  bool found = false;
  const Error error = In(context, args[0], args[1], &found);
  *out = Value::Bool(found);
  return error;
}

Error IndexOrInside(Context& context, Args args, Value* out) {
  return args[0].Is(Kind::kOptional)
             ? OptionalIndex(context, args[0], args[1], out)
             : Index(context, args[0], args[1], out);
}

Error OptionalIndexOf(Context& context, Args args, Value* out) {
  return OptionalIndex(context, args[0], args[1], out);
}

Error Size(Context& context, Args args, Value* out) {
  if (args[0].is_text()) {
    const absl::string_view text = args[0].text();
    if (!context.ChargeBytes(text.size())) return kCostExceeded;
    *out = Value::Int(static_cast<int64_t>(
        args[0].Is(Kind::kString) ? CountRunes(text) : text.size()));
    return nullptr;
  }
  if (!args[0].Is(Kind::kList) && !args[0].Is(Kind::kMap)) return kNoOverload;
  *out = Value::Int(static_cast<int64_t>(args[0].size()));
  return nullptr;
}

template <bool (*test)(absl::string_view, absl::string_view) noexcept>
Error Affix(Context& context, Args args, Value* out) {
  if (!args[0].Is(Kind::kString) || !args[1].Is(Kind::kString)) {
    return kNoOverload;
  }
  if (!context.ChargeBytes(args[1].text().size())) return kCostExceeded;
  *out = Value::Bool(test(args[0].text(), args[1].text()));
  return nullptr;
}

Error Contains(Context& context, Args args, Value* out) {
  if (!args[0].Is(Kind::kString) || !args[1].Is(Kind::kString)) {
    return kNoOverload;
  }
  const absl::string_view text = args[0].text();
  const absl::string_view part = args[1].text();
  // A search may look at every pair of bytes.
  if (!context.Charge((1 + text.size() / 16) * (1 + part.size() / 16))) {
    return kCostExceeded;
  }
  *out = Value::Bool(absl::StrContains(text, part));
  return nullptr;
}

Error TypeOfValue(Context&, Args args, Value* out) {
  *out = Value::Type(TypeName(args[0]));
  return nullptr;
}

Error Dyn(Context&, Args args, Value* out) {
  *out = args[0];
  return nullptr;
}

constexpr Style kGlobal = Style::kGlobal;
constexpr Style kMember = Style::kMember;
constexpr Style kBoth = Style::kBoth;

constexpr Declaration kDeclarations[] = {
    {"!_", kGlobal, "b", 'b', Not},
    {"-_", kGlobal, "i", 'i', Minus},
    {"-_", kGlobal, "d", 'd', Minus},
    {"-_", kGlobal, "n", 'n', Minus},

    {"_+_", kGlobal, "ii", 'i', Binary<Arithmetic::kAdd>},
    {"_+_", kGlobal, "uu", 'u', Binary<Arithmetic::kAdd>},
    {"_+_", kGlobal, "dd", 'd', Binary<Arithmetic::kAdd>},
    {"_+_", kGlobal, "ss", 's', Binary<Arithmetic::kAdd>},
    {"_+_", kGlobal, "yy", 'y', Binary<Arithmetic::kAdd>},
    {"_+_", kGlobal, "LL", 'L', Binary<Arithmetic::kAdd>},
    {"_+_", kGlobal, "tn", 't', Binary<Arithmetic::kAdd>},
    {"_+_", kGlobal, "nt", 't', Binary<Arithmetic::kAdd>},
    {"_+_", kGlobal, "nn", 'n', Binary<Arithmetic::kAdd>},
    {"_-_", kGlobal, "ii", 'i', Binary<Arithmetic::kSubtract>},
    {"_-_", kGlobal, "uu", 'u', Binary<Arithmetic::kSubtract>},
    {"_-_", kGlobal, "dd", 'd', Binary<Arithmetic::kSubtract>},
    {"_-_", kGlobal, "tt", 'n', Binary<Arithmetic::kSubtract>},
    {"_-_", kGlobal, "tn", 't', Binary<Arithmetic::kSubtract>},
    {"_-_", kGlobal, "nn", 'n', Binary<Arithmetic::kSubtract>},
    {"_*_", kGlobal, "ii", 'i', Binary<Arithmetic::kMultiply>},
    {"_*_", kGlobal, "uu", 'u', Binary<Arithmetic::kMultiply>},
    {"_*_", kGlobal, "dd", 'd', Binary<Arithmetic::kMultiply>},
    {"_/_", kGlobal, "ii", 'i', Binary<Arithmetic::kDivide>},
    {"_/_", kGlobal, "uu", 'u', Binary<Arithmetic::kDivide>},
    {"_/_", kGlobal, "dd", 'd', Binary<Arithmetic::kDivide>},
    {"_%_", kGlobal, "ii", 'i', Binary<Arithmetic::kModulo>},
    {"_%_", kGlobal, "uu", 'u', Binary<Arithmetic::kModulo>},

    {"_==_", kGlobal, "AA", 'b', Equality<true>},
    {"_!=_", kGlobal, "AA", 'b', Equality<false>},

#define KMS_CEL_ORDER(name, order)                   \
  {name, kGlobal, "bb", 'b', Relation<order>},       \
      {name, kGlobal, "ii", 'b', Relation<order>},   \
      {name, kGlobal, "iu", 'b', Relation<order>},   \
      {name, kGlobal, "id", 'b', Relation<order>},   \
      {name, kGlobal, "ui", 'b', Relation<order>},   \
      {name, kGlobal, "uu", 'b', Relation<order>},   \
      {name, kGlobal, "ud", 'b', Relation<order>},   \
      {name, kGlobal, "di", 'b', Relation<order>},   \
      {name, kGlobal, "du", 'b', Relation<order>},   \
      {name, kGlobal, "dd", 'b', Relation<order>},   \
      {name, kGlobal, "ss", 'b', Relation<order>},   \
      {name, kGlobal, "yy", 'b', Relation<order>},   \
      {name, kGlobal, "tt", 'b', Relation<order>}, { \
    name, kGlobal, "nn", 'b', Relation<order>        \
  }
    KMS_CEL_ORDER("_<_", Order::kLess),
    KMS_CEL_ORDER("_<=_", Order::kLessEqual),
    KMS_CEL_ORDER("_>_", Order::kGreater),
    KMS_CEL_ORDER("_>=_", Order::kGreaterEqual),
#undef KMS_CEL_ORDER

    {"@in", kGlobal, "AL", 'b', Contained},
    {"@in", kGlobal, "AM", 'b', Contained},
    {"_[_]", kGlobal, "Li", 'A', IndexOrInside},
    {"_[_]", kGlobal, "MA", 'B', IndexOrInside},
    {"_[_]", kGlobal, "Xi", 'O', IndexOrInside},
    {"_[_]", kGlobal, "YA", 'P', IndexOrInside},
    {"_[?_]", kGlobal, "Li", 'O', OptionalIndexOf},
    {"_[?_]", kGlobal, "MA", 'P', OptionalIndexOf},
    {"_[?_]", kGlobal, "Xi", 'O', OptionalIndexOf},
    {"_[?_]", kGlobal, "YA", 'P', OptionalIndexOf},

    {"size", kBoth, "s", 'i', Size},
    {"size", kBoth, "y", 'i', Size},
    {"size", kBoth, "L", 'i', Size},
    {"size", kBoth, "M", 'i', Size},
    {"startsWith", kMember, "ss", 'b', Affix<absl::StartsWith>},
    {"endsWith", kMember, "ss", 'b', Affix<absl::EndsWith>},
    {"contains", kMember, "ss", 'b', Contains},
    {"matches", kBoth, "ss", 'b', Matches},
    {"type", kGlobal, "A", 'T', TypeOfValue},
    {"dyn", kGlobal, "A", '*', Dyn},
};

}  // namespace

absl::Span<const Declaration> OperatorDeclarations() { return kDeclarations; }

RE2::Options PatternOptions() {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kPatternMemoryMax);
  return options;
}

Error Match(Context& context, const RE2& pattern, absl::string_view text,
            Value* out) {
  // Linear in the text for each instruction, where RE2's automaton outgrows its
  // memory.
  const auto size = static_cast<uint64_t>(pattern.ProgramSize());
  if (!context.Charge((1 + text.size() / 16) * (1 + size / 8))) {
    return kCostExceeded;
  }
  *out = Value::Bool(
      RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), pattern));
  return nullptr;
}

Error Matches(Context& context, Args args, Value* out) {
  if (!args[0].Is(Kind::kString) || !args[1].Is(Kind::kString)) {
    return kNoOverload;
  }
  const absl::string_view source = args[1].text();
  if (source.size() > kPatternBytesMax) return "pattern is too long";
  // Compiling dominates: some microseconds for each byte.
  if (!context.Charge(64 * (1 + source.size()))) return kCostExceeded;
  const RE2 compiled(re2::StringPiece(source.data(), source.size()),
                     PatternOptions());
  if (!compiled.ok()) return "pattern is not a regular expression";
  if (!context.Charge(static_cast<uint64_t>(compiled.ProgramSize()))) {
    return kCostExceeded;
  }
  return Match(context, compiled, args[0].text(), out);
}

}  // namespace kms::cel

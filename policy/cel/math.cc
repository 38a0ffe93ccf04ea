// The math extension.
// Source: cel-go, ext, "Math".
#include <cmath>
#include <limits>

#include "policy/cel/arithmetic.h"
#include "policy/cel/functions.h"
#include "policy/cel/message_reader.h"

namespace kms::cel {
namespace {

using Kind = Value::Kind;
using Args = absl::Span<const Value>;

// Replaces `best` by `next` if that is greater, or less; the first of equal
// numbers stays, and NaN is neither.
Error Better(bool greatest, const Value& next, Value* best) {
  if (!next.is_number()) return kNoOverload;
  const auto sign = CompareNumbers(next, *best);
  if (sign.has_value() && (greatest ? *sign > 0 : *sign < 0)) *best = next;
  return nullptr;
}

template <bool greatest>
Error Extreme(Context& context, Args args, Value* out) {
  if (args.size() == 1 && args[0].Is(Kind::kList)) {
    const size_t size = args[0].size();
    if (size == 0) return "list of numbers is empty";
    if (!context.Charge(size)) return kCostExceeded;
    for (size_t i = 0; i < size; ++i) {
      Value next;
      if (const Error error = ReadElement(context, args[0], i, &next)) {
        return error;
      }
      if (!next.is_number()) return kNoOverload;
      if (i == 0) *out = next;
      if (const Error error = Better(greatest, next, out)) return error;
    }
    return nullptr;
  }
  if (!args[0].is_number()) return kNoOverload;
  *out = args[0];
  return args.size() == 2 ? Better(greatest, args[1], out) : nullptr;
}

double Ceil(double v) { return std::ceil(v); }
double Floor(double v) { return std::floor(v); }
double Round(double v) { return std::round(v); }  // Halves away from zero.
double Trunc(double v) { return std::trunc(v); }

template <double (*function)(double)>
Error OfDouble(Context&, Args args, Value* out) {
  if (!args[0].Is(Kind::kDouble)) return kNoOverload;
  *out = Value::Double(function(args[0].double_value()));
  return nullptr;
}

bool IsNan(double v) { return std::isnan(v); }
bool IsInf(double v) { return std::isinf(v); }
bool IsFinite(double v) { return std::isfinite(v); }

template <bool (*test)(double)>
Error Test(Context&, Args args, Value* out) {
  if (!args[0].Is(Kind::kDouble)) return kNoOverload;
  *out = Value::Bool(test(args[0].double_value()));
  return nullptr;
}

Error Abs(Context&, Args args, Value* out) {
  switch (args[0].kind()) {
    case Kind::kUint:
      *out = args[0];
      return nullptr;
    case Kind::kDouble:
      *out = Value::Double(std::fabs(args[0].double_value()));
      return nullptr;
    case Kind::kInt:
      *out = args[0];
      return args[0].int_value() < 0 ? Negate(args[0], out) : nullptr;
    default:
      return kNoOverload;
  }
}

Error Sign(Context&, Args args, Value* out) {
  switch (args[0].kind()) {
    case Kind::kUint:
      *out = Value::Uint(args[0].uint_value() > 0 ? 1 : 0);
      return nullptr;
    case Kind::kInt:
      *out = Value::Int((args[0].int_value() > 0) - (args[0].int_value() < 0));
      return nullptr;
    case Kind::kDouble: {
      const double v = args[0].double_value();
      *out = Value::Double(std::isnan(v) ? v : (v > 0) - (v < 0));
      return nullptr;
    }
    default:
      return kNoOverload;
  }
}

Error Sqrt(Context&, Args args, Value* out) {
  double v = 0;
  if (args[0].Is(Kind::kDouble)) {
    v = args[0].double_value();
  } else if (args[0].Is(Kind::kInt)) {
    v = static_cast<double>(args[0].int_value());
  } else if (args[0].Is(Kind::kUint)) {
    v = static_cast<double>(args[0].uint_value());
  } else {
    return kNoOverload;
  }
  *out = Value::Double(std::sqrt(v));
  return nullptr;
}

// `v` as it came: bits of an int stay an int's.
Value LikeFirst(const Value& like, uint64_t v) {
  return like.Is(Kind::kInt) ? Value::Int(static_cast<int64_t>(v))
                             : Value::Uint(v);
}

bool BitsOf(const Value& value, uint64_t* out) {
  if (value.Is(Kind::kInt)) {
    *out = static_cast<uint64_t>(value.int_value());
    return true;
  }
  if (value.Is(Kind::kUint)) *out = value.uint_value();
  return value.Is(Kind::kUint);
}

template <char op>
Error Bitwise(Context&, Args args, Value* out) {
  uint64_t a = 0;
  uint64_t b = 0;
  if (args[0].kind() != args[1].kind() || !BitsOf(args[0], &a) ||
      !BitsOf(args[1], &b)) {
    return kNoOverload;
  }
  *out = LikeFirst(args[0], op == '&' ? a & b : op == '|' ? a | b : a ^ b);
  return nullptr;
}

Error BitNot(Context&, Args args, Value* out) {
  uint64_t bits = 0;
  if (!BitsOf(args[0], &bits)) return kNoOverload;
  *out = LikeFirst(args[0], ~bits);
  return nullptr;
}

// Bits move in and out as zeros; the sign is a bit like others.
template <bool left>
Error Shift(Context&, Args args, Value* out) {
  uint64_t bits = 0;
  if (!BitsOf(args[0], &bits) || !args[1].Is(Kind::kInt)) return kNoOverload;
  const int64_t by = args[1].int_value();
  if (by < 0) return "shift is negative";
  *out = LikeFirst(args[0], by >= 64 ? 0 : left ? bits << by : bits >> by);
  return nullptr;
}

constexpr Style kGlobal = Style::kGlobal;

#define KMS_CEL_EXTREME(name, function)                                     \
  {name, kGlobal, "i", 'i', function}, {name, kGlobal, "u", 'u', function}, \
      {name, kGlobal, "d", 'd', function},                                  \
      {name, kGlobal, "ii", 'i', function},                                 \
      {name, kGlobal, "uu", 'u', function},                                 \
      {name, kGlobal, "dd", 'd', function},                                 \
      {name, kGlobal, "iu", '*', function},                                 \
      {name, kGlobal, "id", '*', function},                                 \
      {name, kGlobal, "ui", '*', function},                                 \
      {name, kGlobal, "ud", '*', function},                                 \
      {name, kGlobal, "di", '*', function},                                 \
      {name, kGlobal, "du", '*', function}, {                               \
    name, kGlobal, "L", 'A', function                                       \
  }
constexpr Declaration kDeclarations[] = {
    KMS_CEL_EXTREME("math.greatest", Extreme<true>),
    KMS_CEL_EXTREME("math.least", Extreme<false>),
    {"math.ceil", kGlobal, "d", 'd', OfDouble<Ceil>},
    {"math.floor", kGlobal, "d", 'd', OfDouble<Floor>},
    {"math.round", kGlobal, "d", 'd', OfDouble<Round>},
    {"math.trunc", kGlobal, "d", 'd', OfDouble<Trunc>},
    {"math.abs", kGlobal, "i", 'i', Abs},
    {"math.abs", kGlobal, "u", 'u', Abs},
    {"math.abs", kGlobal, "d", 'd', Abs},
    {"math.sign", kGlobal, "i", 'i', Sign},
    {"math.sign", kGlobal, "u", 'u', Sign},
    {"math.sign", kGlobal, "d", 'd', Sign},
    {"math.sqrt", kGlobal, "i", 'd', Sqrt},
    {"math.sqrt", kGlobal, "u", 'd', Sqrt},
    {"math.sqrt", kGlobal, "d", 'd', Sqrt},
    {"math.isNaN", kGlobal, "d", 'b', Test<IsNan>},
    {"math.isInf", kGlobal, "d", 'b', Test<IsInf>},
    {"math.isFinite", kGlobal, "d", 'b', Test<IsFinite>},
    {"math.bitAnd", kGlobal, "ii", 'i', Bitwise<'&'>},
    {"math.bitAnd", kGlobal, "uu", 'u', Bitwise<'&'>},
    {"math.bitOr", kGlobal, "ii", 'i', Bitwise<'|'>},
    {"math.bitOr", kGlobal, "uu", 'u', Bitwise<'|'>},
    {"math.bitXor", kGlobal, "ii", 'i', Bitwise<'^'>},
    {"math.bitXor", kGlobal, "uu", 'u', Bitwise<'^'>},
    {"math.bitNot", kGlobal, "i", 'i', BitNot},
    {"math.bitNot", kGlobal, "u", 'u', BitNot},
    {"math.bitShiftLeft", kGlobal, "ii", 'i', Shift<true>},
    {"math.bitShiftLeft", kGlobal, "ui", 'u', Shift<true>},
    {"math.bitShiftRight", kGlobal, "ii", 'i', Shift<false>},
    {"math.bitShiftRight", kGlobal, "ui", 'u', Shift<false>},
};
#undef KMS_CEL_EXTREME

}  // namespace

absl::Span<const Declaration> MathDeclarations() { return kDeclarations; }

}  // namespace kms::cel

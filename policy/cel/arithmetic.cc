#include "policy/cel/arithmetic.h"

#include <cmath>
#include <limits>

#include "policy/cel/context.h"

namespace kms::cel {
namespace {

using Kind = Value::Kind;

constexpr char kOverflow[] = "number is out of range";
constexpr char kDivideByZero[] = "division by zero";
constexpr char kTimeRange[] = "timestamp or duration is out of range";

template <typename T>
Error Integers(Arithmetic op, T a, T b, T* out) {
  // The least int divided by -1 is one more than the greatest.
  const bool overflows = std::numeric_limits<T>::is_signed &&
                         a == std::numeric_limits<T>::min() &&
                         b == static_cast<T>(-1);
  switch (op) {
    case Arithmetic::kAdd:
      return __builtin_add_overflow(a, b, out) ? kOverflow : nullptr;
    case Arithmetic::kSubtract:
      return __builtin_sub_overflow(a, b, out) ? kOverflow : nullptr;
    case Arithmetic::kMultiply:
      return __builtin_mul_overflow(a, b, out) ? kOverflow : nullptr;
    case Arithmetic::kDivide:
      if (b == 0) return kDivideByZero;
      if (overflows) return kOverflow;
      *out = a / b;
      return nullptr;
    case Arithmetic::kModulo:
      if (b == 0) return kDivideByZero;
      if (overflows) return kOverflow;
      *out = a % b;
      return nullptr;
  }
  return kNoOverload;
}

Error Doubles(Arithmetic op, double a, double b, Value* out) {
  switch (op) {
    case Arithmetic::kAdd:
      *out = Value::Double(a + b);
      return nullptr;
    case Arithmetic::kSubtract:
      *out = Value::Double(a - b);
      return nullptr;
    case Arithmetic::kMultiply:
      *out = Value::Double(a * b);
      return nullptr;
    case Arithmetic::kDivide:  // IEEE 754: infinity or NaN, no error.
      *out = Value::Double(a / b);
      return nullptr;
    default:
      return kNoOverload;
  }
}

Error OfTime(absl::Time time, Value* out) {
  *out = Value::Timestamp(time);
  return InRange(time) ? nullptr : kTimeRange;
}

Error OfDuration(absl::Duration duration, Value* out) {
  *out = Value::Duration(duration);
  return InRange(duration) ? nullptr : kTimeRange;
}

Error Times(Arithmetic op, const Value& a, const Value& b, Value* out) {
  const bool add = op == Arithmetic::kAdd;
  if (!add && op != Arithmetic::kSubtract) return kNoOverload;
  if (a.Is(Kind::kTimestamp) && b.Is(Kind::kDuration)) {
    return OfTime(
        add ? a.timestamp() + b.duration() : a.timestamp() - b.duration(), out);
  }
  if (add && a.Is(Kind::kDuration) && b.Is(Kind::kTimestamp)) {
    return OfTime(b.timestamp() + a.duration(), out);
  }
  if (a.Is(Kind::kDuration) && b.Is(Kind::kDuration)) {
    return OfDuration(
        add ? a.duration() + b.duration() : a.duration() - b.duration(), out);
  }
  if (!add && a.Is(Kind::kTimestamp) && b.Is(Kind::kTimestamp)) {
    return OfDuration(a.timestamp() - b.timestamp(), out);
  }
  return kNoOverload;
}

template <typename T>
int Sign(T a, T b) {
  return a < b ? -1 : a > b;
}

// An integer against a double, exactly: the double's whole part is compared
// as an integer, then its fraction decides.
template <typename T>
std::optional<int> CompareWithDouble(T a, double b) {
  if (std::isnan(b)) return std::nullopt;
  // 2^63 or 2^64: the first double beyond T. Both bounds are exact doubles.
  const double beyond = std::ldexp(1.0, std::numeric_limits<T>::digits);
  const double least = static_cast<double>(std::numeric_limits<T>::min());
  if (b >= beyond) return -1;
  if (b < least) return 1;
  const double whole = std::trunc(b);
  const int sign = Sign(a, static_cast<T>(whole));
  return sign != 0 ? sign : Sign(whole, b);
}

}  // namespace

Error Negate(const Value& value, Value* out) {
  if (value.Is(Kind::kDouble)) {
    *out = Value::Double(-value.double_value());
    return nullptr;
  }
  if (value.Is(Kind::kDuration)) return OfDuration(-value.duration(), out);
  if (!value.Is(Kind::kInt)) return kNoOverload;
  return Calculate(Arithmetic::kSubtract, Value::Int(0), value, out);
}

Error Calculate(Arithmetic op, const Value& a, const Value& b, Value* out) {
  if (a.Is(Kind::kInt) && b.Is(Kind::kInt)) {
    int64_t result = 0;
    const Error error = Integers(op, a.int_value(), b.int_value(), &result);
    *out = Value::Int(result);
    return error;
  }
  if (a.Is(Kind::kUint) && b.Is(Kind::kUint)) {
    uint64_t result = 0;
    const Error error = Integers(op, a.uint_value(), b.uint_value(), &result);
    *out = Value::Uint(result);
    return error;
  }
  if (a.Is(Kind::kDouble) && b.Is(Kind::kDouble)) {
    return Doubles(op, a.double_value(), b.double_value(), out);
  }
  return Times(op, a, b, out);
}

std::optional<int> CompareNumbers(const Value& a, const Value& b) {
  if (b.Is(Kind::kDouble)) {
    if (a.Is(Kind::kInt)) {
      return CompareWithDouble(a.int_value(), b.double_value());
    }
    if (a.Is(Kind::kUint)) {
      return CompareWithDouble(a.uint_value(), b.double_value());
    }
    if (std::isnan(a.double_value()) || std::isnan(b.double_value())) {
      return std::nullopt;
    }
    return Sign(a.double_value(), b.double_value());
  }
  if (a.Is(Kind::kDouble)) {
    const auto reversed = CompareNumbers(b, a);
    return reversed.has_value() ? std::optional<int>(-*reversed) : std::nullopt;
  }
  if (a.kind() == b.kind()) {
    return a.Is(Kind::kInt) ? Sign(a.int_value(), b.int_value())
                            : Sign(a.uint_value(), b.uint_value());
  }
  if (a.Is(Kind::kInt)) {
    if (a.int_value() < 0) return -1;
    return Sign(static_cast<uint64_t>(a.int_value()), b.uint_value());
  }
  if (b.int_value() < 0) return 1;
  return Sign(a.uint_value(), static_cast<uint64_t>(b.int_value()));
}

int CompareKeys(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return CompareNumbers(a, b).value_or(0);
  if (a.kind() != b.kind()) return Sign(a.kind(), b.kind());
  if (a.Is(Kind::kBool)) return Sign(a.bool_value(), b.bool_value());
  return a.is_text() ? a.text().compare(b.text()) : 0;
}

}  // namespace kms::cel

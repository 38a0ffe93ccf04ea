#include "policy/cel/evaluator.h"

#include <limits>
#include <string>

#include "policy/cel/operators.h"
#include "policy/cel/optionals.h"

namespace kms::cel {
namespace {

constexpr char kNotBool[] = "operand is not a bool";

// What a slot holds until it is first read. Its address is what counts.
constexpr char kNotComputed[] = "value is not computed";

}  // namespace

Evaluator::Evaluator(const Code& code, absl::Span<const Value> variables,
                     const EvaluateOptions& options,
                     google::protobuf::Arena& arena)
    : code_(code),
      strict_(options.strict),
      context_(arena, *code.schema, options.cost_limit),
      slots_(variables.begin(), variables.end()) {
  slots_.resize(code.tree.slot_count, Value::OfError(kNotComputed));
}

bool Evaluator::Eval(ExprId id, Value* out) {
  if (!context_.Charge(1)) return Fail(id, kCostExceeded);
  const Code::Node& node = code_.nodes[id];
  if (node.is_constant) {
    *out = node.constant;
    return true;
  }
  const Meaning& meaning = code_.tree.meanings[id];
  switch (meaning.kind) {
    case Meaning::Kind::kTree:
      break;
    case Meaning::Kind::kVariable:
      return EvalVariable(id, meaning.slot, out);
    case Meaning::Kind::kLazy:
      return EvalLazy(id, out);
    case Meaning::Kind::kConstant:
      *out = meaning.constant;
      return true;
    case Meaning::Kind::kToEnum: {
      Value from;
      return Eval(code_.ast[id].args.back(), &from) && ToEnum(id, from, out);
    }
    case Meaning::Kind::kError:
      return Fail(id, meaning.error);
  }
  const Expr& expr = code_.ast[id];
  switch (expr.kind) {
    case Expr::Kind::kSelect:
      return Select(id, out);
    case Expr::Kind::kOptionalSelect:
      return OptionalSelect(id, out);
    case Expr::Kind::kHas:
      return Has(id, out);
    case Expr::Kind::kCall:
      return Call(id, out);
    case Expr::Kind::kAnd:
      return AndOr(id, /*deciding=*/false, out);
    case Expr::Kind::kOr:
      return AndOr(id, /*deciding=*/true, out);
    case Expr::Kind::kConditional: {
      bool condition = false;
      if (!EvalBool(expr.args[0], &condition)) return false;
      return Eval(expr.args[condition ? 1 : 2], out);
    }
    case Expr::Kind::kList:
      return ListLiteral(id, out);
    case Expr::Kind::kMap:
      return MapLiteral(id, out);
    case Expr::Kind::kMessage:
      return Message(id, out);
    case Expr::Kind::kComprehension:
      return Comprehension(id, out);
    case Expr::Kind::kBind: {
      Value bound;
      if (!Eval(expr.args[0], &bound)) return false;
      slots_[meaning.slot] = bound;
      return Eval(expr.args[1], out);
    }
    case Expr::Kind::kBlock:
      // What it holds is computed where it is read.
      return Eval(expr.args.back(), out);
    default:  // Literals are constants, identifiers variables.
      return Fail(id, kNoOverload);
  }
}

bool Evaluator::EvalBool(ExprId id, bool* out) {
  Value value;
  if (!Eval(id, &value)) return false;
  if (!value.Is(Value::Kind::kBool)) return Fail(id, kNotBool);
  *out = value.bool_value();
  return true;
}

bool Evaluator::EvalVariable(ExprId id, uint32_t slot, Value* out) {
  *out = slots_[slot];
  return !out->Is(Value::Kind::kError) || Fail(id, out->error());
}

bool Evaluator::EvalLazy(ExprId id, Value* out) {
  const Meaning& meaning = code_.tree.meanings[id];
  *out = slots_[meaning.slot];
  if (!out->Is(Value::Kind::kError)) return true;
  if (!Eval(meaning.lazy, out)) return false;
  slots_[meaning.slot] = *out;
  return true;
}

bool Evaluator::Call(ExprId id, Value* out) {
  const Expr& expr = code_.ast[id];
  const Meaning& meaning = code_.tree.meanings[id];
  const size_t first = meaning.skips_receiver ? 1 : 0;
  const size_t count = expr.args.size() - first;
  if (count > kArgumentsMax) return Fail(id, kNoOverload);
  Value args[kArgumentsMax];
  Saved unknown;
  for (size_t i = 0; i < count; ++i) {
    if (Eval(expr.args[first + i], &args[i])) {
      const bool alternative =
          i == 0 && (meaning.run == cel::OrElse || meaning.run == OrElseValue);
      if (alternative) return OrElse(id, args[0], out);
    } else if (error_ == kUnknownValue) {
      unknown = {error_, error_at_};
    } else {
      return false;
    }
  }
  if (unknown.error != nullptr) return Fail(unknown.at, unknown.error);
  if (!context_.Charge(1)) return Fail(id, kCostExceeded);
  const Code::Node& node = code_.nodes[id];
  if (node.pattern != nullptr) {
    return Check(id, args[0].Is(Value::Kind::kString)
                         ? Match(context_, *node.pattern, args[0].text(), out)
                         : kNoOverload);
  }
  return Check(id, meaning.run(context_, {args, count}, out));
}

// a.or(b), a.orValue(b): `b` is evaluated only where `a` has no value.
bool Evaluator::OrElse(ExprId id, const Value& optional, Value* out) {
  Value args[2] = {optional, Value()};
  const bool other =
      !optional.Is(Value::Kind::kOptional) || optional.size() == 0;
  if (other && !Eval(code_.ast[id].args[1], &args[1])) return false;
  if (!other) {
    const bool value = code_.tree.meanings[id].run == OrElseValue;
    *out = value ? optional.items()[0] : optional;
    return true;
  }
  return Check(id, code_.tree.meanings[id].run(context_, {args, 2}, out));
}

bool Evaluator::ToEnum(ExprId id, const Value& from, Value* out) {
  const auto* type = code_.tree.meanings[id].enum_type;
  if (from.Is(Value::Kind::kInt)) {
    const int64_t number = from.int_value();
    if (number < std::numeric_limits<int32_t>::min() ||
        number > std::numeric_limits<int32_t>::max()) {
      return Fail(id, "number is out of range for an enum");
    }
    *out = Value::Enum(type, static_cast<int32_t>(number));
    return true;
  }
  if (!from.Is(Value::Kind::kString)) return Fail(id, kNoOverload);
  const auto* value = type->FindValueByName(std::string(from.text()));
  if (value == nullptr) return Fail(id, "invalid name of an enum value");
  *out = Value::Enum(type, value->number());
  return true;
}

// True if the error just met may yet be absorbed by another operand; the first
// such error is kept in `first`, and of errors and unknowns an unknown.
bool Evaluator::Absorb(Saved& first) const {
  // Running out of steps is final: going on would cost more of them.
  if (strict_ || error_ == kCostExceeded) return false;
  if (first.error == nullptr ||
      (error_ == kUnknownValue && first.error != kUnknownValue)) {
    first = {error_, error_at_};
  }
  return true;
}

// "The logical operators are commutative: an operand that decides the result
// absorbs an error in another" (langdef, "Logical Operators"); not if strict.
bool Evaluator::AndOr(ExprId id, bool deciding, Value* out) {
  Saved first;
  for (const ExprId arg : code_.ast[id].args) {
    bool value = false;
    if (!EvalBool(arg, &value)) {
      if (!Absorb(first)) return false;
    } else if (value == deciding) {
      *out = Value::Bool(deciding);
      return true;
    }
  }
  if (first.error != nullptr) return Fail(first.at, first.error);
  *out = Value::Bool(!deciding);
  return true;
}

}  // namespace kms::cel

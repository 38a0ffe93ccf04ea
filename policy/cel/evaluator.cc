#include "policy/cel/evaluator.h"

#include <algorithm>

#include "policy/cel/arithmetic.h"

namespace kms::cel {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr char kNotSet[] = "field is not set";
constexpr char kNoSuchField[] = "no such field";
constexpr char kNotBool[] = "operand is not a bool";
constexpr char kBadTime[] = "timestamp or duration is out of range";

// The most arguments that any function takes.
constexpr size_t kArgumentsMax = 2;

}  // namespace

Evaluator::Evaluator(const Code& code, absl::Span<const Value> variables,
                     const EvaluateOptions& options,
                     google::protobuf::Arena& arena)
    : code_(code),
      strict_(options.strict),
      runtime_(arena, options.cost_limit),
      slots_(variables.begin(), variables.end()) {
  slots_.resize(code.tree.slot_count);
}

bool Evaluator::Eval(ExprId id, Value* out) {
  if (!runtime_.Charge(1)) return Fail(id, kCostExceeded);
  const Code::Node& node = code_.nodes[id];
  if (node.is_constant) {
    *out = node.constant;
    return true;
  }
  const Meaning& meaning = code_.tree.meanings[id];
  if (meaning.kind == Meaning::Kind::kVariable) {
    *out = slots_[meaning.slot];
    return true;
  }
  const Expr& expr = code_.ast[id];
  switch (expr.kind) {
    case Expr::Kind::kSelect:
      return Select(id, out);
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
    case Expr::Kind::kMap:
      return Items(id, out);
    case Expr::Kind::kComprehension:
      return Comprehension(id, out);
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

bool Evaluator::Select(ExprId id, Value* out) {
  const Expr& expr = code_.ast[id];
  Value operand;
  if (!Eval(expr.args[0], &operand)) return false;
  if (operand.Is(Value::Kind::kMap)) {
    const Error error = runtime_.Lookup(operand, Value::String(expr.name), out);
    return error == nullptr || Fail(id, error);
  }
  if (!operand.Is(Value::Kind::kMessage)) return Fail(id, kNoSuchField);
  const Message& message = operand.message();
  const FieldDescriptor* field = code_.tree.meanings[id].field;
  if (field == nullptr) {
    field = message.GetDescriptor()->FindFieldByName(expr.name);
    if (field == nullptr) return Fail(id, kNoSuchField);
  }
  if (strict_ && field->has_presence() &&
      !message.GetReflection()->HasField(message, field)) {
    return Fail(id, kNotSet);
  }
  return Value::OfField(message, field, out) || Fail(id, kBadTime);
}

bool Evaluator::Has(ExprId id, Value* out) {
  const Expr& expr = code_.ast[id];
  Value operand;
  if (!Eval(expr.args[0], &operand)) return false;
  if (operand.Is(Value::Kind::kMap)) {
    Value ignored;
    const Error error =
        runtime_.Lookup(operand, Value::String(expr.name), &ignored);
    if (error != nullptr && error != kNoSuchKey) return Fail(id, error);
    *out = Value::Bool(error == nullptr);
    return true;
  }
  if (!operand.Is(Value::Kind::kMessage)) return Fail(id, kNoSuchField);
  const Message& message = operand.message();
  const FieldDescriptor* field = code_.tree.meanings[id].field;
  if (field == nullptr) {
    field = message.GetDescriptor()->FindFieldByName(expr.name);
    if (field == nullptr) return Fail(id, kNoSuchField);
  }
  const auto* reflection = message.GetReflection();
  *out = Value::Bool(field->is_repeated()
                         ? reflection->FieldSize(message, field) > 0
                         : reflection->HasField(message, field));
  return true;
}

bool Evaluator::Call(ExprId id, Value* out) {
  const Expr& expr = code_.ast[id];
  Value args[kArgumentsMax];
  for (size_t i = 0; i < expr.args.size(); ++i) {
    if (!Eval(expr.args[i], &args[i])) return false;
  }
  const Code::Node& node = code_.nodes[id];
  Error error = nullptr;
  if (node.pattern != nullptr) {
    error = args[0].Is(Value::Kind::kString)
                ? runtime_.Match(*node.pattern, args[0].text(), out)
                : kNoOverload;
  } else {
    error = runtime_.Call(code_.tree.meanings[id].function,
                          {args, expr.args.size()}, out);
  }
  return error == nullptr || Fail(id, error);
}

bool Evaluator::Absorb(Saved& first) const {
  // Running out of steps is final: going on would cost more of them.
  if (strict_ || error_ == kCostExceeded) return false;
  if (first.error == nullptr) first = {error_, error_at_};
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

bool Evaluator::Items(ExprId id, Value* out) {
  const Expr& expr = code_.ast[id];
  if (!runtime_.Charge(expr.args.size())) return Fail(id, kCostExceeded);
  absl::Span<Value> items = runtime_.MakeItems(expr.args.size());
  for (size_t i = 0; i < items.size(); ++i) {
    if (!Eval(expr.args[i], &items[i])) return false;
  }
  if (expr.kind == Expr::Kind::kList) {
    *out = Value::List(items);
    return true;
  }
  for (size_t i = 0; i < items.size(); i += 2) {
    Value ignored;
    const Error error =
        runtime_.Lookup(Value::Map(items.subspan(0, i)), items[i], &ignored);
    if (error == nullptr) return Fail(expr.args[i], "map key is repeated");
    if (error != kNoSuchKey) return Fail(id, error);
  }
  *out = Value::Map(items);
  return true;
}

bool Evaluator::Item(ExprId at, const Value& range, size_t i, Value* out) {
  Value ignored;
  const bool ok = range.Is(Value::Kind::kList) ? range.Element(i, out)
                                               : range.Entry(i, out, &ignored);
  return ok || Fail(at, kBadTime);
}

bool Evaluator::Comprehension(ExprId id, Value* out) {
  const Expr& expr = code_.ast[id];
  Value range;
  if (!Eval(expr.args[0], &range)) return false;
  if (!range.Is(Value::Kind::kList) && !range.Is(Value::Kind::kMap)) {
    return Fail(id, kNoOverload);
  }
  switch (expr.macro) {
    case Expr::Macro::kAll:
    case Expr::Macro::kExists:
      return AllOrExists(id, range, out);
    case Expr::Macro::kExistsOne:
      return ExistsOne(id, range, out);
    case Expr::Macro::kMap:
    case Expr::Macro::kFilter:
      return MapOrFilter(id, range, out);
  }
  return Fail(id, kNoOverload);
}

// all() is && over the elements, exists() is ||.
bool Evaluator::AllOrExists(ExprId id, const Value& range, Value* out) {
  const Expr& expr = code_.ast[id];
  const bool deciding = expr.macro == Expr::Macro::kExists;
  const uint32_t slot = code_.tree.meanings[id].slot;
  const size_t size = range.size();
  Saved first;
  for (size_t i = 0; i < size; ++i) {
    bool value = false;
    if (!Item(id, range, i, &slots_[slot]) || !EvalBool(expr.args[1], &value)) {
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

bool Evaluator::ExistsOne(ExprId id, const Value& range, Value* out) {
  const Expr& expr = code_.ast[id];
  const uint32_t slot = code_.tree.meanings[id].slot;
  const size_t size = range.size();
  size_t count = 0;
  for (size_t i = 0; i < size; ++i) {
    bool value = false;
    if (!Item(id, range, i, &slots_[slot]) || !EvalBool(expr.args[1], &value)) {
      return false;
    }
    count += value;
  }
  *out = Value::Bool(count == 1);
  return true;
}

// map(x, transform), map(x, condition, transform), filter(x, condition).
bool Evaluator::MapOrFilter(ExprId id, const Value& range, Value* out) {
  const Expr& expr = code_.ast[id];
  const bool is_map = expr.macro == Expr::Macro::kMap;
  const bool conditional = !is_map || expr.args.size() == 3;
  const uint32_t slot = code_.tree.meanings[id].slot;
  const size_t size = range.size();
  if (!runtime_.Charge(size)) return Fail(id, kCostExceeded);
  absl::Span<Value> items = runtime_.MakeItems(size);
  size_t count = 0;
  for (size_t i = 0; i < size; ++i) {
    if (!Item(id, range, i, &slots_[slot])) return false;
    bool keep = true;
    if (conditional && !EvalBool(expr.args[1], &keep)) return false;
    if (!keep) continue;
    if (!is_map) {
      items[count] = slots_[slot];
    } else if (!Eval(expr.args.back(), &items[count])) {
      return false;
    }
    ++count;
  }
  *out = Value::List(items.subspan(0, count));
  return true;
}

}  // namespace kms::cel

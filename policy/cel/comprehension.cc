// Evaluator: the macros that go over lists, maps and optionals.
#include "policy/cel/evaluator.h"
#include "policy/cel/message_reader.h"
#include "policy/cel/relations.h"

namespace kms::cel {
namespace {

using Kind = Value::Kind;

}  // namespace

bool Evaluator::SetVariables(ExprId id, const Value& range, size_t i) {
  const Meaning& meaning = code_.tree.meanings[id];
  const bool two = !code_.ast[id].name2.empty();
  if (range.Is(Kind::kMap)) {
    slots_[meaning.slot] = range.items()[2 * i];
    if (two) slots_[meaning.slot2] = range.items()[2 * i + 1];
    return true;
  }
  if (two) slots_[meaning.slot] = Value::Int(static_cast<int64_t>(i));
  return Check(id, ReadElement(context_, range, i,
                               &slots_[two ? meaning.slot2 : meaning.slot]));
}

bool Evaluator::Comprehension(ExprId id, Value* out) {
  const Expr& expr = code_.ast[id];
  Value range;
  if (!Eval(expr.args[0], &range)) return false;
  const bool optional = expr.macro == Expr::Macro::kOptMap ||
                        expr.macro == Expr::Macro::kOptFlatMap;
  if (optional ? !range.Is(Kind::kOptional)
               : !range.Is(Kind::kList) && !range.Is(Kind::kMap)) {
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
    case Expr::Macro::kTransformList:
      return MapOrFilter(id, range, out);
    case Expr::Macro::kTransformMap:
    case Expr::Macro::kTransformMapEntry:
      return TransformMap(id, range, out);
    case Expr::Macro::kOptMap:
    case Expr::Macro::kOptFlatMap:
      return OptMap(id, range, out);
  }
  return Fail(id, kNoOverload);
}

// all() is && over the elements, exists() is ||.
bool Evaluator::AllOrExists(ExprId id, const Value& range, Value* out) {
  const Expr& expr = code_.ast[id];
  const bool deciding = expr.macro == Expr::Macro::kExists;
  const size_t size = range.size();
  Saved first;
  for (size_t i = 0; i < size; ++i) {
    bool value = false;
    if (!SetVariables(id, range, i) || !EvalBool(expr.args[1], &value)) {
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
  const size_t size = range.size();
  size_t count = 0;
  for (size_t i = 0; i < size; ++i) {
    bool value = false;
    if (!SetVariables(id, range, i) || !EvalBool(expr.args[1], &value)) {
      return false;
    }
    count += value;
  }
  *out = Value::Bool(count == 1);
  return true;
}

// map(x, transform), map(x, condition, transform), filter(x, condition), and
// transformList, which is map with two variables.
bool Evaluator::MapOrFilter(ExprId id, const Value& range, Value* out) {
  const Expr& expr = code_.ast[id];
  const bool is_filter = expr.macro == Expr::Macro::kFilter;
  const bool conditional = is_filter || expr.args.size() == 3;
  const size_t size = range.size();
  if (!context_.Charge(size)) return Fail(id, kCostExceeded);
  absl::Span<Value> items = context_.MakeItems(size);
  size_t count = 0;
  for (size_t i = 0; i < size; ++i) {
    if (!SetVariables(id, range, i)) return false;
    bool keep = true;
    if (conditional && !EvalBool(expr.args[1], &keep)) return false;
    if (!keep) continue;
    if (is_filter) {
      items[count] = slots_[code_.tree.meanings[id].slot];
    } else if (!Eval(expr.args.back(), &items[count])) {
      return false;
    }
    ++count;
  }
  *out = Value::List(items.subspan(0, count));
  return true;
}

// transformMap(k, v, [condition,] value), transformMapEntry(k, v, [condition,]
// {key: value}).
bool Evaluator::TransformMap(ExprId id, const Value& range, Value* out) {
  const Expr& expr = code_.ast[id];
  const bool entry = expr.macro == Expr::Macro::kTransformMapEntry;
  const size_t count = range.size();
  if (!context_.Charge(2 * count)) return Fail(id, kCostExceeded);
  absl::Span<Value> items = context_.MakeItems(2 * count);
  size_t size = 0;
  for (size_t i = 0; i < count; ++i) {
    if (!SetVariables(id, range, i)) return false;
    bool keep = true;
    if (expr.args.size() == 3 && !EvalBool(expr.args[1], &keep)) return false;
    if (!keep) continue;
    Value value;
    if (!Eval(expr.args.back(), &value)) return false;
    if (entry) {
      if (!AddEntries(id, value, items, &size)) return false;
      continue;
    }
    items[size] = slots_[code_.tree.meanings[id].slot];
    items[size + 1] = value;
    size += 2;
  }
  *out = Value::Map(items.subspan(0, size));
  return true;
}

// Adds the entry of `map`, which has one, or none.
bool Evaluator::AddEntries(ExprId id, const Value& map, absl::Span<Value> into,
                           size_t* size) {
  const ExprId at = code_.ast[id].args.back();
  if (!map.Is(Kind::kMap)) return Fail(at, kNoOverload);
  if (map.size() == 0) return true;
  if (map.size() > 1) return Fail(at, "map has more than one entry");
  Value ignored;
  const Error error = Lookup(context_, Value::Map(into.subspan(0, *size)),
                             map.items()[0], &ignored);
  if (error == nullptr) return Fail(at, "map key is repeated");
  if (error != kNoSuchKey) return Fail(at, error);
  into[*size] = map.items()[0];
  into[*size + 1] = map.items()[1];
  *size += 2;
  return true;
}

bool Evaluator::OptMap(ExprId id, const Value& range, Value* out) {
  if (range.size() == 0) {
    *out = range;
    return true;
  }
  const Expr& expr = code_.ast[id];
  slots_[code_.tree.meanings[id].slot] = range.items()[0];
  Value result;
  if (!Eval(expr.args[1], &result)) return false;
  if (expr.macro == Expr::Macro::kOptFlatMap) {
    if (!result.Is(Kind::kOptional)) return Fail(expr.args[1], kNoOverload);
    *out = result;
  } else {
    *out = context_.MakeOptional(result);
  }
  return true;
}

}  // namespace kms::cel

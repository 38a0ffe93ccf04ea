// Evaluator: fields and keys, and literals of lists, maps and messages.
#include "policy/cel/evaluator.h"
#include "policy/cel/message_builder.h"
#include "policy/cel/message_reader.h"
#include "policy/cel/relations.h"

namespace kms::cel {
namespace {

using google::protobuf::FieldDescriptor;
using Kind = Value::Kind;

constexpr char kNotSet[] = "field is not set";
constexpr char kNoSuchField[] = "no such field";
constexpr char kRepeatedKey[] = "map key is repeated";

bool IsKey(const Value& value) {
  return value.Is(Kind::kBool) || value.Is(Kind::kInt) ||
         value.Is(Kind::kUint) || value.Is(Kind::kString);
}

}  // namespace

const FieldDescriptor* Evaluator::FieldOf(ExprId id,
                                          const Value& message) const {
  const FieldDescriptor* field = code_.tree.meanings[id].field;
  const auto* type = message.message().GetDescriptor();
  if (field != nullptr && field->containing_type() == type) return field;
  return code_.schema->FindField(type, code_.ast[id].name);
}

bool Evaluator::Select(ExprId id, Value* out) {
  Value operand;
  if (!Eval(code_.ast[id].args[0], &operand)) return false;
  return operand.Is(Kind::kOptional) ? SelectOptional(id, operand, out)
                                     : SelectFrom(id, operand, out);
}

bool Evaluator::OptionalSelect(ExprId id, Value* out) {
  Value operand;
  return Eval(code_.ast[id].args[0], &operand) &&
         SelectOptional(id, operand, out);
}

// The field if `operand`, or what is inside it, has it.
bool Evaluator::SelectOptional(ExprId id, Value operand, Value* out) {
  if (operand.Is(Kind::kOptional)) {
    if (operand.size() == 0) {
      *out = operand;
      return true;
    }
    const Value inside = operand.items()[0];
    operand = inside;
  }
  bool has = false;
  if (!HasIn(id, operand, &has)) return false;
  *out = Value::Optional({});
  if (!has) return true;
  Value field;
  if (!SelectFrom(id, operand, &field)) return false;
  *out = context_.MakeOptional(field);
  return true;
}

bool Evaluator::SelectFrom(ExprId id, const Value& operand, Value* out) {
  const Expr& expr = code_.ast[id];
  if (operand.Is(Kind::kMap)) {
    return Check(id, Lookup(context_, operand, Value::String(expr.name), out));
  }
  if (!operand.Is(Kind::kMessage)) return Fail(id, kNoSuchField);
  const FieldDescriptor* field = FieldOf(id, operand);
  if (field == nullptr) return Fail(id, kNoSuchField);
  if (strict_ && field->has_presence() && !HasField(operand.message(), field)) {
    return Fail(id, kNotSet);
  }
  return Check(id, ReadField(context_, operand.message(), field, out));
}

bool Evaluator::Has(ExprId id, Value* out) {
  Value operand;
  if (!Eval(code_.ast[id].args[0], &operand)) return false;
  bool has = false;
  if (operand.Is(Kind::kOptional)) {
    if (operand.size() == 1) {
      const Value inside = operand.items()[0];
      if (!HasIn(id, inside, &has)) return false;
    }
  } else if (!HasIn(id, operand, &has)) {
    return false;
  }
  *out = Value::Bool(has);
  return true;
}

bool Evaluator::HasIn(ExprId id, const Value& operand, bool* out) {
  const Expr& expr = code_.ast[id];
  if (operand.Is(Kind::kMap)) {
    Value ignored;
    const Error error =
        Lookup(context_, operand, Value::String(expr.name), &ignored);
    *out = error == nullptr;
    return error == kNoSuchKey || Check(id, error);
  }
  if (!operand.Is(Kind::kMessage)) return Fail(id, kNoSuchField);
  const FieldDescriptor* field = FieldOf(id, operand);
  if (field == nullptr) return Fail(id, kNoSuchField);
  *out = HasField(operand.message(), field);
  return true;
}

// The value of entry `entry` of a literal, which an optional one may not have.
bool Evaluator::EvalEntry(ExprId id, size_t entry, ExprId value, Value* out,
                          bool* some) {
  *some = true;
  if (!Eval(value, out)) return false;
  if (!code_.ast[id].optional(entry)) return true;
  if (!out->Is(Kind::kOptional)) {
    return Fail(value, "optional entry is no optional");
  }
  const Value optional = *out;
  *some = optional.size() == 1;
  if (*some) *out = optional.items()[0];
  return true;
}

bool Evaluator::ListLiteral(ExprId id, Value* out) {
  const Expr& expr = code_.ast[id];
  if (!context_.Charge(expr.args.size())) return Fail(id, kCostExceeded);
  absl::Span<Value> items = context_.MakeItems(expr.args.size());
  size_t count = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    bool some = false;
    if (!EvalEntry(id, i, expr.args[i], &items[count], &some)) return false;
    count += some;
  }
  *out = Value::List(items.subspan(0, count));
  return true;
}

bool Evaluator::MapLiteral(ExprId id, Value* out) {
  const Expr& expr = code_.ast[id];
  if (!context_.Charge(expr.args.size())) return Fail(id, kCostExceeded);
  absl::Span<Value> items = context_.MakeItems(expr.args.size());
  size_t size = 0;
  for (size_t i = 0; i < expr.args.size(); i += 2) {
    Value& key = items[size];
    if (!Eval(expr.args[i], &key)) return false;
    if (!IsKey(key)) {
      return Fail(expr.args[i], "map key is not a bool, int, uint or string");
    }
    bool some = false;
    if (!EvalEntry(id, i / 2, expr.args[i + 1], &items[size + 1], &some)) {
      return false;
    }
    if (!some) continue;
    Value ignored;
    const Error error =
        Lookup(context_, Value::Map(items.subspan(0, size)), key, &ignored);
    if (error == nullptr) return Fail(expr.args[i], kRepeatedKey);
    if (error != kNoSuchKey) return Fail(id, error);
    size += 2;
  }
  *out = Value::Map(items.subspan(0, size));
  return true;
}

bool Evaluator::Message(ExprId id, Value* out) {
  const Expr& expr = code_.ast[id];
  const Meaning& meaning = code_.tree.meanings[id];
  if (!context_.Charge(16 + expr.args.size())) return Fail(id, kCostExceeded);
  auto* message = code_.schema->New(meaning.message, context_.arena());
  for (size_t i = 0; i < expr.args.size(); ++i) {
    const FieldDescriptor* field = code_.tree.fields[meaning.fields_begin + i];
    if (field == nullptr) return Fail(id, kNoSuchField);
    Value value;
    bool some = false;
    if (!EvalEntry(id, i, expr.args[i], &value, &some)) return false;
    if (!some) continue;
    const Error error = SetField(context_, value, field, message);
    if (error != nullptr) return Fail(expr.args[i], error);
  }
  const Error error = FromMessage(context_, *message, out);
  // An Any that cannot be opened is still something to put into a field, and
  // to compare; an empty one is not.
  if ((error == kUnknownAny || error == kMalformedAny) &&
      HasField(*message, meaning.message->FindFieldByName("value"))) {
    *out = Value::OfMessage(*message);
    return true;
  }
  return Check(id, error);
}

}  // namespace kms::cel

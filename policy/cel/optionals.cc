#include "policy/cel/optionals.h"

#include <vector>

#include "policy/cel/functions.h"
#include "policy/cel/message_reader.h"
#include "policy/cel/relations.h"

namespace kms::cel {
namespace {

using Kind = Value::Kind;
using Args = absl::Span<const Value>;

constexpr char kNoValue[] = "optional has no value";

Error Of(Context& context, Args args, Value* out) {
  *out = context.MakeOptional(args[0]);
  return nullptr;
}

Error OfNonZero(Context& context, Args args, Value* out) {
  *out = IsZero(args[0]) ? Value::Optional({}) : context.MakeOptional(args[0]);
  return nullptr;
}

Error None(Context&, Args, Value* out) {
  *out = Value::Optional({});
  return nullptr;
}

Error HasValue(Context&, Args args, Value* out) {
  if (!args[0].Is(Kind::kOptional)) return kNoOverload;
  *out = Value::Bool(args[0].size() == 1);
  return nullptr;
}

Error GetValue(Context&, Args args, Value* out) {
  if (!args[0].Is(Kind::kOptional)) return kNoOverload;
  if (args[0].size() == 0) return kNoValue;
  *out = args[0].items()[0];
  return nullptr;
}

// optional.unwrap([optional.of(1), optional.none()]) == [1]
Error Unwrap(Context& context, Args args, Value* out) {
  if (!args[0].Is(Kind::kList)) return kNoOverload;
  const size_t size = args[0].size();
  if (!context.Charge(size)) return kCostExceeded;
  absl::Span<Value> items = context.MakeItems(size);
  size_t count = 0;
  for (size_t i = 0; i < size; ++i) {
    Value item;
    if (const Error error = ReadElement(context, args[0], i, &item)) {
      return error;
    }
    if (!item.Is(Kind::kOptional)) return kNoOverload;
    if (item.size() == 1) items[count++] = item.items()[0];
  }
  *out = Value::List(items.subspan(0, count));
  return nullptr;
}

template <bool last>
Error End(Context& context, Args args, Value* out) {
  if (!args[0].Is(Kind::kList)) return kNoOverload;
  const size_t size = args[0].size();
  *out = Value::Optional({});
  if (size == 0) return nullptr;
  Value item;
  const Error error = ReadElement(context, args[0], last ? size - 1 : 0, &item);
  if (error == nullptr) *out = context.MakeOptional(item);
  return error;
}

constexpr Style kGlobal = Style::kGlobal;
constexpr Style kMember = Style::kMember;

constexpr Declaration kDeclarations[] = {
    {"optional.of", kGlobal, "A", 'O', Of},
    {"optional.ofNonZeroValue", kGlobal, "A", 'O', OfNonZero},
    {"optional.none", kGlobal, "", 'O', None},
    {"optional.unwrap", kGlobal, "Q", 'L', Unwrap},
    {"unwrapOpt", kMember, "Q", 'L', Unwrap},
    {"hasValue", kMember, "O", 'b', HasValue},
    {"value", kMember, "O", 'A', GetValue},
    {"or", kMember, "OO", 'O', OrElse},
    {"orValue", kMember, "OA", 'A', OrElseValue},
    {"first", kMember, "L", 'O', End<false>},
    {"last", kMember, "L", 'O', End<true>},
};

}  // namespace

absl::Span<const Declaration> OptionalDeclarations() { return kDeclarations; }

Error OrElse(Context&, Args args, Value* out) {
  if (!args[0].Is(Kind::kOptional) || !args[1].Is(Kind::kOptional)) {
    return kNoOverload;
  }
  *out = args[0].size() == 1 ? args[0] : args[1];
  return nullptr;
}

Error OrElseValue(Context&, Args args, Value* out) {
  if (!args[0].Is(Kind::kOptional)) return kNoOverload;
  *out = args[0].size() == 1 ? args[0].items()[0] : args[1];
  return nullptr;
}

Error OptionalIndex(Context& context, const Value& operand, const Value& index,
                    Value* out) {
  const bool nested = operand.Is(Kind::kOptional);
  if (nested && operand.size() == 0) {
    *out = operand;
    return nullptr;
  }
  Value found;
  const Error error =
      Index(context, nested ? operand.items()[0] : operand, index, &found);
  if (error == kNoSuchKey || error == kIndexRange) {
    *out = Value::Optional({});
    return nullptr;
  }
  if (error != nullptr) return error;
  *out = context.MakeOptional(found);
  return nullptr;
}

bool IsZero(const Value& value) {
  switch (value.kind()) {
    case Kind::kNull:
      return true;
    case Kind::kBool:
      return !value.bool_value();
    case Kind::kInt:
      return value.int_value() == 0;
    case Kind::kUint:
      return value.uint_value() == 0;
    case Kind::kDouble:
      return value.double_value() == 0;
    case Kind::kEnum:
      return value.enum_number() == 0;
    case Kind::kString:
    case Kind::kBytes:
      return value.text().empty();
    case Kind::kTimestamp:
    case Kind::kDuration:
      return value.duration() == absl::ZeroDuration();
    case Kind::kList:
    case Kind::kMap:
    case Kind::kOptional:
      return value.size() == 0;
    case Kind::kMessage: {
      std::vector<const google::protobuf::FieldDescriptor*> fields;
      value.message().GetReflection()->ListFields(value.message(), &fields);
      return fields.empty();
    }
    default:
      return false;
  }
}

}  // namespace kms::cel

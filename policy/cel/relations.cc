#include "policy/cel/relations.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "policy/cel/arithmetic.h"
#include "policy/cel/message_reader.h"

namespace kms::cel {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using Kind = Value::Kind;

bool Holds(Order order, int sign) {
  switch (order) {
    case Order::kLess:
      return sign < 0;
    case Order::kLessEqual:
      return sign <= 0;
    case Order::kGreater:
      return sign > 0;
    case Order::kGreaterEqual:
      return sign >= 0;
  }
  return false;
}

bool EqualIps(const Value& a, const Value& b) {
  return a.ip_family() == b.ip_family() && a.ip_prefix() == b.ip_prefix() &&
         std::memcmp(a.ip().bytes, b.ip().bytes, sizeof(a.ip().bytes)) == 0;
}

Error EqualLists(Context& context, const Value& a, const Value& b, bool* out) {
  *out = false;
  const size_t size = a.size();
  if (size != b.size()) return nullptr;
  for (size_t i = 0; i < size; ++i) {
    Value left;
    Value right;
    if (const Error error = ReadElement(context, a, i, &left)) return error;
    if (const Error error = ReadElement(context, b, i, &right)) return error;
    bool equal = false;
    if (const Error error = Equal(context, left, right, &equal)) return error;
    if (!equal) return nullptr;
  }
  *out = true;
  return nullptr;
}

Error EqualMaps(Context& context, const Value& a, const Value& b, bool* out) {
  *out = false;
  if (a.size() != b.size()) return nullptr;
  for (size_t i = 0; i < a.size(); ++i) {
    Value right;
    const Error missing = Lookup(context, b, a.items()[2 * i], &right);
    if (missing == kNoSuchKey) return nullptr;
    if (missing != nullptr) return missing;
    bool equal = false;
    if (const Error error =
            Equal(context, a.items()[2 * i + 1], right, &equal)) {
      return error;
    }
    if (!equal) return nullptr;
  }
  *out = true;
  return nullptr;
}

// An Any that cannot be opened is still equal to one of the same bytes.
Error EqualFields(Context& context, const Message& a, const Message& b,
                  const FieldDescriptor* field, bool* out) {
  Value left;
  Value right;
  const Error bad_left = ReadField(context, a, field, &left);
  if (bad_left == kCostExceeded || bad_left == kTooDeep) return bad_left;
  const Error bad_right = ReadField(context, b, field, &right);
  if (bad_right == kCostExceeded || bad_right == kTooDeep) return bad_right;
  if (bad_left == nullptr && bad_right == nullptr) {
    return Equal(context, left, right, out);
  }
  *out = false;
  if (field->is_repeated()) return bad_left ? bad_left : bad_right;
  return Equal(context,
               Value::OfMessage(a.GetReflection()->GetMessage(a, field)),
               Value::OfMessage(b.GetReflection()->GetMessage(b, field)), out);
}

Error EqualMessages(Context& context, const Message& a, const Message& b,
                    bool* out) {
  *out = false;
  if (a.GetDescriptor() != b.GetDescriptor()) return nullptr;
  std::vector<const FieldDescriptor*> fields;
  std::vector<const FieldDescriptor*> others;
  a.GetReflection()->ListFields(a, &fields);
  b.GetReflection()->ListFields(b, &others);
  if (!context.Charge(fields.size() + others.size())) return kCostExceeded;
  if (fields != others) return nullptr;
  for (const FieldDescriptor* field : fields) {
    bool equal = false;
    if (const Error error = EqualFields(context, a, b, field, &equal)) {
      return error;
    }
    if (!equal) return nullptr;
  }
  *out = true;
  return nullptr;
}

}  // namespace

Error Equal(Context& context, const Value& a, const Value& b, bool* out) {
  *out = false;
  if (!context.Charge(1)) return kCostExceeded;
  if (a.is_number() && b.is_number()) {
    *out = CompareNumbers(a, b) == 0;
    return nullptr;
  }
  if (a.kind() != b.kind()) return nullptr;
  const Context::Level level(context);
  if (!level.ok()) return kTooDeep;
  switch (a.kind()) {
    case Kind::kNull:
      *out = true;
      return nullptr;
    case Kind::kBool:
      *out = a.bool_value() == b.bool_value();
      return nullptr;
    case Kind::kString:
    case Kind::kBytes:
    case Kind::kType:
      if (a.text().size() != b.text().size()) return nullptr;
      if (!context.Charge(a.text().size() / 16)) return kCostExceeded;
      *out = a.text() == b.text();
      return nullptr;
    case Kind::kTimestamp:
    case Kind::kDuration:
      *out = a.duration() == b.duration();
      return nullptr;
    case Kind::kEnum:
      *out = a.enum_number() == b.enum_number() &&
             a.enum_type()->full_name() == b.enum_type()->full_name();
      return nullptr;
    case Kind::kIp:
    case Kind::kCidr:
      *out = EqualIps(a, b);
      return nullptr;
    case Kind::kMessage:
      return EqualMessages(context, a.message(), b.message(), out);
    case Kind::kMap:
      return EqualMaps(context, a, b, out);
    case Kind::kList:
    case Kind::kOptional:
      return EqualLists(context, a, b, out);
    default:
      return kNoOverload;
  }
}

Error Lookup(Context& context, const Value& map, const Value& key, Value* out) {
  const absl::Span<const Value> entries = map.items();
  for (size_t i = 0; i < entries.size(); i += 2) {
    bool equal = false;
    if (const Error error = Equal(context, entries[i], key, &equal)) {
      return error;
    }
    if (equal) {
      *out = entries[i + 1];
      return nullptr;
    }
  }
  return kNoSuchKey;
}

Error Index(Context& context, const Value& operand, const Value& index,
            Value* out) {
  if (operand.Is(Kind::kMap)) return Lookup(context, operand, index, out);
  if (!operand.Is(Kind::kList) || !index.is_number()) return kNoOverload;
  const auto low = CompareNumbers(index, Value::Int(0));
  const auto high = CompareNumbers(index, Value::Uint(operand.size()));
  if (!low.has_value() || *low < 0 || *high >= 0) return kIndexRange;
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
  return ReadElement(context, operand, at, out);
}

Error In(Context& context, const Value& needle, const Value& haystack,
         bool* out) {
  *out = false;
  if (haystack.Is(Kind::kMap)) {
    Value ignored;
    const Error error = Lookup(context, haystack, needle, &ignored);
    *out = error == nullptr;
    return error == kNoSuchKey ? nullptr : error;
  }
  if (!haystack.Is(Kind::kList)) return kNoOverload;
  const size_t size = haystack.size();
  for (size_t i = 0; i < size && !*out; ++i) {
    Value item;
    if (const Error error = ReadElement(context, haystack, i, &item)) {
      return error;
    }
    if (const Error error = Equal(context, needle, item, out)) return error;
  }
  return nullptr;
}

Error Compare(Context& context, Order order, const Value& a, const Value& b,
              Value* out) {
  int sign = 0;
  if (a.is_number() && b.is_number()) {
    const auto compared = CompareNumbers(a, b);
    *out = Value::Bool(compared.has_value() && Holds(order, *compared));
    return nullptr;
  }
  if (a.kind() != b.kind()) return kNoOverload;
  if (a.is_text()) {
    if (!context.ChargeBytes(std::min(a.text().size(), b.text().size()))) {
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
  *out = Value::Bool(Holds(order, sign));
  return nullptr;
}

}  // namespace kms::cel

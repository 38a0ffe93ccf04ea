#include "policy/cel/conformance_values.h"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "google/protobuf/util/field_comparator.h"
#include "google/protobuf/util/message_differencer.h"
#include "policy/cel/message_reader.h"
#include "policy/cel/relations.h"

namespace kms::cel {
namespace {

using Kind = Type::Kind;

Kind Primitive(const std::string& name) {
  if (name == "BOOL") return Kind::kBool;
  if (name == "INT64") return Kind::kInt;
  if (name == "UINT64") return Kind::kUint;
  if (name == "DOUBLE") return Kind::kDouble;
  if (name == "STRING") return Kind::kString;
  if (name == "BYTES") return Kind::kBytes;
  return Kind::kDyn;
}

Kind WellKnown(const std::string& name) {
  if (name == "TIMESTAMP") return Kind::kTimestamp;
  if (name == "DURATION") return Kind::kDuration;
  return Kind::kAny;
}

Error ListFromProto(Context& context, const MessageView& view, Value* out) {
  const auto values = view.All("values");
  absl::Span<Value> items = context.MakeItems(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    if (const Error error = ValueFromProto(context, values[i], &items[i])) {
      return error;
    }
  }
  *out = Value::List(items);
  return nullptr;
}

Error MapFromProto(Context& context, const MessageView& view, Value* out) {
  const auto entries = view.All("entries");
  absl::Span<Value> items = context.MakeItems(2 * entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    if (const Error error =
            ValueFromProto(context, entries[i].Get("key"), &items[2 * i])) {
      return error;
    }
    if (const Error error = ValueFromProto(context, entries[i].Get("value"),
                                           &items[2 * i + 1])) {
      return error;
    }
  }
  *out = Value::Map(items);
  return nullptr;
}

bool SameMessages(const google::protobuf::Message& a,
                  const google::protobuf::Message& b) {
  if (a.GetDescriptor() != b.GetDescriptor()) return false;
  google::protobuf::util::DefaultFieldComparator comparator;
  comparator.set_treat_nan_as_equal(true);
  google::protobuf::util::MessageDifferencer differencer;
  differencer.set_field_comparator(&comparator);
  return differencer.Compare(a, b);
}

bool SameLists(Context& context, const Value& a, const Value& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    Value left;
    Value right;
    if (ReadElement(context, a, i, &left) != nullptr ||
        ReadElement(context, b, i, &right) != nullptr ||
        !IsSame(context, left, right)) {
      return false;
    }
  }
  return true;
}

bool SameMaps(Context& context, const Value& a, const Value& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    bool found = false;
    for (size_t j = 0; j < b.size() && !found; ++j) {
      found = IsSame(context, a.items()[2 * i], b.items()[2 * j]) &&
              IsSame(context, a.items()[2 * i + 1], b.items()[2 * j + 1]);
    }
    if (!found) return false;
  }
  return true;
}

}  // namespace

Type TypeFromProto(const Schema& schema, const MessageView& view) {
  const std::string kind = view.Which("type_kind");
  if (kind == "null") return Kind::kNull;
  if (kind == "primitive") return Primitive(view.EnumName(kind));
  if (kind == "wrapper") return Type::Wrapper(Primitive(view.EnumName(kind)));
  if (kind == "well_known") return WellKnown(view.EnumName(kind));
  if (kind == "type_param") return Type::Param(view.Text(kind));
  if (kind == "type")
    return Type::OfType(TypeFromProto(schema, view.Get(kind)));
  if (kind == "list_type") {
    return Type::List(TypeFromProto(schema, view.Get(kind).Get("elem_type")));
  }
  if (kind == "map_type") {
    return Type::Map(TypeFromProto(schema, view.Get(kind).Get("key_type")),
                     TypeFromProto(schema, view.Get(kind).Get("value_type")));
  }
  if (kind == "message_type") {
    // An enum is declared by its name, as a message is.
    if (const auto* type = schema.FindMessage(view.Text(kind))) {
      return Type::Message(type);
    }
    const auto* enumeration = schema.FindEnum(view.Text(kind));
    if (enumeration == nullptr) return Type::Abstract(view.Text(kind), {});
    return schema.strong_enums() ? Type::Enum(enumeration) : Type(Kind::kInt);
  }
  if (kind == "abstract_type") {
    std::vector<Type> params;
    for (const MessageView& param : view.Get(kind).All("parameter_types")) {
      params.push_back(TypeFromProto(schema, param));
    }
    return Type::Abstract(view.Get(kind).Text("name"), std::move(params));
  }
  return Type();
}

Error ValueFromProto(Context& context, const MessageView& view, Value* out) {
  const std::string kind = view.Which("kind");
  if (kind == "bool_value") {
    *out = Value::Bool(view.Bool(kind));
  } else if (kind == "int64_value") {
    *out = Value::Int(view.Int(kind));
  } else if (kind == "uint64_value") {
    *out = Value::Uint(view.Uint(kind));
  } else if (kind == "double_value") {
    *out = Value::Double(view.Double(kind));
  } else if (kind == "string_value") {
    *out = context.MakeText(Value::Kind::kString, view.Text(kind));
  } else if (kind == "bytes_value") {
    *out = context.MakeText(Value::Kind::kBytes, view.Text(kind));
  } else if (kind == "type_value") {
    *out = Value::Type(
        context.MakeText(Value::Kind::kString, view.Text(kind)).text());
  } else if (kind == "enum_value") {
    const MessageView number = view.Get(kind);
    const auto* type = context.schema().FindEnum(number.Text("type"));
    if (type == nullptr) return "unknown enum type";
    *out = Value::Enum(type, static_cast<int32_t>(number.Int("value")));
  } else if (kind == "object_value") {
    return FromMessage(context, view.Get(kind).message(), out);
  } else if (kind == "list_value") {
    return ListFromProto(context, view.Get(kind), out);
  } else if (kind == "map_value") {
    return MapFromProto(context, view.Get(kind), out);
  } else {
    *out = Value();
  }
  return nullptr;
}

bool IsSame(Context& context, const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Value::Kind::kDouble:
      return a.double_value() == b.double_value() ||
             (std::isnan(a.double_value()) && std::isnan(b.double_value()));
    case Value::Kind::kList:
      return SameLists(context, a, b);
    case Value::Kind::kMap:
      return SameMaps(context, a, b);
    case Value::Kind::kMessage:
      return SameMessages(a.message(), b.message());
    default: {
      bool equal = false;
      return Equal(context, a, b, &equal) == nullptr && equal;
    }
  }
}

}  // namespace kms::cel

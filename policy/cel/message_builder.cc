#include "policy/cel/message_builder.h"

#include <limits>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/wrappers.pb.h"
#include "policy/cel/conversions.h"
#include "policy/cel/message_reader.h"

namespace kms::cel {
namespace {

namespace pb = ::google::protobuf;
using Kind = Value::Kind;
using pb::Descriptor;
using pb::FieldDescriptor;
using pb::Message;
using pb::Reflection;

constexpr char kWrongType[] = "value is not of the field's type";
constexpr char kRange[] = "number is out of the field's range";
constexpr char kNotJson[] = "value has no JSON form";

// Beyond these an integer is no exact double, and JSON holds it as a string.
constexpr int64_t kJsonIntMax = (int64_t{1} << 53) - 1;

Error FillMessage(Context& context, const Value& value, Message* message);

bool HasNull(const Descriptor* type) {
  return type->well_known_type() == Descriptor::WELLKNOWNTYPE_ANY ||
         type->well_known_type() == Descriptor::WELLKNOWNTYPE_VALUE;
}
bool IsJsonContainer(const Descriptor* type) {
  return type->well_known_type() == Descriptor::WELLKNOWNTYPE_STRUCT ||
         type->well_known_type() == Descriptor::WELLKNOWNTYPE_LISTVALUE;
}

template <typename T>
bool Narrow(int64_t wide, T* out) {
  *out = static_cast<T>(wide);
  return wide >= std::numeric_limits<T>::min() &&
         wide <= std::numeric_limits<T>::max();
}

Error EnumNumber(const Value& value, const FieldDescriptor* field, int* out) {
  if (value.Is(Kind::kNull) && IsNullEnum(field->enum_type())) {
    *out = 0;
    return nullptr;
  }
  if (value.Is(Kind::kEnum)) {
    *out = value.enum_number();
    return value.enum_type()->full_name() == field->enum_type()->full_name()
               ? nullptr
               : kWrongType;
  }
  if (!value.Is(Kind::kInt)) return kWrongType;
  return Narrow(value.int_value(), out) ? nullptr : kRange;
}

// Sets a field that is not repeated, or adds to one that is.
Error Put(Context& context, const Value& value, const FieldDescriptor* field,
          Message* message) {
  const Reflection* r = message->GetReflection();
  const bool many = field->is_repeated();
#define KMS_CEL_PUT(Name, v) \
  (many ? r->Add##Name(message, field, v) : r->Set##Name(message, field, v))
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      if (!value.Is(Kind::kBool)) return kWrongType;
      KMS_CEL_PUT(Bool, value.bool_value());
      return nullptr;
    case FieldDescriptor::CPPTYPE_INT32: {
      if (!value.Is(Kind::kInt)) return kWrongType;
      int32_t narrow = 0;
      if (!Narrow(value.int_value(), &narrow)) return kRange;
      KMS_CEL_PUT(Int32, narrow);
      return nullptr;
    }
    case FieldDescriptor::CPPTYPE_INT64:
      if (!value.Is(Kind::kInt)) return kWrongType;
      KMS_CEL_PUT(Int64, value.int_value());
      return nullptr;
    case FieldDescriptor::CPPTYPE_ENUM: {
      int number = 0;
      const Error error = EnumNumber(value, field, &number);
      if (error == nullptr) KMS_CEL_PUT(EnumValue, number);
      return error;
    }
    case FieldDescriptor::CPPTYPE_UINT32:
      if (!value.Is(Kind::kUint)) return kWrongType;
      if (value.uint_value() > std::numeric_limits<uint32_t>::max()) {
        return kRange;
      }
      KMS_CEL_PUT(UInt32, static_cast<uint32_t>(value.uint_value()));
      return nullptr;
    case FieldDescriptor::CPPTYPE_UINT64:
      if (!value.Is(Kind::kUint)) return kWrongType;
      KMS_CEL_PUT(UInt64, value.uint_value());
      return nullptr;
    case FieldDescriptor::CPPTYPE_FLOAT:
      if (!value.Is(Kind::kDouble)) return kWrongType;
      KMS_CEL_PUT(Float, static_cast<float>(value.double_value()));
      return nullptr;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      if (!value.Is(Kind::kDouble)) return kWrongType;
      KMS_CEL_PUT(Double, value.double_value());
      return nullptr;
    case FieldDescriptor::CPPTYPE_STRING:
      if (!value.Is(field->type() == FieldDescriptor::TYPE_BYTES
                        ? Kind::kBytes
                        : Kind::kString)) {
        return kWrongType;
      }
      if (!context.ChargeBytes(value.text().size())) return kCostExceeded;
      KMS_CEL_PUT(String, std::string(value.text()));
      return nullptr;
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return FillMessage(context, value,
                         many ? r->AddMessage(message, field)
                              : r->MutableMessage(message, field));
  }
#undef KMS_CEL_PUT
  return kWrongType;
}

// A null among the elements of a list or map of wrappers, times or messages
// is left out. Where it cannot be, it is an error.
Error NullElement(const FieldDescriptor* field, const Value& value,
                  bool* left_out) {
  *left_out = false;
  if (!value.Is(Kind::kNull) ||
      field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE ||
      HasNull(field->message_type())) {
    return nullptr;
  }
  *left_out = true;
  return IsJsonContainer(field->message_type()) ? kWrongType : nullptr;
}

Error PutList(Context& context, const Value& list, const FieldDescriptor* field,
              Message* message) {
  if (!list.Is(Kind::kList)) return kWrongType;
  const size_t size = list.size();
  if (!context.Charge(size)) return kCostExceeded;
  for (size_t i = 0; i < size; ++i) {
    Value item;
    if (const Error error = ReadElement(context, list, i, &item)) return error;
    bool left_out = false;
    if (const Error error = NullElement(field, item, &left_out)) return error;
    if (left_out) continue;
    if (const Error error = Put(context, item, field, message)) return error;
  }
  return nullptr;
}

Error PutMap(Context& context, const Value& map, const FieldDescriptor* field,
             Message* message) {
  if (!map.Is(Kind::kMap)) return kWrongType;
  if (!context.Charge(2 * map.size())) return kCostExceeded;
  const Descriptor* entry_type = field->message_type();
  for (size_t i = 0; i < map.size(); ++i) {
    const Value& value = map.items()[2 * i + 1];
    bool left_out = false;
    if (const Error error =
            NullElement(entry_type->map_value(), value, &left_out)) {
      return error;
    }
    if (left_out) continue;
    Message* entry = message->GetReflection()->AddMessage(message, field);
    if (const Error error =
            Put(context, map.items()[2 * i], entry_type->map_key(), entry)) {
      return error;
    }
    if (const Error error =
            Put(context, value, entry_type->map_value(), entry)) {
      return error;
    }
  }
  return nullptr;
}

void FillTime(absl::Duration duration, Message* message) {
  const Descriptor* type = message->GetDescriptor();
  absl::Duration rest;
  int64_t seconds = absl::IDivDuration(duration, absl::Seconds(1), &rest);
  // A timestamp's nanos are never negative.
  if (type->well_known_type() == Descriptor::WELLKNOWNTYPE_TIMESTAMP &&
      rest < absl::ZeroDuration()) {
    --seconds;
    rest += absl::Seconds(1);
  }
  const Reflection* reflection = message->GetReflection();
  reflection->SetInt64(message, type->FindFieldByNumber(1), seconds);
  reflection->SetInt32(message, type->FindFieldByNumber(2),
                       static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
}

Error FillJson(Context& context, const Value& value, Message* message);

// google.protobuf.Struct { map<string, Value> fields = 1; }
Error FillStruct(Context& context, const Value& map, Message* message) {
  if (!map.Is(Kind::kMap)) return kWrongType;
  if (!context.Charge(2 * map.size())) return kCostExceeded;
  const FieldDescriptor* fields =
      message->GetDescriptor()->FindFieldByNumber(1);
  const Reflection* reflection = message->GetReflection();
  for (size_t i = 0; i < map.size(); ++i) {
    const Value& key = map.items()[2 * i];
    if (!key.Is(Kind::kString)) return "key of a JSON object is not a string";
    Message* entry = reflection->AddMessage(message, fields);
    const Reflection* r = entry->GetReflection();
    r->SetString(entry, fields->message_type()->map_key(),
                 std::string(key.text()));
    if (const Error error = FillJson(
            context, map.items()[2 * i + 1],
            r->MutableMessage(entry, fields->message_type()->map_value()))) {
      return error;
    }
  }
  return nullptr;
}

// google.protobuf.ListValue { repeated Value values = 1; }
Error FillListValue(Context& context, const Value& list, Message* message) {
  return PutList(context, list, message->GetDescriptor()->FindFieldByNumber(1),
                 message);
}

// Protobuf's own JSON of a message, as a Value.
Error FillJsonOfMessage(Context& context, const Value& value,
                        Message* message) {
  // Names of fields are written out, and numbers in decimal.
  if (!context.Charge(64 + 8 * value.message().ByteSizeLong())) {
    return kCostExceeded;
  }
  std::string json;
  if (!pb::util::MessageToJsonString(value.message(), &json).ok()) {
    return kNotJson;
  }
  if (!context.Charge(json.size())) return kCostExceeded;
  return pb::util::JsonStringToMessage(json, message).ok() ? nullptr : kNotJson;
}

// google.protobuf.Value: null = 1, number = 2, string = 3, bool = 4,
// struct = 5, list = 6.
Error FillJson(Context& context, const Value& value, Message* message) {
  const Context::Level level(context);
  if (!level.ok()) return kTooDeep;
  if (!context.Charge(1)) return kCostExceeded;
  const Reflection* r = message->GetReflection();
  const auto field = [message](int number) {
    return message->GetDescriptor()->FindFieldByNumber(number);
  };
  const auto text = [&](std::string content) -> Error {
    if (!context.ChargeBytes(content.size())) return kCostExceeded;
    r->SetString(message, field(3), std::move(content));
    return nullptr;
  };
  const auto number = [&](double v) -> Error {
    r->SetDouble(message, field(2), v);
    return nullptr;
  };
  switch (value.kind()) {
    case Kind::kNull:
      r->SetEnumValue(message, field(1), 0);
      return nullptr;
    case Kind::kBool:
      r->SetBool(message, field(4), value.bool_value());
      return nullptr;
    case Kind::kInt:
      return value.int_value() >= -kJsonIntMax &&
                     value.int_value() <= kJsonIntMax
                 ? number(static_cast<double>(value.int_value()))
                 : text(absl::StrCat(value.int_value()));
    case Kind::kUint:
      return value.uint_value() <= uint64_t{kJsonIntMax}
                 ? number(static_cast<double>(value.uint_value()))
                 : text(absl::StrCat(value.uint_value()));
    case Kind::kEnum:
      return number(value.enum_number());
    case Kind::kDouble:
      return number(value.double_value());
    case Kind::kString:
      return text(std::string(value.text()));
    case Kind::kBytes:
      return text(absl::Base64Escape(value.text()));
    case Kind::kTimestamp:
      return text(TimestampText(value.timestamp()));
    case Kind::kDuration:
      return text(DurationText(value.duration()));
    case Kind::kMap:
      return FillStruct(context, value, r->MutableMessage(message, field(5)));
    case Kind::kList:
      return FillListValue(context, value,
                           r->MutableMessage(message, field(6)));
    case Kind::kMessage:
      return FillJsonOfMessage(context, value, message);
    default:
      return kNotJson;
  }
}

// The type of message that carries `value` in an Any.
const Descriptor* Carrier(const Value& value) {
  switch (value.kind()) {
    case Kind::kNull:
      return pb::Value::descriptor();
    case Kind::kBool:
      return pb::BoolValue::descriptor();
    case Kind::kInt:
      return pb::Int64Value::descriptor();
    case Kind::kUint:
      return pb::UInt64Value::descriptor();
    case Kind::kDouble:
      return pb::DoubleValue::descriptor();
    case Kind::kString:
      return pb::StringValue::descriptor();
    case Kind::kBytes:
      return pb::BytesValue::descriptor();
    case Kind::kList:
      return pb::ListValue::descriptor();
    case Kind::kMap:
      return pb::Struct::descriptor();
    case Kind::kTimestamp:
      return pb::Timestamp::descriptor();
    case Kind::kDuration:
      return pb::Duration::descriptor();
    default:
      return nullptr;
  }
}

// google.protobuf.Any { string type_url = 1; bytes value = 2; }
Error Pack(Context& context, const Value& value, Message* any) {
  if (value.Is(Kind::kMessage) &&
      value.message().GetDescriptor() == any->GetDescriptor()) {
    if (!context.Charge(16 + value.message().ByteSizeLong())) {
      return kCostExceeded;
    }
    any->CopyFrom(value.message());
    return nullptr;
  }
  const Message* packed = nullptr;
  if (value.Is(Kind::kMessage)) {
    packed = &value.message();
  } else {
    const Descriptor* type = Carrier(value);
    if (type == nullptr) return kWrongType;
    Message* carrier = context.schema().New(type, context.arena());
    if (const Error error = FillMessage(context, value, carrier)) return error;
    packed = carrier;
  }
  const size_t size = packed->ByteSizeLong();
  if (!context.Charge(16 + size)) return kCostExceeded;
  const Reflection* reflection = any->GetReflection();
  const Descriptor* descriptor = any->GetDescriptor();
  reflection->SetString(any, descriptor->FindFieldByNumber(1),
                        absl::StrCat("type.googleapis.com/",
                                     packed->GetDescriptor()->full_name()));
  reflection->SetString(any, descriptor->FindFieldByNumber(2),
                        packed->SerializePartialAsString());
  return nullptr;
}

// `message` is empty, and becomes what `value` is.
Error FillMessage(Context& context, const Value& value, Message* message) {
  const Context::Level level(context);
  if (!level.ok()) return kTooDeep;
  const Descriptor* type = message->GetDescriptor();
  switch (type->well_known_type()) {
    case Descriptor::WELLKNOWNTYPE_ANY:
      return Pack(context, value, message);
    case Descriptor::WELLKNOWNTYPE_VALUE:
      return FillJson(context, value, message);
    case Descriptor::WELLKNOWNTYPE_STRUCT:
      return FillStruct(context, value, message);
    case Descriptor::WELLKNOWNTYPE_LISTVALUE:
      return FillListValue(context, value, message);
    case Descriptor::WELLKNOWNTYPE_TIMESTAMP:
      if (!value.Is(Kind::kTimestamp)) return kWrongType;
      FillTime(value.timestamp() - absl::UnixEpoch(), message);
      return nullptr;
    case Descriptor::WELLKNOWNTYPE_DURATION:
      if (!value.Is(Kind::kDuration)) return kWrongType;
      FillTime(value.duration(), message);
      return nullptr;
    case Descriptor::WELLKNOWNTYPE_UNSPECIFIED:
    case Descriptor::WELLKNOWNTYPE_FIELDMASK:
      break;
    default:  // A wrapper.
      return Put(context, value, type->FindFieldByNumber(1), message);
  }
  if (!value.Is(Kind::kMessage)) return kWrongType;
  const Message& from = value.message();
  if (from.GetDescriptor()->full_name() != type->full_name()) return kWrongType;
  const size_t size = from.ByteSizeLong();
  if (!context.Charge(1 + size)) return kCostExceeded;
  if (from.GetDescriptor() == type) {
    message->CopyFrom(from);
    return nullptr;
  }
  // The same type out of another pool.
  return message->ParsePartialFromString(from.SerializePartialAsString())
             ? nullptr
             : kWrongType;
}

}  // namespace

Error SetField(Context& context, const Value& value,
               const FieldDescriptor* field, Message* message) {
  if (field->is_map()) return PutMap(context, value, field, message);
  if (field->is_repeated()) return PutList(context, value, field, message);
  bool left_out = false;
  if (const Error error = NullElement(field, value, &left_out)) return error;
  return left_out ? nullptr : Put(context, value, field, message);
}

}  // namespace kms::cel

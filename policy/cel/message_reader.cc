#include "policy/cel/message_reader.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "policy/cel/arithmetic.h"

namespace kms::cel {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr char kBadTime[] = "timestamp or duration is out of range";

// Both well-known types have int64 seconds = 1 and int32 nanos = 2.
absl::Duration SecondsAndNanos(const Message& message) {
  const Descriptor* descriptor = message.GetDescriptor();
  const Reflection* reflection = message.GetReflection();
  return absl::Seconds(
             reflection->GetInt64(message, descriptor->FindFieldByNumber(1))) +
         absl::Nanoseconds(
             reflection->GetInt32(message, descriptor->FindFieldByNumber(2)));
}

Value OfText(const FieldDescriptor* field, const std::string& text) {
  return field->type() == FieldDescriptor::TYPE_BYTES ? Value::Bytes(text)
                                                      : Value::String(text);
}

Value OfEnum(const Context& context, const FieldDescriptor* field, int number) {
  if (IsNullEnum(field->enum_type())) return Value();
  return context.schema().strong_enums()
             ? Value::Enum(field->enum_type(), number)
             : Value::Int(number);
}

// The scalar or message in `field`; at `i` if it is repeated.
Error ReadOne(Context& context, const Message& message,
              const FieldDescriptor* field, int i, Value* out) {
  const Reflection* r = message.GetReflection();
  const bool many = field->is_repeated();
#define KMS_CEL_READ(Name)                        \
  (many ? r->GetRepeated##Name(message, field, i) \
        : r->Get##Name(message, field))
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      *out = Value::Bool(KMS_CEL_READ(Bool));
      return nullptr;
    case FieldDescriptor::CPPTYPE_INT32:
      *out = Value::Int(KMS_CEL_READ(Int32));
      return nullptr;
    case FieldDescriptor::CPPTYPE_INT64:
      *out = Value::Int(KMS_CEL_READ(Int64));
      return nullptr;
    case FieldDescriptor::CPPTYPE_ENUM:
      *out = OfEnum(context, field, KMS_CEL_READ(EnumValue));
      return nullptr;
    case FieldDescriptor::CPPTYPE_UINT32:
      *out = Value::Uint(KMS_CEL_READ(UInt32));
      return nullptr;
    case FieldDescriptor::CPPTYPE_UINT64:
      *out = Value::Uint(KMS_CEL_READ(UInt64));
      return nullptr;
    case FieldDescriptor::CPPTYPE_FLOAT:
      *out = Value::Double(static_cast<double>(KMS_CEL_READ(Float)));
      return nullptr;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      *out = Value::Double(KMS_CEL_READ(Double));
      return nullptr;
    case FieldDescriptor::CPPTYPE_STRING: {
      // The scratch string is for representations that the open-source
      // library does not have: the reference is to the message's own bytes.
      std::string scratch;
      *out = OfText(
          field,
          many ? r->GetRepeatedStringReference(message, field, i, &scratch)
               : r->GetStringReference(message, field, &scratch));
      return nullptr;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return FromMessage(context, KMS_CEL_READ(Message), out);
  }
#undef KMS_CEL_READ
  return kNoOverload;
}

Error ReadMap(Context& context, const Message& message,
              const FieldDescriptor* field, Value* out) {
  const Reflection* reflection = message.GetReflection();
  const int size = reflection->FieldSize(message, field);
  if (!context.Charge(2 * static_cast<uint64_t>(size))) return kCostExceeded;
  using Entry = std::pair<Value, const Message*>;
  std::vector<Entry> entries;
  entries.reserve(static_cast<size_t>(size));
  const FieldDescriptor* key_field = field->message_type()->map_key();
  for (int i = 0; i < size; ++i) {
    const Message& entry = reflection->GetRepeatedMessage(message, field, i);
    Value key;
    if (const Error error = ReadOne(context, entry, key_field, 0, &key)) {
      return error;
    }
    entries.emplace_back(key, &entry);
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return CompareKeys(a.first, b.first) < 0;
  });
  absl::Span<Value> items = context.MakeItems(2 * entries.size());
  const FieldDescriptor* value_field = field->message_type()->map_value();
  for (size_t i = 0; i < entries.size(); ++i) {
    items[2 * i] = entries[i].first;
    if (const Error error = ReadOne(context, *entries[i].second, value_field, 0,
                                    &items[2 * i + 1])) {
      return error;
    }
  }
  *out = Value::Map(items);
  return nullptr;
}

// The first field of a wrapper, Struct or ListValue.
Error Inner(Context& context, const Message& message, Value* out) {
  return ReadField(context, message,
                   message.GetDescriptor()->FindFieldByNumber(1), out);
}

// google.protobuf.Value: a oneof of null, double, string, bool, Struct and
// ListValue; not set reads as null.
Error FromJson(Context& context, const Message& message, Value* out) {
  const FieldDescriptor* set = message.GetReflection()->GetOneofFieldDescriptor(
      message, message.GetDescriptor()->oneof_decl(0));
  if (set == nullptr) {
    *out = Value();
    return nullptr;
  }
  return ReadOne(context, message, set, 0, out);
}

// google.protobuf.Any { string type_url = 1; bytes value = 2; }: the message
// inside, read from its bytes. "Any" is null where nothing was put in it.
Error Unpack(Context& context, const Message& any, Value* out) {
  const Descriptor* descriptor = any.GetDescriptor();
  const Reflection* reflection = any.GetReflection();
  const std::string url =
      reflection->GetString(any, descriptor->FindFieldByNumber(1));
  std::string scratch;
  const std::string& bytes = reflection->GetStringReference(
      any, descriptor->FindFieldByNumber(2), &scratch);
  const Descriptor* type =
      context.schema().FindMessage(url.substr(url.rfind('/') + 1));
  if (type == nullptr) return kUnknownAny;
  // Parsing makes a field of every few bytes.
  if (!context.Charge(16 + bytes.size())) return kCostExceeded;
  Message* message = context.schema().New(type, context.arena());
  if (!message->ParsePartialFromString(bytes)) return kMalformedAny;
  return FromMessage(context, *message, out);
}

bool IsWrapper(const Descriptor* type) {
  switch (type->well_known_type()) {
    case Descriptor::WELLKNOWNTYPE_DOUBLEVALUE:
    case Descriptor::WELLKNOWNTYPE_FLOATVALUE:
    case Descriptor::WELLKNOWNTYPE_INT64VALUE:
    case Descriptor::WELLKNOWNTYPE_UINT64VALUE:
    case Descriptor::WELLKNOWNTYPE_INT32VALUE:
    case Descriptor::WELLKNOWNTYPE_UINT32VALUE:
    case Descriptor::WELLKNOWNTYPE_STRINGVALUE:
    case Descriptor::WELLKNOWNTYPE_BYTESVALUE:
    case Descriptor::WELLKNOWNTYPE_BOOLVALUE:
      return true;
    default:
      return false;
  }
}

}  // namespace

Error FromMessage(Context& context, const Message& message, Value* out) {
  const Descriptor* type = message.GetDescriptor();
  if (type->well_known_type() == Descriptor::WELLKNOWNTYPE_UNSPECIFIED) {
    *out = Value::OfMessage(message);
    return nullptr;
  }
  const Context::Level level(context);
  if (!level.ok()) return kTooDeep;
  switch (type->well_known_type()) {
    case Descriptor::WELLKNOWNTYPE_TIMESTAMP: {
      const absl::Time time = absl::UnixEpoch() + SecondsAndNanos(message);
      *out = Value::Timestamp(time);
      return InRange(time) ? nullptr : kBadTime;
    }
    case Descriptor::WELLKNOWNTYPE_DURATION: {
      const absl::Duration duration = SecondsAndNanos(message);
      *out = Value::Duration(duration);
      return InRange(duration) ? nullptr : kBadTime;
    }
    case Descriptor::WELLKNOWNTYPE_ANY:
      return Unpack(context, message, out);
    case Descriptor::WELLKNOWNTYPE_VALUE:
      return FromJson(context, message, out);
    case Descriptor::WELLKNOWNTYPE_STRUCT:
    case Descriptor::WELLKNOWNTYPE_LISTVALUE:
      return Inner(context, message, out);
    default:
      if (IsWrapper(type)) return Inner(context, message, out);
      *out = Value::OfMessage(message);
      return nullptr;
  }
}

Error ReadField(Context& context, const Message& message,
                const FieldDescriptor* field, Value* out) {
  if (field->is_map()) return ReadMap(context, message, field, out);
  if (field->is_repeated()) {
    *out = Value::OfRepeated(message, field);
    return nullptr;
  }
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
      (IsWrapper(field->message_type()) ||
       field->message_type()->well_known_type() ==
           Descriptor::WELLKNOWNTYPE_ANY) &&
      !message.GetReflection()->HasField(message, field)) {
    *out = Value();
    return nullptr;
  }
  return ReadOne(context, message, field, 0, out);
}

Error ReadElement(Context& context, const Value& list, size_t i, Value* out) {
  if (!list.is_field()) {
    *out = list.items()[i];
    return nullptr;
  }
  return ReadOne(context, list.message(), list.field(), static_cast<int>(i),
                 out);
}

bool HasField(const Message& message, const FieldDescriptor* field) {
  const Reflection* reflection = message.GetReflection();
  return field->is_repeated() ? reflection->FieldSize(message, field) > 0
                              : reflection->HasField(message, field);
}

}  // namespace kms::cel

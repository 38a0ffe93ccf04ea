#include "policy/cel/value.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "policy/cel/limits.h"

namespace kms::cel {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Both well-known types have int64 seconds = 1 and int32 nanos = 2.
absl::Duration SecondsAndNanos(const Message& message) {
  const auto* descriptor = message.GetDescriptor();
  const Reflection* reflection = message.GetReflection();
  return absl::Seconds(
             reflection->GetInt64(message, descriptor->FindFieldByNumber(1))) +
         absl::Nanoseconds(
             reflection->GetInt32(message, descriptor->FindFieldByNumber(2)));
}

bool FromMessage(const Message& message, Value* out) {
  const std::string& name = message.GetDescriptor()->full_name();
  if (name == "google.protobuf.Timestamp") {
    const absl::Time time = absl::UnixEpoch() + SecondsAndNanos(message);
    *out = Value::Timestamp(time);
    return InRange(time);
  }
  if (name == "google.protobuf.Duration") {
    const absl::Duration duration = SecondsAndNanos(message);
    *out = Value::Duration(duration);
    return InRange(duration);
  }
  *out = Value::OfMessage(message);
  return true;
}

Value OfText(const FieldDescriptor* field, const std::string& text) {
  return field->type() == FieldDescriptor::TYPE_BYTES ? Value::Bytes(text)
                                                      : Value::String(text);
}

// The scalar or message in `field`; at `i` if it is repeated.
bool ReadField(const Message& message, const FieldDescriptor* field, int i,
               Value* out) {
  const Reflection* r = message.GetReflection();
  const bool many = field->is_repeated();
#define KMS_CEL_READ(Name)                        \
  (many ? r->GetRepeated##Name(message, field, i) \
        : r->Get##Name(message, field))
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      *out = Value::Bool(KMS_CEL_READ(Bool));
      return true;
    case FieldDescriptor::CPPTYPE_INT32:
      *out = Value::Int(KMS_CEL_READ(Int32));
      return true;
    case FieldDescriptor::CPPTYPE_INT64:
      *out = Value::Int(KMS_CEL_READ(Int64));
      return true;
    case FieldDescriptor::CPPTYPE_ENUM:
      *out = Value::Int(KMS_CEL_READ(EnumValue));
      return true;
    case FieldDescriptor::CPPTYPE_UINT32:
      *out = Value::Uint(KMS_CEL_READ(UInt32));
      return true;
    case FieldDescriptor::CPPTYPE_UINT64:
      *out = Value::Uint(KMS_CEL_READ(UInt64));
      return true;
    case FieldDescriptor::CPPTYPE_FLOAT:
      *out = Value::Double(static_cast<double>(KMS_CEL_READ(Float)));
      return true;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      *out = Value::Double(KMS_CEL_READ(Double));
      return true;
    case FieldDescriptor::CPPTYPE_STRING: {
      // The scratch string is for representations that the open-source
      // library does not have: the reference is to the message's own bytes.
      std::string scratch;
      *out = OfText(
          field,
          many ? r->GetRepeatedStringReference(message, field, i, &scratch)
               : r->GetStringReference(message, field, &scratch));
      return true;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return FromMessage(KMS_CEL_READ(Message), out);
  }
#undef KMS_CEL_READ
  return false;
}

// Appends to `out` until it is full.
class Renderer {
 public:
  void Add(const Value& value, int depth) {
    switch (value.kind()) {
      case Value::Kind::kNull:
        return Append("null");
      case Value::Kind::kBool:
        return Append(value.bool_value() ? "true" : "false");
      case Value::Kind::kInt:
        return Append(absl::StrCat(value.int_value()));
      case Value::Kind::kUint:
        return Append(absl::StrCat(value.uint_value()));
      case Value::Kind::kDouble:
        return Append(absl::StrCat(value.double_value()));
      case Value::Kind::kString:
        return Append(
            absl::CHexEscape(value.text().substr(0, kRenderedBytesMax + 1)));
      case Value::Kind::kBytes:
        return Append(absl::BytesToHexString(
            value.text().substr(0, kRenderedBytesMax + 1)));
      case Value::Kind::kTimestamp:
        return Append(absl::FormatTime(absl::RFC3339_full, value.timestamp(),
                                       absl::UTCTimeZone()));
      case Value::Kind::kDuration:
        return Append(absl::FormatDuration(value.duration()));
      case Value::Kind::kMessage:
        return Append(value.message().GetDescriptor()->full_name());
      case Value::Kind::kList:
      case Value::Kind::kMap:
        return AddItems(value, depth);
    }
  }
  std::string Take() {
    if (full_) {
      out_.resize(kRenderedBytesMax - 3);
      out_ += "...";
    }
    return std::move(out_);
  }

 private:
  void Append(absl::string_view text) {
    absl::StrAppend(&out_, text);
    full_ = out_.size() > kRenderedBytesMax;
  }

  void AddItems(const Value& value, int depth) {
    const bool list = value.Is(Value::Kind::kList);
    if (depth == 0) return Append(list ? "[...]" : "{...}");
    Append(list ? "[" : "{");
    for (size_t i = 0; i < value.size() && !full_; ++i) {
      if (i > 0) Append(", ");
      Value key;
      Value item;
      if (list ? !value.Element(i, &item) : !value.Entry(i, &key, &item)) {
        Append("?");
        continue;
      }
      if (!list) {
        Add(key, depth - 1);
        Append(": ");
      }
      Add(item, depth - 1);
    }
    if (!full_) Append(list ? "]" : "}");
  }

  std::string out_;
  bool full_ = false;
};

}  // namespace

bool Value::OfField(const Message& message, const FieldDescriptor* field,
                    Value* out) {
  if (field->is_map()) {
    *out = Field(Kind::kMap, message, field);
    return true;
  }
  if (field->is_repeated()) {
    *out = Field(Kind::kList, message, field);
    return true;
  }
  return ReadField(message, field, 0, out);
}

size_t Value::size() const {
  if (is_field_) {
    return static_cast<size_t>(
        view_.message->GetReflection()->FieldSize(*view_.message, view_.field));
  }
  return kind_ == Kind::kMap ? items_.size / 2 : items_.size;
}

bool Value::Element(size_t i, Value* out) const {
  if (is_field_) {
    return ReadField(*view_.message, view_.field, static_cast<int>(i), out);
  }
  *out = items_.data[i];
  return true;
}

bool Value::Entry(size_t i, Value* key, Value* value) const {
  if (!is_field_) {
    *key = items_.data[2 * i];
    *value = items_.data[2 * i + 1];
    return true;
  }
  const Message& entry = view_.message->GetReflection()->GetRepeatedMessage(
      *view_.message, view_.field, static_cast<int>(i));
  const auto* type = entry.GetDescriptor();
  return ReadField(entry, type->map_key(), 0, key) &&
         ReadField(entry, type->map_value(), 0, value);
}

bool InRange(absl::Time time) {
  return time >= absl::FromUnixSeconds(-62135596800) &&
         time < absl::FromUnixSeconds(253402300800);
}

bool InRange(absl::Duration duration) {
  constexpr int64_t kSecondsMax = 315576000000;
  return duration >= absl::Seconds(-kSecondsMax) &&
         duration <= absl::Seconds(kSecondsMax);
}

std::string Render(const Value& value) {
  Renderer renderer;
  renderer.Add(value, 2);
  return renderer.Take();
}

}  // namespace kms::cel

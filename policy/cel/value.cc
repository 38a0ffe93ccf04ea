#include "policy/cel/value.h"

namespace kms::cel {

size_t Value::size() const {
  if (is_field_) {
    return static_cast<size_t>(
        view_.message->GetReflection()->FieldSize(*view_.message, view_.field));
  }
  return kind_ == Kind::kMap ? items_.size / 2 : items_.size;
}

absl::string_view TypeName(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kNull:
      return "null_type";
    case Value::Kind::kBool:
      return "bool";
    case Value::Kind::kInt:
      return "int";
    case Value::Kind::kUint:
      return "uint";
    case Value::Kind::kDouble:
      return "double";
    case Value::Kind::kString:
      return "string";
    case Value::Kind::kBytes:
      return "bytes";
    case Value::Kind::kTimestamp:
      return "google.protobuf.Timestamp";
    case Value::Kind::kDuration:
      return "google.protobuf.Duration";
    case Value::Kind::kList:
      return "list";
    case Value::Kind::kMap:
      return "map";
    case Value::Kind::kMessage:
      return value.message().GetDescriptor()->full_name();
    case Value::Kind::kEnum:
      return value.enum_type()->full_name();
    case Value::Kind::kType:
      return "type";
    case Value::Kind::kOptional:
      return "optional_type";
    case Value::Kind::kIp:
      return "net.IP";
    case Value::Kind::kCidr:
      return "net.CIDR";
    case Value::Kind::kError:
      break;
  }
  return "";
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

}  // namespace kms::cel

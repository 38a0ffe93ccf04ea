// A value during evaluation: 24 bytes, trivially copied, owning nothing. Text,
// lists and messages are views of a protobuf message, of the program's
// literals or of the evaluation's arena, and live as long as those.
// Thread-compatible.
#ifndef POLICY_CEL_VALUE_H_
#define POLICY_CEL_VALUE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace kms::cel {

// Null for success, else why not: constant text that names no value, because
// it may reach a workload.
using Error = const char*;

// An address of either family: four bytes first if IPv4.
struct IpAddress {
  uint8_t bytes[16] = {};
};

class Value {
 public:
  enum class Kind : uint8_t {
    kNull,
    kBool,
    kInt,
    kUint,
    kDouble,
    kString,
    kBytes,
    kTimestamp,
    kDuration,
    kList,
    kMap,
    kMessage,
    kEnum,      // Where enums are types of their own.
    kType,      // text(): the type's name.
    kOptional,  // size() is 0 or 1.
    kIp,        // net.IP
    kCidr,      // net.CIDR
    kError,     // A variable that has no value; reading it is that error.
  };

  Value() : int_(0) {}  // Null.
  static Value Bool(bool v) {
    Value value(Kind::kBool);
    value.bool_ = v;
    return value;
  }
  static Value Int(int64_t v) {
    Value value(Kind::kInt);
    value.int_ = v;
    return value;
  }
  static Value Uint(uint64_t v) {
    Value value(Kind::kUint);
    value.uint_ = v;
    return value;
  }
  static Value Double(double v) {
    Value value(Kind::kDouble);
    value.double_ = v;
    return value;
  }
  static Value String(absl::string_view v) { return Text(Kind::kString, v); }
  static Value Bytes(absl::string_view v) { return Text(Kind::kBytes, v); }
  static Value Type(absl::string_view name) { return Text(Kind::kType, name); }
  static Value Duration(absl::Duration v) {
    Value value(Kind::kDuration);
    value.duration_ = v;
    return value;
  }
  static Value Timestamp(absl::Time v) {
    Value value(Kind::kTimestamp);
    value.duration_ = v - absl::UnixEpoch();
    return value;
  }
  static Value List(absl::Span<const Value> items) {
    return Items(Kind::kList, items);
  }
  // Keys and values by turns.
  static Value Map(absl::Span<const Value> entries) {
    return Items(Kind::kMap, entries);
  }
  // None, or one value.
  static Value Optional(absl::Span<const Value> value) {
    return Items(Kind::kOptional, value);
  }
  // `message` itself: wrappers, Any and their like are not looked into. See
  // FromMessage in message_reader.h.
  static Value OfMessage(const google::protobuf::Message& message) {
    Value value(Kind::kMessage);
    value.view_ = {&message, nullptr};
    return value;
  }
  // A list of what `field`, which is repeated and no map, holds.
  static Value OfRepeated(const google::protobuf::Message& message,
                          const google::protobuf::FieldDescriptor* field) {
    Value value(Kind::kList);
    value.is_field_ = true;
    value.view_ = {&message, field};
    return value;
  }
  static Value Enum(const google::protobuf::EnumDescriptor* type,
                    int32_t number) {
    Value value(Kind::kEnum);
    value.enum_ = {type, number};
    return value;
  }
  // `family` is 4 or 6.
  static Value Ip(const IpAddress& address, uint8_t family) {
    Value value(Kind::kIp);
    value.family_ = family;
    value.ip_ = address;
    return value;
  }
  static Value Cidr(const IpAddress& address, uint8_t family, uint8_t prefix) {
    Value value = Ip(address, family);
    value.kind_ = Kind::kCidr;
    value.prefix_ = prefix;
    return value;
  }
  // For variables only. `error` is constant text.
  static Value OfError(Error error) {
    Value value(Kind::kError);
    value.error_ = error;
    return value;
  }

  Kind kind() const { return kind_; }
  bool Is(Kind kind) const { return kind_ == kind; }

  // REQUIRES, of each: the kind it names.
  bool bool_value() const { return bool_; }
  int64_t int_value() const { return int_; }
  uint64_t uint_value() const { return uint_; }
  double double_value() const { return double_; }
  absl::string_view text() const { return {text_.data, text_.size}; }
  absl::Duration duration() const { return duration_; }
  absl::Time timestamp() const { return absl::UnixEpoch() + duration_; }
  const google::protobuf::Message& message() const { return *view_.message; }
  const google::protobuf::EnumDescriptor* enum_type() const {
    return enum_.type;
  }
  int32_t enum_number() const { return enum_.number; }
  const IpAddress& ip() const { return ip_; }
  uint8_t ip_family() const { return family_; }
  uint8_t ip_prefix() const { return prefix_; }
  Error error() const { return error_; }

  // Elements of a list or optional, or entries of a map.
  size_t size() const;
  // A list that is a field of a message: read it with ReadElement.
  bool is_field() const { return is_field_; }
  const google::protobuf::FieldDescriptor* field() const { return view_.field; }
  // Of a list that is not a field; the entries of a map, as Map() took them;
  // the value of an optional.
  absl::Span<const Value> items() const { return {items_.data, items_.size}; }

  bool is_number() const {
    return kind_ == Kind::kInt || kind_ == Kind::kUint ||
           kind_ == Kind::kDouble;
  }
  bool is_text() const {
    return kind_ == Kind::kString || kind_ == Kind::kBytes;
  }

 private:
  explicit Value(Kind kind) : kind_(kind), int_(0) {}
  static Value Text(Kind kind, absl::string_view v) {
    Value value(kind);
    value.text_ = {v.data(), v.size()};
    return value;
  }
  static Value Items(Kind kind, absl::Span<const Value> items) {
    Value value(kind);
    value.items_ = {items.data(), items.size()};
    return value;
  }

  Kind kind_ = Kind::kNull;
  bool is_field_ = false;
  uint8_t family_ = 0;
  uint8_t prefix_ = 0;
  union {
    bool bool_;
    int64_t int_;
    uint64_t uint_;
    double double_;
    absl::Duration duration_;  // Of a timestamp: since the Unix epoch.
    IpAddress ip_;
    Error error_;
    struct {
      const char* data;
      size_t size;
    } text_;
    struct {
      const Value* data;
      size_t size;
    } items_;
    struct {
      const google::protobuf::Message* message;
      const google::protobuf::FieldDescriptor* field;
    } view_;
    struct {
      const google::protobuf::EnumDescriptor* type;
      int32_t number;
    } enum_;
  };
};

static_assert(sizeof(Value) == 24, "values are copied everywhere");

// The name of the value's type, as type() gives it.
absl::string_view TypeName(const Value& value);

// Years 1 to 9999, and 10,000 years either way: the ranges of
// google.protobuf.Timestamp and Duration.
bool InRange(absl::Time time);
bool InRange(absl::Duration duration);

}  // namespace kms::cel

#endif  // POLICY_CEL_VALUE_H_

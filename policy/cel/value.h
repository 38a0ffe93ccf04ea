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
  };

  Value() : int_(0) {}  // Null.
  static Value Bool(bool v) { return Value(Kind::kBool).Set(v); }
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
  static Value OfMessage(const google::protobuf::Message& message) {
    Value value(Kind::kMessage);
    value.view_ = {&message, nullptr};
    return value;
  }

  // What `field` of `message` reads as; a field that is not set reads as its
  // default. False if it is a timestamp or duration beyond CEL's range.
  static bool OfField(const google::protobuf::Message& message,
                      const google::protobuf::FieldDescriptor* field,
                      Value* out);

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

  // Elements of a list, or entries of a map.
  size_t size() const;
  // REQUIRES: `i` < size(). False as for OfField.
  bool Element(size_t i, Value* out) const;              // Of a list.
  bool Entry(size_t i, Value* key, Value* value) const;  // Of a map.

  bool is_number() const {
    return kind_ == Kind::kInt || kind_ == Kind::kUint ||
           kind_ == Kind::kDouble;
  }

 private:
  explicit Value(Kind kind) : kind_(kind), int_(0) {}
  Value& Set(bool v) {
    bool_ = v;
    return *this;
  }
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
  static Value Field(Kind kind, const google::protobuf::Message& message,
                     const google::protobuf::FieldDescriptor* field) {
    Value value(kind);
    value.is_field_ = true;
    value.view_ = {&message, field};
    return value;
  }

  Kind kind_ = Kind::kNull;
  bool is_field_ = false;  // A list or map is a field of a message.
  union {
    bool bool_;
    int64_t int_;
    uint64_t uint_;
    double double_;
    absl::Duration duration_;  // Of a timestamp: since the Unix epoch.
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
  };
};

static_assert(sizeof(Value) == 24, "values are copied everywhere");

// Years 1 to 9999, and 10,000 years either way: the ranges of
// google.protobuf.Timestamp and Duration.
bool InRange(absl::Time time);
bool InRange(absl::Duration duration);

// For people: binary as lowercase hex, at most kRenderedBytesMax bytes.
std::string Render(const Value& value);

}  // namespace kms::cel

#endif  // POLICY_CEL_VALUE_H_

// Types of expressions, known before any value is.
// Source: cel-spec, doc/langdef.md, "Types" and "Gradual type checking".
// Thread-compatible values. Descriptors must outlive the types that name them.
#ifndef POLICY_CEL_TYPE_H_
#define POLICY_CEL_TYPE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "google/protobuf/descriptor.h"

namespace kms::cel {

class Type {
 public:
  enum class Kind : uint8_t {
    kDyn,  // Not known until evaluation.
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

  Type() = default;                 // Dyn.
  Type(Kind kind) : kind_(kind) {}  // NOLINT: a kind without parameters.
  static Type List(Type element) { return {Kind::kList, {std::move(element)}}; }
  static Type Map(Type key, Type value) {
    return {Kind::kMap, {std::move(key), std::move(value)}};
  }
  static Type Message(const google::protobuf::Descriptor* message) {
    Type type(Kind::kMessage);
    type.message_ = message;
    return type;
  }
  // The type that a field reads as. Enums are ints.
  static Type OfField(const google::protobuf::FieldDescriptor* field);

  Kind kind() const { return kind_; }
  bool Is(Kind kind) const { return kind_ == kind; }
  const Type& element() const { return params_[0]; }  // Of a list.
  const Type& key() const { return params_[0]; }      // Of a map.
  const Type& value() const { return params_[1]; }    // Of a map.
  const google::protobuf::Descriptor* message() const { return message_; }

  // As CEL writes it: "list(string)", "kms.v1.Claims".
  std::string Name() const;

 private:
  Type(Kind kind, std::vector<Type> params)
      : kind_(kind), params_(std::move(params)) {}

  Kind kind_ = Kind::kDyn;
  std::vector<Type> params_;
  const google::protobuf::Descriptor* message_ = nullptr;
};

// True if a value of one type may stand where the other is wanted: they are
// equal, or dyn stands in one of them, or one is null and the other may be
// absent.
bool Compatible(const Type& a, const Type& b);

}  // namespace kms::cel

#endif  // POLICY_CEL_TYPE_H_

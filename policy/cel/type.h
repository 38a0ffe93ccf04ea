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
    kAny,       // google.protobuf.Any: dyn under another name.
    kWrapper,   // google.protobuf.Int64Value and its kin: a scalar or null.
    kEnum,      // Where enums are types of their own.
    kType,      // type(T): what type() gives.
    kAbstract,  // A name and parameters: optional_type(T), net.IP.
    kParam,     // A type variable.
  };

  Type() = default;                 // Dyn.
  Type(Kind kind) : kind_(kind) {}  // NOLINT: a kind without parameters.
  static Type List(Type element) {
    return {Kind::kList, "", {std::move(element)}};
  }
  static Type Map(Type key, Type value) {
    return {Kind::kMap, "", {std::move(key), std::move(value)}};
  }
  // What a message of this type is to the language: a well-known type may be
  // a timestamp, a map, a wrapper.
  static Type Message(const google::protobuf::Descriptor* message);
  static Type Enum(const google::protobuf::EnumDescriptor* type) {
    return {Kind::kEnum, type->full_name(), {}};
  }
  static Type Wrapper(Kind scalar) {
    return {Kind::kWrapper, "", {Type(scalar)}};
  }
  static Type OfType(Type of) { return {Kind::kType, "", {std::move(of)}}; }
  static Type Abstract(std::string name, std::vector<Type> params) {
    return {Kind::kAbstract, std::move(name), std::move(params)};
  }
  static Type Optional(Type of) {
    return Abstract("optional_type", {std::move(of)});
  }
  static Type Param(std::string name) {
    return {Kind::kParam, std::move(name), {}};
  }
  // The type that a field reads as. Enums are ints unless `strong_enums`.
  static Type OfField(const google::protobuf::FieldDescriptor* field,
                      bool strong_enums = false);

  Kind kind() const { return kind_; }
  bool Is(Kind kind) const { return kind_ == kind; }
  bool IsDyn() const { return kind_ == Kind::kDyn || kind_ == Kind::kAny; }
  bool IsOptional() const {
    return kind_ == Kind::kAbstract && name_ == "optional_type";
  }
  const std::vector<Type>& params() const { return params_; }
  // Of a list, wrapper, optional or type(T).
  const Type& element() const { return params_[0]; }
  const Type& key() const { return params_[0]; }    // Of a map.
  const Type& value() const { return params_[1]; }  // Of a map.
  const google::protobuf::Descriptor* message() const { return message_; }
  // Of an enum, an abstract type or a type variable.
  const std::string& name() const { return name_; }
  // The same type with other parameters.
  Type With(std::vector<Type> params) const;

  // As CEL writes it: "list(string)", "kms.v1.Claims".
  std::string Name() const;
  // As a type value is named, without parameters: "list".
  std::string RuntimeName() const;

  friend bool operator==(const Type& a, const Type& b);
  friend bool operator!=(const Type& a, const Type& b) { return !(a == b); }

 private:
  Type(Kind kind, std::string name, std::vector<Type> params)
      : kind_(kind), name_(std::move(name)), params_(std::move(params)) {}

  Kind kind_ = Kind::kDyn;
  std::string name_;
  std::vector<Type> params_;
  const google::protobuf::Descriptor* message_ = nullptr;
};

}  // namespace kms::cel

#endif  // POLICY_CEL_TYPE_H_

#include "policy/cel/type.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "policy/cel/schema.h"

namespace kms::cel {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

Type OfElement(const FieldDescriptor* field, bool strong_enums) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return Type::Kind::kBool;
    case FieldDescriptor::CPPTYPE_ENUM:
      if (IsNullEnum(field->enum_type())) return Type::Kind::kNull;
      return strong_enums ? Type::Enum(field->enum_type())
                          : Type(Type::Kind::kInt);
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
      return Type::Kind::kInt;
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
      return Type::Kind::kUint;
    case FieldDescriptor::CPPTYPE_FLOAT:
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return Type::Kind::kDouble;
    case FieldDescriptor::CPPTYPE_STRING:
      return field->type() == FieldDescriptor::TYPE_BYTES ? Type::Kind::kBytes
                                                          : Type::Kind::kString;
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return Type::Message(field->message_type());
  }
  return Type();
}

// The name of a kind that has no other.
const char* KindName(Type::Kind kind) {
  switch (kind) {
    case Type::Kind::kDyn:
      return "dyn";
    case Type::Kind::kNull:
      return "null_type";
    case Type::Kind::kBool:
      return "bool";
    case Type::Kind::kInt:
      return "int";
    case Type::Kind::kUint:
      return "uint";
    case Type::Kind::kDouble:
      return "double";
    case Type::Kind::kString:
      return "string";
    case Type::Kind::kBytes:
      return "bytes";
    case Type::Kind::kTimestamp:
      return "timestamp";
    case Type::Kind::kDuration:
      return "duration";
    case Type::Kind::kList:
      return "list";
    case Type::Kind::kMap:
      return "map";
    case Type::Kind::kAny:
      return "any";
    case Type::Kind::kWrapper:
      return "wrapper";
    case Type::Kind::kType:
      return "type";
    default:
      return "";
  }
}

}  // namespace

Type Type::Message(const Descriptor* message) {
  switch (message->well_known_type()) {
    case Descriptor::WELLKNOWNTYPE_TIMESTAMP:
      return Kind::kTimestamp;
    case Descriptor::WELLKNOWNTYPE_DURATION:
      return Kind::kDuration;
    case Descriptor::WELLKNOWNTYPE_ANY:
      return Kind::kAny;
    case Descriptor::WELLKNOWNTYPE_VALUE:
      return Kind::kDyn;
    case Descriptor::WELLKNOWNTYPE_STRUCT:
      return Map(Kind::kString, Type());
    case Descriptor::WELLKNOWNTYPE_LISTVALUE:
      return List(Type());
    case Descriptor::WELLKNOWNTYPE_BOOLVALUE:
      return Wrapper(Kind::kBool);
    case Descriptor::WELLKNOWNTYPE_INT32VALUE:
    case Descriptor::WELLKNOWNTYPE_INT64VALUE:
      return Wrapper(Kind::kInt);
    case Descriptor::WELLKNOWNTYPE_UINT32VALUE:
    case Descriptor::WELLKNOWNTYPE_UINT64VALUE:
      return Wrapper(Kind::kUint);
    case Descriptor::WELLKNOWNTYPE_FLOATVALUE:
    case Descriptor::WELLKNOWNTYPE_DOUBLEVALUE:
      return Wrapper(Kind::kDouble);
    case Descriptor::WELLKNOWNTYPE_STRINGVALUE:
      return Wrapper(Kind::kString);
    case Descriptor::WELLKNOWNTYPE_BYTESVALUE:
      return Wrapper(Kind::kBytes);
    default: {
      Type type(Kind::kMessage, message->full_name(), {});
      type.message_ = message;
      return type;
    }
  }
}

Type Type::OfField(const FieldDescriptor* field, bool strong_enums) {
  if (field->is_map()) {
    return Map(OfElement(field->message_type()->map_key(), strong_enums),
               OfElement(field->message_type()->map_value(), strong_enums));
  }
  const Type element = OfElement(field, strong_enums);
  return field->is_repeated() ? List(element) : element;
}

Type Type::With(std::vector<Type> params) const {
  Type type = *this;
  type.params_ = std::move(params);
  return type;
}

std::string Type::Name() const {
  const std::string name = name_.empty() ? KindName(kind_) : name_;
  if (params_.empty()) return name;
  return absl::StrCat(name, "(",
                      absl::StrJoin(params_, ", ",
                                    [](std::string* out, const Type& param) {
                                      out->append(param.Name());
                                    }),
                      ")");
}

std::string Type::RuntimeName() const {
  if (kind_ == Kind::kTimestamp) return "google.protobuf.Timestamp";
  if (kind_ == Kind::kDuration) return "google.protobuf.Duration";
  if (kind_ == Kind::kWrapper) return element().RuntimeName();
  return name_.empty() ? KindName(kind_) : name_;
}

bool operator==(const Type& a, const Type& b) {
  return a.kind_ == b.kind_ && a.name_ == b.name_ && a.params_ == b.params_;
}

}  // namespace kms::cel

#include "policy/cel/type.h"

#include "absl/strings/str_cat.h"

namespace kms::cel {
namespace {

using google::protobuf::FieldDescriptor;

Type OfElement(const FieldDescriptor* field) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return Type::Kind::kBool;
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
    case FieldDescriptor::CPPTYPE_ENUM:
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
      break;
  }
  const std::string& name = field->message_type()->full_name();
  if (name == "google.protobuf.Timestamp") return Type::Kind::kTimestamp;
  if (name == "google.protobuf.Duration") return Type::Kind::kDuration;
  return Type::Message(field->message_type());
}

bool MayBeNull(const Type& type) {
  return type.Is(Type::Kind::kMessage) || type.Is(Type::Kind::kTimestamp) ||
         type.Is(Type::Kind::kDuration);
}

}  // namespace

Type Type::OfField(const FieldDescriptor* field) {
  if (field->is_map()) {
    return Map(OfElement(field->message_type()->map_key()),
               OfElement(field->message_type()->map_value()));
  }
  const Type element = OfElement(field);
  return field->is_repeated() ? List(element) : element;
}

std::string Type::Name() const {
  switch (kind_) {
    case Kind::kDyn:
      return "dyn";
    case Kind::kNull:
      return "null_type";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kUint:
      return "uint";
    case Kind::kDouble:
      return "double";
    case Kind::kString:
      return "string";
    case Kind::kBytes:
      return "bytes";
    case Kind::kTimestamp:
      return "timestamp";
    case Kind::kDuration:
      return "duration";
    case Kind::kList:
      return absl::StrCat("list(", element().Name(), ")");
    case Kind::kMap:
      return absl::StrCat("map(", key().Name(), ", ", value().Name(), ")");
    case Kind::kMessage:
      return message_->full_name();
  }
  return "";
}

bool Compatible(const Type& a, const Type& b) {
  if (a.Is(Type::Kind::kDyn) || b.Is(Type::Kind::kDyn)) return true;
  if (a.Is(Type::Kind::kNull) && MayBeNull(b)) return true;
  if (b.Is(Type::Kind::kNull) && MayBeNull(a)) return true;
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Type::Kind::kList:
      return Compatible(a.element(), b.element());
    case Type::Kind::kMap:
      return Compatible(a.key(), b.key()) && Compatible(a.value(), b.value());
    case Type::Kind::kMessage:
      return a.message() == b.message();
    default:
      return true;
  }
}

}  // namespace kms::cel

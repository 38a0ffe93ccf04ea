#include "policy/cel/message_view.h"

#include "google/protobuf/descriptor.h"

namespace kms::cel {

using google::protobuf::FieldDescriptor;

const FieldDescriptor* MessageView::Field(const std::string& name) const {
  return message_->GetDescriptor()->FindFieldByName(name);
}

std::string MessageView::Which(const std::string& oneof) const {
  const FieldDescriptor* field =
      message_->GetReflection()->GetOneofFieldDescriptor(
          *message_, message_->GetDescriptor()->FindOneofByName(oneof));
  return field == nullptr ? "" : field->name();
}

std::string MessageView::Text(const std::string& field) const {
  return message_->GetReflection()->GetString(*message_, Field(field));
}

bool MessageView::Bool(const std::string& field) const {
  return message_->GetReflection()->GetBool(*message_, Field(field));
}

int64_t MessageView::Int(const std::string& field) const {
  const FieldDescriptor* descriptor = Field(field);
  const auto* reflection = message_->GetReflection();
  switch (descriptor->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection->GetInt32(*message_, descriptor);
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflection->GetEnumValue(*message_, descriptor);
    default:
      return reflection->GetInt64(*message_, descriptor);
  }
}

uint64_t MessageView::Uint(const std::string& field) const {
  return message_->GetReflection()->GetUInt64(*message_, Field(field));
}

double MessageView::Double(const std::string& field) const {
  return message_->GetReflection()->GetDouble(*message_, Field(field));
}

std::string MessageView::EnumName(const std::string& field) const {
  return message_->GetReflection()->GetEnum(*message_, Field(field))->name();
}

bool MessageView::Has(const std::string& field) const {
  return message_->GetReflection()->HasField(*message_, Field(field));
}

MessageView MessageView::Get(const std::string& field) const {
  return MessageView(
      message_->GetReflection()->GetMessage(*message_, Field(field)));
}

std::vector<MessageView> MessageView::All(const std::string& field) const {
  const FieldDescriptor* descriptor = Field(field);
  const auto* reflection = message_->GetReflection();
  std::vector<MessageView> all;
  for (int i = 0; i < reflection->FieldSize(*message_, descriptor); ++i) {
    all.emplace_back(reflection->GetRepeatedMessage(*message_, descriptor, i));
  }
  return all;
}

}  // namespace kms::cel

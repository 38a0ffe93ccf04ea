#include "policy/cel/schema.h"

#include <algorithm>

#include "google/protobuf/any.pb.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/empty.pb.h"
#include "google/protobuf/field_mask.pb.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/protobuf/wrappers.pb.h"

namespace kms::cel {

namespace pb = ::google::protobuf;

Schema::Schema() {
  factory_.SetDelegateToGeneratedFactory(true);
  for (const pb::Descriptor* type :
       {pb::Any::descriptor(), pb::Duration::descriptor(),
        pb::Empty::descriptor(), pb::FieldMask::descriptor(),
        pb::Struct::descriptor(), pb::Timestamp::descriptor(),
        pb::BoolValue::descriptor()}) {
    AddFile(type->file());
  }
}

void Schema::AddFile(const pb::FileDescriptor* file) {
  if (!files_.insert(file).second) return;
  if (std::find(file_pools_.begin(), file_pools_.end(), file->pool()) ==
      file_pools_.end()) {
    file_pools_.push_back(file->pool());
  }
  for (int i = 0; i < file->dependency_count(); ++i) {
    AddFile(file->dependency(i));
  }
}

void Schema::AddPool(const pb::DescriptorPool* pool) {
  whole_pools_.push_back(pool);
}

template <typename T>
const T* Schema::Find(const T* (pb::DescriptorPool::*find)(const std::string&)
                          const,
                      const std::string& name) const {
  for (const pb::DescriptorPool* pool : whole_pools_) {
    if (const T* found = (pool->*find)(name)) return found;
  }
  for (const pb::DescriptorPool* pool : file_pools_) {
    const T* found = (pool->*find)(name);
    if (found != nullptr && files_.count(found->file()) > 0) return found;
  }
  return nullptr;
}

const pb::Descriptor* Schema::FindMessage(const std::string& name) const {
  const auto* found = Find(&pb::DescriptorPool::FindMessageTypeByName, name);
  // The entries of map fields have names, but are no types of the language.
  return found != nullptr && found->options().map_entry() ? nullptr : found;
}

const pb::EnumDescriptor* Schema::FindEnum(const std::string& name) const {
  return Find(&pb::DescriptorPool::FindEnumTypeByName, name);
}

const pb::FieldDescriptor* Schema::FindExtension(
    const std::string& name) const {
  return Find(&pb::DescriptorPool::FindExtensionByName, name);
}

const pb::EnumValueDescriptor* Schema::FindEnumValue(
    const std::string& name) const {
  const size_t dot = name.rfind('.');
  if (dot == std::string::npos) return nullptr;
  const pb::EnumDescriptor* type = FindEnum(name.substr(0, dot));
  return type == nullptr ? nullptr
                         : type->FindValueByName(name.substr(dot + 1));
}

const pb::FieldDescriptor* Schema::FindField(const pb::Descriptor* message,
                                             const std::string& name) const {
  if (const auto* field = message->FindFieldByName(name)) return field;
  if (name.find('.') == std::string::npos) return nullptr;
  const pb::FieldDescriptor* field = FindExtension(name);
  return field != nullptr && field->containing_type() == message ? field
                                                                 : nullptr;
}

pb::Message* Schema::New(const pb::Descriptor* type, pb::Arena& arena) const {
  return factory_.GetPrototype(type)->New(&arena);
}

bool IsNullEnum(const pb::EnumDescriptor* type) {
  return type->full_name() == "google.protobuf.NullValue";
}

}  // namespace kms::cel

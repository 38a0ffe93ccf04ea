// Which message and enum types an expression may name or meet, and how new
// messages of them are made. Only what is added is visible: an expression
// means the same in a server and in a tool that link different protos.
// Thread-compatible; build it, then share it as const, which is thread-safe.
#ifndef POLICY_CEL_SCHEMA_H_
#define POLICY_CEL_SCHEMA_H_

#include <string>
#include <unordered_set>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/arena.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/dynamic_message.h"

namespace kms::cel {

class Schema {
 public:
  // Holds the well-known types of google.protobuf.
  Schema();

  // Adds a file and all that it imports, or all files of a pool. Each must
  // outlive the schema. Pools come first when a name is looked up.
  void AddFile(const google::protobuf::FileDescriptor* file);
  void AddPool(const google::protobuf::DescriptorPool* pool);

  // By full name. Null if there is none.
  const google::protobuf::Descriptor* FindMessage(
      const std::string& name) const;
  const google::protobuf::EnumDescriptor* FindEnum(
      const std::string& name) const;
  const google::protobuf::FieldDescriptor* FindExtension(
      const std::string& name) const;
  // "pkg.Enum.VALUE".
  const google::protobuf::EnumValueDescriptor* FindEnumValue(
      const std::string& name) const;

  // The field or extension `name` of `message`.
  const google::protobuf::FieldDescriptor* FindField(
      const google::protobuf::Descriptor* message,
      const std::string& name) const;

  // An empty message, owned by `arena`; it must not outlive the schema.
  google::protobuf::Message* New(const google::protobuf::Descriptor* type,
                                 google::protobuf::Arena& arena) const;

  // True: an enum is a type of its own; false: an int ("legacy" semantics).
  void set_strong_enums(bool on) { strong_enums_ = on; }
  bool strong_enums() const { return strong_enums_; }

 private:
  template <typename T>
  const T* Find(const T* (google::protobuf::DescriptorPool::*find)(
                    const std::string&) const,
                const std::string& name) const;

  std::vector<const google::protobuf::DescriptorPool*> whole_pools_;
  std::vector<const google::protobuf::DescriptorPool*> file_pools_;
  std::unordered_set<const google::protobuf::FileDescriptor*> files_;
  // Its own lock makes GetPrototype thread-safe.
  mutable google::protobuf::DynamicMessageFactory factory_;
  bool strong_enums_ = false;
};

// Reads as null: google.protobuf.NullValue.
bool IsNullEnum(const google::protobuf::EnumDescriptor* type);

}  // namespace kms::cel

#endif  // POLICY_CEL_SCHEMA_H_

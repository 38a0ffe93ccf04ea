// Reads a message whose type is only known at run time, field by name: the
// conformance tests' own protos are not part of this build.
// Thread-compatible. A view lives as long as its message.
#ifndef POLICY_CEL_MESSAGE_VIEW_H_
#define POLICY_CEL_MESSAGE_VIEW_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace kms::cel {

// REQUIRES, of each function: a field of that name and kind.
class MessageView {
 public:
  explicit MessageView(const google::protobuf::Message& message)
      : message_(&message) {}

  const google::protobuf::Message& message() const { return *message_; }

  // The name of the field of `oneof` that is set, or "".
  std::string Which(const std::string& oneof) const;
  std::string Text(const std::string& field) const;
  bool Bool(const std::string& field) const;
  int64_t Int(const std::string& field) const;  // Of int32 and enum fields too.
  uint64_t Uint(const std::string& field) const;
  double Double(const std::string& field) const;
  std::string EnumName(const std::string& field) const;
  bool Has(const std::string& field) const;
  MessageView Get(const std::string& field) const;
  std::vector<MessageView> All(const std::string& field) const;

 private:
  const google::protobuf::FieldDescriptor* Field(const std::string& name) const;

  const google::protobuf::Message* message_;
};

}  // namespace kms::cel

#endif  // POLICY_CEL_MESSAGE_VIEW_H_

// CEL values into protobuf messages: what a message construction expression,
// `Claims{type: 3}`, does. The reverse of message_reader.h.
// Source: cel-spec, doc/langdef.md, "Protocol Buffer Data Conversion".
// Thread-safe: free functions, apart from their Context.
#ifndef POLICY_CEL_MESSAGE_BUILDER_H_
#define POLICY_CEL_MESSAGE_BUILDER_H_

#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "policy/cel/context.h"
#include "policy/cel/value.h"

namespace kms::cel {

// Sets `field` of `message` to a copy of `value`. An error if the value is not
// of the field's type or does not fit its width. Null leaves a message field
// as it is, unless null is a value of its type (Any, Value).
Error SetField(Context& context, const Value& value,
               const google::protobuf::FieldDescriptor* field,
               google::protobuf::Message* message);

}  // namespace kms::cel

#endif  // POLICY_CEL_MESSAGE_BUILDER_H_

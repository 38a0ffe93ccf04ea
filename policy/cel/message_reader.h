// Protobuf messages as CEL values, by reflection and in place: fields, lists
// and maps, and the messages that stand for something else (timestamps,
// wrappers, JSON values, Any).
// Source: cel-spec, doc/langdef.md, "Protocol Buffer Data Conversion" and
// "Dynamic Values".
// Thread-safe: free functions, apart from their Context.
#ifndef POLICY_CEL_MESSAGE_READER_H_
#define POLICY_CEL_MESSAGE_READER_H_

#include <cstddef>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "policy/cel/context.h"
#include "policy/cel/value.h"

namespace kms::cel {

inline constexpr char kUnknownAny[] = "Any holds a message of an unknown type";
inline constexpr char kMalformedAny[] = "Any holds a malformed message";

// The value that `message` stands for: itself, unless it is of a well-known
// type. An error if it is an Any that cannot be opened (kUnknownAny,
// kMalformedAny) or a time out of range.
Error FromMessage(Context& context, const google::protobuf::Message& message,
                  Value* out);

// What `field` of `message` reads as; one that is not set reads as its default,
// or as null if it is a wrapper. The entries of a map field come sorted by
// their keys: the message's own order differs between processes.
Error ReadField(Context& context, const google::protobuf::Message& message,
                const google::protobuf::FieldDescriptor* field, Value* out);

// Element `i` of a list. REQUIRES: `i` < list.size().
Error ReadElement(Context& context, const Value& list, size_t i, Value* out);

// What has() asks: set, or not empty, or in proto3 not the default.
bool HasField(const google::protobuf::Message& message,
              const google::protobuf::FieldDescriptor* field);

}  // namespace kms::cel

#endif  // POLICY_CEL_MESSAGE_READER_H_

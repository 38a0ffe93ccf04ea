// The specification's protobuf forms of types and values
// (cel/expr/checked.proto and value.proto), as this folder's. Thread-safe: free
// functions, apart from their Context.
#ifndef POLICY_CEL_CONFORMANCE_VALUES_H_
#define POLICY_CEL_CONFORMANCE_VALUES_H_

#include "policy/cel/context.h"
#include "policy/cel/message_view.h"
#include "policy/cel/schema.h"
#include "policy/cel/type.h"
#include "policy/cel/value.h"

namespace kms::cel {

// `view` is a cel.expr.Type.
Type TypeFromProto(const Schema& schema, const MessageView& view);

// `view` is a cel.expr.Value, and lives as long as `out`.
Error ValueFromProto(Context& context, const MessageView& view, Value* out);

// Whether two values are the same to a test: as equal, but of one type, and NaN
// is NaN.
bool IsSame(Context& context, const Value& a, const Value& b);

}  // namespace kms::cel

#endif  // POLICY_CEL_CONFORMANCE_VALUES_H_

// Type-checks a syntax tree against an environment and says what each node
// means: which variable, field or function. An expression that passes cannot
// name anything unknown.
// Source: cel-spec, doc/langdef.md, "Gradual type checking".
// Thread-safe: a free function. It evaluates nothing.
#ifndef POLICY_CEL_CHECKER_H_
#define POLICY_CEL_CHECKER_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "google/protobuf/descriptor.h"
#include "policy/cel/ast.h"
#include "policy/cel/environment.h"
#include "policy/cel/functions.h"
#include "policy/cel/issue.h"
#include "policy/cel/type.h"

namespace kms::cel {

// The meaning of a node beyond what the tree says.
struct Meaning {
  enum class Kind : uint8_t {
    kTree,      // As the node's own kind says.
    kVariable,  // `slot`; the node may be a select, as in reference.images.
    kLazy,      // `slot`, which `lazy` fills when it is first read.
    kConstant,  // `constant`: an enum value or a type; the same.
    kToEnum,    // A call that converts its argument to `enum_type`.
    kError,     // `error`, where it is evaluated: an unchecked expression.
  };
  Kind kind = Kind::kTree;
  bool skips_receiver = false;  // Of a call: args[0] only names a namespace.
  uint32_t slot = 0;   // Of a variable, or of a comprehension's variable.
  uint32_t slot2 = 0;  // Of its second variable.
  ExprId lazy = 0;
  uint32_t fields_begin = 0;  // Of a message, in CheckedTree::fields.
  Value constant;
  Error error = nullptr;
  Implementation run = nullptr;  // Of a call; null if it cannot be called.
  const google::protobuf::EnumDescriptor* enum_type = nullptr;
  const google::protobuf::Descriptor* message = nullptr;  // Of a kMessage.
  // Of a select or has() on a message whose type is known; null means that the
  // operand is a map or is only known when evaluated.
  const google::protobuf::FieldDescriptor* field = nullptr;
};

struct CheckedTree {
  std::vector<Meaning> meanings;  // One for each node of the tree.
  // Of each entry of each message; null where an unchecked expression names a
  // field that the message does not have.
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  uint32_t slot_count = 0;  // Environment's variables, then the macros'.
  Type type;                // Of the whole expression.
};

// Nothing if `ast` does not check; why is in `issue`.
std::optional<CheckedTree> Check(const Ast& ast, const Environment& environment,
                                 Issue& issue);

}  // namespace kms::cel

#endif  // POLICY_CEL_CHECKER_H_

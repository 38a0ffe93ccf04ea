// A checked expression made ready to run: literals as values, constant
// conversions done, constant patterns compiled.
// Immutable once made, and thread-safe then.
#ifndef POLICY_CEL_CODE_H_
#define POLICY_CEL_CODE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/arena.h"
#include "policy/cel/ast.h"
#include "policy/cel/checker.h"
#include "policy/cel/environment.h"
#include "policy/cel/issue.h"
#include "policy/cel/schema.h"
#include "policy/cel/type.h"
#include "policy/cel/value.h"
#include "re2/re2.h"

namespace kms::cel {

struct Code {
  struct Node {
    bool is_constant = false;
    Value constant;                      // If is_constant.
    std::unique_ptr<const RE2> pattern;  // Of matches() with a literal.
  };

  std::string source;
  Ast ast;
  CheckedTree tree;
  std::shared_ptr<const Schema> schema;  // Before the arena: it outlives it.
  std::vector<Node> nodes;               // One for each node of the tree.
  google::protobuf::Arena arena;         // Owns what constants refer to.
};

// Null if `source` is not an expression over `environment` whose type is
// `want` (dyn: any type); why is in `issue`. Literal arguments of unhex(),
// timestamp(), duration(), ip(), cidr() and matches() are read here, so that a
// typing error in a policy is found when it is stored.
std::shared_ptr<const Code> MakeCode(absl::string_view source,
                                     const Environment& environment,
                                     const Type& want, Issue& issue);

}  // namespace kms::cel

#endif  // POLICY_CEL_CODE_H_

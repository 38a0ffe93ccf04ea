// The syntax tree of an expression: nodes in one vector, children before their
// parents, each with the span of source that it came from. Macros stay macros
// (kHas, kComprehension), so that a trace can speak the author's language.
// Thread-compatible; immutable once parsed. It knows nothing of types.
#ifndef POLICY_CEL_AST_H_
#define POLICY_CEL_AST_H_

#include <cstdint>
#include <string>
#include <vector>

#include "policy/cel/issue.h"

namespace kms::cel {

using ExprId = uint32_t;

struct Expr {
  enum class Kind : uint8_t {
    kNull,
    kBool,
    kInt,
    kUint,
    kDouble,
    kString,
    kBytes,
    kIdentifier,      // name; begins with a dot if absolute.
    kSelect,          // args[0] . name
    kOptionalSelect,  // args[0] .? name
    kHas,             // has(args[0] . name)
    kCall,            // name(args...), or args[0].name(args[1]...) if member.
    kAnd,             // args[0] && args[1] && ...; at least two.
    kOr,
    kConditional,    // args[0] ? args[1] : args[2]
    kList,           // [args...]
    kMap,            // {args[0]: args[1], args[2]: args[3], ...}
    kMessage,        // name{entries[0].name: args[0], ...}
    kComprehension,  // args[0].macro(name, [name2,] args[1][, args[2]])
    kBind,           // cel.bind(name, args[0], args[1])
    kBlock,          // cel.block([args[0], ...], args.back())
  };
  enum class Macro : uint8_t {
    kAll,
    kExists,
    kExistsOne,
    kMap,
    kFilter,
    kTransformList,      // As kMap, with two variables.
    kTransformMap,       // Keys stay, values are transformed.
    kTransformMapEntry,  // Each gives a map, and they are merged.
    kOptMap,
    kOptFlatMap,
  };
  // Of a list, map or message; where none has a mark, a list or map has no
  // entries here.
  struct Entry {
    std::string name;    // Of a message's field.
    uint32_t begin = 0;  // Of the name.
    bool optional = false;
  };

  Kind kind = Kind::kNull;
  Macro macro = Macro::kAll;
  bool member = false;
  uint8_t height = 1;  // Of the subtree; at most kHeightMax.
  SourceSpan span;
  uint32_t name_begin = 0;  // Of the field or member function's name.
  union {
    bool bool_value;
    int64_t int_value = 0;
    uint64_t uint_value;
    double double_value;
  };
  std::string name;   // Also the contents of kString and kBytes.
  std::string name2;  // The second variable of a comprehension, or "".
  std::vector<ExprId> args;
  std::vector<Entry> entries;

  bool optional(size_t entry) const {
    return entry < entries.size() && entries[entry].optional;
  }
};

struct Ast {
  std::vector<Expr> nodes;
  ExprId root = 0;

  const Expr& operator[](ExprId id) const { return nodes[id]; }
};

// The names that cel.index(N), cel.iterVar(N, M) and cel.accuVar(N, M) stand
// for. No source text can spell them.
inline constexpr char kIndexPrefix[] = "@index";

}  // namespace kms::cel

#endif  // POLICY_CEL_AST_H_

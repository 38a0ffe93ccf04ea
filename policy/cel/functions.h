// The functions and operators of the language with their overloads: the
// checker asks which overloads fit, the evaluator runs what it is told. The
// standard library and the extensions strings, math, encoders, optionals and
// network; hex and unhex are our own: Reference Values are written in hex and
// compared as bytes.
// Source: cel-spec, doc/langdef.md, "List of Standard Definitions".
// Thread-safe: constant tables.
#ifndef POLICY_CEL_FUNCTIONS_H_
#define POLICY_CEL_FUNCTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "policy/cel/context.h"
#include "policy/cel/type.h"
#include "policy/cel/value.h"

namespace kms::cel {

// Computes a call. Dispatch is by the values' own kinds, so that it serves dyn
// operands too; as many arguments come as an overload of that name takes. Each
// charges for what it looks at beyond a step, which the caller charged.
using Implementation = Error (*)(Context& context, absl::Span<const Value> args,
                                 Value* out);

// The most arguments that any function with an implementation takes.
inline constexpr size_t kArgumentsMax = 4;

enum class Style : uint8_t {
  kGlobal,  // name(a, b)
  kMember,  // a.name(b)
  kBoth,
};

struct Overload {
  std::string name;
  bool member = false;
  std::vector<Type> args;
  Type result;
  Implementation run = nullptr;  // Null: declared, and not to be called.
};

// One row of the tables. Letters are types: b bool, i int, u uint, d double,
// s string, y bytes, t timestamp, n duration (a span of nanoseconds), 0 null,
// A or B any one type, L list(A), M map(A, B), T type(A), l list(string),
// O optional(A), P optional(B), X optional(L), Y optional(M), Q list(O),
// I net.IP, C net.CIDR, * dyn. In args and result alike.
struct Declaration {
  absl::string_view name;
  Style style;
  absl::string_view args;
  char result;
  Implementation run;
};

// The tables, one for each file of implementations.
absl::Span<const Declaration> OperatorDeclarations();
absl::Span<const Declaration> ConversionDeclarations();
absl::Span<const Declaration> TimeDeclarations();
absl::Span<const Declaration> StringDeclarations();
absl::Span<const Declaration> MathDeclarations();
absl::Span<const Declaration> OptionalDeclarations();
absl::Span<const Declaration> NetworkDeclarations();

// All overloads of one name and style; empty if there are none.
absl::Span<const Overload> FindOverloads(absl::string_view name, bool member);

// Names that people may have meant: no operators.
std::vector<std::string> FunctionNames();

// How people write the function: "<" for "_<_", "in" for "@in", "size()".
std::string DisplayName(absl::string_view function);

}  // namespace kms::cel

#endif  // POLICY_CEL_FUNCTIONS_H_

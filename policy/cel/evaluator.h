// Walks a tree and computes its value.
// Source: cel-spec, doc/langdef.md, "Evaluation" and "Runtime Errors".
// Thread-compatible: one Evaluator for each evaluation. It explains nothing;
// see trace.h.
#ifndef POLICY_CEL_EVALUATOR_H_
#define POLICY_CEL_EVALUATOR_H_

#include <cstdint>

#include "absl/container/inlined_vector.h"
#include "absl/types/span.h"
#include "google/protobuf/arena.h"
#include "policy/cel/code.h"
#include "policy/cel/context.h"
#include "policy/cel/limits.h"
#include "policy/cel/value.h"

namespace kms::cel {

struct EvaluateOptions {
  // CEL lets `error || true` be true, and reads an absent message as an empty
  // one. When strict, an error in any operand that is evaluated is the result,
  // and reading a field that has presence and is not set is an error: what
  // Evidence did not say must not satisfy a rule.
  bool strict = false;
  uint64_t cost_limit = kCostMax;
};

// The error of a variable whose value nobody knows yet: Value::OfError of it
// makes one. It outweighs other errors in && and ||, and yields to them in
// calls. Source: cel-spec, proto/cel/expr/eval.proto, ExprValue.unknown.
inline constexpr char kUnknownValue[] = "value is unknown";

class Evaluator {
 public:
  // `variables` are in the order of the environment's slots. All arguments
  // must outlive the evaluator and its values.
  Evaluator(const Code& code, absl::Span<const Value> variables,
            const EvaluateOptions& options, google::protobuf::Arena& arena);

  // False on an error, which is then in error() and error_at().
  bool Eval(ExprId id, Value* out);

  Error error() const { return error_; }
  ExprId error_at() const { return error_at_; }
  uint64_t cost() const { return context_.cost(); }

  const Code& code() const { return code_; }

  // Sets the variables of macro `id` for element `i` of a list or entry `i` of
  // a map.
  bool SetVariables(ExprId id, const Value& range, size_t i);

 private:
  // What an error may yet be overruled by; see Absorb.
  struct Saved {
    Error error = nullptr;
    ExprId at = 0;
  };

  bool Fail(ExprId at, Error error) {
    error_ = error;
    error_at_ = at;
    return false;
  }
  bool Check(ExprId at, Error error) {
    return error == nullptr || Fail(at, error);
  }

  // evaluator.cc
  bool EvalBool(ExprId id, bool* out);
  bool EvalVariable(ExprId id, uint32_t slot, Value* out);
  bool EvalLazy(ExprId id, Value* out);
  bool Call(ExprId id, Value* out);
  bool OrElse(ExprId id, const Value& optional, Value* out);
  bool ToEnum(ExprId id, const Value& from, Value* out);
  bool AndOr(ExprId id, bool deciding, Value* out);
  bool Absorb(Saved& first) const;

  // selection.cc
  bool Select(ExprId id, Value* out);
  bool SelectFrom(ExprId id, const Value& operand, Value* out);
  bool OptionalSelect(ExprId id, Value* out);
  bool SelectOptional(ExprId id, Value operand, Value* out);
  bool Has(ExprId id, Value* out);
  bool HasIn(ExprId id, const Value& operand, bool* out);
  const google::protobuf::FieldDescriptor* FieldOf(ExprId id,
                                                   const Value& message) const;
  bool ListLiteral(ExprId id, Value* out);
  bool MapLiteral(ExprId id, Value* out);
  bool Message(ExprId id, Value* out);
  bool EvalEntry(ExprId id, size_t entry, ExprId value, Value* out, bool* some);

  // comprehension.cc
  bool Comprehension(ExprId id, Value* out);
  bool AllOrExists(ExprId id, const Value& range, Value* out);
  bool ExistsOne(ExprId id, const Value& range, Value* out);
  bool MapOrFilter(ExprId id, const Value& range, Value* out);
  bool TransformMap(ExprId id, const Value& range, Value* out);
  bool AddEntries(ExprId id, const Value& map, absl::Span<Value> into,
                  size_t* size);
  bool OptMap(ExprId id, const Value& range, Value* out);

  const Code& code_;
  const bool strict_;
  Context context_;
  absl::InlinedVector<Value, 16> slots_;
  Error error_ = nullptr;
  ExprId error_at_ = 0;
};

}  // namespace kms::cel

#endif  // POLICY_CEL_EVALUATOR_H_

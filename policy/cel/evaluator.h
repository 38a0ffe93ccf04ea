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
#include "policy/cel/limits.h"
#include "policy/cel/runtime.h"
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
  uint64_t cost() const { return runtime_.cost(); }

  const Code& code() const { return code_; }
  Runtime& runtime() { return runtime_; }
  void SetSlot(uint32_t slot, const Value& value) { slots_[slot] = value; }

  // Element `i` of a list or key `i` of a map: what a macro's variable holds.
  bool Item(ExprId at, const Value& range, size_t i, Value* out);

 private:
  bool Fail(ExprId at, Error error) {
    error_ = error;
    error_at_ = at;
    return false;
  }
  bool EvalBool(ExprId id, bool* out);
  bool Select(ExprId id, Value* out);
  bool Has(ExprId id, Value* out);
  bool Call(ExprId id, Value* out);
  bool AndOr(ExprId id, bool deciding, Value* out);
  bool Items(ExprId id, Value* out);
  bool Comprehension(ExprId id, Value* out);
  bool AllOrExists(ExprId id, const Value& range, Value* out);
  bool ExistsOne(ExprId id, const Value& range, Value* out);
  bool MapOrFilter(ExprId id, const Value& range, Value* out);

  // True if the error just met may yet be absorbed by another operand; the
  // first such error is kept in `first`.
  struct Saved {
    Error error = nullptr;
    ExprId at = 0;
  };
  bool Absorb(Saved& first) const;

  const Code& code_;
  const bool strict_;
  Runtime runtime_;
  absl::InlinedVector<Value, 16> slots_;
  Error error_ = nullptr;
  ExprId error_at_ = 0;
};

}  // namespace kms::cel

#endif  // POLICY_CEL_EVALUATOR_H_

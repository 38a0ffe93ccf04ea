// A compiled expression: the entry point of this folder.
//
//   Environment environment("kms.v1");
//   environment.AddVariable("claims", Type::Message(Claims::descriptor()));
//   Issue issue;
//   auto program = Program::Compile("claims.cpu.debug == false", environment,
//                                   Type::Kind::kBool, issue);
//   const Value values[] = {Value::OfMessage(claims)};
//   const Outcome outcome = program->Evaluate(values, {.strict = true}, arena);
//
// Source: the Common Expression Language, cel-spec, doc/langdef.md.
// Thread-safe: a Program is immutable, and copies share it. It reads no clock
// and no input but its variables: the same values give the same outcome and
// the same cost on every instance.
#ifndef POLICY_CEL_PROGRAM_H_
#define POLICY_CEL_PROGRAM_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "google/protobuf/arena.h"
#include "policy/cel/code.h"
#include "policy/cel/environment.h"
#include "policy/cel/evaluator.h"
#include "policy/cel/issue.h"
#include "policy/cel/render.h"
#include "policy/cel/trace.h"
#include "policy/cel/type.h"
#include "policy/cel/value.h"

namespace kms::cel {

struct Outcome {
  Error error = nullptr;  // Null: `value` is the result.
  Value value;            // Lives as long as variables, program and arena.
  SourceSpan error_at;    // The sub-expression that failed, if `error`.
  uint64_t cost = 0;      // Steps taken.

  // The only way in which a rule holds.
  bool IsTrue() const {
    return error == nullptr && value.Is(Value::Kind::kBool) &&
           value.bool_value();
  }
};

class Program {
 public:
  // Nothing if `source` (any bytes) is not an expression of type `want` (dyn:
  // of any type) over `environment`; why is in `issue`, which must be fresh.
  static std::optional<Program> Compile(absl::string_view source,
                                        const Environment& environment,
                                        const Type& want, Issue& issue);

  // REQUIRES: `variables` are the environment's, in the order they were added,
  // and of the types declared.
  Outcome Evaluate(absl::Span<const Value> variables,
                   const EvaluateOptions& options,
                   google::protobuf::Arena& arena) const;

  // Why Evaluate with the same arguments was not true: slower, and for the few
  // evaluations that fail.
  std::vector<Failure> Explain(absl::Span<const Value> variables,
                               const EvaluateOptions& options) const;

  const std::string& source() const { return code_->source; }
  const Type& type() const { return code_->tree.type; }

 private:
  explicit Program(std::shared_ptr<const Code> code) : code_(std::move(code)) {}

  std::shared_ptr<const Code> code_;
};

}  // namespace kms::cel

#endif  // POLICY_CEL_PROGRAM_H_

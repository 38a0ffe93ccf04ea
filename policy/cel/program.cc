#include "policy/cel/program.h"

#include <utility>

namespace kms::cel {

std::optional<Program> Program::Compile(absl::string_view source,
                                        const Environment& environment,
                                        const Type& want, Issue& issue) {
  auto code = MakeCode(source, environment, want, issue);
  if (code == nullptr) return std::nullopt;
  return Program(std::move(code));
}

Outcome Program::Evaluate(absl::Span<const Value> variables,
                          const EvaluateOptions& options,
                          google::protobuf::Arena& arena) const {
  Evaluator evaluator(*code_, variables, options, arena);
  Outcome outcome;
  if (!evaluator.Eval(code_->ast.root, &outcome.value)) {
    outcome.error = evaluator.error();
    outcome.error_at = code_->ast[evaluator.error_at()].span;
  }
  outcome.cost = evaluator.cost();
  return outcome;
}

std::vector<Failure> Program::Explain(absl::Span<const Value> variables,
                                      const EvaluateOptions& options) const {
  google::protobuf::Arena arena;
  // Each level of the tree evaluates its parts once more.
  EvaluateOptions generous = options;
  generous.cost_limit = options.cost_limit * 8;
  Evaluator evaluator(*code_, variables, generous, arena);
  return kms::cel::Explain(evaluator);
}

}  // namespace kms::cel

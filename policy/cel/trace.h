// Why a rule did not hold: the smallest sub-expressions that decided it, with
// the value seen and the value wanted. Runs after a failed evaluation, by
// evaluating parts of the expression again; evaluation itself keeps no record.
// Thread-compatible, as is the Evaluator.
#ifndef POLICY_CEL_TRACE_H_
#define POLICY_CEL_TRACE_H_

#include <string>
#include <vector>

#include "policy/cel/evaluator.h"
#include "policy/cel/issue.h"

namespace kms::cel {

struct Failure {
  SourceSpan span;     // Of the sub-expression in the source text.
  std::string seen;    // Its value, or what went wrong; see Render().
  std::string wanted;  // "== 3", "in [1, 2]", "true"; "" after an error.
};

// `evaluator` is fresh, over the same values as the failed evaluation. At most
// kFailuresMax failures, in source order; none if the expression is true.
std::vector<Failure> Explain(Evaluator& evaluator);

}  // namespace kms::cel

#endif  // POLICY_CEL_TRACE_H_

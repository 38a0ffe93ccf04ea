// A decision as people read it: each rule, and of one that did not hold the
// part that decided, the values seen and wanted, and where they came from.
// Also the commands kmsctl policy explain and dry-run.
// Thread-compatible: one command runs in a process.
#ifndef TOOLS_KMSCTL_POLICY_EXPLAIN_H_
#define TOOLS_KMSCTL_POLICY_EXPLAIN_H_

#include <ostream>

#include "absl/status/status.h"
#include "proto/kms/v1/decision.pb.h"
#include "tools/kmsctl/context.h"

namespace kms::kmsctl {

// Rules, then the verdict. With `inputs`, also the Reference Values and the
// collateral that it stood on.
void PrintDecision(std::ostream& out, const v1::Decision& decision,
                   bool inputs);

// OK if it allows; else the refusal that the workload would meet.
absl::Status StatusOf(const v1::Decision& decision);

// Explains why the recorded request at `leaf` was decided as it was.
absl::Status ExplainLeaf(Context& context, uint64_t leaf);

// Under `policy`, the command group: dry-run.
void AddDryRunCommand(CLI::App& policy, Context& context);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_POLICY_EXPLAIN_H_

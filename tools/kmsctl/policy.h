// kmsctl policy: stores, shows and tries out policies. Trying out a document
// needs no service.
#ifndef TOOLS_KMSCTL_POLICY_H_
#define TOOLS_KMSCTL_POLICY_H_

#include <CLI/CLI.hpp>

#include "tools/kmsctl/context.h"

namespace kms::kmsctl {

// Adds the command "policy" to `app`; `context` outlives it.
void AddPolicyCommands(CLI::App& app, Context& context);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_POLICY_H_

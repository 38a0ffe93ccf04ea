// kmsctl cluster: which instances there are and how they stand; removing one;
// letting a fenced one back.
#ifndef TOOLS_KMSCTL_CLUSTER_H_
#define TOOLS_KMSCTL_CLUSTER_H_

#include "CLI/CLI.hpp"
#include "tools/kmsctl/context.h"

namespace kms::kmsctl {

// Adds `cluster` with its commands to `app`. Both outlive the parse.
void AddClusterCommands(CLI::App& app, Context& context);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_CLUSTER_H_

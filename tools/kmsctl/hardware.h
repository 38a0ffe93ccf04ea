// kmsctl deny-list and kill-switch: hardware that nothing is released to.
#ifndef TOOLS_KMSCTL_HARDWARE_H_
#define TOOLS_KMSCTL_HARDWARE_H_

#include <CLI/CLI.hpp>

#include "tools/kmsctl/context.h"

namespace kms::kmsctl {

// Adds the commands "deny-list" and "kill-switch" to `app`; `context` outlives
// it.
void AddHardwareCommands(CLI::App& app, Context& context);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_HARDWARE_H_

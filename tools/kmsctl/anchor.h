// kmsctl anchor: trust anchors beside the built-in vendors'.
#ifndef TOOLS_KMSCTL_ANCHOR_H_
#define TOOLS_KMSCTL_ANCHOR_H_

#include <CLI/CLI.hpp>

#include "tools/kmsctl/context.h"

namespace kms::kmsctl {

// Adds the command "anchor" to `app`; `context` outlives it.
void AddAnchorCommands(CLI::App& app, Context& context);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_ANCHOR_H_

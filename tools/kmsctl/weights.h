// kmsctl weights encrypt|decrypt|verify|inspect: whole files, without a
// server. Format and library: kms/weights.
#ifndef TOOLS_KMSCTL_WEIGHTS_H_
#define TOOLS_KMSCTL_WEIGHTS_H_

#include <CLI/CLI.hpp>

#include "tools/kmsctl/context.h"

namespace kms::kmsctl {

// Adds the group to `app`; `context` outlives it.
void AddWeightsCommands(CLI::App& app, Context& context);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_WEIGHTS_H_

// kmsctl collateral: the vendors' files that verdicts stand on, in the service
// and offline.
#ifndef TOOLS_KMSCTL_COLLATERAL_H_
#define TOOLS_KMSCTL_COLLATERAL_H_

#include <CLI/CLI.hpp>

#include "tools/kmsctl/context.h"

namespace kms::kmsctl {

// Adds the command "collateral" to `app`; `context` outlives it.
void AddCollateralCommands(CLI::App& app, Context& context);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_COLLATERAL_H_

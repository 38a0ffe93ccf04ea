// kmsctl collateral: the vendors' files that verdicts stand on, in the service
// and offline.
#ifndef TOOLS_KMSCTL_COLLATERAL_H_
#define TOOLS_KMSCTL_COLLATERAL_H_

#include <CLI/CLI.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "tools/kmsctl/context.h"

namespace kms::kmsctl {

// Adds the command "collateral" to `app`; `context` outlives it.
void AddCollateralCommands(CLI::App& app, Context& context);

// In one line: how many files are in date, refused for their age, or soon will
// be. Codes of the call.
absl::StatusOr<std::string> CollateralAtAGlance(Context& context);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_COLLATERAL_H_

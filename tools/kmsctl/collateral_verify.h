// kmsctl collateral verify: collateral by itself, without a service, so that a
// third party can check what we checked.
#ifndef TOOLS_KMSCTL_COLLATERAL_VERIFY_H_
#define TOOLS_KMSCTL_COLLATERAL_VERIFY_H_

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "tools/kmsctl/context.h"

namespace kms::kmsctl {

// Adds "verify" to the command "collateral". Its exit status is that of
// "evidence verify": exit_codes.h.
void AddCollateralVerifyCommand(CLI::App& collateral, Context& context);

// "rim, tcb-info, ...": for help texts.
std::string CollateralKindsText();

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_COLLATERAL_VERIFY_H_

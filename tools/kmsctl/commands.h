// The whole command tree, for the program and for its tests.
#ifndef TOOLS_KMSCTL_COMMANDS_H_
#define TOOLS_KMSCTL_COMMANDS_H_

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tools/kmsctl/context.h"

namespace kms::kmsctl {

// `context` outlives what is returned.
std::unique_ptr<CLI::App> MakeApp(Context& context);

// Parses `arguments` (without the program's name), runs what they name and
// returns the exit code.
int RunCommand(std::vector<std::string> arguments, Context& context);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_COMMANDS_H_

// Shell completion, made from the command tree itself: it cannot name a
// command that is not there, or miss one that is.
// Thread-safe: a free function.
#ifndef TOOLS_KMSCTL_COMPLETION_H_
#define TOOLS_KMSCTL_COMPLETION_H_

#include <CLI/CLI.hpp>
#include <string>

#include "tools/kmsctl/context.h"

namespace kms::kmsctl {

// A script that completes `app`'s commands and options, and file names.
// `shell`: bash, zsh or fish.
std::string CompletionScript(const CLI::App& app, const std::string& shell);

// Adds the command "completion" to `app`; call it last.
void AddCompletionCommand(CLI::App& app, Context& context);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_COMPLETION_H_

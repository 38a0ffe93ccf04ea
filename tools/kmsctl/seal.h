// init, unseal, seal, status and log new-epoch: the life of the root key, on
// one instance at a time.
#ifndef TOOLS_KMSCTL_SEAL_H_
#define TOOLS_KMSCTL_SEAL_H_

#include <CLI/CLI.hpp>

#include "tools/kmsctl/context.h"

namespace kms::kmsctl {

// Adds the commands "init", "unseal", "seal", "status" and "log" to `app`;
// `context` outlives it.
void AddSealCommands(CLI::App& app, Context& context);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_SEAL_H_

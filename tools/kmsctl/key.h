// kmsctl key: names, versions and states. Key material goes in only: sealed to
// a one-time key of the service, never over TLS alone.
#ifndef TOOLS_KMSCTL_KEY_H_
#define TOOLS_KMSCTL_KEY_H_

#include <CLI/CLI.hpp>

#include "tools/kmsctl/context.h"

namespace kms::kmsctl {

// Adds the command "key" to `app`; `context` outlives it.
void AddKeyCommands(CLI::App& app, Context& context);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_KEY_H_

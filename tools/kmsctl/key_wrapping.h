// kmsctl key public|wrap|rewrap: what publishers and administrators do with
// wrapping keys. `wrap` is offline: it needs the file that `public` printed,
// and believes it only under the pinned identity of the cluster.
#ifndef TOOLS_KMSCTL_KEY_WRAPPING_H_
#define TOOLS_KMSCTL_KEY_WRAPPING_H_

#include <CLI/CLI.hpp>

#include "tools/kmsctl/context.h"

namespace kms::kmsctl {

// Adds to the `key` command. `context` outlives the parsing of `key`.
void AddWrappingCommands(CLI::App& key, Context& context);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_KEY_WRAPPING_H_

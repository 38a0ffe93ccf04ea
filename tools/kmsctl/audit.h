// kmsctl audit: the Merkle log. Everything shown as proved was verified here,
// under the pinned cluster id and identity key.
#ifndef TOOLS_KMSCTL_AUDIT_H_
#define TOOLS_KMSCTL_AUDIT_H_

#include <CLI/CLI.hpp>

#include "tools/kmsctl/context.h"

namespace kms::kmsctl {

// Adds the command "audit" to `app`; `context` outlives it.
void AddAuditCommands(CLI::App& app, Context& context);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_AUDIT_H_

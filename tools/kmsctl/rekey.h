// seal rekey, seal migrate and the steps that follow them: a new root key for
// one instance, under other shares or another kind of seal. And seal
// rotate-keyring: new keys below it.
#ifndef TOOLS_KMSCTL_REKEY_H_
#define TOOLS_KMSCTL_REKEY_H_

#include <CLI/CLI.hpp>

#include "tools/kmsctl/context.h"

namespace kms::kmsctl {

// Adds "rekey", "migrate", "rekey-share", "rekey-cancel" and
// "rotate-keyring" to the command "seal"; `context` outlives it.
void AddRekeyCommands(CLI::App& seal, Context& context);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_REKEY_H_

// kmsctl reference put, get, list, history and end: stored sets of Reference
// Values.
// Thread-compatible: one command runs in a process.
#ifndef TOOLS_KMSCTL_REFERENCE_H_
#define TOOLS_KMSCTL_REFERENCE_H_

#include "tools/kmsctl/context.h"

namespace kms::kmsctl {

void AddReferenceCommands(CLI::App& app, Context& context);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_REFERENCE_H_

// kmsctl server-evidence: what an instance proves of itself.
#ifndef TOOLS_KMSCTL_SERVER_EVIDENCE_H_
#define TOOLS_KMSCTL_SERVER_EVIDENCE_H_

#include <CLI/CLI.hpp>

#include "tools/kmsctl/context.h"

namespace kms::kmsctl {

// `context` outlives `app`.
void AddServerEvidenceCommand(CLI::App& app, Context& context);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_SERVER_EVIDENCE_H_

// kmsctl evidence: verifies or shows an evidence bundle, without a server.
#ifndef TOOLS_KMSCTL_EVIDENCE_H_
#define TOOLS_KMSCTL_EVIDENCE_H_

#include <CLI/CLI.hpp>
#include <optional>

namespace kms::kmsctl {

// Adds the command "evidence" with its subcommands to `app`. A subcommand that
// ran leaves its exit status (exit_codes.h) in `exit_code`, which outlives
// `app`.
void AddEvidenceCommands(CLI::App& app, std::optional<int>& exit_code);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_EVIDENCE_H_

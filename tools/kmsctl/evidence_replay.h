// kmsctl evidence replay: which registers a firmware event log leads to, and
// what its events say. Proves nothing: no hardware has spoken.
#ifndef TOOLS_KMSCTL_EVIDENCE_REPLAY_H_
#define TOOLS_KMSCTL_EVIDENCE_REPLAY_H_

#include <CLI/CLI.hpp>
#include <optional>

namespace kms::kmsctl {

// Adds "replay" to the command `evidence`. A run leaves its exit status
// (exit_codes.h) in `exit_code`, which outlives `evidence`.
void AddReplayCommand(CLI::App& evidence, std::optional<int>& exit_code);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_EVIDENCE_REPLAY_H_

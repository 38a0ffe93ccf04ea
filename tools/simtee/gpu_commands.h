// simtee gpu-init, gpu-report: a simulated NVIDIA device from the command line.
#ifndef TOOLS_SIMTEE_GPU_COMMANDS_H_
#define TOOLS_SIMTEE_GPU_COMMANDS_H_

#include <CLI/CLI.hpp>
#include <functional>

#include "absl/status/status.h"

namespace kms::simtee {

// `finish` is called with the outcome of the command that ran.
void AddGpuCommands(CLI::App& app,
                    const std::function<void(const absl::Status&)>& finish);

}  // namespace kms::simtee

#endif  // TOOLS_SIMTEE_GPU_COMMANDS_H_

// kmsctl lease list: which releases hold still, and whether their keys would be
// released again. Every release is a leaf with the end of its lease, and a
// lease is renewed by another release, with fresh Evidence: so the log is the
// list.
#ifndef TOOLS_KMSCTL_LEASE_H_
#define TOOLS_KMSCTL_LEASE_H_

#include <CLI/CLI.hpp>

#include "tools/kmsctl/context.h"

namespace kms::kmsctl {

// `context` outlives the parsing of `app`.
void AddLeaseCommands(CLI::App& app, Context& context);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_LEASE_H_

// kmsctl policy activate, shadow, retire, revert, history and diff: the states
// and the past of a stored policy.
// Thread-compatible: one command runs in a process.
#ifndef TOOLS_KMSCTL_POLICY_VERSIONS_H_
#define TOOLS_KMSCTL_POLICY_VERSIONS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/kms/v1/policies.pb.h"
#include "tools/kmsctl/context.h"

namespace kms::kmsctl {

// "NAME@3" taken apart; version 0 if there is no "@".
struct NamedVersion {
  std::string name;
  uint32_t version = 0;
};
// UsageError: what follows "@" is not a version.
absl::StatusOr<NamedVersion> ParseNamedVersion(absl::string_view text);

// "draft", "shadow", "active", "retired"; "-" for none of these.
std::string PolicyStateText(v1::PolicyState state);

// Under `policy`, the command group.
void AddPolicyVersionCommands(CLI::App& policy, Context& context);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_POLICY_VERSIONS_H_

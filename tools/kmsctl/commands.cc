#include "tools/kmsctl/commands.h"

#include <algorithm>

#include "tools/client/outcome.h"
#include "tools/kmsctl/anchor.h"
#include "tools/kmsctl/audit.h"
#include "tools/kmsctl/cluster.h"
#include "tools/kmsctl/collateral.h"
#include "tools/kmsctl/completion.h"
#include "tools/kmsctl/evidence.h"
#include "tools/kmsctl/hardware.h"
#include "tools/kmsctl/key.h"
#include "tools/kmsctl/lease.h"
#include "tools/kmsctl/policy.h"
#include "tools/kmsctl/reference.h"
#include "tools/kmsctl/seal.h"
#include "tools/kmsctl/server_evidence.h"
#include "tools/kmsctl/weights.h"

namespace kms::kmsctl {

std::unique_ptr<CLI::App> MakeApp(Context& context) {
  auto app = std::make_unique<CLI::App>(
      "Manage and audit an attestation-gated KMS.", "kmsctl");
  app->fallthrough();  // --address and its like stand anywhere.
  app->require_subcommand(1, 1);
  app->footer(
      "Exit codes: 0 done, 1 unexpected, 2 usage, 3 refused, 4 unavailable, "
      "5 a proof does not verify.");
  context.AddOptions(*app);
  AddSealCommands(*app, context);
  AddServerEvidenceCommand(*app, context);
  AddKeyCommands(*app, context);
  AddLeaseCommands(*app, context);
  AddPolicyCommands(*app, context);
  AddReferenceCommands(*app, context);
  AddAnchorCommands(*app, context);
  AddCollateralCommands(*app, context);
  AddHardwareCommands(*app, context);
  AddClusterCommands(*app, context);
  AddAuditCommands(*app, context);
  AddEvidenceCommands(*app, context.exit_code());
  AddWeightsCommands(*app, context);
  AddCompletionCommand(*app, context);
  return app;
}

int RunCommand(std::vector<std::string> arguments, Context& context) {
  const std::unique_ptr<CLI::App> app = MakeApp(context);
  try {
    std::reverse(arguments.begin(), arguments.end());  // As CLI11 wants them.
    app->parse(std::move(arguments));
  } catch (const CLI::Success& help) {
    return app->exit(help, context.out(), context.err());
  } catch (const CLI::ParseError& error) {
    client::PrintFailure("kmsctl", client::UsageError(error.what()),
                         context.err());
    return static_cast<int>(client::ExitCode::kUsage);
  }
  return context.Finish();
}

}  // namespace kms::kmsctl

// kmsctl: the administrator's and auditor's command line.
#include <CLI/CLI.hpp>

#include "tools/kmsctl/evidence.h"
#include "tools/kmsctl/exit_codes.h"

int main(int argc, char** argv) {
  CLI::App app("kmsctl: manage and audit an attestation-gated KMS");
  app.require_subcommand(1);
  int exit_code = kms::kmsctl::kExitOk;
  kms::kmsctl::AddEvidenceCommands(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kms::kmsctl::kExitOk
                                : kms::kmsctl::kExitUsage;
  }
  return exit_code;
}

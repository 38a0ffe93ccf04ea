// kmsctl: the administrator's and auditor's command line.
#include <iostream>
#include <string>
#include <vector>

#include "tools/client/harden.h"
#include "tools/client/outcome.h"
#include "tools/kmsctl/commands.h"
#include "tools/kmsctl/context.h"

int main(int argc, char** argv) {
  if (const absl::Status status = kms::client::Harden(); !status.ok()) {
    kms::client::PrintFailure("kmsctl", status, std::cerr);
    return static_cast<int>(kms::client::ExitCodeOf(status));
  }
  kms::kmsctl::Context context(std::cin, std::cout, std::cerr);
  return kms::kmsctl::RunCommand(
      std::vector<std::string>(argv + 1, argv + argc), context);
}

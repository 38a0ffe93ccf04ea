#include "tests/integration/service.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/status.h"

namespace kms::testing {

absl::StatusOr<std::unique_ptr<Service>> Service::Start(
    const Options& options) {
  std::unique_ptr<Service> service(new Service());
  service->folder_ = MakeFolder();
  KMS_ASSIGN_OR_RETURN(
      service->kmsd_,
      KmsdProcess::Create({.kmsd = "kms/server/kmsd",
                           .directory = service->folder_,
                           .simulated_anchors = options.simulated_anchors,
                           .config = options.config}));
  KMS_RETURN_IF_ERROR(service->kmsd_->Start());
  KMS_ASSIGN_OR_RETURN(const v1::InitResponse init, service->kmsd_->Init(0, 0));
  service->environment_ =
      absl::StrCat("KMS_CLUSTER=", Hex(init.cluster_id()),
                   " KMS_IDENTITY=", Hex(init.identity_public_key()));
  service->pins_ =
      absl::StrCat("--cluster-id ", Hex(init.cluster_id()), " --identity-key ",
                   Hex(init.identity_public_key()));
  return service;
}

Service::~Service() {
  kmsd_.reset();
  RunShell(absl::StrCat("rm -rf '", folder_, "'"));
}

CommandResult Service::Kmsctl(const std::string& arguments) const {
  return RunShell(absl::StrCat(
      "KMS_ADDRESS=", kmsd_->address(), " KMS_CA=", path("ca.pem"),
      " KMS_CERT=", path("admin.pem"), " KMS_KEY=", path("admin.key"), " ",
      environment_, " tools/kmsctl/kmsctl ", arguments));
}

absl::Status Service::Administer(const std::string& arguments) const {
  const CommandResult result = Kmsctl(arguments);
  if (result.exit_code == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(
      "kmsctl ", arguments, ": exit ", result.exit_code, "\n", result.output));
}

CommandResult Service::RunAgent(const std::string& attester,
                                const std::string& address) const {
  unlink(path("released").c_str());
  return RunShell(absl::StrCat(
      "tools/kms_agent/kms-agent --endpoint ",
      address.empty() ? kmsd_->address() : address, " --ca ", path("ca.pem"),
      " ", pins_, " --key weights --once --attester-command ", attester,
      " --output fd:3 3>", path("released")));
}

std::string Service::Released(const std::string& attester,
                              const std::string& secret) const {
  const CommandResult result = RunAgent(attester);
  if (result.exit_code == 0 && released() == secret) return "";
  return absl::StrCat("want a release, got exit ", result.exit_code, "\n",
                      result.output, kmsd_->log());
}

std::string Service::Refused(const std::string& attester,
                             const std::string& code) const {
  const CommandResult result = RunAgent(attester);
  if (result.exit_code == 3 && released().empty() &&
      result.output.find(absl::StrCat(code, ":")) != std::string::npos) {
    return "";
  }
  return absl::StrCat("want ", code, ", got exit ", result.exit_code, "\n",
                      result.output);
}

}  // namespace kms::testing

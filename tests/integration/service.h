// A kmsd with the programs around it, as their users run them: kmsctl by its
// administrator, kms-agent by a machine's boot. For tests of whole releases.
// Thread-compatible.
#ifndef TESTS_INTEGRATION_SERVICE_H_
#define TESTS_INTEGRATION_SERVICE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/integration/kmsd_process.h"
#include "tests/integration/shell.h"

namespace kms::testing {

class Service {
 public:
  struct Options {
    std::vector<std::string> simulated_anchors;
    std::string config;  // Lines added to kmsd's configuration.
  };

  // Started and initialised.
  static absl::StatusOr<std::unique_ptr<Service>> Start(const Options& options);
  ~Service();  // Kills it, and removes its folder.

  CommandResult Kmsctl(const std::string& arguments) const;
  // OK if it ends with 0.
  absl::Status Administer(const std::string& arguments) const;

  // kms-agent for the key "weights", with a program that attests; at another
  // address than the service's if one is given.
  CommandResult RunAgent(const std::string& attester,
                         const std::string& address = "") const;
  // What the last run of it was given; empty if it was nothing.
  std::string released() const { return ReadFile(path("released")); }

  // Empty if the agent is released `secret`, or refused with `code`; else what
  // happened.
  std::string Released(const std::string& attester,
                       const std::string& secret) const;
  std::string Refused(const std::string& attester,
                      const std::string& code) const;

  KmsdProcess& kmsd() const { return *kmsd_; }
  std::string path(const std::string& name) const { return kmsd_->path(name); }

 private:
  Service() = default;

  std::string folder_, pins_, environment_;
  std::unique_ptr<KmsdProcess> kmsd_;
};

}  // namespace kms::testing

#endif  // TESTS_INTEGRATION_SERVICE_H_

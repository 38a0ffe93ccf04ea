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

namespace kms::testing {

struct CommandResult {
  int exit_code = -1;  // -1: it did not exit by itself.
  std::string output;  // Both outputs, as they came.
};

// Runs `script` in a shell, to its end.
CommandResult RunShell(const std::string& script);

std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, const std::string& contents);
void WriteProgram(const std::string& path, const std::string& script);
// A fresh one, only this user's; removed by whoever made it.
std::string MakeFolder();

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

  // kms-agent for the key "weights", with a program that attests.
  CommandResult RunAgent(const std::string& attester) const;
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

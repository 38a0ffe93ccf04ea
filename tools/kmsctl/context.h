// What every kmsctl command is handed: the connection, the pinned cluster, and
// the one way to print an answer.
// Thread-compatible: one command runs in a process.
#ifndef TOOLS_KMSCTL_CONTEXT_H_
#define TOOLS_KMSCTL_CONTEXT_H_

#include <google/protobuf/message.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/client/endpoints.h"
#include "tools/client/server_evidence.h"

namespace kms::kmsctl {

// What was told out of band, and is believed instead of any reply.
struct PinnedCluster {
  std::string cluster_id;           // 16 bytes.
  std::string identity_public_key;  // 32 bytes, Ed25519.
};

class Context {
 public:
  Context(std::istream& in, std::ostream& out, std::ostream& err)
      : in_(in), out_(out), err_(err) {}

  // Adds the options that all commands take (--address, -o, --identity, ...).
  void AddOptions(CLI::App& app);

  // `command` runs `body` when it is chosen, and none of its subcommands; its
  // status decides the exit code.
  void OnRun(CLI::App& command, std::function<absl::Status()> body) {
    command.callback([this, &command, body = std::move(body)] {
      if (command.get_subcommands().empty()) status_ = body();
    });
  }
  // For commands that decide it themselves.
  std::optional<int>& exit_code() { return exit_code_; }

  // What the process returns, after printing a failure.
  int Finish();

  // Calls the service; see client::Endpoints::Call.
  template <typename Service, typename Response, typename Method,
            typename Request>
  absl::StatusOr<Response> Call(Method method, const Request& request) {
    const absl::Status connected = Connect();
    if (!connected.ok()) return connected;
    return endpoints_->Call<Service, Response>(method, request);
  }
  // The same of each address, in their order.
  template <typename Service, typename Response, typename Method,
            typename Request>
  absl::StatusOr<std::vector<absl::StatusOr<Response>>> CallEach(
      Method method, const Request& request) {
    const absl::Status connected = Connect();
    if (!connected.ok()) return connected;
    std::vector<absl::StatusOr<Response>> answers;
    for (size_t i = 0; i < endpoints_->size(); ++i) {
      answers.push_back(
          endpoints_->CallAt<Service, Response>(i, method, request));
    }
    return answers;
  }
  // The same for what one instance does to itself (unseal, seal, status):
  // UsageError unless exactly one address is given.
  template <typename Service, typename Response, typename Method,
            typename Request>
  absl::StatusOr<Response> CallOne(Method method, const Request& request) {
    const absl::Status one = WantOneAddress();
    if (!one.ok()) return one;
    return Call<Service, Response>(method, request);
  }

  // What the one instance proves of itself, now; judged by the policy if one is
  // required. UsageError unless exactly one address is given. Others: those of
  // client::ServerRequirement::Ask.
  absl::StatusOr<client::ShownServer> AskServer();

  // Instead of connecting: for tests, whose service is in their own process.
  void SetEndpoints(std::unique_ptr<client::Endpoints> endpoints) {
    endpoints_ = std::move(endpoints);
  }

  // From --cluster and --identity. UsageError: missing or ill-formed.
  absl::StatusOr<PinnedCluster> Pinned() const;

  // Prints `message` as -o says: JSON, or one field a line.
  void Print(const google::protobuf::Message& message) const;
  void PrintJson(const nlohmann::ordered_json& json) const;
  // Prints rows under headings, or `json`.
  void PrintTable(const std::vector<std::vector<std::string>>& rows,
                  const nlohmann::ordered_json& json) const;
  bool json() const { return output_ == "json"; }

  std::istream& in() { return in_; }
  std::ostream& out() { return out_; }
  std::ostream& err() { return err_; }

 private:
  absl::Status Connect();
  absl::Status ReadConnection();
  absl::StatusOr<std::shared_ptr<const client::ServerRequirement>>
  LoadRequirement() const;
  absl::Status WantOneAddress();

  std::istream& in_;
  std::ostream& out_;
  std::ostream& err_;
  client::ConnectionOptions connection_;
  client::ServerRequirementOptions server_;
  std::string timeout_ = "10s";
  std::string output_ = "text";
  std::string cluster_;
  std::string identity_;
  std::unique_ptr<client::Endpoints> endpoints_;
  absl::Status status_;
  std::optional<int> exit_code_;
};

// "2024-05-01T00:00:00Z", or "-" for 0.
std::string TimeText(int64_t unix_micros);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_CONTEXT_H_

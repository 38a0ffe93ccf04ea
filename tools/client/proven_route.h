// A route to a server that has proven what it runs (server_evidence.h) before
// the first request goes to it.
//
// The question goes over a connection of its own, on which nothing else is ever
// sent and no certificate of ours is shown. Requests go over another, which
// believes exactly the certificate that the Evidence vouches for: whatever gRPC
// connects to by itself later has that certificate, or there is no connection.
// Where there is none any more, because the server was restarted with another
// certificate, or because somebody stands in between, the question is asked
// anew.
#ifndef TOOLS_CLIENT_PROVEN_ROUTE_H_
#define TOOLS_CLIENT_PROVEN_ROUTE_H_

#include <grpcpp/channel.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/client/connection.h"
#include "tools/client/route.h"
#include "tools/client/server_evidence.h"

namespace kms::client {

// Thread-compatible.
class ProvenRoute : public Route {
 public:
  // `trusted`: ReadTrusted.
  ProvenRoute(std::string address, std::string trusted,
              ConnectionOptions options,
              std::shared_ptr<const ServerRequirement> requirement);

  void Begin() override;

  // Takes as long as the server's Evidence after the deadline. Codes also those
  // of ServerRequirement::Ask.
  absl::StatusOr<std::shared_ptr<grpc::Channel>> Open(absl::Time deadline,
                                                      bool patient) override;

  // The proof itself, each time anew.
  absl::StatusOr<ShownServer> Ask(absl::Time deadline, bool patient);

 private:
  void BeginQuestion();

  const std::string address_;
  const std::string trusted_;
  const ConnectionOptions options_;
  const std::shared_ptr<const ServerRequirement> requirement_;
  std::shared_ptr<grpc::Channel> question_;  // Null unless it may connect.
  std::shared_ptr<grpc::Channel> proven_;    // Null: not yet, or not any more.
};

// One for each address: proven, or plain where `requirement` is null. Codes of
// MakeChannels.
absl::StatusOr<std::vector<std::shared_ptr<Route>>> MakeRoutes(
    const ConnectionOptions& options,
    const std::shared_ptr<const ServerRequirement>& requirement);

}  // namespace kms::client

#endif  // TOOLS_CLIENT_PROVEN_ROUTE_H_

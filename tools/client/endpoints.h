// The service's instances and how to call them: one deadline a call, the next
// one when one cannot be reached or is sealed.
//
// A call is sent to at most one instance that might act on it: another one is
// tried only if no connection came about, or if the instance answered SEALED,
// which means that it did nothing. So a call that changes state is never sent
// twice behind the caller's back.
// An instance that must prove itself first and does not ends the call: somebody
// may stand in between, and a person should know before another one is tried.
// Thread-compatible.
#ifndef TOOLS_CLIENT_ENDPOINTS_H_
#define TOOLS_CLIENT_ENDPOINTS_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/client/connection.h"
#include "tools/client/route.h"

namespace kms::client {

class Endpoints {
 public:
  using Routes = std::vector<std::shared_ptr<Route>>;

  // `routes`: at least one.
  Endpoints(Routes routes, absl::Duration connect_timeout,
            absl::Duration call_timeout);
  // The same over plain routes.
  Endpoints(const std::vector<std::shared_ptr<grpc::Channel>>& channels,
            absl::Duration connect_timeout, absl::Duration call_timeout);

  size_t size() const { return routes_.size(); }

  // Calls `method` of `Service` (GetKey of v1::KeyService, say):
  //   Call<v1::KeyService, v1::Key>(
  //       &v1::KeyService::StubInterface::GetKey, request);
  // Statuses are FromGrpc's; kUnavailable: no address could be reached.
  template <typename Service, typename Response, typename Method,
            typename Request>
  absl::StatusOr<Response> Call(Method method, const Request& request) const {
    return CallSome<Service, Response>(routes_, method, request);
  }

  // The same of one address, below size(), and no other.
  template <typename Service, typename Response, typename Method,
            typename Request>
  absl::StatusOr<Response> CallAt(size_t address, Method method,
                                  const Request& request) const {
    return CallSome<Service, Response>({routes_[address]}, method, request);
  }

 private:
  using OneCall = std::function<grpc::Status(
      const std::shared_ptr<grpc::Channel>&, grpc::ClientContext&)>;

  template <typename Service, typename Response, typename Method,
            typename Request>
  absl::StatusOr<Response> CallSome(const Routes& routes, Method method,
                                    const Request& request) const {
    Response response;
    const absl::Status status = ForEachUntilAnswered(
        routes, [&](const std::shared_ptr<grpc::Channel>& channel,
                    grpc::ClientContext& context) {
          response.Clear();
          const auto stub = Service::NewStub(channel);
          typename Service::StubInterface& calls = *stub;
          return (calls.*method)(&context, request, &response);
        });
    if (!status.ok()) return status;
    return response;
  }

  absl::Status ForEachUntilAnswered(const Routes& routes,
                                    const OneCall& call) const;

  Routes routes_;
  absl::Duration connect_timeout_;
  absl::Duration call_timeout_;
};

}  // namespace kms::client

#endif  // TOOLS_CLIENT_ENDPOINTS_H_

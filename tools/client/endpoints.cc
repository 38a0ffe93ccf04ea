#include "tools/client/endpoints.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/clock.h"
#include "kms/base/refusal.h"
#include "tools/client/grpc_status.h"
#include "tools/client/outcome.h"

namespace kms::client {
namespace {

Endpoints::Routes PlainRoutes(
    const std::vector<std::shared_ptr<grpc::Channel>>& channels) {
  Endpoints::Routes routes;
  for (const auto& channel : channels) {
    routes.push_back(std::make_shared<PlainRoute>(channel));
  }
  return routes;
}

}  // namespace

Endpoints::Endpoints(Routes routes, absl::Duration connect_timeout,
                     absl::Duration call_timeout)
    : routes_(std::move(routes)),
      connect_timeout_(connect_timeout),
      call_timeout_(call_timeout) {}

Endpoints::Endpoints(
    const std::vector<std::shared_ptr<grpc::Channel>>& channels,
    absl::Duration connect_timeout, absl::Duration call_timeout)
    : Endpoints(PlainRoutes(channels), connect_timeout, call_timeout) {}

absl::Status Endpoints::ForEachUntilAnswered(const Routes& routes,
                                             const OneCall& call) const {
  const SystemClock clock;
  absl::Status last = absl::UnavailableError(absl::StrCat(
      "no instance reached (", routes.size(), " tried), TLS included"));
  // All connect at once, so that the next is ready where one is not.
  for (const auto& route : routes) route->Begin();
  const absl::Time deadline = clock.Now() + connect_timeout_;
  for (const std::shared_ptr<Route>& route : routes) {
    const absl::StatusOr<std::shared_ptr<grpc::Channel>> channel =
        route->Open(deadline, /*patient=*/routes.size() == 1);
    if (absl::IsUnavailable(channel.status()) && !IsRefusal(channel.status())) {
      continue;
    }
    if (!channel.ok()) return channel.status();
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(clock.Now() + call_timeout_));
    last = FromGrpc(call(*channel, context));
    if (!IsRefusal(last) || RefusalOf(last) != v1::SEALED) return last;
  }
  return last;
}

}  // namespace kms::client

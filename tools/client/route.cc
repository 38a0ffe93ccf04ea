#include "tools/client/route.h"

#include "tools/client/connection.h"

namespace kms::client {

absl::StatusOr<std::shared_ptr<grpc::Channel>> PlainRoute::Open(
    absl::Time deadline, bool patient) {
  if (AwaitConnected(*channel_, deadline, patient)) return channel_;
  return absl::UnavailableError("no connection, TLS included");
}

}  // namespace kms::client

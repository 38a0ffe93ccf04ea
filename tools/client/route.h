// The way to one instance: the address, and what is asked of it before the
// first request.
#ifndef TOOLS_CLIENT_ROUTE_H_
#define TOOLS_CLIENT_ROUTE_H_

#include <grpcpp/channel.h>

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace kms::client {

// Thread-compatible.
class Route {
 public:
  virtual ~Route() = default;

  // Begins to connect, and waits for nothing.
  virtual void Begin() = 0;

  // The channel that the next request may be sent on, connected by `deadline`.
  // `patient`: AwaitConnected.
  // kUnavailable: there is no connection. Others: nothing may be sent there.
  virtual absl::StatusOr<std::shared_ptr<grpc::Channel>> Open(
      absl::Time deadline, bool patient) = 0;
};

// To whoever the channel believes. Nothing is asked of him.
class PlainRoute : public Route {
 public:
  explicit PlainRoute(std::shared_ptr<grpc::Channel> channel)
      : channel_(std::move(channel)) {}

  void Begin() override { channel_->GetState(/*try_to_connect=*/true); }
  absl::StatusOr<std::shared_ptr<grpc::Channel>> Open(absl::Time deadline,
                                                      bool patient) override;

 private:
  const std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace kms::client

#endif  // TOOLS_CLIENT_ROUTE_H_

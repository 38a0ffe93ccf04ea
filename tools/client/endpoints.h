// The service's addresses and how to call them: TLS, one deadline a call, the
// next address when one cannot be reached or is sealed.
//
// A call is sent to at most one instance that might act on it: another one is
// tried only if no connection came about, or if the instance answered SEALED,
// which means that it did nothing. So a call that changes state is never sent
// twice behind the caller's back.
// gRPC 1.51 cannot be told a lowest TLS version; the server accepts 1.3 only,
// and TLS 1.3's own downgrade protection holds it there.
// Thread-safe after construction.
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

namespace kms::client {

struct ConnectionOptions {
  std::vector<std::string> addresses;  // "host:port", tried in this order.
  std::string
      ca_file;  // PEM: who may vouch for the server; nothing else is trusted.
  std::string
      cert_file;  // PEM: an administrator's certificate; empty for none ...
  std::string key_file;  // ... and its private key: both or neither.
  absl::Duration connect_timeout = absl::Seconds(3);  // All at once.
  absl::Duration call_timeout = absl::Seconds(10);    // For each call.
};

// Fills what is empty from KMS_ADDRESS (comma-separated), KMS_CA, KMS_CERT and
// KMS_KEY.
void FillFromEnvironment(ConnectionOptions& options);

// One channel for each address; connects when first used.
// UsageError: no address, no CA, half a certificate. kNotFound and the like:
// a file cannot be read.
absl::StatusOr<std::vector<std::shared_ptr<grpc::Channel>>> MakeChannels(
    const ConnectionOptions& options);

class Endpoints {
 public:
  // `channels`: at least one.
  Endpoints(std::vector<std::shared_ptr<grpc::Channel>> channels,
            absl::Duration connect_timeout, absl::Duration call_timeout);

  size_t size() const { return channels_.size(); }

  // Calls `method` of `Service` (GetKey of v1::KeyService, say):
  //   Call<v1::KeyService, v1::Key>(
  //       &v1::KeyService::StubInterface::GetKey, request);
  // Statuses are FromGrpc's; kUnavailable: no address could be reached.
  template <typename Service, typename Response, typename Method,
            typename Request>
  absl::StatusOr<Response> Call(Method method, const Request& request) const {
    return CallSome<Service, Response>(channels_, method, request);
  }

  // The same of one address, below size(), and no other.
  template <typename Service, typename Response, typename Method,
            typename Request>
  absl::StatusOr<Response> CallAt(size_t address, Method method,
                                  const Request& request) const {
    return CallSome<Service, Response>({channels_[address]}, method, request);
  }

 private:
  using Channels = std::vector<std::shared_ptr<grpc::Channel>>;
  using OneCall = std::function<grpc::Status(
      const std::shared_ptr<grpc::Channel>&, grpc::ClientContext&)>;

  template <typename Service, typename Response, typename Method,
            typename Request>
  absl::StatusOr<Response> CallSome(const Channels& channels, Method method,
                                    const Request& request) const {
    Response response;
    const absl::Status status = ForEachUntilAnswered(
        channels, [&](const std::shared_ptr<grpc::Channel>& channel,
                      grpc::ClientContext& context) {
          response.Clear();
          const auto stub = Service::NewStub(channel);
          typename Service::StubInterface& calls = *stub;
          return (calls.*method)(&context, request, &response);
        });
    if (!status.ok()) return status;
    return response;
  }

  absl::Status ForEachUntilAnswered(const Channels& channels,
                                    const OneCall& call) const;

  std::vector<std::shared_ptr<grpc::Channel>> channels_;
  absl::Duration connect_timeout_;
  absl::Duration call_timeout_;
};

}  // namespace kms::client

#endif  // TOOLS_CLIENT_ENDPOINTS_H_

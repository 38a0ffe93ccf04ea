// TLS connections to the service's addresses.
//
// gRPC 1.51 cannot be told a lowest TLS version; the server accepts 1.3 only,
// and TLS 1.3's own downgrade protection holds it there.
// Thread-safe: free functions.
#ifndef TOOLS_CLIENT_CONNECTION_H_
#define TOOLS_CLIENT_CONNECTION_H_

#include <grpcpp/channel.h>

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

// The CA certificates, in PEM; never empty: gRPC would trust the system's.
// UsageError: no address, no CA, half a certificate. kNotFound and the like:
// a file cannot be read.
absl::StatusOr<std::string> ReadTrusted(const ConnectionOptions& options);

// One channel for each address; connects when first used. Codes as above.
absl::StatusOr<std::vector<std::shared_ptr<grpc::Channel>>> MakeChannels(
    const ConnectionOptions& options);

// One channel to `address` that believes a server whose certificate is one of
// `trusted` (PEM, not empty), or is issued by one of them. It shows the
// options' certificate, if there is one. kNotFound and the like: as above.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(
    const std::string& address, const std::string& trusted,
    const ConnectionOptions& options);

// Whether there is a connection by `deadline`. A first try that fails ends it
// unless `patient`: somebody else may answer sooner than this one comes back.
bool AwaitConnected(grpc::Channel& channel, absl::Time deadline, bool patient);

}  // namespace kms::client

#endif  // TOOLS_CLIENT_CONNECTION_H_

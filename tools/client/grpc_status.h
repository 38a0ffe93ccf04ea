// A gRPC status as ours: the refusal code out of its details.
// Thread-safe: a free function.
#ifndef TOOLS_CLIENT_GRPC_STATUS_H_
#define TOOLS_CLIENT_GRPC_STATUS_H_

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace kms::client {

// With a RefusalDetail of a known code: that refusal (IsRefusal). Otherwise
// the status code as it is, marked as a refusal unless it is one that the
// transport makes by itself (UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED).
// The server's words are printable afterwards: control characters escaped, at
// most 512 bytes, so that a hostile server cannot drive a terminal.
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace kms::client

#endif  // TOOLS_CLIENT_GRPC_STATUS_H_

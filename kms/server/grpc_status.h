// From absl::Status to what travels: the status code, a short reason, and the
// exact cause as a serialized kms.v1.RefusalDetail in the status details.
// Thread-safe: a free function.
#ifndef KMS_SERVER_GRPC_STATUS_H_
#define KMS_SERVER_GRPC_STATUS_H_

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace kms::server {

// A reason is cut at 512 bytes. One that no Refuse made is replaced by a
// general word, so that paths and system errors stay in the log.
grpc::Status ToGrpcStatus(const absl::Status& status);

// The inverse, of what a peer answered: a refusal with its code, else the
// status code as it is.
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace kms::server

#endif  // KMS_SERVER_GRPC_STATUS_H_

#include "kms/server/grpc_status.h"

#include <string>

#include "absl/strings/string_view.h"
#include "kms/base/refusal.h"
#include "proto/kms/v1/refusal.pb.h"

namespace kms::server {
namespace {

constexpr size_t kReasonBytesMax = 512;

// Codes under which libraries and the system report; their messages may name
// paths and are for the log.
bool IsInternalMatter(const absl::Status& status) {
  if (status.GetPayload("kms.v1.RefusalCode").has_value()) return false;
  switch (status.code()) {
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kUnimplemented:
      return true;
    default:
      return false;
  }
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  v1::RefusalDetail detail;
  detail.set_code(RefusalOf(status));
  const std::string reason =
      IsInternalMatter(status)
          ? "server: cannot answer now; its log says why"
          : std::string(status.message().substr(0, kReasonBytesMax));
  detail.set_reason(reason);
  // The values of absl::StatusCode are gRPC's own.
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), reason,
                      detail.SerializeAsString());
}

}  // namespace kms::server

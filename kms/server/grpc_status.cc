#include "kms/server/grpc_status.h"

#include <string>

#include "absl/strings/ascii.h"
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

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  // A peer's words go into our log.
  std::string reason = status.error_message().substr(0, kReasonBytesMax);
  for (char& c : reason) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) c = '?';
  }
  v1::RefusalDetail detail;
  if (!status.error_details().empty() &&
      detail.ParseFromString(status.error_details()) &&
      detail.code() != v1::REFUSAL_CODE_UNSPECIFIED &&
      v1::RefusalCode_IsValid(detail.code())) {
    return Refuse(detail.code(), reason);
  }
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      reason);
}

}  // namespace kms::server

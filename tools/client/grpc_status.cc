#include "tools/client/grpc_status.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "kms/base/refusal.h"
#include "proto/kms/v1/refusal.pb.h"
#include "tools/client/outcome.h"

namespace kms::client {
namespace {

// RefusalDetail.reason's own bound.
constexpr size_t kReasonBytesMax = 512;

// Only what could drive a terminal is escaped: quotes stay readable.
std::string Printable(const std::string& reason) {
  std::string out;
  for (const char c : reason.substr(0, kReasonBytesMax)) {
    if (absl::ascii_isprint(static_cast<unsigned char>(c))) {
      out.push_back(c);
    } else {
      out += absl::CHexEscape(std::string(1, c));
    }
  }
  return out;
}

bool MadeByTransport(absl::StatusCode code) {
  return code == absl::StatusCode::kUnavailable ||
         code == absl::StatusCode::kDeadlineExceeded ||
         code == absl::StatusCode::kCancelled;
}

}  // namespace

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  v1::RefusalDetail detail;
  if (!status.error_details().empty() &&
      detail.ParseFromString(status.error_details()) &&
      detail.code() != v1::REFUSAL_CODE_UNSPECIFIED &&
      v1::RefusalCode_IsValid(detail.code())) {
    return AsRefusal(Refuse(detail.code(), Printable(detail.reason())));
  }
  // The two enumerations have the same numbers by design.
  const absl::Status plain(
      static_cast<absl::StatusCode>(static_cast<int>(status.error_code())),
      Printable(status.error_message()));
  if (!MadeByTransport(plain.code())) return AsRefusal(plain);
  // The transport's own words ("failed to connect to all addresses; ...").
  return plain;
}

}  // namespace kms::client

// A refusal is an absl::Status that carries a kms.v1.RefusalCode beside its
// status code: scripts and tests match the exact cause, not the message.
// Thread-safe: free functions.
#ifndef KMS_BASE_REFUSAL_H_
#define KMS_BASE_REFUSAL_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "proto/kms/v1/refusal.pb.h"

namespace kms {

// A status with the status code that `code` documents (refusal.proto), the
// refusal code as its payload, and `message` ("subject: fault, want").
// REQUIRES: `code` is not REFUSAL_CODE_UNSPECIFIED.
absl::Status Refuse(v1::RefusalCode code, absl::string_view message);

// The code that `status` carries. For a status that Refuse did not make, the
// nearest code of its status code; REFUSAL_CODE_UNSPECIFIED only for OK.
v1::RefusalCode RefusalOf(const absl::Status& status);

// "SIGNATURE_INVALID".
std::string RefusalName(v1::RefusalCode code);

// `status` with "`subject`: " before its message, its refusal code kept.
absl::Status Annotate(const absl::Status& status, absl::string_view subject);

}  // namespace kms

#endif  // KMS_BASE_REFUSAL_H_

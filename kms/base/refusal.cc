#include "kms/base/refusal.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"

namespace kms {
namespace {

constexpr absl::string_view kPayloadUrl = "kms.v1.RefusalCode";

absl::StatusCode StatusCodeOf(v1::RefusalCode code) {
  switch (code) {
    case v1::REQUEST_MALFORMED:
    case v1::REQUEST_TOO_LARGE:
    case v1::RECIPIENT_KEY_INVALID:
    case v1::EVIDENCE_MALFORMED:
    case v1::EVIDENCE_UNSUPPORTED:
    case v1::ENDORSEMENT_MALFORMED:
    case v1::POLICY_INVALID:
    case v1::SHARE_REJECTED:
    case v1::BLOB_MALFORMED:
    case v1::BLOB_MISMATCH:
    case v1::BLOB_REJECTED:
      return absl::StatusCode::kInvalidArgument;
    case v1::CHALLENGE_INVALID:
    case v1::CHALLENGE_EXPIRED:
    case v1::CHALLENGE_SPENT:
    case v1::EVIDENCE_NOT_BOUND:
    case v1::EVIDENCE_UNSIGNED:
    case v1::EVIDENCE_INCONSISTENT:
    case v1::SIGNATURE_INVALID:
    case v1::ENDORSEMENT_MISSING:
    case v1::ENDORSEMENT_MISMATCH:
    case v1::CHAIN_UNTRUSTED:
    case v1::CERTIFICATE_NOT_YET_VALID:
    case v1::CERTIFICATE_EXPIRED:
    case v1::CERTIFICATE_REVOKED:
    case v1::CRL_INVALID:
    case v1::CRL_EXPIRED:
    case v1::TCB_MISMATCH:
    case v1::CHIP_ID_MISMATCH:
    case v1::TCB_REVOKED:
    case v1::TCB_UNSUPPORTED:
    case v1::MEASUREMENT_MISMATCH:
    case v1::COLLATERAL_EXPIRED:
    case v1::PEER_UNKNOWN:
    case v1::JOIN_TOKEN_REJECTED:
    case v1::LEASE_ENDED:
    case v1::RECEIPT_INVALID:
      return absl::StatusCode::kUnauthenticated;
    case v1::ADMINISTRATOR_REQUIRED:
    case v1::POLICY_DENIED:
    case v1::POLICY_ERROR:
    case v1::DEBUG_DENIED:
    case v1::ANCHOR_DENIED:
    case v1::EVIDENCE_REQUIRED:
    case v1::TCB_STATUS_DENIED:
    case v1::REFERENCE_VALUES_REQUIRED:
    case v1::HARDWARE_DENIED:
    case v1::COLLATERAL_STALE:
    case v1::REFERENCE_VALUES_EXPIRED:
    case v1::APPROVALS_MISSING:
    case v1::ARTIFACT_MISMATCH:
    case v1::INSTANCE_REMOVED:
      return absl::StatusCode::kPermissionDenied;
    case v1::RATE_LIMITED:
    case v1::QUOTA_EXHAUSTED:
    case v1::CONCURRENCY_EXHAUSTED:
    case v1::LIMIT_REACHED:
      return absl::StatusCode::kResourceExhausted;
    case v1::APPRAISAL_STALE:
    case v1::VERSION_CONFLICT:
      return absl::StatusCode::kAborted;
    case v1::NOT_FOUND:
      return absl::StatusCode::kNotFound;
    case v1::ALREADY_EXISTS:
      return absl::StatusCode::kAlreadyExists;
    case v1::VERSION_DISABLED:
    case v1::VERSION_DESTROYED:
    case v1::NO_POLICY:
    case v1::SEALED:
    case v1::NOT_SEALED:
    case v1::NOT_INITIALIZED:
    case v1::ALREADY_INITIALIZED:
    case v1::FEATURE_LEVEL_TOO_LOW:
    case v1::COLLATERAL_OLDER:
    case v1::VERSION_BELOW_MINIMUM:
    case v1::PURPOSE_MISMATCH:
    case v1::DESTRUCTION_SCHEDULED:
    case v1::SEAL_PIN_REJECTED:
    case v1::SEAL_KEY_REJECTED:
    case v1::SEAL_PCRS_CHANGED:
    case v1::REKEY_CONFLICT:
    case v1::CLUSTER_MISMATCH:
    case v1::LAST_INSTANCE:
    case v1::NOTHING_TO_REVERT:
    case v1::DESTRUCTION_TOO_SOON:
      return absl::StatusCode::kFailedPrecondition;
    case v1::LOG_UNAVAILABLE:
    case v1::HEADS_MISSING:
    case v1::SEAL_UNAVAILABLE:
      return absl::StatusCode::kUnavailable;
    case v1::DATA_LOSS:
      return absl::StatusCode::kDataLoss;
    default:
      return absl::StatusCode::kInternal;
  }
}

v1::RefusalCode NearestCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return v1::REFUSAL_CODE_UNSPECIFIED;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return v1::REQUEST_MALFORMED;
    case absl::StatusCode::kUnauthenticated:
      return v1::SIGNATURE_INVALID;
    case absl::StatusCode::kPermissionDenied:
      return v1::POLICY_DENIED;
    case absl::StatusCode::kNotFound:
      return v1::NOT_FOUND;
    case absl::StatusCode::kAlreadyExists:
      return v1::ALREADY_EXISTS;
    case absl::StatusCode::kResourceExhausted:
      return v1::LIMIT_REACHED;
    case absl::StatusCode::kAborted:
      return v1::VERSION_CONFLICT;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
      return v1::LOG_UNAVAILABLE;
    case absl::StatusCode::kDataLoss:
      return v1::DATA_LOSS;
    default:
      return v1::INTERNAL_ERROR;
  }
}

}  // namespace

absl::Status Refuse(v1::RefusalCode code, absl::string_view message) {
  absl::Status status(StatusCodeOf(code), message);
  status.SetPayload(kPayloadUrl, absl::Cord(v1::RefusalCode_Name(code)));
  return status;
}

v1::RefusalCode RefusalOf(const absl::Status& status) {
  if (const absl::optional<absl::Cord> payload = status.GetPayload(kPayloadUrl);
      payload.has_value()) {
    v1::RefusalCode code;
    if (v1::RefusalCode_Parse(std::string(*payload), &code)) return code;
  }
  return NearestCode(status.code());
}

std::string RefusalName(v1::RefusalCode code) {
  return v1::RefusalCode_Name(code);
}

absl::Status Annotate(const absl::Status& status, absl::string_view subject) {
  if (status.ok()) return status;
  absl::Status annotated(status.code(),
                         absl::StrCat(subject, ": ", status.message()));
  status.ForEachPayload(
      [&annotated](absl::string_view url, const absl::Cord& payload) {
        annotated.SetPayload(url, payload);
      });
  return annotated;
}

}  // namespace kms

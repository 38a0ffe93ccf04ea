// What the state machine must know of a policy, which it does not parse
// (review.md 31).
// Thread-safe: free functions.
#ifndef KMS_ADMIN_POLICY_TERMS_H_
#define KMS_ADMIN_POLICY_TERMS_H_

#include "absl/status/statusor.h"
#include "policy/document/policy.h"
#include "proto/storage/v1/command.pb.h"

namespace kms::admin {

// POLICY_INVALID: its validity does not lie between 1970 and 9999. An end in
// 1970 or before would otherwise be stored as 0, which says "no end".
absl::StatusOr<::storage::v1::PolicyTerms> ToStoredTerms(
    const policy::PolicyTerms& terms);

}  // namespace kms::admin

#endif  // KMS_ADMIN_POLICY_TERMS_H_

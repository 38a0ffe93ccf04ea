// Which version of a policy decides, and which only watches.
// Thread-safe: free functions over records.
#ifndef STORAGE_STATE_POLICY_STATES_H_
#define STORAGE_STATE_POLICY_STATES_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "proto/storage/v1/record.pb.h"

namespace kms::storage {

// 0: none, so a key under this policy releases nothing.
inline uint32_t ActiveVersion(const ::storage::v1::PolicyRecord& policy) {
  return policy.has_active_version() ? policy.active_version()
                                     : policy.version();
}

// Never POLICY_STATE_UNSPECIFIED. `version` is that of `record`.
inline ::storage::v1::PolicyState StateOf(
    const ::storage::v1::PolicyRecord& policy, uint32_t version,
    const ::storage::v1::PolicyVersionRecord& record) {
  if (version == ActiveVersion(policy)) return ::storage::v1::POLICY_ACTIVE;
  if (version == policy.shadow_version()) return ::storage::v1::POLICY_SHADOW;
  return record.draft() ? ::storage::v1::POLICY_DRAFT
                        : ::storage::v1::POLICY_RETIRED;
}

// As leaves spell it; "" for POLICY_STATE_UNSPECIFIED.
inline absl::string_view PolicyStateName(::storage::v1::PolicyState state) {
  switch (state) {
    case ::storage::v1::POLICY_DRAFT:
      return "draft";
    case ::storage::v1::POLICY_SHADOW:
      return "shadow";
    case ::storage::v1::POLICY_ACTIVE:
      return "active";
    case ::storage::v1::POLICY_RETIRED:
      return "retired";
    default:
      return "";
  }
}

}  // namespace kms::storage

#endif  // STORAGE_STATE_POLICY_STATES_H_

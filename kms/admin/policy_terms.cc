#include "kms/admin/policy_terms.h"

#include <cstdint>
#include <optional>

#include "kms/base/refusal.h"
#include "kms/base/status.h"

namespace kms::admin {
namespace {

constexpr int64_t kMicrosPerSecond = 1'000'000;
constexpr int64_t kSecondsMax = 253'402'300'799;  // The end of the year 9999.

// 0 stands for no bound, so a bound is never 0.
absl::StatusOr<int64_t> BoundMicros(const std::optional<int64_t>& seconds) {
  if (!seconds.has_value()) return 0;
  if (*seconds <= 0 || *seconds > kSecondsMax) {
    return Refuse(v1::POLICY_INVALID,
                  "policy: validity, want between 1970 and 9999");
  }
  return *seconds * kMicrosPerSecond;
}

}  // namespace

absl::StatusOr<::storage::v1::PolicyTerms> ToStoredTerms(
    const policy::PolicyTerms& terms) {
  ::storage::v1::PolicyTerms stored;
  // Compile bounds these: thirty days, a year, a billion.
  stored.set_lease_us(terms.lease_seconds * kMicrosPerSecond);
  stored.set_quota_count(static_cast<uint64_t>(terms.quota_count.value_or(0)));
  stored.set_quota_window_us(terms.window_seconds.value_or(0) *
                             kMicrosPerSecond);
  stored.set_concurrent(static_cast<uint32_t>(terms.concurrent.value_or(0)));
  KMS_ASSIGN_OR_RETURN(const int64_t from, BoundMicros(terms.valid_from));
  KMS_ASSIGN_OR_RETURN(const int64_t until, BoundMicros(terms.valid_until));
  stored.set_valid_from_us(from);
  stored.set_valid_until_us(until);
  return stored;
}

}  // namespace kms::admin

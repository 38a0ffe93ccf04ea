// The bounds of a policy document. Every instance compiles and keeps each
// policy, and every release runs all rules of one.
#ifndef POLICY_DOCUMENT_LIMITS_H_
#define POLICY_DOCUMENT_LIMITS_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace kms::policy {

// Room for some six hundred SHA-384 Reference Values.
inline constexpr size_t kDocumentBytesMax = 64 * 1024;

// A document needs four levels.
inline constexpr size_t kYamlDepthMax = 8;
inline constexpr size_t kYamlNodesMax = 8192;

inline constexpr size_t kTextBytesMax = 1024;  // Description, messages.

// Times the evaluator's cost limit, this bounds one appraisal.
inline constexpr size_t kRulesMax = 64;
inline constexpr size_t kAnchorsMax = 64;
inline constexpr size_t kReferenceSetsMax = 64;
// Of these, stored ones: every verdict names their versions in one leaf.
inline constexpr size_t kStoredSetsMax = 8;
inline constexpr size_t kSignersMax = 16;

// One Reference Value: SHA-512 is 64 bytes; a whole public key may be more.
inline constexpr size_t kReferenceBytesMax = 1024;

// Pieces of one Evidence type in a bundle; a bundle holds 32.
inline constexpr int64_t kEvidenceCountMax = 32;

// Intel's words, PCS API v4; "Revoked" is refused before any policy is asked.
inline constexpr absl::string_view kTcbUpToDate = "UpToDate";
inline constexpr absl::string_view kTcbStatusesAllowable[] = {
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
    "TDRelaunchAdvised",
    "TDRelaunchAdvisedConfigurationNeeded",
};

// A lease is how long a workload may use a key without asking again.
inline constexpr absl::Duration kLeaseMin = absl::Seconds(1);
inline constexpr absl::Duration kLeaseMax = absl::Hours(24 * 30);

inline constexpr int64_t kQuotaCountMax = 1'000'000'000;
inline constexpr absl::Duration kQuotaWindowMin = absl::Seconds(1);
inline constexpr absl::Duration kQuotaWindowMax = absl::Hours(24 * 366);

// Leases outstanding at once: the state machine's own bound.
inline constexpr int64_t kConcurrentMax = 1024;

// Roles whose age a policy may bound: those of policy/collateral/age.h.
inline constexpr absl::string_view kCollateralRoles[] = {
    "crl", "tcb_info", "qe_identity", "rim_driver", "rim_vbios",
};
inline constexpr absl::Duration kCollateralAgeMin = absl::Minutes(1);
inline constexpr absl::Duration kCollateralAgeMax = absl::Hours(24 * 3660);

}  // namespace kms::policy

#endif  // POLICY_DOCUMENT_LIMITS_H_

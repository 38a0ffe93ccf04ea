// How old collateral may be, by its own date of issue. A next update says how
// long a vendor stands by what he signed; an operator may want it fresher.
// Thread-safe: free functions over values.
#ifndef POLICY_COLLATERAL_AGE_H_
#define POLICY_COLLATERAL_AGE_H_

#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "proto/kms/v1/claims.pb.h"

namespace kms::policy {

// By role: "crl", "tcb_info", "qe_identity", "rim_driver", "rim_vbios"; no
// bound for those that are absent. "crl" is for every list in any role.
using CollateralMaxAges = std::map<std::string, absl::Duration>;

// Nothing: no bound for this role.
std::optional<absl::Duration> MaxAgeOf(const CollateralMaxAges& max_ages,
                                       absl::string_view role);

// Holds all collateral that a verdict stood on against `max_ages`. What does
// not say when it was issued is older than any bound.
// CRL_EXPIRED for a list, COLLATERAL_EXPIRED for all else.
absl::Status CheckAges(const v1::Claims& claims,
                       const CollateralMaxAges& max_ages, absl::Time now);

}  // namespace kms::policy

#endif  // POLICY_COLLATERAL_AGE_H_

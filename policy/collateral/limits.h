// Bounds on collateral that is imported or checked by itself, each with its
// reason.
#ifndef POLICY_COLLATERAL_LIMITS_H_
#define POLICY_COLLATERAL_LIMITS_H_

#include <cstddef>

namespace kms::policy {

// The state keeps no larger object.
inline constexpr size_t kCollateralFileBytesMax = size_t{512} * 1024;

// A TCB info, its chain and the CRLs of three CAs are five files.
inline constexpr size_t kCollateralFilesMax = 16;

}  // namespace kms::policy

#endif  // POLICY_COLLATERAL_LIMITS_H_

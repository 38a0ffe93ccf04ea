// Bounds on what a sender may offer with an Azure vTPM's quote.
#ifndef POLICY_AZ_VTPM_LIMITS_H_
#define POLICY_AZ_VTPM_LIMITS_H_

#include <cstddef>

#include "policy/formats/json.h"

namespace kms::az_vtpm {

// The vTPM keeps the report in an NV index of 2,600 bytes; a later paravisor's
// may be larger.
inline constexpr size_t kHclReportBytesMax = 16 * 1024;

// keys, one key, key_ops: the deepest that the runtime data nests, and one
// level more for what a later paravisor adds. Real ones have some 20 values.
inline constexpr formats::JsonBounds kRuntimeDataBounds = {
    .bytes_max = kHclReportBytesMax, .depth_max = 5, .values_max = 1024};

// What the guest may write for its own use, NV index 01400002.
inline constexpr size_t kUserDataBytes = 64;
// A GUID in text.
inline constexpr size_t kVmIdBytesMax = 64;

// A TPM's Evidence (policy/tpm/limits.h) and the hardware's.
inline constexpr size_t kEvidenceBytesMax = 2 * 1024 * 1024;

}  // namespace kms::az_vtpm

#endif  // POLICY_AZ_VTPM_LIMITS_H_

// Bounds on files of Reference Values, each with its reason.
#ifndef POLICY_REFERENCE_VALUES_LIMITS_H_
#define POLICY_REFERENCE_VALUES_LIMITS_H_

#include <cstddef>

namespace kms::reference_values {

// As the state's bound on one object, less what stands beside the values.
inline constexpr size_t kFileBytesMax = size_t{480} << 10;

// Values of one version: the images of a fleet over some years.
inline constexpr size_t kValuesMax = 4096;

// One value: SHA-512 is 64 bytes; a whole public key may be more.
inline constexpr size_t kValueBytesMax = 1024;

inline constexpr size_t kTitleBytesMax = 256;

// A CoMID nests a digest nine deep. With key, algorithm and digest a
// measurement takes some ten items.
inline constexpr int kCborDepthMax = 12;
inline constexpr size_t kCborItemsMax = 64 * 1024;

}  // namespace kms::reference_values

#endif  // POLICY_REFERENCE_VALUES_LIMITS_H_

// Bounds on an Arm CCA token.
#ifndef POLICY_CCA_LIMITS_H_
#define POLICY_CCA_LIMITS_H_

#include <cstddef>

namespace kms::cca {

// A token and a nonce. Real tokens have 1.5 to 3 KiB.
inline constexpr size_t kEvidenceBytesMax = 64 * 1024;

// A platform that boots through thirteen components has them all here.
inline constexpr size_t kSoftwareComponentsMax = 64;

inline constexpr size_t kPlatformConfigBytesMax = 1024;  // Real ones: 3 or 4.
inline constexpr size_t kTextBytesMax = 256;  // Versions, names, URLs.

// An encoded COSE_Key of P-384 has 107 bytes.
inline constexpr size_t kRealmKeyBytesMax = 256;

// Platform keys that one token is tried with, where its instance id is that
// of none of them: before we know who the sender is, he costs us this much.
inline constexpr size_t kPlatformKeyTriesMax = 16;

}  // namespace kms::cca

#endif  // POLICY_CCA_LIMITS_H_

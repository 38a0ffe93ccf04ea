// Bounds on a Nitro attestation document, and on its clock.
#ifndef POLICY_NITRO_LIMITS_H_
#define POLICY_NITRO_LIMITS_H_

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace kms::nitro {

// AWS, "Nitro Enclaves Attestation Process", sections 3.1 and 3.2.2.
inline constexpr size_t kPayloadBytesMax = 16384;
inline constexpr size_t kCertificateBytesMax = 1024;
inline constexpr size_t kPublicKeyBytesMax = 1024;
inline constexpr size_t kUserDataBytesMax = 512;
inline constexpr size_t kNonceBytesMax = 512;
inline constexpr uint64_t kPcrIndexMax = 31;
inline constexpr size_t kPcrBytes = 48;  // SHA-384, the only digest.

// An instance and an enclave id, 39 characters, in all documents so far.
inline constexpr size_t kModuleIdBytesMax = 128;

// Root, region, zone and instance, in all documents so far.
inline constexpr size_t kCaBundleMax = 7;

// A document with its CRLs and a nonce. AWS's CRLs have a few kilobytes.
inline constexpr size_t kEvidenceBytesMax = 256 * 1024;

// How far the hypervisor's clock may be ahead of ours.
inline constexpr absl::Duration kClockSkewMax = absl::Minutes(5);

}  // namespace kms::nitro

#endif  // POLICY_NITRO_LIMITS_H_

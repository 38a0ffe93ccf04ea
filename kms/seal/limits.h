// Bounds of the root key's files and ceremonies, each with its reason.
#ifndef KMS_SEAL_LIMITS_H_
#define KMS_SEAL_LIMITS_H_

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace kms::seal {

inline constexpr size_t kClusterIdBytes = 16;
inline constexpr size_t kInstanceIdBytes = 16;
inline constexpr size_t kRootKeyBytes = 32;

// More custodians than any ceremony gathers in one room.
inline constexpr uint32_t kSharesMax = 32;

// A share is 112 characters; a person may add spaces and line breaks.
inline constexpr size_t kShareTextBytesMax = 512;

// A C2SP verifier key of our origin names is under 150 characters.
inline constexpr size_t kVerifierKeyBytesMax = 256;

// A keyring is one Secret of at most 64 KiB, and its cipher's overhead.
inline constexpr size_t kSealedKeyringBytesMax = 64 * 1024 + 64;

// 32 commitments, the two above, and the fixed fields.
inline constexpr size_t kSealFileBytesMax = 128 * 1024;

inline constexpr size_t kInstanceFileBytesMax = 512;

// A signed note of a few lines.
inline constexpr size_t kCheckpointFileBytesMax = 4096;

// Wrong shares that one administrator may offer at once, and how long until
// he has one more: typing errors never wait, a flood of guesses does.
inline constexpr int kWrongSharesBurst = 10;
inline constexpr absl::Duration kWrongShareInterval = absl::Seconds(6);

// Administrators whose wrong shares are remembered; each has a certificate of
// the administrators' CA, so few are enough.
inline constexpr size_t kOfferersMax = 1024;

}  // namespace kms::seal

#endif  // KMS_SEAL_LIMITS_H_

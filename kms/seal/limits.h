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

// Names one rekey to those who take part in it.
inline constexpr size_t kRekeyIdBytes = 8;

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

// What a device's Wrap makes: a TPM's two areas and 24 PCRs are under 2 KiB.
inline constexpr size_t kWrappedRootBytesMax = 4096;

// The longest PIN that a PKCS#11 token of our acquaintance takes is 255.
inline constexpr size_t kPinBytesMax = 256;

// TPM 2.0's platform profile has PCRs 0 to 23; SHA-256's values.
inline constexpr uint32_t kPcrsMax = 24;
inline constexpr size_t kPcrBytes = 32;

// A signed note of a few lines.
inline constexpr size_t kCheckpointFileBytesMax = 4096;

// Opening checks every row of the state; a client that hangs up does not waste
// a ceremony.
inline constexpr absl::Duration kOpenTimeout = absl::Minutes(10);

// How long a log in etcd may be out of reach when it is opened.
inline constexpr absl::Duration kLogTimeout = absl::Seconds(30);

// As long as storage.v1.Genesis takes.
inline constexpr size_t kEpochReasonBytesMax = 256;

// How long a process that ends waits for what still holds the keys.
inline constexpr absl::Duration kSealTimeout = absl::Seconds(30);

// Shares that one administrator may offer at once: all of the largest ceremony
// and ten typing errors. A flood of guesses waits, an honest custodian does
// not.
inline constexpr double kOffersBurst = kSharesMax + 10;
inline constexpr double kOffersPerSecond = 0.2;

}  // namespace kms::seal

#endif  // KMS_SEAL_LIMITS_H_

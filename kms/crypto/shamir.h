// Shamir's secret sharing over GF(2^8): any `threshold` shares give the
// secret, fewer say nothing about it.
// Source: Shamir, "How to share a secret" (1979); the field is AES's
// (FIPS 197, section 4.2).
// Thread-safe: free functions. No table look-up and no branch depends on
// secret bytes.
// A share says nothing about its own integrity: a wrong one gives a wrong
// secret. Whoever hands out shares authenticates them.
#ifndef KMS_CRYPTO_SHAMIR_H_
#define KMS_CRYPTO_SHAMIR_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kms/base/secret.h"

namespace kms::crypto {

inline constexpr int kSharesMax = 255;  // The field's elements other than 0.

struct Share {
  uint8_t x = 0;  // From 1; not secret. x = 0 would be the secret itself.
  Secret y;       // As long as the secret.
};

// `shares` shares with x = 1, 2, ..., of which any `threshold` combine.
// kInvalidArgument: an empty secret; shares not in [1, 255]; threshold not in
// [2, shares], except 1 of 1. kResourceExhausted: Secret::Allocate.
absl::StatusOr<std::vector<Share>> Split(const Secret& secret, int shares,
                                         int threshold);

// The secret of which these are shares, if they are at least `threshold` of
// one Split; something else otherwise.
// kInvalidArgument: none, more than 255, x of 0 or twice the same, or y empty
// or of different lengths. kResourceExhausted: Secret::Allocate.
absl::StatusOr<Secret> Combine(absl::Span<const Share> shares);

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_SHAMIR_H_

// Randomness from OpenSSL's generators, which seed themselves from the kernel
// and reseed in a forked child.
// Thread-safe. A failure ends the process: nothing sensible can be done with
// keys and nonces that are not random.
// A draw costs the generator more than a nonce costs its user, so each thread
// draws public bytes ahead; secret ones always come straight from theirs.
#ifndef KMS_CRYPTO_RANDOM_H_
#define KMS_CRYPTO_RANDOM_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kms/base/secret.h"

namespace kms::crypto {

// Fills `out`. For bytes that will be public: nonces, ids, challenges. No byte
// is given out twice, not even by both sides of a fork.
void RandomBytes(absl::Span<uint8_t> out);
std::string RandomString(size_t size);

// From the generator that is kept for secrets, so that nothing public can
// tell about its state. kResourceExhausted: Secret::Allocate.
absl::StatusOr<Secret> RandomSecret(size_t size);

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_RANDOM_H_

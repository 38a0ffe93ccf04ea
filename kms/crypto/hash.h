// The hash functions this project uses. FIPS 180-4.
#ifndef KMS_CRYPTO_HASH_H_
#define KMS_CRYPTO_HASH_H_

#include <cstddef>

namespace kms::crypto {

enum class Hash { kSha256, kSha384, kSha512 };

inline constexpr size_t kHashSizeMax = 64;

// Bytes in a digest.
constexpr size_t HashSize(Hash hash) {
  return hash == Hash::kSha256 ? 32 : hash == Hash::kSha384 ? 48 : 64;
}

// Bytes in the compression function's block.
constexpr size_t HashBlockSize(Hash hash) {
  return hash == Hash::kSha256 ? 64 : 128;
}

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_HASH_H_

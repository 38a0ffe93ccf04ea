// HKDF: from secrets that are not uniform, keys that are.
// Source: RFC 5869. Thread-safe: free functions.
#ifndef KMS_CRYPTO_HKDF_H_
#define KMS_CRYPTO_HKDF_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kms/base/bytes.h"
#include "kms/base/secret.h"
#include "kms/crypto/hash.h"

namespace kms::crypto {

// The pseudorandom key, HashSize(hash) bytes. An empty salt is RFC 5869's
// string of zeros. kResourceExhausted: Secret::Allocate.
absl::StatusOr<Secret> HkdfExtract(Hash hash, BytesView salt,
                                   const Secret& ikm);

// The same for input key material in parts, joined, some of them secret.
absl::StatusOr<Secret> HkdfExtract(Hash hash, BytesView salt,
                                   absl::Span<const BytesView> ikm,
                                   SecretAccess access);

// `size` bytes of key. kInvalidArgument: over 255 * HashSize(hash).
// kResourceExhausted: Secret::Allocate.
absl::StatusOr<Secret> HkdfExpand(Hash hash, const Secret& prk, BytesView info,
                                  size_t size);

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_HKDF_H_

// AES-256-GCM over buffers: what Aes256Gcm and Xaes256Gcm are made of.
// Source: NIST SP 800-38D, with 96-bit nonces and 128-bit tags.
// Thread-safe: each thread has one context, emptied of key material before
// these return.
#ifndef KMS_CRYPTO_GCM_H_
#define KMS_CRYPTO_GCM_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "kms/base/bytes.h"

namespace kms::crypto {

inline constexpr size_t kAesKeySize = 32;
inline constexpr size_t kGcmNonceSize = 12;
inline constexpr size_t kGcmTagSize = 16;
// Far above any request and any row, and within OpenSSL's int lengths.
inline constexpr size_t kGcmBytesMax = size_t{1} << 30;

// Writes ciphertext and tag to `sealed`, plaintext.size() + kGcmTagSize bytes.
// REQUIRES: 32-byte key, 12-byte nonce, plaintext and aad of at most
// kGcmBytesMax, and never twice the same key and nonce.
void GcmSeal(BytesView key, BytesView nonce, BytesView plaintext, BytesView aad,
             absl::Span<uint8_t> sealed);

// Writes the plaintext to `plaintext`, sealed.size() - kGcmTagSize bytes.
// False, and `plaintext` zero, if it does not authenticate.
// REQUIRES: 32-byte key, 12-byte nonce, `sealed` of at least a tag, and
// `sealed` and `aad` of at most kGcmBytesMax.
[[nodiscard]] bool GcmOpen(BytesView key, BytesView nonce, BytesView sealed,
                           BytesView aad, absl::Span<uint8_t> plaintext);

// The same with the tag apart, kGcmTagSize bytes. The text may be changed in
// place: `ciphertext` and `plaintext` are the same bytes, or do not overlap.
void GcmSealDetached(BytesView key, BytesView nonce, BytesView plaintext,
                     BytesView aad, absl::Span<uint8_t> ciphertext,
                     absl::Span<uint8_t> tag);
[[nodiscard]] bool GcmOpenDetached(BytesView key, BytesView nonce,
                                   BytesView ciphertext, BytesView tag,
                                   BytesView aad,
                                   absl::Span<uint8_t> plaintext);

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_GCM_H_

// AES-256-GCM with a nonce of the caller's: for HPKE and protocols that count
// their nonces. Stored data uses xaes.h, whose nonces may be random.
// Source: NIST SP 800-38D; RFC 5116, section 5.2.
// Thread-safe: immutable.
// Confidential and authentic as long as no nonce is used twice. Not
// key-committing, and lengths show.
#ifndef KMS_CRYPTO_AEAD_H_
#define KMS_CRYPTO_AEAD_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "kms/base/secret.h"

namespace kms::crypto {

class Aes256Gcm {
 public:
  static constexpr size_t kKeySize = 32;
  static constexpr size_t kNonceSize = 12;
  static constexpr size_t kTagSize = 16;

  // Keeps a copy of `key`. kInvalidArgument: not 32 bytes.
  // kResourceExhausted: Secret::Allocate.
  static absl::StatusOr<Aes256Gcm> Create(const Secret& key);

  // Ciphertext and tag.
  // kInvalidArgument: the nonce is not 12 bytes, or more than 1 GiB.
  absl::StatusOr<std::string> Seal(BytesView nonce, BytesView plaintext,
                                   BytesView aad) const;

  // The inverse. kInvalidArgument as Seal; kUnauthenticated: not what Seal
  // made with this key, nonce and aad.
  absl::StatusOr<std::string> Open(BytesView nonce, BytesView sealed,
                                   BytesView aad) const;

  // The same for plaintext that is only ever in a Secret.
  absl::StatusOr<std::string> SealSecret(BytesView nonce,
                                         const Secret& plaintext,
                                         BytesView aad) const;
  absl::StatusOr<Secret> OpenSecret(BytesView nonce, BytesView sealed,
                                    BytesView aad) const;

 private:
  explicit Aes256Gcm(Secret key) : key_(std::move(key)) {}

  Secret key_;
};

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_AEAD_H_

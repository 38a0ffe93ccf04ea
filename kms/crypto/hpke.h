// HPKE in base mode: how a secret travels to the holder of a public key.
// Source: RFC 9180. Suites: DHKEM(X25519) or DHKEM(P-256), each with
// HKDF-SHA256; KDF HKDF-SHA256 (0x0001); AEAD AES-256-GCM (0x0002).
// Thread-safe: free functions over immutable values.
// Anyone can seal to a public key: base mode says nothing about the sender.
// One message per encapsulation; no exporter.
#ifndef KMS_CRYPTO_HPKE_H_
#define KMS_CRYPTO_HPKE_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "kms/base/secret.h"
#include "kms/crypto/kem.h"

namespace kms::crypto {

// The Kem with this RFC 9180 id.
// Refuses RECIPIENT_KEY_INVALID: none of ours.
absl::StatusOr<Kem> KemFromId(uint32_t id);

struct HpkeKeyPair;

class HpkePrivateKey {
 public:
  // `scalar`: RFC 9180's SerializePrivateKey, 32 bytes; a copy is kept.
  // kInvalidArgument: another length, or out of range.
  // kResourceExhausted: Secret::Allocate.
  static absl::StatusOr<HpkePrivateKey> FromScalar(Kem kem,
                                                   const Secret& scalar);

  Kem kem() const { return kem_; }
  // 32 bytes (X25519) or 65 (P-256: 0x04, x, y).
  const std::string& public_key() const { return public_key_; }
  const Secret& scalar() const { return scalar_; }

 private:
  friend absl::StatusOr<HpkeKeyPair> HpkeGenerateKeyPair(Kem kem);
  friend absl::StatusOr<HpkeKeyPair> HpkeDeriveKeyPair(Kem kem,
                                                       const Secret& ikm);

  HpkePrivateKey(Kem kem, Secret scalar, std::string public_key)
      : kem_(kem),
        scalar_(std::move(scalar)),
        public_key_(std::move(public_key)) {}

  Kem kem_;
  Secret scalar_;
  std::string public_key_;
};

struct HpkeKeyPair {
  HpkePrivateKey private_key;
  std::string public_key;
};

// kResourceExhausted: Secret::Allocate.
absl::StatusOr<HpkeKeyPair> HpkeGenerateKeyPair(Kem kem);

// RFC 9180, section 7.1.3: the same pair from the same input key material.
// kInvalidArgument: fewer than 32 bytes.
absl::StatusOr<HpkeKeyPair> HpkeDeriveKeyPair(Kem kem, const Secret& ikm);

struct HpkeSealed {
  std::string enc;         // The encapsulated key: 32 or 65 bytes.
  std::string ciphertext;  // Plaintext's length + 16.
};

// Seals `plaintext` to the holder of `recipient_public_key`, for a receiver
// that gives the same `info` and `aad`.
// Refuses RECIPIENT_KEY_INVALID: wrong length, off the curve, or low order.
// kResourceExhausted: Secret::Allocate.
absl::StatusOr<HpkeSealed> HpkeSeal(Kem kem, BytesView recipient_public_key,
                                    BytesView info, BytesView aad,
                                    const Secret& plaintext);

// OK if HpkeSeal would take this key.
// Refuses RECIPIENT_KEY_INVALID otherwise.
absl::Status HpkeCheckPublicKey(Kem kem, BytesView recipient_public_key);

// The inverse of HpkeSeal.
// kUnauthenticated: not sealed to this key with this `info` and `aad`, `enc`
// not being a public key included. kResourceExhausted: Secret::Allocate.
absl::StatusOr<Secret> HpkeOpen(const HpkePrivateKey& private_key,
                                BytesView enc, BytesView info, BytesView aad,
                                BytesView ciphertext);

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_HPKE_H_

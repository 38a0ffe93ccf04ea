// Private keys that sign: Ed25519 for instances, receipts and checkpoints;
// ECDSA for the simulated attesters, which speak the vendors' formats.
// Sources: RFC 8032; FIPS 186-5, section 6.
// Thread-safe: immutable. Movable, not copyable.
// OpenSSL keeps a working copy of the key on its own heap, which is zeroed
// when it is freed but not locked.
#ifndef KMS_CRYPTO_SIGNING_KEY_H_
#define KMS_CRYPTO_SIGNING_KEY_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "kms/base/secret.h"
#include "kms/crypto/curve.h"
#include "kms/crypto/hash.h"
#include "kms/crypto/public_key.h"

// OpenSSL's EVP_PKEY and EVP_MD_CTX; its headers stay out of ours.
struct evp_pkey_st;
struct evp_md_ctx_st;

namespace kms::crypto {

class Ed25519SigningKey {
 public:
  static constexpr size_t kSeedSize = 32;
  static constexpr size_t kSignatureSize = 64;

  // kResourceExhausted: Secret::Allocate.
  static absl::StatusOr<Ed25519SigningKey> Generate();

  // Keeps a copy of `seed`, RFC 8032's private key.
  // kInvalidArgument: not 32 bytes. kResourceExhausted: Secret::Allocate.
  static absl::StatusOr<Ed25519SigningKey> FromSeed(const Secret& seed);

  // A copy, for keeping. kResourceExhausted: Secret::Allocate.
  absl::StatusOr<Secret> seed() const { return seed_.Clone(); }

  // 32 bytes, RFC 8032's encoding.
  const std::string& public_key() const { return public_key_; }

  // 64 bytes. Deterministic.
  std::string Sign(BytesView message) const;
  std::string Sign(absl::string_view message) const {
    return Sign(AsBytes(message));
  }

 private:
  Ed25519SigningKey() = default;

  Secret seed_;
  std::string public_key_;
  std::shared_ptr<evp_pkey_st> key_;
  // Ready to sign: each signature starts from a copy, because starting from
  // nothing looks the algorithm up again.
  std::shared_ptr<const evp_md_ctx_st> ready_;
};

class EcdsaSigningKey {
 public:
  // kResourceExhausted: Secret::Allocate.
  static absl::StatusOr<EcdsaSigningKey> Generate(Curve curve);

  // `scalar`: big-endian, CurveFieldSize bytes; a copy is kept.
  // kInvalidArgument: another length, or not in [1, order - 1].
  // kResourceExhausted: Secret::Allocate.
  static absl::StatusOr<EcdsaSigningKey> FromScalar(Curve curve,
                                                    const Secret& scalar);

  // Reads a strictly DER-encoded ECPrivateKey that names its curve (RFC 5915),
  // or PrivateKeyInfo (RFC 5208) that holds one.
  // kInvalidArgument: malformed, another curve, a scalar out of range, or a
  // public key inside that is not the scalar's.
  static absl::StatusOr<EcdsaSigningKey> FromSec1(const Secret& der);
  static absl::StatusOr<EcdsaSigningKey> FromPkcs8(const Secret& der);

  // A copy, for keeping. kResourceExhausted: Secret::Allocate.
  absl::StatusOr<Secret> scalar() const { return scalar_.Clone(); }

  Curve curve() const { return curve_; }
  const PublicKey& public_key() const { return public_key_; }
  // The DER SubjectPublicKeyInfo.
  const std::string& spki() const { return public_key_.spki(); }

  // Signs the hash of `message`. Not deterministic.
  std::string SignDer(Hash hash, BytesView message) const;
  // r, s: big-endian, CurveFieldSize bytes each.
  std::string SignRaw(Hash hash, BytesView message) const;

 private:
  EcdsaSigningKey(Curve curve, Secret scalar, PublicKey public_key,
                  std::shared_ptr<evp_pkey_st> key)
      : curve_(curve),
        scalar_(std::move(scalar)),
        public_key_(std::move(public_key)),
        key_(std::move(key)) {}

  Curve curve_;
  Secret scalar_;
  PublicKey public_key_;
  std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_SIGNING_KEY_H_

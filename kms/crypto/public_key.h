// Public keys that Evidence, Endorsements, receipts and checkpoints are
// verified with.
// Sources: RFC 5280, section 4.1 (SubjectPublicKeyInfo); RFC 3279, 4055, 5480
// and 8410 (its algorithms); RFC 8017 (RSA), FIPS 186-5 (ECDSA), RFC 8032
// (Ed25519).
// Thread-safe: immutable, and copies share one key.
// Does not judge who owns a key: pin spki_sha256(), or verify a chain.
#ifndef KMS_CRYPTO_PUBLIC_KEY_H_
#define KMS_CRYPTO_PUBLIC_KEY_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "kms/crypto/curve.h"
#include "kms/crypto/hash.h"

namespace kms::crypto {

// kRsaPss is a key whose SPKI allows RSASSA-PSS only.
enum class KeyKind { kRsa, kRsaPss, kP256, kP384, kEd25519 };

class PublicKey {
 public:
  // Reads one strictly DER-encoded SubjectPublicKeyInfo. Accepted are:
  //   RSA   rsaEncryption, or RSASSA-PSS with no parameters or with one SHA-2
  //         hash for both message and MGF1; 2048 to 4096 bits; an odd exponent
  //         from 65537 to below 2^64
  //   EC    P-256 or P-384 by name, the point uncompressed and on the curve
  //   Ed25519
  // kInvalidArgument: anything else.
  static absl::StatusOr<PublicKey> FromSpki(BytesView der);

  // `point`: 0x04, x, y: CurvePointSize(curve) bytes.
  // kInvalidArgument: another length or form, or not on the curve.
  static absl::StatusOr<PublicKey> FromPoint(Curve curve, BytesView point);

  // `modulus` and `exponent`: big-endian, no leading zero, as FromSpki demands
  // of a key of rsaEncryption. kInvalidArgument otherwise.
  static absl::StatusOr<PublicKey> FromRsa(BytesView modulus,
                                           BytesView exponent);

  // `key`: 32 bytes. kInvalidArgument: another length.
  static absl::StatusOr<PublicKey> Ed25519(BytesView key);

  KeyKind kind() const;

  // The DER SubjectPublicKeyInfo, and the SHA-256 (32 bytes) by which trust
  // anchors are pinned.
  const std::string& spki() const;
  const std::string& spki_sha256() const;

  // The encoded key inside the SPKI: an EC point (0x04, x, y), an Ed25519 key
  // (32 bytes), or a DER RSAPublicKey. Valid as long as some copy of this key.
  BytesView key_bytes() const;

  // Each verifies `signature` over `message`; the hash is the one that is
  // applied to the message. OK means it is this key's signature.
  // kUnauthenticated: it is not, it is malformed, or this key is of another
  // kind or restricted to other parameters.

  // `signature`: strict DER.
  absl::Status VerifyEcdsa(Hash hash, BytesView message,
                           BytesView signature) const;

  // `r`, `s`: big-endian, exactly CurveFieldSize bytes each.
  absl::Status VerifyEcdsaRaw(Hash hash, BytesView message, BytesView r,
                              BytesView s) const;

  // MGF1 with the same hash; the salt must be exactly `salt_size` bytes.
  absl::Status VerifyRsaPss(Hash hash, size_t salt_size, BytesView message,
                            BytesView signature) const;

  // RSASSA-PKCS1-v1_5.
  absl::Status VerifyRsaPkcs1(Hash hash, BytesView message,
                              BytesView signature) const;

  // `signature`: 64 bytes.
  absl::Status VerifyEd25519(BytesView message, BytesView signature) const;

  friend bool operator==(const PublicKey& a, const PublicKey& b) {
    return a.spki() == b.spki();
  }

 private:
  struct Parts;
  explicit PublicKey(std::shared_ptr<const Parts> parts)
      : parts_(std::move(parts)) {}

  std::shared_ptr<const Parts> parts_;  // Never null but when moved from.
};

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_PUBLIC_KEY_H_

// Diffie-Hellman on Curve25519 and P-256: what DHKEM in hpke.h is made of.
// Sources: RFC 7748, section 6.1; SEC 1, section 3.3.1.
// Thread-safe: free functions.
// The shared secret is not uniform: derive keys from it.
#ifndef KMS_CRYPTO_ECDH_H_
#define KMS_CRYPTO_ECDH_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "kms/base/secret.h"

namespace kms::crypto {

inline constexpr size_t kEcdhSecretSize = 32;  // Scalar, and shared secret.
inline constexpr size_t kX25519PublicSize = 32;
inline constexpr size_t kP256PublicSize = 65;  // 0x04, x, y.

// The shared secret, 32 bytes.
// `scalar` and `peer`: 32 bytes, little-endian; any 32 bytes are a scalar.
// `public_key`: the scalar's. Whoever has a key pair has it, and computing it
// again costs as much as the agreement. The result does not depend on it.
// kInvalidArgument: another length, or a low-order peer, whose shared secret
// would be zero for everybody.
absl::StatusOr<Secret> X25519(const Secret& scalar, BytesView public_key,
                              BytesView peer);

// OK if X25519 takes this peer, whatever the scalar. kInvalidArgument: it
// takes it with none.
absl::Status X25519CheckPeer(BytesView peer);

// The public key of `scalar`. kInvalidArgument: not 32 bytes.
absl::StatusOr<std::string> X25519PublicKey(const Secret& scalar);

// The shared point's x coordinate, 32 bytes big-endian.
// `scalar`: 32 bytes, big-endian, in [1, order - 1]. `public_key`: as above.
// `peer`: 65 bytes.
// kInvalidArgument: a scalar out of range, or a point that is not uncompressed
// and on the curve.
absl::StatusOr<Secret> P256Ecdh(const Secret& scalar, BytesView public_key,
                                BytesView peer);

// OK if P256Ecdh takes this peer. kInvalidArgument: it does not.
absl::Status P256CheckPeer(BytesView peer);

// kInvalidArgument: the scalar is out of range.
absl::StatusOr<std::string> P256PublicKey(const Secret& scalar);

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_ECDH_H_

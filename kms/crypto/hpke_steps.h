// The steps of HPKE, apart from each other so that published vectors can
// check each one. Only hpke.cc and its test use them.
// Source: RFC 9180, sections 4 and 5.1. Thread-safe: free functions.
#ifndef KMS_CRYPTO_HPKE_STEPS_H_
#define KMS_CRYPTO_HPKE_STEPS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "kms/base/secret.h"
#include "kms/crypto/kem.h"

namespace kms::crypto::hpke {

struct KeyPair {
  Secret scalar;
  std::string public_key;
};

// DeriveKeyPair. kInvalidArgument: fewer than 32 bytes.
absl::StatusOr<KeyPair> DeriveKeyPair(Kem kem, const Secret& ikm);

// GenerateKeyPair. kResourceExhausted: Secret::Allocate.
absl::StatusOr<KeyPair> GenerateKeyPair(Kem kem);

// DH(scalar, peer), for which the scalar's public key is needed too, and
// pk(scalar). kInvalidArgument: X25519, P256Ecdh.
absl::StatusOr<Secret> Dh(Kem kem, const Secret& scalar, BytesView public_key,
                          BytesView peer);
absl::StatusOr<std::string> PublicKeyOf(Kem kem, const Secret& scalar);

// OK if Dh takes this peer. kInvalidArgument: it does not.
absl::Status CheckPeer(Kem kem, BytesView peer);

// ExtractAndExpand: the KEM's shared secret, 32 bytes.
absl::StatusOr<Secret> SharedSecret(Kem kem, const Secret& dh, BytesView enc,
                                    BytesView recipient_public_key);

// KeySchedule in base mode.
struct Schedule {
  Secret key;         // 32 bytes.
  Secret base_nonce;  // 12 bytes; the nonce of the first message.
};
absl::StatusOr<Schedule> KeySchedule(Kem kem, const Secret& shared_secret,
                                     BytesView info);

}  // namespace kms::crypto::hpke

#endif  // KMS_CRYPTO_HPKE_STEPS_H_

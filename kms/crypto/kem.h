// The key encapsulation mechanisms a recipient may choose.
// Source: RFC 9180, section 7.1; the numbers are its KEM ids.
#ifndef KMS_CRYPTO_KEM_H_
#define KMS_CRYPTO_KEM_H_

#include <cstdint>

namespace kms::crypto {

enum class Kem : uint16_t {
  kP256 = 0x0010,    // DHKEM(P-256, HKDF-SHA256)
  kX25519 = 0x0020,  // DHKEM(X25519, HKDF-SHA256)
};

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_KEM_H_

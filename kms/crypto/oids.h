// Contents of the OBJECT IDENTIFIERs that keys are made of.
// Sources: RFC 8017, appendix C; RFC 5480; RFC 8410; RFC 5754.
#ifndef KMS_CRYPTO_OIDS_H_
#define KMS_CRYPTO_OIDS_H_

#include <cstdint>

namespace kms::crypto {

// 1.2.840.113549.1.1.1, rsaEncryption
inline constexpr uint8_t kRsaEncryptionOid[] = {0x2a, 0x86, 0x48, 0x86, 0xf7,
                                                0x0d, 0x01, 0x01, 0x01};
// 1.2.840.113549.1.1.8, id-mgf1
inline constexpr uint8_t kMgf1Oid[] = {0x2a, 0x86, 0x48, 0x86, 0xf7,
                                       0x0d, 0x01, 0x01, 0x08};
// 1.2.840.113549.1.1.10, id-RSASSA-PSS
inline constexpr uint8_t kRsassaPssOid[] = {0x2a, 0x86, 0x48, 0x86, 0xf7,
                                            0x0d, 0x01, 0x01, 0x0a};
// 1.2.840.10045.2.1, id-ecPublicKey
inline constexpr uint8_t kEcPublicKeyOid[] = {0x2a, 0x86, 0x48, 0xce,
                                              0x3d, 0x02, 0x01};
// 1.2.840.10045.3.1.7, secp256r1
inline constexpr uint8_t kP256Oid[] = {0x2a, 0x86, 0x48, 0xce,
                                       0x3d, 0x03, 0x01, 0x07};
// 1.3.132.0.34, secp384r1
inline constexpr uint8_t kP384Oid[] = {0x2b, 0x81, 0x04, 0x00, 0x22};
// 1.3.101.112, id-Ed25519
inline constexpr uint8_t kEd25519Oid[] = {0x2b, 0x65, 0x70};
// 2.16.840.1.101.3.4.2.n: SHA-256, 384 and 512 are n = 1, 2, 3.
inline constexpr uint8_t kSha2Arc[] = {0x60, 0x86, 0x48, 0x01,
                                       0x65, 0x03, 0x04, 0x02};

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_OIDS_H_

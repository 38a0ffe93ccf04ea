// Reads the DER encodings of an EC private key.
// Sources: RFC 5915, section 3 (ECPrivateKey, "SEC 1"); RFC 5208, section 5
// (PrivateKeyInfo, "PKCS #8"). Strict DER, P-256 and P-384 by name.
// Thread-safe: free functions. Views alias the secret that was read.
#ifndef KMS_CRYPTO_EC_PRIVATE_KEY_H_
#define KMS_CRYPTO_EC_PRIVATE_KEY_H_

#include <optional>

#include "kms/base/bytes.h"
#include "kms/crypto/curve.h"

namespace kms::crypto {

struct EcPrivateKeyInfo {
  Curve curve;
  BytesView scalar;  // CurveFieldSize bytes.
  BytesView point;   // 0x04, x, y; empty if the encoding leaves it out.
};

// Nothing if malformed or of another curve.
std::optional<EcPrivateKeyInfo> ParseSec1(BytesView der);
std::optional<EcPrivateKeyInfo> ParsePkcs8(BytesView der);

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_EC_PRIVATE_KEY_H_

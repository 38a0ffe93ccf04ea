// OpenSSL keys of the NIST curves, from scalars and points.
// Source: SEC 1, sections 2.3 and 3.2. Thread-safe: free functions.
#ifndef KMS_CRYPTO_EC_KEY_H_
#define KMS_CRYPTO_EC_KEY_H_

#include <string>

#include "kms/base/bytes.h"
#include "kms/base/secret.h"
#include "kms/crypto/curve.h"
#include "kms/crypto/openssl.h"

namespace kms::crypto {

// A key of the named type, a literal, from parameters; null if they do not
// make one.
PkeyPtr PkeyFromParams(const char* type, int selection,
                       OSSL_PARAM_BLD* builder);
PkeyPtr PkeyFromParams(const char* type, int selection, OSSL_PARAM* params);

// `point`: 0x04, x, y. Null if it is not on the curve; the curves' cofactor is
// 1, so every point on them is in the group.
PkeyPtr EcPublicPkey(Curve curve, BytesView point);

struct EcKeyPair {
  PkeyPtr key;
  std::string point;  // 0x04, x, y.
};

// `scalar`: big-endian, CurveFieldSize bytes. The key is null if its length is
// another or it is not in [1, order - 1].
EcKeyPair EcPrivatePkey(Curve curve, const Secret& scalar);

// The same of a scalar whose `point` is known, which is not computed again.
// Null if the scalar is out of range. REQUIRES: the point is the scalar's.
PkeyPtr EcPrivatePkey(Curve curve, const Secret& scalar, BytesView point);

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_EC_KEY_H_

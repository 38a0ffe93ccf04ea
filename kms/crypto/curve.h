// The NIST curves this project uses; SP 800-186, section 3.2.1. Other curves
// are refused: OpenSSL 3.0's code for them is not constant time.
#ifndef KMS_CRYPTO_CURVE_H_
#define KMS_CRYPTO_CURVE_H_

#include <cstddef>

namespace kms::crypto {

enum class Curve { kP256, kP384 };

// Bytes in a coordinate, in a scalar, and in half a raw signature.
constexpr size_t CurveFieldSize(Curve curve) {
  return curve == Curve::kP256 ? 32 : 48;
}

// Bytes in an uncompressed point: 0x04, x, y. SEC 1, section 2.3.3.
constexpr size_t CurvePointSize(Curve curve) {
  return 1 + 2 * CurveFieldSize(curve);
}

// OpenSSL's name for the curve.
constexpr const char* CurveName(Curve curve) {
  return curve == Curve::kP256 ? "P-256" : "P-384";
}

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_CURVE_H_

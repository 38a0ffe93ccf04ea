// The two encodings of an ECDSA signature (r, s): DER (RFC 3279, section
// 2.2.3, Ecdsa-Sig-Value) and raw (IEEE P1363: r, s, each big-endian at the
// curve's field size).
// One encoding per value: DER is minimal and without leftovers, r and s are
// not zero. That they are below the curve's order is the verifier's check.
// Thread-safe: free functions.
#ifndef KMS_CRYPTO_ECDSA_SIGNATURE_H_
#define KMS_CRYPTO_ECDSA_SIGNATURE_H_

#include <string>

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "kms/crypto/curve.h"

namespace kms::crypto {

// kInvalidArgument: not strict DER, or a number that is negative, zero or too
// long for the curve.
absl::StatusOr<std::string> EcdsaDerToRaw(Curve curve, BytesView der);

// `r` and `s`: exactly CurveFieldSize(curve) bytes each.
// kInvalidArgument: another length, or zero.
absl::StatusOr<std::string> EcdsaRawToDer(Curve curve, BytesView r,
                                          BytesView s);

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_ECDSA_SIGNATURE_H_

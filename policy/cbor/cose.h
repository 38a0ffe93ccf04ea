// COSE_Sign1: a signed payload. Source: RFC 9052, sections 3, 4.2 and 4.4;
// RFC 9053, section 2.1.
//
// Only what the signature covers is believed: the algorithm comes from the
// protected header alone, and what is verified are its bytes and the payload's
// as received. ES256 goes with P-256 and ES384 with P-384, which the length of
// the signature follows from.
// Thread-safe: values and free functions. Views alias the input.
// Knows no certificates and no key ids: the caller brings the key.
#ifndef POLICY_CBOR_COSE_H_
#define POLICY_CBOR_COSE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"
#include "kms/crypto/curve.h"
#include "kms/crypto/public_key.h"
#include "policy/cbor/item.h"

namespace kms::cbor {

enum class Algorithm { kEs256, kEs384 };

// RFC 9053, table 1.
constexpr int64_t CoseNumber(Algorithm algorithm) {
  return algorithm == Algorithm::kEs256 ? -7 : -35;
}
constexpr crypto::Curve CurveOf(Algorithm algorithm) {
  return algorithm == Algorithm::kEs256 ? crypto::Curve::kP256
                                        : crypto::Curve::kP384;
}

// RFC 9052, section 2: tag 18 may be left out where the context says what it
// is.
enum class Tagging { kRequired, kOptional };

struct Sign1 {
  Algorithm algorithm = Algorithm::kEs256;
  BytesView protected_header;    // Content of the byte string.
  BytesView payload;             // Not empty.
  BytesView signature;           // r, s of the algorithm's curve.
  bool has_unprotected = false;  // Headers that nobody signed.
};

// Refuses as EVIDENCE_MALFORMED what is no COSE_Sign1, has its algorithm not
// in the protected header or a header in both, has no payload inside, or a
// signature of another length than the algorithm's; as EVIDENCE_UNSUPPORTED
// other algorithms, and headers marked critical.
absl::StatusOr<Sign1> ParseSign1(BytesView bytes, Tagging tagging,
                                 absl::string_view subject);

// The bytes that a COSE_Sign1's signature covers: Sig_structure with context
// "Signature1" and no external data.
std::string SignedBytes(BytesView protected_header, BytesView payload);

// OK if `key` signed it. kUnauthenticated otherwise, or if the key is not on
// the algorithm's curve; the caller gives the refusal code.
absl::Status VerifySign1(const Sign1& message, const crypto::PublicKey& key);

}  // namespace kms::cbor

#endif  // POLICY_CBOR_COSE_H_

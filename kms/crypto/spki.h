// Reads and writes SubjectPublicKeyInfo for the key kinds this project uses:
// the parsing half of PublicKey, without OpenSSL.
// Sources: RFC 5280, section 4.1; RFC 3279, section 2.3.1; RFC 4055, section
// 3.1; RFC 5480, section 2.1; RFC 8410, section 4.
// Thread-safe: free functions.
// Does not check that a point is on its curve or what an RSA modulus is.
#ifndef KMS_CRYPTO_SPKI_H_
#define KMS_CRYPTO_SPKI_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "kms/crypto/curve.h"
#include "kms/crypto/hash.h"
#include "kms/crypto/public_key.h"

namespace kms::crypto {

// What an RSASSA-PSS key is restricted to: the hash of message and MGF1, and
// the shortest salt.
struct PssRestriction {
  Hash hash;
  size_t salt_size_min;
};

// Views alias the parsed bytes.
struct Spki {
  KeyKind kind;
  std::optional<PssRestriction> pss;  // Only for kRsaPss, if it has parameters.
  BytesView key;                      // The BIT STRING's bytes.
  BytesView rsa_modulus;              // Big-endian, no leading zero; RSA only.
  BytesView rsa_exponent;
};

// kInvalidArgument: not strict DER, another algorithm, other parameters, or a
// key of the wrong size or form for its algorithm (PublicKey::FromSpki).
absl::StatusOr<Spki> ParseSpki(BytesView der);

// `point` is 0x04, x, y; `key` is 32 bytes. Neither is looked at.
std::string MakeEcSpki(Curve curve, BytesView point);
std::string MakeEd25519Spki(BytesView key);
// `modulus` and `exponent` are big-endian without leading zeros; neither is
// looked at. Up to 60,000 bytes together.
std::string MakeRsaSpki(BytesView modulus, BytesView exponent);

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_SPKI_H_

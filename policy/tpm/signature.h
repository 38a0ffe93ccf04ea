// A TPM's signature. Source: TPM 2.0 Library part 2, TPMT_SIGNATURE; part 1,
// annexes B (RSA) and C (ECC).
//
//   RSASSA, RSAPSS  sigAlg u16 = 14, 16 | hash u16 | sig TPM2B
//   ECDSA           sigAlg u16 = 18 | hash u16 | r TPM2B | s TPM2B
//
// Thread-safe: values and free functions.
#ifndef POLICY_TPM_SIGNATURE_H_
#define POLICY_TPM_SIGNATURE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "kms/crypto/hash.h"
#include "kms/crypto/public_key.h"
#include "policy/tpm/limits.h"

namespace kms::tpm {

// As TPMI_ALG_SIG_SCHEME encodes it.
enum class Scheme : uint16_t {
  kRsaSsa = 0x0014,
  kRsaPss = 0x0016,
  kEcdsa = 0x0018,
};

struct Signature {
  Scheme scheme = Scheme::kRsaSsa;
  crypto::Hash hash = crypto::Hash::kSha256;
  std::string rsa;   // Empty for ECDSA.
  std::string r, s;  // Big-endian as received; empty for RSA.
};

// `bytes` is exactly one TPMT_SIGNATURE. EVIDENCE_MALFORMED otherwise;
// EVIDENCE_UNSUPPORTED for another algorithm or hash.
absl::StatusOr<Signature> ParseSignature(BytesView bytes);

// The inverse, byte for byte.
std::string SerializeSignature(const Signature& signature);

// Reads what tools keep instead as well, by the key that it is said to be of:
// the bare bytes of an RSA signature, exactly as long as the modulus, or an
// ECDSA signature in DER. Neither names a scheme or a hash, so they are
// `rsa_scheme` and `hash` then. The codes of ParseSignature.
absl::StatusOr<Signature> ParseSignatureFile(BytesView file,
                                             const crypto::PublicKey& key,
                                             Scheme rsa_scheme,
                                             crypto::Hash hash);

// OK if `signature` over `message` is `key`'s. kUnauthenticated otherwise.
absl::Status VerifySignature(const crypto::PublicKey& key,
                             const Signature& signature, BytesView message);

}  // namespace kms::tpm

#endif  // POLICY_TPM_SIGNATURE_H_

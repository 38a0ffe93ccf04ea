// The public area of a TPM's key: its number, and what the TPM lets it do.
// Source: TPM 2.0 Library part 2, TPMT_PUBLIC, TPM2B_PUBLIC and TPMA_OBJECT.
//
//   type u16 | nameAlg u16 | objectAttributes u32 | authPolicy TPM2B
//   RSA  symmetric u16 = NULL | scheme u16 (hash u16) | keyBits u16
//        exponent u32 (0: 65537) | modulus TPM2B
//   ECC  symmetric u16 = NULL | scheme u16 (hash u16) | curve u16
//        kdf u16 = NULL | x TPM2B | y TPM2B
//
// Nobody signs a public area: that a key is what its attributes say holds only
// for one whose name was vouched for, or that its owner read from the TPM.
// Thread-safe: values and free functions.
#ifndef POLICY_TPM_PUBLIC_AREA_H_
#define POLICY_TPM_PUBLIC_AREA_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "kms/crypto/curve.h"
#include "kms/crypto/hash.h"
#include "kms/crypto/public_key.h"
#include "policy/tpm/signature.h"

namespace kms::tpm {

// TPMA_OBJECT.
inline constexpr uint32_t kFixedTpm = 1u << 1;
inline constexpr uint32_t kStClear = 1u << 2;
inline constexpr uint32_t kFixedParent = 1u << 4;
inline constexpr uint32_t kSensitiveDataOrigin = 1u << 5;
inline constexpr uint32_t kUserWithAuth = 1u << 6;
inline constexpr uint32_t kAdminWithPolicy = 1u << 7;
inline constexpr uint32_t kNoDa = 1u << 10;
inline constexpr uint32_t kEncryptedDuplication = 1u << 11;
inline constexpr uint32_t kRestricted = 1u << 16;
inline constexpr uint32_t kDecrypt = 1u << 17;
inline constexpr uint32_t kSign = 1u << 18;
inline constexpr uint32_t kX509Sign = 1u << 19;
inline constexpr uint32_t kAttributesKnown =
    kFixedTpm | kStClear | kFixedParent | kSensitiveDataOrigin | kUserWithAuth |
    kAdminWithPolicy | kNoDa | kEncryptedDuplication | kRestricted | kDecrypt |
    kSign | kX509Sign;

struct PublicArea {
  crypto::Hash name_hash = crypto::Hash::kSha256;
  uint32_t attributes = 0;
  std::string auth_policy;
  // The only scheme that the key signs with; nothing if it may use any.
  std::optional<Scheme> scheme;
  crypto::Hash scheme_hash = crypto::Hash::kSha256;  // With a scheme only.

  // RSA, if there is a modulus.
  std::string modulus;    // 256, 384 or 512 bytes.
  uint32_t exponent = 0;  // As encoded: 0 or 65537.
  // ECC, if there is none.
  crypto::Curve curve = crypto::Curve::kP256;
  std::string x, y;  // Big-endian as received.
};

// `bytes` is exactly one TPMT_PUBLIC of a key that can only sign.
//   EVIDENCE_MALFORMED    does not parse, or an attribute that is reserved
//   EVIDENCE_UNSUPPORTED  another type, size, curve, exponent, scheme or hash,
//                         or parameters of a key that decrypts
absl::StatusOr<PublicArea> ParsePublicArea(BytesView bytes);

// The inverse, byte for byte.
std::string SerializePublicArea(const PublicArea& area);

// Part 1, "Names": the hash's algorithm u16 and the digest of the area.
std::string NameOf(const PublicArea& area);

// EVIDENCE_MALFORMED if its numbers are not those of a key that we accept.
absl::StatusOr<crypto::PublicKey> KeyOf(const PublicArea& area);

// OK if a key of these attributes signs only what its TPM made, was made in
// that TPM and never leaves it. ENDORSEMENT_MISMATCH otherwise: with any other
// key its holder can sign a quote of his own writing.
absl::Status CheckAttestationKey(const PublicArea& area);

}  // namespace kms::tpm

#endif  // POLICY_TPM_PUBLIC_AREA_H_

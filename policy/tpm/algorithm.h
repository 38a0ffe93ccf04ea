// Algorithm identifiers of a TPM. Source: TCG Algorithm Registry; TPM 2.0
// Library part 2, TPM_ALG_ID.
// Thread-safe: free functions.
#ifndef POLICY_TPM_ALGORITHM_H_
#define POLICY_TPM_ALGORITHM_H_

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "kms/crypto/hash.h"

namespace kms::tpm {

inline constexpr uint16_t kAlgRsa = 0x0001;
inline constexpr uint16_t kAlgSha1 = 0x0004;
inline constexpr uint16_t kAlgSha256 = 0x000b;
inline constexpr uint16_t kAlgSha384 = 0x000c;
inline constexpr uint16_t kAlgSha512 = 0x000d;
inline constexpr uint16_t kAlgNull = 0x0010;
inline constexpr uint16_t kAlgRsaSsa = 0x0014;
inline constexpr uint16_t kAlgRsaPss = 0x0016;
inline constexpr uint16_t kAlgEcdsa = 0x0018;
inline constexpr uint16_t kAlgEcc = 0x0023;

// Nothing for SHA-1 and everything else that we do not verify with.
constexpr std::optional<crypto::Hash> HashOf(uint16_t algorithm) {
  switch (algorithm) {
    case kAlgSha256:
      return crypto::Hash::kSha256;
    case kAlgSha384:
      return crypto::Hash::kSha384;
    case kAlgSha512:
      return crypto::Hash::kSha512;
    default:
      return std::nullopt;
  }
}

constexpr uint16_t AlgorithmOf(crypto::Hash hash) {
  return hash == crypto::Hash::kSha256   ? kAlgSha256
         : hash == crypto::Hash::kSha384 ? kAlgSha384
                                         : kAlgSha512;
}

// "sha256".
constexpr absl::string_view HashName(crypto::Hash hash) {
  return hash == crypto::Hash::kSha256   ? "sha256"
         : hash == crypto::Hash::kSha384 ? "sha384"
                                         : "sha512";
}

}  // namespace kms::tpm

#endif  // POLICY_TPM_ALGORITHM_H_

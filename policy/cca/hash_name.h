// Names of hash algorithms. Source: IANA, "Named Information Hash Algorithm
// Registry", which Arm DEN0137 recommends. Thread-safe: a free function.
#ifndef POLICY_CCA_HASH_NAME_H_
#define POLICY_CCA_HASH_NAME_H_

#include <optional>

#include "absl/strings/string_view.h"
#include "kms/crypto/hash.h"

namespace kms::cca {

// Nothing for a name that is none of "sha-256", "sha-384" and "sha-512".
inline std::optional<crypto::Hash> HashNamed(absl::string_view name) {
  if (name == "sha-256") return crypto::Hash::kSha256;
  if (name == "sha-384") return crypto::Hash::kSha384;
  if (name == "sha-512") return crypto::Hash::kSha512;
  return std::nullopt;
}

}  // namespace kms::cca

#endif  // POLICY_CCA_HASH_NAME_H_

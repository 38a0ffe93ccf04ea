// The file by which the public half of a wrapping key travels to publishers:
// what `kmsctl key public -o json` prints. Beside what people read, it holds
// the bytes that the cluster signed, and only those are believed.
// Thread-safe: free functions.
#ifndef TOOLS_KMSCTL_WRAPPING_KEY_FILE_H_
#define TOOLS_KMSCTL_WRAPPING_KEY_FILE_H_

#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "proto/kms/v1/keys.pb.h"
#include "tools/kmsctl/context.h"

namespace kms::kmsctl {

// `key`: what `signed_key` says.
nlohmann::ordered_json WrappingKeyJson(const v1::WrappingKey& key,
                                       const v1::SignedWrappingKey& signed_key);

// The public half as a SubjectPublicKeyInfo in PEM (RFC 8410, RFC 5480).
std::string WrappingKeyPem(const v1::WrappingKey& key);

// UsageError: not such a file. IntegrityError: not of the pinned cluster.
// Others: the file cannot be read.
absl::StatusOr<v1::WrappingKey> ReadWrappingKeyFile(
    const std::string& path, const PinnedCluster& pinned);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_WRAPPING_KEY_FILE_H_

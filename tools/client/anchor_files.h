// Trust anchors for commands that verify Evidence here, without a service.
// Thread-safe: free functions.
#ifndef TOOLS_CLIENT_ANCHOR_FILES_H_
#define TOOLS_CLIENT_ANCHOR_FILES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "policy/verifier/anchors.h"

namespace kms::client {

// The built-in vendor pins and one root for each file, named after its file and
// marked as a simulator's if it is one's: a certificate, or a public key
// (SubjectPublicKeyInfo) for Evidence that brings no certificate; PEM or DER,
// or a JSON Web Key. Who names a root on the command line trusts it for
// whatever the bundle holds, so it counts for every type and use; where its
// key is built in, the built-in anchor stands.
// kInvalidArgument: not one certificate or key, or a name or key twice.
// Others: a file cannot be read.
absl::StatusOr<policy::TrustAnchors> LoadAnchors(
    const std::vector<std::string>& vendor_files,
    const std::vector<std::string>& simulator_files);

}  // namespace kms::client

#endif  // TOOLS_CLIENT_ANCHOR_FILES_H_

// Reads the shared evidence and test vectors that may stand beside the
// checkout. For tests only: where they are absent, the test prints a visible
// 'not run' line and passes.
// Thread-safe: free functions.
#ifndef KMS_BASE_SHARED_DATA_H_
#define KMS_BASE_SHARED_DATA_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace kms {

// The path of `name` ("vectors/hpke/x.json", "evidence/snp") in a test's
// runfiles; the test needs @shared//:vectors or @shared//:evidence in `data`.
std::string SharedPath(absl::string_view name);

// The file's contents, or nothing after printing "NOT RUN: ..." when it is
// not there.
absl::optional<std::string> ReadShared(absl::string_view name);

}  // namespace kms

#endif  // KMS_BASE_SHARED_DATA_H_

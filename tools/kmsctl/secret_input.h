// Secrets on their way in: from a file, standard input or a terminal straight
// into locked memory, never through a buffered stream.
// Thread-safe: free functions.
#ifndef TOOLS_KMSCTL_SECRET_INPUT_H_
#define TOOLS_KMSCTL_SECRET_INPUT_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "kms/base/secret.h"

namespace kms::kmsctl {

// All bytes of the file, "-" being standard input and "fd:N" a descriptor that
// this process was given.
// UsageError: no such descriptor. kResourceExhausted: over `bytes_max`, or no
// locked memory. Others: the file cannot be read.
absl::StatusOr<Secret> ReadSecretFile(const std::string& path,
                                      size_t bytes_max);

// One line typed at the terminal, which does not show it; `prompt` goes there.
// kFailedPrecondition: there is no terminal.
absl::StatusOr<Secret> PromptSecret(const std::string& prompt,
                                    size_t bytes_max);

// An unseal share, at most 512 bytes without the white space around it: from
// the file if one is named, else from a pipe if there is one, else from whoever
// sits at the terminal. Codes of ReadSecretFile and PromptSecret.
absl::StatusOr<Secret> ReadShare(const std::string& file);

// `text` without the white space around it.
absl::StatusOr<Secret> TrimSecret(const Secret& text);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_SECRET_INPUT_H_

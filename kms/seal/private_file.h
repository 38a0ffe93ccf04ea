// Small files that only the service's own user may touch: the seal file, the
// instance file, the last checkpoint, a development root key.
//
// Each function does one file with bounded size; nothing is followed or kept
// open. Thread-safe: free functions; two writers of one path are the caller's
// to prevent. It does not encrypt.
#ifndef KMS_SEAL_PRIVATE_FILE_H_
#define KMS_SEAL_PRIVATE_FILE_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "kms/base/secret.h"

namespace kms::seal {

// The contents of `path`, at most `bytes_max`.
// kNotFound: there is no such file.
// kFailedPrecondition: not a regular file (a symbolic link is none), not owned
//   by this user, or group or others have any right to it.
// kResourceExhausted: longer than `bytes_max`.
// kUnavailable: it cannot be read.
absl::StatusOr<std::string> ReadPrivateFile(const std::string& path,
                                            size_t bytes_max);

// As ReadPrivateFile; the bytes never leave locked memory.
absl::StatusOr<Secret> ReadSecretFile(const std::string& path,
                                      size_t bytes_max);

// Replaces `path` by a file of mode 0600 with `bytes`: after a crash it is the
// old file or the new one, whole. On disk when it returns: the file is synced,
// renamed from "`path`.new", and its directory synced.
// kUnavailable: it cannot be written; `path` is as it was.
absl::Status WritePrivateFile(const std::string& path, BytesView bytes);
absl::Status WriteSecretFile(const std::string& path, const Secret& bytes);

// Makes renames and new names inside `directory` survive a power cut.
// kUnavailable: it cannot be opened or synced.
absl::Status SyncDirectory(const std::string& directory);

}  // namespace kms::seal

#endif  // KMS_SEAL_PRIVATE_FILE_H_

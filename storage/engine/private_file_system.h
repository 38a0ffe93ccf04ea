// A RocksDB file system whose new files are readable and writable by their
// owner only (0600). RocksDB 7.8 makes them 0644 and ignores
// Env::SetAllowNonOwnerAccess; the process's umask alone is one forgotten line
// away from a world-readable database (compare CVE-2021-38553 in Vault).
// Thread-safe.
#ifndef STORAGE_ENGINE_PRIVATE_FILE_SYSTEM_H_
#define STORAGE_ENGINE_PRIVATE_FILE_SYSTEM_H_

#include <memory>

#include "rocksdb/file_system.h"

namespace kms::storage {

// Forwards to `target`, which keeps its files where the operating system does.
std::shared_ptr<rocksdb::FileSystem> NewPrivateFileSystem(
    std::shared_ptr<rocksdb::FileSystem> target);

}  // namespace kms::storage

#endif  // STORAGE_ENGINE_PRIVATE_FILE_SYSTEM_H_

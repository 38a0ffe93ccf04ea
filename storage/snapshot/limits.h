// Bounds of a snapshot's stream, each with its reason.
#ifndef STORAGE_SNAPSHOT_LIMITS_H_
#define STORAGE_SNAPSHOT_LIMITS_H_

#include <cstddef>
#include <cstdint>

#include "storage/state/limits.h"

namespace kms::storage {

// The largest row holds one object, and what is told of it.
inline constexpr size_t kRowValueBytesMax =
    kObjectBytesMax + (size_t{64} << 10);

// A chunk ends after the row that makes it this long. Few enough bytes that a
// donor's and a receiver's memory stay flat, enough that the envelope around
// each costs nothing.
inline constexpr size_t kSnapshotChunkBytes = size_t{256} << 10;

// So no chunk, opened, is longer than this; a message of gRPC's default bound
// carries it.
inline constexpr size_t kSnapshotChunkBytesMax = size_t{1} << 20;
static_assert(kSnapshotChunkBytes + kRowValueBytesMax + 1024 <=
              kSnapshotChunkBytesMax);

// A disk that is filled is a disk that fails: a stream that would is refused
// before.
inline constexpr uint64_t kSnapshotFreeBytesMin = uint64_t{64} << 20;

}  // namespace kms::storage

#endif  // STORAGE_SNAPSHOT_LIMITS_H_

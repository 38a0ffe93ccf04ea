// Every bound of the replica, with its reason.
#ifndef STORAGE_REPLICA_LIMITS_H_
#define STORAGE_REPLICA_LIMITS_H_

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace kms::storage {

// What may wait for the next batch: four of the largest. Beyond it callers
// would only time out.
inline constexpr size_t kQueuedCommandsMax = 16384;
inline constexpr size_t kQueuedBytesMax = size_t{4} << 20;

// Room in a batch for everything but commands: ids, digest, signature, framing.
inline constexpr size_t kBatchOverheadBytes = 512;
inline constexpr size_t kCommandFramingBytes = 8;  // A tag and a length.

// A batch costs much the same whatever it holds: a signature, a sync, a
// checkpoint. So one that has begun to collect waits for commands that were
// announced, but not for ever: this long is what a release may lose by it, and
// less than it waits for a processor where many are judged at once.
inline constexpr absl::Duration kBatchWait = absl::Milliseconds(10);

// With this many its cost is shared out: more are not waited for.
inline constexpr size_t kBatchCommandsWanted = 64;

// Behind the log by more than this, new callers are sent elsewhere
// (review.md 37).
inline constexpr size_t kBatchesInFlightMax = 1000;
inline constexpr absl::Duration kLagMax = absl::Seconds(1);

// An instance that proposes nothing states its clock this often, so that log
// time moves on.
inline constexpr absl::Duration kTickInterval = absl::Seconds(10);

// Bytes of batches that one Read of the log brings.
inline constexpr size_t kReadBytesMax = size_t{4} << 20;
inline constexpr absl::Duration kReadWait = absl::Seconds(5);

// A tick reads the stored state for about this long: two percent of a core,
// some thousand rows a second. A pass over ten million takes hours, during
// which the rows it saw at its beginning stay on the disk.
inline constexpr absl::Duration kScrubSlice = absl::Milliseconds(20);
inline constexpr size_t kScrubStepRows = 64;

// Rows that are looked at between two reads of the log after the storage key
// was rotated: under a millisecond's work, so that no batch waits for it; and
// how long an idle log is waited for meanwhile.
inline constexpr size_t kReencryptRows = 64;
inline constexpr absl::Duration kReencryptPause = absl::Milliseconds(5);

// How much log is kept, whoever lags: an instance that was away for longer
// copies a snapshot (architecture.md, "Trim").
inline constexpr uint64_t kLogBytesKept = uint64_t{256} << 20;
inline constexpr absl::Duration kLogTimeKept = absl::Hours(1);

// One mark of the log's length for each of these: 256 MiB and an hour make
// some 600 marks.
inline constexpr uint64_t kMarkBytes = uint64_t{1} << 20;
inline constexpr absl::Duration kMarkInterval = absl::Seconds(10);

// The state is made durable after this much log, so that a restart replays
// little.
inline constexpr uint64_t kUnflushedBytesMax = uint64_t{64} << 20;

}  // namespace kms::storage

#endif  // STORAGE_REPLICA_LIMITS_H_

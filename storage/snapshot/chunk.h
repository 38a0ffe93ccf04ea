// The bytes of a snapshot: all rows of one state, in the order of their keys.
//
//   snapshot = chunk*       ; each sealed with storage/envelope for its
//                           ; cluster, position and number
//   chunk    = record*
//   record   = header / row / end
//   header   = %x01 field(StateHeader)            ; once, first
//   row      = %x02 field(row key) field(value)   ; keys ascend
//   end      = %x03 uint64be                      ; once, last: the rows
//   field(x) = uint32be length of x, x
//
// The header row and the tiles are not among the rows: the header comes first,
// and tiles follow from the leaves.
//
// Source: architecture.md, "Snapshots"; review.md 29. Thread-safe: free
// functions over values. What the records say is the receiver's to judge.
#ifndef STORAGE_SNAPSHOT_CHUNK_H_
#define STORAGE_SNAPSHOT_CHUNK_H_

#include <cstdint>
#include <string>
#include <variant>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/base/byte_writer.h"
#include "kms/base/bytes.h"
#include "storage/envelope/envelope.h"
#include "storage/log/log_position.h"
#include "storage/state/row_key.h"

namespace kms::storage {

struct SnapshotHeader {
  absl::string_view bytes;  // A serialized StateHeader.
};
struct SnapshotRow {
  RowKey key;
  absl::string_view value;
};
struct SnapshotEnd {
  uint64_t rows = 0;
};
using SnapshotRecord = std::variant<SnapshotHeader, SnapshotRow, SnapshotEnd>;

void PutRecord(const SnapshotRecord& record, ByteWriter& chunk);

// Calls `fn` for each record of an opened chunk, in order; its error ends the
// chunk and is returned. Views alias `chunk`.
// DATA_LOSS: not a chunk, or over its bounds; the records before the fault
// were told.
absl::Status ParseChunk(
    BytesView chunk,
    absl::FunctionRef<absl::Status(const SnapshotRecord& record)> fn);

// What makes a chunk one of this snapshot, in its place.
struct ChunkPlace {
  std::string cluster_id;  // 16 bytes.
  LogPosition position;    // Of the state.
  uint64_t number = 0;     // From 0.
};

// Codes as Envelope::Seal.
absl::StatusOr<std::string> SealChunk(const Envelope& envelope,
                                      const ChunkPlace& place,
                                      absl::string_view chunk);
// DATA_LOSS: not this chunk: another's, of another place, changed or too long.
// kFailedPrecondition: sealed under a key version that is not in the keyring.
absl::StatusOr<std::string> OpenChunk(const Envelope& envelope,
                                      const ChunkPlace& place,
                                      absl::string_view sealed);

}  // namespace kms::storage

#endif  // STORAGE_SNAPSHOT_CHUNK_H_

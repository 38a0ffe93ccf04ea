// A joiner's or laggard's side of a snapshot: chunks into an empty engine, each
// row encrypted anew, the whole checked before it can be opened.
//
// What a donor may do is bounded by what is checked: every row once and in
// order; the row sum, the digest of the last entry and the Merkle root are
// those of the header; and a receiver that had a state already gets one that
// continues it. The header row is written last, so an engine that was half
// filled does not open (StateMachine::Open: DATA_LOSS). A donor with the
// cluster's keys can make up a whole state that is consistent in itself; its
// digest is then not the other instances', which shows at the next head or
// batch of theirs: until one agrees, the receiver must not serve
// (kms/cluster).
//
// Source: architecture.md, "Snapshots"; review.md 29. Thread-compatible.
#ifndef STORAGE_SNAPSHOT_SNAPSHOT_RECEIVER_H_
#define STORAGE_SNAPSHOT_SNAPSHOT_RECEIVER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/storage/v1/record.pb.h"
#include "storage/engine/engine.h"
#include "storage/envelope/envelope.h"
#include "storage/log/log_position.h"
#include "storage/snapshot/chunk.h"
#include "storage/state/merkle_log.h"
#include "storage/state/row_store.h"

namespace kms::storage {

// What the receiver applied before: a snapshot must continue it.
struct KnownState {
  LogPosition position;
  uint64_t tree_size = 0;
  std::string tree_root;  // 32 bytes.
};

class SnapshotReceiver {
 public:
  // `engine` is empty; it and `envelope` outlive the receiver. `cluster_id`: 16
  // bytes; `position`: what the donor says that it sends, which the chunks must
  // bear out.
  // kFailedPrecondition: the engine is not empty, or a key is not in the
  // keyring. DATA_LOSS: `position` is not after `known`'s.
  static absl::StatusOr<SnapshotReceiver> Create(
      Engine& engine, const Envelope& envelope, absl::string_view cluster_id,
      LogPosition position, std::optional<KnownState> known = std::nullopt);

  // Takes the next chunk. After an error the engine is of no use.
  // DATA_LOSS: it is not this snapshot's next chunk, or its rows are not what
  //   may follow.
  // kFailedPrecondition: of a feature level that this build does not speak, or
  //   sealed under a key version that is not in the keyring.
  // LIMIT_REACHED (kResourceExhausted): the disk has no room.
  // Others: the engine's.
  absl::Status Add(absl::string_view sealed);

  // The last record was read: nothing may follow.
  bool complete() const { return complete_; }

  // Judges the whole and makes it a state that StateMachine::Open takes; on
  // disk when it returns.
  // DATA_LOSS: not complete, or not what its header says. Others: the engine's.
  absl::Status Finish();

 private:
  SnapshotReceiver(Engine& engine, const Envelope& envelope, RowHasher hasher,
                   ChunkPlace next, std::optional<KnownState> known);

  absl::Status AddHeader(absl::string_view bytes);
  absl::Status AddRow(const SnapshotRow& row, WriteBatch& writes);
  absl::Status AddLeaf(const SnapshotRow& row, WriteBatch& writes);
  absl::Status CheckDigest(const RowReader& rows) const;
  absl::Status CheckKnown(const RowReader& rows) const;

  Engine* engine_;
  const Envelope* envelope_;
  RowHasher hasher_;
  ChunkPlace next_;
  std::optional<KnownState> known_;
  std::optional<::storage::v1::StateHeader> header_;
  std::string header_bytes_;
  std::string last_key_;
  uint64_t rows_ = 0;
  RowSum sum_;
  MerkleEdge tree_;
  bool complete_ = false;
};

}  // namespace kms::storage

#endif  // STORAGE_SNAPSHOT_SNAPSHOT_RECEIVER_H_

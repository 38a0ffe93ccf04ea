#include "storage/snapshot/snapshot_receiver.h"

#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/merkle.h"
#include "storage/snapshot/limits.h"
#include "storage/state/batch_codec.h"
#include "storage/state/limits.h"

namespace kms::storage {
namespace {

absl::Status Forged(absl::string_view fault) {
  return Refuse(v1::DATA_LOSS, absl::StrCat("snapshot: ", fault));
}

absl::Status CheckEmpty(const Engine& engine) {
  bool empty = true;
  KMS_RETURN_IF_ERROR(
      engine.Scan({}, {}, 1, [&empty](absl::string_view, absl::string_view) {
        empty = false;
        return false;
      }));
  if (empty) return absl::OkStatus();
  return absl::FailedPreconditionError("snapshot: the engine is not empty");
}

}  // namespace

SnapshotReceiver::SnapshotReceiver(Engine& engine, const Envelope& envelope,
                                   RowHasher hasher, ChunkPlace next,
                                   std::optional<KnownState> known)
    : engine_(&engine),
      envelope_(&envelope),
      hasher_(std::move(hasher)),
      next_(std::move(next)),
      known_(std::move(known)) {}

absl::StatusOr<SnapshotReceiver> SnapshotReceiver::Create(
    Engine& engine, const Envelope& envelope, absl::string_view cluster_id,
    LogPosition position, std::optional<KnownState> known) {
  KMS_RETURN_IF_ERROR(CheckEmpty(engine));
  if (position.index == 0 ||
      (known.has_value() && position <= known->position)) {
    return Forged("not after what is here");
  }
  KMS_ASSIGN_OR_RETURN(RowHasher hasher,
                       RowHasher::Create(*envelope.keyring()));
  return SnapshotReceiver(engine, envelope, std::move(hasher),
                          {std::string(cluster_id), position, 0},
                          std::move(known));
}

absl::Status SnapshotReceiver::Add(absl::string_view sealed) {
  if (complete_) return Forged("a chunk after the last");
  KMS_ASSIGN_OR_RETURN(const uint64_t free, engine_->FreeBytes());
  if (free < kSnapshotFreeBytesMin) {
    return Refuse(v1::LIMIT_REACHED, "snapshot: no room on the disk");
  }
  KMS_ASSIGN_OR_RETURN(const std::string chunk,
                       OpenChunk(*envelope_, next_, sealed));
  ++next_.number;
  WriteBatch writes;
  KMS_RETURN_IF_ERROR(ParseChunk(
      AsBytes(chunk), [&](const SnapshotRecord& record) -> absl::Status {
        if (complete_) return Forged("a record after the last");
        if (const auto* header = std::get_if<SnapshotHeader>(&record)) {
          return AddHeader(header->bytes);
        }
        if (!header_.has_value()) return Forged("begins with no header");
        if (const auto* row = std::get_if<SnapshotRow>(&record)) {
          return AddRow(*row, writes);
        }
        if (std::get<SnapshotEnd>(record).rows != rows_) {
          return Forged("rows are missing");
        }
        complete_ = true;
        return absl::OkStatus();
      }));
  return engine_->Write(writes, Sync::kNo);
}

absl::Status SnapshotReceiver::AddHeader(absl::string_view bytes) {
  if (header_.has_value()) return Forged("a second header");
  ::storage::v1::StateHeader header;
  if (!header.ParseFromString(std::string(bytes))) {
    return Forged("the header does not parse");
  }
  if (HasUnknown(header) || header.feature_level() < kFeatureLevelMin ||
      header.feature_level() > kFeatureLevelMax) {
    return absl::FailedPreconditionError(
        "snapshot: holds what this build does not know; upgrade it");
  }
  if (header.SerializeAsString() != bytes ||
      header.cluster_id() != next_.cluster_id ||
      header.epoch() != next_.position.epoch ||
      header.index() != next_.position.index) {
    return Forged("the header is not of this cluster and position");
  }
  if (known_.has_value() && header.tree_size() < known_->tree_size) {
    return Forged("the log of this header is shorter than ours");
  }
  header_ = std::move(header);
  header_bytes_ = std::string(bytes);
  return absl::OkStatus();
}

absl::Status SnapshotReceiver::AddRow(const SnapshotRow& row,
                                      WriteBatch& writes) {
  // Ascending also means: none twice.
  if (row.key.bytes() <= last_key_) return Forged("rows out of order");
  last_key_ = row.key.bytes();
  ++rows_;
  const Family family = row.key.family();
  if (family == Family::kLeaf) return AddLeaf(row, writes);
  if (!InfoOf(family).summed) return Forged("a row that is none of its rows");
  sum_.Add(hasher_.Hash(row.key, row.value));
  KMS_ASSIGN_OR_RETURN(const std::string stored,
                       SealRow(*envelope_, row.key, row.value));
  writes.Put(row.key.bytes(), stored);
  return absl::OkStatus();
}

absl::Status SnapshotReceiver::AddLeaf(const SnapshotRow& row,
                                       WriteBatch& writes) {
  if (row.key != LeafRow(tree_.size()) ||
      tree_.size() >= header_->tree_size() ||
      row.value.size() > kLeafBytesMax) {
    return Forged("a leaf out of its place");
  }
  KMS_ASSIGN_OR_RETURN(const std::string stored,
                       SealRow(*envelope_, row.key, row.value));
  writes.Put(row.key.bytes(), stored);
  for (const MerkleEdge::FullTile& tile :
       tree_.Append(crypto::LeafHash(AsBytes(row.value)))) {
    KMS_ASSIGN_OR_RETURN(const std::string sealed_tile,
                         SealRow(*envelope_, tile.key, tile.hashes));
    writes.Put(tile.key.bytes(), sealed_tile);
  }
  return absl::OkStatus();
}

absl::Status SnapshotReceiver::Finish() {
  if (!complete_) return Forged("cut short");
  if (sum_.bytes() != header_->row_sum()) {
    return Forged("the rows do not add up to the header's sum");
  }
  if (tree_.size() != header_->tree_size() ||
      tree_.Root() != header_->tree_root()) {
    return Forged("the leaves are not what the root covers");
  }
  const RowReader rows(*engine_, *envelope_);
  KMS_RETURN_IF_ERROR(CheckDigest(rows));
  KMS_RETURN_IF_ERROR(CheckKnown(rows));
  KMS_ASSIGN_OR_RETURN(const std::string stored,
                       SealRow(*envelope_, HeaderRow(), header_bytes_));
  WriteBatch writes;
  writes.Put(HeaderRow().bytes(), stored);
  KMS_RETURN_IF_ERROR(engine_->Write(writes, Sync::kYes));
  return engine_->Flush();
}

absl::Status SnapshotReceiver::CheckDigest(const RowReader& rows) const {
  KMS_ASSIGN_OR_RETURN(
      const auto last,
      rows.GetRecord<::storage::v1::DigestRecord>(DigestRow(header_->index())));
  if (!last.has_value() || last->digest() != header_->digest() ||
      last->epoch() != header_->epoch() || last->index() != header_->index()) {
    return Forged("the digest is not the last entry's");
  }
  return absl::OkStatus();
}

absl::Status SnapshotReceiver::CheckKnown(const RowReader& rows) const {
  if (!known_.has_value() || known_->tree_size == 0) return absl::OkStatus();
  KMS_ASSIGN_OR_RETURN(const std::string root,
                       RootAt(tree_, rows, known_->tree_size));
  if (root != known_->tree_root) {
    return Forged("its log does not continue ours");
  }
  return absl::OkStatus();
}

}  // namespace kms::storage

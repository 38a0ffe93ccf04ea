#include "storage/snapshot/snapshot_writer.h"

#include "kms/base/byte_writer.h"
#include "kms/base/status.h"
#include "storage/snapshot/chunk.h"
#include "storage/snapshot/limits.h"
#include "storage/state/row_key.h"
#include "storage/state/row_store.h"

namespace kms::storage {

absl::StatusOr<std::optional<std::string>> SnapshotWriter::Next() {
  if (done_) return std::optional<std::string>();
  ByteWriter chunk;
  const std::string header = view_->header().SerializeAsString();
  if (chunks_ == 0) PutRecord(SnapshotHeader{header}, chunk);
  while (family_ < Families().size() &&
         chunk.str().size() < kSnapshotChunkBytes) {
    KMS_RETURN_IF_ERROR(AddRows(chunk));
  }
  if (family_ == Families().size()) {
    PutRecord(SnapshotEnd{rows_}, chunk);
    done_ = true;
  }
  KMS_ASSIGN_OR_RETURN(
      std::string sealed,
      SealChunk(envelope_,
                {view_->header().cluster_id(), position(), chunks_++},
                chunk.str()));
  return std::optional<std::string>(std::move(sealed));
}

// Rows of one family, until there are no more or the chunk is full.
absl::Status SnapshotWriter::AddRows(ByteWriter& chunk) {
  const FamilyInfo& family = Families()[family_];
  bool full = false;
  if (family.family != Family::kHeader && family.family != Family::kTile) {
    absl::Status status;
    KMS_RETURN_IF_ERROR(view_->rows_.engine().Scan(
        FamilyPrefix(family.family), after_, EngineReader::kNoLimit,
        [&](absl::string_view bytes, absl::string_view stored) {
          const absl::StatusOr<RowKey> key = ParseRowKey(bytes);
          absl::StatusOr<std::string> value =
              key.ok() ? view_->rows_.Open(*key, stored)
                       : RowLoss(family.family, "has a key that is none");
          status = value.status();
          if (!status.ok()) return false;
          PutRecord(SnapshotRow{*key, *value}, chunk);
          after_ = key->bytes();
          ++rows_;
          full = chunk.str().size() >= kSnapshotChunkBytes;
          return !full;
        }));
    KMS_RETURN_IF_ERROR(status);
  }
  if (!full) {
    ++family_;
    after_.clear();
  }
  return absl::OkStatus();
}

}  // namespace kms::storage

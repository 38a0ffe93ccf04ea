#include "storage/state/scrubber.h"

#include "kms/crypto/merkle.h"
#include "storage/state/row_check.h"

namespace kms::storage {

absl::StatusOr<Scrubber> Scrubber::Create(std::shared_ptr<const StateView> view,
                                          const Envelope& envelope) {
  KMS_ASSIGN_OR_RETURN(RowHasher hasher,
                       RowHasher::Create(*envelope.keyring()));
  return Scrubber(std::move(view), std::move(hasher));
}

absl::StatusOr<bool> Scrubber::Step(size_t rows) {
  if (!rows_done_) {
    KMS_RETURN_IF_ERROR(StepRows(rows));
    return false;
  }
  if (tree_.size() < view_->tree_size()) {
    KMS_RETURN_IF_ERROR(StepLeaves(rows));
    return false;
  }
  KMS_RETURN_IF_ERROR(FinishTree());
  return true;
}

absl::Status Scrubber::StepRows(size_t limit) {
  while (family_ < Families().size() && !Families()[family_].summed) {
    ++family_;
  }
  if (family_ == Families().size()) {
    rows_done_ = true;
    KMS_RETURN_IF_ERROR(CheckFirstRows(view_->rows_));
    KMS_ASSIGN_OR_RETURN(const std::optional<std::string> header,
                         view_->rows_.Get(HeaderRow()));
    if (header != view_->header().SerializeAsString()) {
      return RowLoss(Family::kHeader, "is not what memory holds");
    }
    if (sum_.bytes() != view_->header().row_sum()) {
      return Refuse(v1::DATA_LOSS,
                    "state: the rows do not add up to the header's sum");
    }
    return absl::OkStatus();
  }
  size_t read = 0;
  KMS_RETURN_IF_ERROR(
      view_->rows_.Scan(FamilyPrefix(Families()[family_].family), after_, limit,
                        [&](const RowKey& key, std::string value) {
                          sum_.Add(hasher_.Hash(key, value));
                          after_ = key.bytes();
                          ++read;
                          return absl::OkStatus();
                        }));
  if (read < limit) {
    ++family_;
    after_.clear();
  }
  return absl::OkStatus();
}

absl::Status Scrubber::StepLeaves(size_t limit) {
  const std::string after =
      tree_.size() == 0 ? "" : LeafRow(tree_.size() - 1).bytes();
  const uint64_t before = tree_.size();
  const absl::Status read = view_->rows_.Scan(
      FamilyPrefix(Family::kLeaf), after, limit,
      [&](const RowKey& key, std::string leaf) -> absl::Status {
        if (key != LeafRow(tree_.size())) {
          return RowLoss(Family::kLeaf, "is missing");
        }
        for (const MerkleEdge::FullTile& tile :
             tree_.Append(crypto::LeafHash(AsBytes(leaf)))) {
          KMS_RETURN_IF_ERROR(CheckTile(tile));
        }
        return absl::OkStatus();
      });
  KMS_RETURN_IF_ERROR(read);
  if (tree_.size() == before) return RowLoss(Family::kLeaf, "is missing");
  return absl::OkStatus();
}

absl::Status Scrubber::CheckTile(const MerkleEdge::FullTile& tile) {
  KMS_ASSIGN_OR_RETURN(const std::optional<std::string> stored,
                       view_->rows_.Get(tile.key));
  if (!stored.has_value()) return RowLoss(Family::kTile, "is missing");
  if (*stored != tile.hashes) {
    return RowLoss(Family::kTile, "is not the hashes of its leaves");
  }
  ++tiles_;
  return absl::OkStatus();
}

absl::Status Scrubber::FinishTree() {
  // A step may have ended with the last leaf, so what follows it was not read.
  const std::string last =
      tree_.size() == 0 ? "" : LeafRow(tree_.size() - 1).bytes();
  bool beyond = tree_.size() != view_->tree_size();
  KMS_RETURN_IF_ERROR(view_->rows_.engine().Scan(
      FamilyPrefix(Family::kLeaf), last, 1,
      [&beyond](absl::string_view, absl::string_view) {
        beyond = true;
        return true;
      }));
  if (beyond) return RowLoss(Family::kLeaf, "is beyond the tree");
  if (tree_.Root() != view_->tree_root()) {
    return RowLoss(Family::kLeaf, "is not what the root covers");
  }
  uint64_t tiles = 0;
  KMS_RETURN_IF_ERROR(view_->rows_.engine().Scan(
      FamilyPrefix(Family::kTile), {}, tiles_ + 1,
      [&tiles](absl::string_view, absl::string_view) {
        ++tiles;
        return true;
      }));
  if (tiles != tiles_) return RowLoss(Family::kTile, "is beyond the tree");
  return absl::OkStatus();
}

}  // namespace kms::storage

#include "storage/state/merkle_log.h"

#include <bit>
#include <utility>

#include "kms/crypto/digest.h"
#include "kms/crypto/merkle.h"

namespace kms::storage {
namespace {

std::string Join(absl::string_view left, absl::string_view right) {
  return crypto::NodeHash(AsBytes(left), AsBytes(right));
}

absl::string_view HashAt(absl::string_view hashes, size_t i) {
  return hashes.substr(i * kHashBytes, kHashBytes);
}

absl::StatusOr<std::string> ReadTile(const RowReader& rows, size_t level,
                                     uint64_t number) {
  KMS_ASSIGN_OR_RETURN(std::optional<std::string> tile,
                       rows.Get(TileRow(static_cast<uint8_t>(level), number)));
  if (!tile.has_value()) return RowLoss(Family::kTile, "is missing");
  if (tile->size() != kTileBytes) {
    return RowLoss(Family::kTile, "is not 256 hashes");
  }
  return *std::move(tile);
}

// The root over `count` (a power of two) hashes of `tile` from `first` on.
std::string Fold(absl::string_view tile, size_t first, size_t count) {
  std::vector<std::string> row;
  row.reserve(count);
  for (size_t i = first; i < first + count; ++i) {
    row.emplace_back(HashAt(tile, i));
  }
  for (; row.size() > 1; row.resize(row.size() / 2)) {
    for (size_t i = 0; i < row.size() / 2; ++i) {
      row[i] = Join(row[2 * i], row[2 * i + 1]);
    }
  }
  return row.front();
}

// The greatest power of two below `n`: where RFC 6962 splits n leaves.
uint64_t Split(uint64_t n) { return std::bit_floor(n - 1); }

// MTH(D[begin:end]), `begin` being a multiple of the least power of two that
// is not below end - begin: which all of RFC 6962's ranges are.
absl::StatusOr<std::string> RangeHash(const MerkleEdge& edge,
                                      const RowReader& rows, uint64_t begin,
                                      uint64_t end) {
  const uint64_t n = end - begin;
  if (std::has_single_bit(n)) {
    const auto height = static_cast<size_t>(std::countr_zero(n));
    return edge.Node(rows, height, begin >> height);
  }
  const uint64_t k = Split(n);
  KMS_ASSIGN_OR_RETURN(const std::string left,
                       RangeHash(edge, rows, begin, begin + k));
  KMS_ASSIGN_OR_RETURN(const std::string right,
                       RangeHash(edge, rows, begin + k, end));
  return Join(left, right);
}

}  // namespace

MerkleEdge MerkleEdge::Share() {
  MerkleEdge copy;
  copy.size_ = size_;
  for (Level& level : levels_) level.shared = true;
  copy.levels_ = levels_;
  return copy;
}

MerkleEdge::PartialTile& MerkleEdge::Own(size_t level) {
  if (level == levels_.size()) levels_.emplace_back();
  Level& own = levels_[level];
  if (own.shared) {
    own.tile = std::make_shared<PartialTile>(*own.tile);
    own.shared = false;
  }
  return *own.tile;
}

void MerkleEdge::AppendAt(size_t level, std::string hash,
                          std::vector<FullTile>& filled) {
  PartialTile& tile = Own(level);
  for (std::string& row : tile.nodes) {
    row += hash;
    if (row.size() / kHashBytes % 2 != 0) return;
    hash = Join(HashAt(row, row.size() / kHashBytes - 2),
                HashAt(row, row.size() / kHashBytes - 1));
  }
  // 256 hashes: `hash` is the tile's root, one hash of the next level.
  const uint64_t number = ((size_ + 1) >> (kTileHeight * (level + 1))) - 1;
  filled.push_back(
      {TileRow(static_cast<uint8_t>(level), number), std::move(tile.nodes[0])});
  for (std::string& row : tile.nodes) row.clear();
  AppendAt(level + 1, std::move(hash), filled);
}

std::vector<MerkleEdge::FullTile> MerkleEdge::Append(
    const std::string& leaf_hash) {
  std::vector<FullTile> filled;
  AppendAt(0, leaf_hash, filled);
  ++size_;
  return filled;
}

std::string MerkleEdge::Root() const {
  // The complete subtrees of the tree's shape, right to left: one for each bit
  // of its size.
  std::string root;
  for (const Level& level : levels_) {
    for (const std::string& row : level.tile->nodes) {
      const size_t width = row.size() / kHashBytes;
      if (width % 2 == 0) continue;
      const absl::string_view last = HashAt(row, width - 1);
      root = root.empty() ? std::string(last) : Join(last, root);
    }
  }
  return root.empty() ? crypto::Sha256({}) : root;
}

absl::StatusOr<MerkleEdge> MerkleEdge::Load(const RowReader& rows,
                                            uint64_t size) {
  MerkleEdge edge;
  const size_t levels =
      (static_cast<size_t>(std::bit_width(size)) + kTileHeight - 1) /
      kTileHeight;
  for (size_t level = 0; level < levels; ++level) {
    // This level's hashes beyond its last full tile.
    const uint64_t hashes = size >> (kTileHeight * level);
    const uint64_t first = hashes / kTileWidth * kTileWidth;
    std::vector<FullTile> filled;  // Stays empty: fewer than 256 are added.
    edge.Own(level);
    for (uint64_t i = first; i < hashes; ++i) {
      std::string hash;
      if (level == 0) {
        KMS_ASSIGN_OR_RETURN(const std::optional<std::string> leaf,
                             rows.Get(LeafRow(i)));
        if (!leaf.has_value()) return RowLoss(Family::kLeaf, "is missing");
        hash = crypto::LeafHash(AsBytes(*leaf));
      } else {
        KMS_ASSIGN_OR_RETURN(const std::string tile,
                             ReadTile(rows, level - 1, i));
        hash = Fold(tile, 0, kTileWidth);
      }
      edge.AppendAt(level, std::move(hash), filled);
    }
  }
  edge.size_ = size;
  return edge;
}

absl::StatusOr<std::string> MerkleEdge::Node(const RowReader& rows,
                                             size_t height,
                                             uint64_t number) const {
  const size_t level = height / kTileHeight;
  const size_t h = height % kTileHeight;
  const uint64_t first = number << h;  // In hashes of the level.
  const uint64_t tile = first / kTileWidth;
  const uint64_t full_tiles = size_ >> (kTileHeight * (level + 1));
  if (tile >= full_tiles) {
    return std::string(
        HashAt(levels_[level].tile->nodes[h], (first % kTileWidth) >> h));
  }
  KMS_ASSIGN_OR_RETURN(const std::string hashes, ReadTile(rows, level, tile));
  return Fold(hashes, first % kTileWidth, size_t{1} << h);
}

absl::StatusOr<std::vector<std::string>> InclusionProof(const MerkleEdge& edge,
                                                        const RowReader& rows,
                                                        uint64_t index,
                                                        uint64_t size) {
  // PATH(m, D[n]), from the root down; a proof goes from the leaf up.
  std::vector<std::string> path;
  uint64_t begin = 0;
  uint64_t end = size;
  while (end - begin > 1) {
    const uint64_t middle = begin + Split(end - begin);
    const bool left = index < middle;
    KMS_ASSIGN_OR_RETURN(std::string sibling,
                         left ? RangeHash(edge, rows, middle, end)
                              : RangeHash(edge, rows, begin, middle));
    path.push_back(std::move(sibling));
    (left ? end : begin) = middle;
  }
  return std::vector<std::string>(path.rbegin(), path.rend());
}

absl::StatusOr<std::vector<std::string>> ConsistencyProof(
    const MerkleEdge& edge, const RowReader& rows, uint64_t first,
    uint64_t second) {
  // SUBPROOF(m, D[begin:end], b), from the root down.
  std::vector<std::string> proof;
  uint64_t begin = 0;
  uint64_t end = second;
  bool whole = true;  // The old tree is the range: its root is known.
  while (first != end) {
    const uint64_t middle = begin + Split(end - begin);
    const bool left = first <= middle;
    KMS_ASSIGN_OR_RETURN(std::string sibling,
                         left ? RangeHash(edge, rows, middle, end)
                              : RangeHash(edge, rows, begin, middle));
    proof.push_back(std::move(sibling));
    if (left) {
      end = middle;
    } else {
      begin = middle;
      whole = false;
    }
  }
  if (!whole) {
    KMS_ASSIGN_OR_RETURN(std::string old, RangeHash(edge, rows, begin, end));
    proof.push_back(std::move(old));
  }
  return std::vector<std::string>(proof.rbegin(), proof.rend());
}

absl::StatusOr<std::string> RootAt(const MerkleEdge& edge,
                                   const RowReader& rows, uint64_t size) {
  if (size == 0) return crypto::Sha256({});
  return RangeHash(edge, rows, 0, size);
}

}  // namespace kms::storage

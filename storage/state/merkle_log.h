// The Merkle log of audit leaves: RFC 6962 hashing over rows.
//
// Every leaf is a row. Hashes are stored as full tiles only: tile (level,
// number) is a row of 256 hashes of 32 bytes, those of the complete subtrees
// of 256^level leaves from number * 256 on (level 0: leaf hashes), which are
// the full tiles of C2SP tlog-tiles. What is right of the last full tile of
// each level is the edge: it is kept in memory with all its inner nodes, so
// that appending a leaf costs one hash on average, and proving a recent one
// reads no row.
// Source: RFC 6962, section 2.1; C2SP tlog-tiles; review.md 28, 32.
// Thread-compatible. It signs nothing and does not know what a leaf says.
#ifndef STORAGE_STATE_MERKLE_LOG_H_
#define STORAGE_STATE_MERKLE_LOG_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/state/row_key.h"
#include "storage/state/row_store.h"

namespace kms::storage {

inline constexpr size_t kTileWidth = 256;
inline constexpr size_t kTileHeight = 8;  // Levels of nodes in one tile.
inline constexpr size_t kHashBytes = 32;
inline constexpr size_t kTileBytes = kTileWidth * kHashBytes;

class MerkleEdge {
 public:
  MerkleEdge() = default;  // Of an empty tree.
  MerkleEdge(MerkleEdge&&) = default;
  MerkleEdge& operator=(MerkleEdge&&) = default;

  // A copy for readers. Partial tiles are shared until this one next appends
  // to them: one level of 16 KiB, for 255 leaves in 256.
  MerkleEdge Share();

  // Rebuilds the edge of a tree of `size` leaves from its rows: reads the
  // leaves after the last full tile, and at most 255 tiles a level.
  // kDataLoss: a row is missing or does not authenticate.
  static absl::StatusOr<MerkleEdge> Load(const RowReader& rows, uint64_t size);

  // A tile that became full and is to be stored.
  struct FullTile {
    RowKey key;
    std::string hashes;
  };

  // Adds a leaf by its hash (32 bytes); returns the tiles this filled.
  std::vector<FullTile> Append(const std::string& leaf_hash);

  uint64_t size() const { return size_; }
  // SHA-256 of nothing for an empty tree, as RFC 6962 has it.
  std::string Root() const;

  // The hash of the complete subtree of 2^height leaves that starts at leaf
  // number << height. Reads a tile's row if it is left of the edge.
  // REQUIRES: (number + 1) << height <= size().
  // kDataLoss: the tile is missing or does not authenticate.
  absl::StatusOr<std::string> Node(const RowReader& rows, size_t height,
                                   uint64_t number) const;

 private:
  // nodes[h]: the hashes, joined, of height h above this level's: those of
  // complete subtrees, so width >> h of them.
  struct PartialTile {
    std::array<std::string, kTileHeight> nodes;
  };
  struct Level {
    std::shared_ptr<PartialTile> tile = std::make_shared<PartialTile>();
    bool shared = false;  // With readers: copy before a change.
  };

  // The partial tile of a level, made ready to change.
  PartialTile& Own(size_t level);
  void AppendAt(size_t level, std::string hash, std::vector<FullTile>& filled);

  uint64_t size_ = 0;
  std::vector<Level> levels_;
};

// Proofs over a tree of `edge` and the rows it was built from. RFC 6962,
// sections 2.1.1 and 2.1.2.
// REQUIRES: index < size <= edge.size(); 0 < first <= second <= edge.size().
// kDataLoss: as MerkleEdge::Node.
absl::StatusOr<std::vector<std::string>> InclusionProof(const MerkleEdge& edge,
                                                        const RowReader& rows,
                                                        uint64_t index,
                                                        uint64_t size);
absl::StatusOr<std::vector<std::string>> ConsistencyProof(
    const MerkleEdge& edge, const RowReader& rows, uint64_t first,
    uint64_t second);
// The root of the first `size` leaves.
absl::StatusOr<std::string> RootAt(const MerkleEdge& edge,
                                   const RowReader& rows, uint64_t size);

}  // namespace kms::storage

#endif  // STORAGE_STATE_MERKLE_LOG_H_

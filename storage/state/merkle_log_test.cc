#include "storage/state/merkle_log.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/merkle.h"
#include "storage/engine/memory_engine.h"
#include "storage/state/state_fixture.h"

namespace kms::storage {
namespace {

// MTH of RFC 6962, section 2.1, word by word: what the tiles must agree with.
std::string ReferenceRoot(absl::Span<const std::string> leaf_hashes) {
  if (leaf_hashes.empty()) return crypto::Sha256({});
  if (leaf_hashes.size() == 1) return leaf_hashes[0];
  size_t k = 1;
  while (k * 2 < leaf_hashes.size()) k *= 2;
  return crypto::NodeHash(AsBytes(ReferenceRoot(leaf_hashes.first(k))),
                          AsBytes(ReferenceRoot(leaf_hashes.subspan(k))));
}

// A tree on rows, as Apply keeps it.
class Tree {
 public:
  void Grow(uint64_t size) {
    WriteBatch writes;
    for (uint64_t i = edge_.size(); i < size; ++i) {
      const std::string leaf = absl::StrCat("leaf ", i);
      hashes_.push_back(crypto::LeafHash(AsBytes(leaf)));
      Put(writes, LeafRow(i), leaf);
      for (const auto& tile : edge_.Append(hashes_.back())) {
        Put(writes, tile.key, tile.hashes);
      }
    }
    EXPECT_TRUE(engine_.Write(writes, Sync::kNo).ok());
  }
  MerkleEdge& edge() { return edge_; }
  const RowReader& rows() const { return rows_; }
  absl::Span<const std::string> hashes() const { return hashes_; }

  void Remove(const RowKey& key) {
    WriteBatch writes;
    writes.Delete(key.bytes());
    EXPECT_TRUE(engine_.Write(writes, Sync::kNo).ok());
  }

 private:
  void Put(WriteBatch& writes, const RowKey& key, const std::string& value) {
    writes.Put(key.bytes(), *SealRow(fixture_.envelope(), key, value));
  }

  StateFixture fixture_;
  MemoryEngine engine_;
  RowReader rows_{engine_, fixture_.envelope()};
  MerkleEdge edge_;
  std::vector<std::string> hashes_;
};

constexpr uint64_t kSizes[] = {0,   1,   2,   3,   5,   128, 255,
                               256, 257, 300, 511, 512, 513, 769};

TEST(MerkleLogTest, RootIsRfc6962s) {
  Tree tree;
  for (const uint64_t size : kSizes) {
    tree.Grow(size);
    EXPECT_EQ(tree.edge().Root(), ReferenceRoot(tree.hashes())) << size;
  }
}

TEST(MerkleLogTest, RootIsRfc6962sBeyondTwoLevelsOfTiles) {
  Tree tree;
  tree.Grow(65536 + 256 + 3);
  EXPECT_EQ(tree.edge().Root(), ReferenceRoot(tree.hashes()));
  const auto loaded = MerkleEdge::Load(tree.rows(), tree.edge().size());
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->Root(), tree.edge().Root());
  for (const uint64_t index : {uint64_t{0}, uint64_t{65535}, uint64_t{65536},
                               tree.edge().size() - 1}) {
    const auto proof =
        InclusionProof(*loaded, tree.rows(), index, tree.edge().size());
    ASSERT_TRUE(proof.ok()) << proof.status();
    EXPECT_EQ(crypto::VerifyInclusion(index, tree.edge().size(),
                                      AsBytes(tree.hashes()[index]), *proof,
                                      AsBytes(loaded->Root())),
              absl::OkStatus());
  }
}

TEST(MerkleLogTest, EdgeLoadedFromRowsGrowsOnAsTheOriginal) {
  for (const uint64_t size : kSizes) {
    Tree tree;
    tree.Grow(size);
    auto loaded = MerkleEdge::Load(tree.rows(), size);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_EQ(loaded->Root(), tree.edge().Root()) << size;
    tree.Grow(size + 300);
    for (uint64_t i = size; i < size + 300; ++i) {
      loaded->Append(tree.hashes()[i]);
    }
    EXPECT_EQ(loaded->Root(), tree.edge().Root()) << size;
  }
}

TEST(MerkleLogTest, InclusionProofsVerifyForEveryLeafAndOlderSizes) {
  Tree tree;
  tree.Grow(600);
  for (const uint64_t size : {1, 2, 7, 255, 256, 257, 599, 600}) {
    const std::string root = *RootAt(tree.edge(), tree.rows(), size);
    EXPECT_EQ(root, ReferenceRoot(tree.hashes().first(size)));
    for (uint64_t index = 0; index < size; index += index < 250 ? 13 : 1) {
      const auto proof = InclusionProof(tree.edge(), tree.rows(), index, size);
      ASSERT_TRUE(proof.ok()) << proof.status();
      EXPECT_EQ(
          crypto::VerifyInclusion(index, size, AsBytes(tree.hashes()[index]),
                                  *proof, AsBytes(root)),
          absl::OkStatus())
          << index << " of " << size;
    }
  }
}

TEST(MerkleLogTest, ConsistencyProofsVerifyBetweenAllSizes) {
  Tree tree;
  tree.Grow(520);
  const uint64_t sizes[] = {1, 2, 3, 6, 8, 255, 256, 257, 511, 512, 520};
  for (const uint64_t first : sizes) {
    for (const uint64_t second : sizes) {
      if (first > second) continue;
      const auto proof =
          ConsistencyProof(tree.edge(), tree.rows(), first, second);
      ASSERT_TRUE(proof.ok()) << proof.status();
      EXPECT_EQ(crypto::VerifyConsistency(
                    first, second, *proof,
                    AsBytes(*RootAt(tree.edge(), tree.rows(), first)),
                    AsBytes(*RootAt(tree.edge(), tree.rows(), second))),
                absl::OkStatus())
          << first << " to " << second;
    }
  }
}

TEST(MerkleLogTest, SharedEdgeStaysAsItWas) {
  Tree tree;
  tree.Grow(250);
  const MerkleEdge shared = tree.edge().Share();
  const std::string root = shared.Root();
  tree.Grow(600);
  EXPECT_EQ(shared.Root(), root);
  EXPECT_EQ(shared.size(), 250u);
}

TEST(MerkleLogTest, ProvingARecentLeafReadsNoRow) {
  Tree tree;
  tree.Grow(255);
  for (uint64_t i = 0; i < 255; ++i) tree.Remove(LeafRow(i));
  EXPECT_TRUE(InclusionProof(tree.edge(), tree.rows(), 254, 255).ok());
}

TEST(MerkleLogTest, RefusesAMissingTileOrLeaf) {
  Tree tree;
  tree.Grow(300);
  tree.Remove(TileRow(0, 0));
  EXPECT_EQ(InclusionProof(tree.edge(), tree.rows(), 3, 300).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(MerkleEdge::Load(tree.rows(), 300).status().code(),
            absl::StatusCode::kDataLoss);
  Tree other;
  other.Grow(3);
  other.Remove(LeafRow(1));
  EXPECT_EQ(MerkleEdge::Load(other.rows(), 3).status().code(),
            absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace kms::storage

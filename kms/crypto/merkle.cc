#include "kms/crypto/merkle.h"

#include <bit>

#include "absl/strings/str_cat.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"

namespace kms::crypto {
namespace {

absl::Status Bad(absl::string_view fault) {
  return absl::InvalidArgumentError(absl::StrCat("merkle proof: ", fault));
}

absl::Status CheckHashes(absl::Span<const std::string> proof,
                         std::initializer_list<BytesView> others) {
  for (const BytesView hash : others) {
    if (hash.size() != kMerkleHashSize) return Bad("hash, want 32 bytes");
  }
  for (const std::string& hash : proof) {
    if (hash.size() != kMerkleHashSize) return Bad("hash, want 32 bytes");
  }
  return absl::OkStatus();
}

absl::Status CheckLength(size_t length, int want) {
  if (length == static_cast<size_t>(want)) return absl::OkStatus();
  return Bad(absl::StrCat(length, " hashes, want ", want));
}

absl::Status CheckRoot(const std::string& computed, BytesView root) {
  return AsBytes(computed) == root
             ? absl::OkStatus()
             : absl::UnauthenticatedError(
                   "merkle proof: does not lead to the root");
}

// A leaf's path to the root. Below, where the path from `index` and the right
// edge of the tree have not met, each level has a sibling; above, along the
// edge, only where the path comes from the right.
struct Path {
  int below;
  int above;
};

Path PathOf(uint64_t index, uint64_t tree_size) {
  const int below = static_cast<int>(std::bit_width(index ^ (tree_size - 1)));
  // bit_width is at most 64, and a shift by 64 would be undefined.
  const uint64_t rest = below == 64 ? 0 : index >> below;
  return {below, std::popcount(rest)};
}

std::string ChainRight(std::string hash, absl::Span<const std::string> proof) {
  for (const std::string& left : proof) {
    hash = NodeHash(AsBytes(left), AsBytes(hash));
  }
  return hash;
}

}  // namespace

std::string LeafHash(BytesView leaf) {
  std::string bytes(1, '\0');
  bytes.append(AsStringView(leaf).data(), leaf.size());
  return Sha256(AsBytes(bytes));
}

std::string NodeHash(BytesView left, BytesView right) {
  std::string bytes(1, '\1');
  bytes.reserve(1 + left.size() + right.size());
  bytes.append(AsStringView(left).data(), left.size());
  bytes.append(AsStringView(right).data(), right.size());
  return Sha256(AsBytes(bytes));
}

std::string EmptyRoot() { return Sha256({}); }

absl::Status VerifyInclusion(uint64_t index, uint64_t tree_size,
                             BytesView leaf_hash,
                             absl::Span<const std::string> proof,
                             BytesView root) {
  if (index >= tree_size) return Bad("leaf is not in the tree");
  KMS_RETURN_IF_ERROR(CheckHashes(proof, {leaf_hash, root}));
  const Path path = PathOf(index, tree_size);
  KMS_RETURN_IF_ERROR(CheckLength(proof.size(), path.below + path.above));
  std::string hash = ToString(leaf_hash);
  for (int level = 0; level < path.below; ++level) {
    const BytesView sibling = AsBytes(proof[static_cast<size_t>(level)]);
    hash = (index >> level & 1) == 0 ? NodeHash(AsBytes(hash), sibling)
                                     : NodeHash(sibling, AsBytes(hash));
  }
  const auto edge = proof.subspan(static_cast<size_t>(path.below));
  return CheckRoot(ChainRight(std::move(hash), edge), root);
}

absl::Status VerifyConsistency(uint64_t size1, uint64_t size2,
                               absl::Span<const std::string> proof,
                               BytesView root1, BytesView root2) {
  if (size1 > size2) return Bad("the earlier tree is the larger");
  KMS_RETURN_IF_ERROR(CheckHashes(proof, {root1, root2}));
  if (size1 == size2 || size1 == 0) {
    KMS_RETURN_IF_ERROR(CheckLength(proof.size(), 0));
    if (size1 == size2) return CheckRoot(ToString(root1), root2);
    return CheckRoot(EmptyRoot(), root1);
  }
  // The proof starts at the largest whole subtree that ends the earlier tree:
  // 2^shift leaves, whose last is number size1 - 1.
  const int shift = std::countr_zero(size1);
  const bool whole = std::has_single_bit(size1);  // It is the earlier tree.
  Path path = PathOf(size1 - 1, size2);
  path.below -= shift;
  KMS_RETURN_IF_ERROR(
      CheckLength(proof.size(), path.below + path.above + (whole ? 0 : 1)));
  const std::string seed = whole ? ToString(root1) : proof[0];
  if (!whole) proof.remove_prefix(1);
  // Both roots grow from the seed: the earlier one by what is to its left,
  // the later one by everything.
  std::string hash1 = seed;
  std::string hash2 = seed;
  const uint64_t node = (size1 - 1) >> shift;
  for (int level = 0; level < path.below; ++level) {
    const BytesView sibling = AsBytes(proof[static_cast<size_t>(level)]);
    if ((node >> level & 1) == 1) {
      hash1 = NodeHash(sibling, AsBytes(hash1));
      hash2 = NodeHash(sibling, AsBytes(hash2));
    } else {
      hash2 = NodeHash(AsBytes(hash2), sibling);
    }
  }
  const auto edge = proof.subspan(static_cast<size_t>(path.below));
  KMS_RETURN_IF_ERROR(CheckRoot(ChainRight(std::move(hash1), edge), root1));
  return CheckRoot(ChainRight(std::move(hash2), edge), root2);
}

}  // namespace kms::crypto

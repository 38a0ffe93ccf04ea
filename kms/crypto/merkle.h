// Merkle tree hashes and the checks of proofs about them: what an agent or an
// offline verifier needs to hold the log to its word.
// Source: RFC 9162, section 2.1 (as RFC 6962, section 2.1), with SHA-256.
// Thread-safe: free functions.
// Does not store a tree or make proofs; a root must come from a signed
// checkpoint (checkpoint.h) to mean anything.
#ifndef KMS_CRYPTO_MERKLE_H_
#define KMS_CRYPTO_MERKLE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "kms/base/bytes.h"

namespace kms::crypto {

inline constexpr size_t kMerkleHashSize = 32;

// SHA-256(0x00 || leaf) and SHA-256(0x01 || left || right): the first byte
// keeps a leaf from being taken for a node.
std::string LeafHash(BytesView leaf);
std::string NodeHash(BytesView left, BytesView right);

// SHA-256 of nothing, the root of the tree without leaves.
std::string EmptyRoot();

// Section 2.1.3.2: the leaf with `leaf_hash` is number `index` (from 0) of the
// tree of `tree_size` leaves with `root`.
// kInvalidArgument: `index` is not in the tree, a hash is not 32 bytes, or the
// proof has not exactly the length that index and size demand.
// kUnauthenticated: it does not lead to `root`.
absl::Status VerifyInclusion(uint64_t index, uint64_t tree_size,
                             BytesView leaf_hash,
                             absl::Span<const std::string> proof,
                             BytesView root);

// Section 2.1.4.2: the tree of `size1` leaves with `root1` is how the tree of
// `size2` leaves with `root2` began. Between equal trees the proof is empty,
// as it is from the tree without leaves, which begins every tree.
// kInvalidArgument: size1 > size2, a hash is not 32 bytes, or the proof has
// not exactly the length that the sizes demand.
// kUnauthenticated: it does not lead to both roots.
absl::Status VerifyConsistency(uint64_t size1, uint64_t size2,
                               absl::Span<const std::string> proof,
                               BytesView root1, BytesView root2);

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_MERKLE_H_

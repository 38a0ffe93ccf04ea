#include "kms/crypto/merkle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "kms/base/shared_data.h"

namespace kms::crypto {
namespace {

using Json = nlohmann::json;
using Hashes = std::vector<std::string>;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kUnauthenticated = absl::StatusCode::kUnauthenticated;

// RFC 9162, section 2.1.1, MTH, as it is written there.
std::string Root(absl::Span<const std::string> leaves) {
  if (leaves.empty()) return EmptyRoot();
  if (leaves.size() == 1) return LeafHash(AsBytes(leaves[0]));
  const size_t k = std::bit_floor(leaves.size() - 1);
  return NodeHash(AsBytes(Root(leaves.first(k))),
                  AsBytes(Root(leaves.subspan(k))));
}

// Section 2.1.3.1, PATH(m, D_n).
Hashes InclusionProof(size_t m, absl::Span<const std::string> leaves) {
  if (leaves.size() == 1) return {};
  const size_t k = std::bit_floor(leaves.size() - 1);
  Hashes proof = m < k ? InclusionProof(m, leaves.first(k))
                       : InclusionProof(m - k, leaves.subspan(k));
  proof.push_back(Root(m < k ? leaves.subspan(k) : leaves.first(k)));
  return proof;
}

// Section 2.1.4.1, SUBPROOF(m, D_n, b).
Hashes Subproof(size_t m, absl::Span<const std::string> leaves, bool known) {
  if (m == leaves.size()) return known ? Hashes() : Hashes{Root(leaves)};
  const size_t k = std::bit_floor(leaves.size() - 1);
  Hashes proof = m <= k ? Subproof(m, leaves.first(k), known)
                        : Subproof(m - k, leaves.subspan(k), false);
  proof.push_back(Root(m <= k ? leaves.subspan(k) : leaves.first(k)));
  return proof;
}

Hashes Leaves(size_t size) {
  Hashes leaves;
  for (size_t i = 0; i < size; ++i) leaves.push_back(absl::StrCat("leaf ", i));
  return leaves;
}

TEST(Merkle, AgreesWithTheReferenceTree) {
  const auto text = ReadShared("vectors/merkle/reference_tree.json");
  if (!text.has_value()) return;
  const Json tree = Json::parse(*text);
  Hashes leaves;
  for (const Json& leaf : tree.at("leaf_inputs_hex")) {
    leaves.push_back(Unhex(leaf.get<std::string>()).value());
  }
  const Json& roots = tree.at("root_hash_by_tree_size");
  ASSERT_EQ(roots.size(), leaves.size() + 1);
  for (size_t size = 0; size <= leaves.size(); ++size) {
    EXPECT_EQ(Hex(Root(absl::MakeSpan(leaves).first(size))),
              roots.at(size).get<std::string>());
  }
}

std::string Base64(const Json& value) {
  std::string bytes;
  EXPECT_TRUE(absl::Base64Unescape(value.get<std::string>(), &bytes));
  return bytes;
}

Hashes ProofOf(const Json& vector) {
  Hashes proof;
  if (vector.at("proof").is_null()) return proof;
  for (const Json& each : vector.at("proof")) proof.push_back(Base64(each));
  return proof;
}

// Calls `verify` on each file under `folder`; the file says what is expected.
template <typename Verify>
void RunFolder(const char* folder, int want_files, Verify verify) {
  const std::filesystem::path path = SharedPath(folder);
  if (!std::filesystem::exists(path)) {
    std::printf("NOT RUN: %s is not there\n", path.c_str());
    return;
  }
  int ran = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(path)) {
    if (entry.is_directory()) continue;
    const std::string name =
        std::filesystem::relative(entry.path(), SharedPath(".")).string();
    const Json vector = Json::parse(ReadShared(name).value());
    const absl::Status status = verify(vector);
    EXPECT_EQ(status.ok(), !vector.at("wantErr").get<bool>())
        << name << " " << status;
    if (!status.ok()) {
      EXPECT_TRUE(status.code() == kInvalid ||
                  status.code() == kUnauthenticated);
    }
    ++ran;
  }
  EXPECT_GE(ran, want_files);
  std::printf("%s: %d files\n", folder, ran);
}

TEST(Merkle, AgreesWithTheInclusionVectors) {
  RunFolder("vectors/merkle/inclusion", 98, [](const Json& v) {
    const Hashes proof = ProofOf(v);
    return VerifyInclusion(v.at("leafIdx").get<uint64_t>(),
                           v.at("treeSize").get<uint64_t>(),
                           AsBytes(Base64(v.at("leafHash"))), proof,
                           AsBytes(Base64(v.at("root"))));
  });
}

TEST(Merkle, AgreesWithTheConsistencyVectors) {
  RunFolder("vectors/merkle/consistency", 98, [](const Json& v) {
    const Hashes proof = ProofOf(v);
    // One file has roots of another length than a hash and expects equal ones
    // to be consistent; we refuse what cannot be a root.
    if (v.at("desc") == "sizes are equal (one) and proof is empty") {
      EXPECT_NE(Base64(v.at("root1")).size(), kMerkleHashSize);
      EXPECT_EQ(VerifyConsistency(1, 1, proof, AsBytes(Base64(v.at("root1"))),
                                  AsBytes(Base64(v.at("root2"))))
                    .code(),
                kInvalid);
      return absl::OkStatus();
    }
    return VerifyConsistency(
        v.at("size1").get<uint64_t>(), v.at("size2").get<uint64_t>(), proof,
        AsBytes(Base64(v.at("root1"))), AsBytes(Base64(v.at("root2"))));
  });
}

TEST(VerifyInclusion, AcceptsEveryLeafOfEveryTree) {
  for (size_t size = 1; size <= 33; ++size) {
    const Hashes leaves = Leaves(size);
    const std::string root = Root(leaves);
    for (size_t m = 0; m < size; ++m) {
      const std::string leaf = LeafHash(AsBytes(leaves[m]));
      Hashes proof = InclusionProof(m, leaves);
      EXPECT_TRUE(
          VerifyInclusion(m, size, AsBytes(leaf), proof, AsBytes(root)).ok())
          << m << " of " << size;
      EXPECT_EQ(
          VerifyInclusion(m, size, AsBytes(LeafHash({})), proof, AsBytes(root))
              .code(),
          kUnauthenticated);
      proof.push_back(root);
      EXPECT_EQ(
          VerifyInclusion(m, size, AsBytes(leaf), proof, AsBytes(root)).code(),
          kInvalid);
    }
  }
}

TEST(VerifyInclusion, RefusesLeavesOutsideAndShortProofs) {
  const Hashes leaves = Leaves(7);
  const std::string root = Root(leaves);
  const std::string leaf = LeafHash(AsBytes(leaves[6]));
  Hashes proof = InclusionProof(6, leaves);
  const auto code = [&](uint64_t index, uint64_t size) {
    return VerifyInclusion(index, size, AsBytes(leaf), proof, AsBytes(root))
        .code();
  };
  EXPECT_EQ(code(7, 7), kInvalid);
  EXPECT_EQ(code(0, 0), kInvalid);
  EXPECT_EQ(code(~uint64_t{0}, 7), kInvalid);
  EXPECT_EQ(code(6, ~uint64_t{0}), kInvalid);
  proof.pop_back();
  EXPECT_EQ(code(6, 7), kInvalid);
  proof.push_back("short");
  EXPECT_EQ(code(6, 7), kInvalid);
}

TEST(VerifyConsistency, AcceptsEveryPairOfTrees) {
  const Hashes leaves = Leaves(33);
  for (size_t size2 = 1; size2 <= leaves.size(); ++size2) {
    const auto later = absl::MakeConstSpan(leaves).first(size2);
    for (size_t size1 = 1; size1 < size2; ++size1) {
      Hashes proof = Subproof(size1, later, true);
      const std::string root1 = Root(later.first(size1));
      const std::string root2 = Root(later);
      const auto code = [&] {
        return VerifyConsistency(size1, size2, proof, AsBytes(root1),
                                 AsBytes(root2))
            .code();
      };
      EXPECT_EQ(code(), absl::StatusCode::kOk) << size1 << " " << size2;
      for (std::string& hash : proof) {
        hash[0] = static_cast<char>(hash[0] ^ 1);
        EXPECT_EQ(code(), kUnauthenticated) << size1 << " " << size2;
        hash[0] = static_cast<char>(hash[0] ^ 1);
      }
      proof.pop_back();
      EXPECT_EQ(code(), kInvalid);
    }
  }
}

TEST(VerifyConsistency, KnowsTheEdges) {
  const std::string root = LeafHash(AsBytes("x"));
  const std::string other = LeafHash(AsBytes("y"));
  const auto code = [](uint64_t size1, uint64_t size2, const Hashes& proof,
                       const std::string& root1, const std::string& root2) {
    return VerifyConsistency(size1, size2, proof, AsBytes(root1),
                             AsBytes(root2))
        .code();
  };
  EXPECT_EQ(code(5, 5, {}, root, root), absl::StatusCode::kOk);
  EXPECT_EQ(code(5, 5, {}, root, other), kUnauthenticated);
  EXPECT_EQ(code(5, 5, {root}, root, root), kInvalid);
  EXPECT_EQ(code(0, 5, {}, EmptyRoot(), root), absl::StatusCode::kOk);
  EXPECT_EQ(code(0, 5, {}, root, root), kUnauthenticated);
  EXPECT_EQ(code(0, 5, {root}, EmptyRoot(), root), kInvalid);
  EXPECT_EQ(code(6, 5, {}, root, root), kInvalid);
}

}  // namespace
}  // namespace kms::crypto

// What a third party's log client would do with the answers: it trusts the
// cluster's identity key and cluster id, and nothing else.
#include "kms/audit/audit_handlers.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/crypto/checkpoint.h"
#include "kms/crypto/merkle.h"
#include "kms/crypto/note.h"
#include "kms/crypto/public_key.h"
#include "kms/instance/admin_call.h"
#include "kms/instance/testing.h"
#include "proto/kms/v1/audit_entry.pb.h"

namespace kms::audit {
namespace {

using Hashes = std::vector<std::string>;

// RFC 6962, section 2.1, written down once more: the largest power of two
// below n splits the leaves.
std::string TreeHash(const Hashes& leaves, size_t first, size_t count) {
  if (count == 0) return crypto::EmptyRoot();
  if (count == 1) return crypto::LeafHash(AsBytes(leaves[first]));
  size_t left = 1;
  while (2 * left < count) left *= 2;
  return crypto::NodeHash(
      AsBytes(TreeHash(leaves, first, left)),
      AsBytes(TreeHash(leaves, first + left, count - left)));
}

class AuditHandlersTest : public testing::Test {
 protected:
  // One leaf more: an anchor, which is the smallest change there is.
  void AddLeaf() {
    const auto instance = test_->get();
    ::storage::v1::Command command = NewCommand(*instance, admin_, "default");
    auto& op = *command.mutable_put_anchor();
    op.set_name("a");
    op.set_evidence_type(1);
    op.set_certificate("c");
    op.set_spki_digest(std::string(32, 's'));
    const auto applied = Propose(*instance, command);
    ASSERT_TRUE(applied.ok()) << applied.status();
  }
  void AddLeaves(int count) {
    for (int i = 0; i < count; ++i) AddLeaf();
  }

  uint64_t size() { return test_->View().tree_size(); }

  // Verifies the note under a key for which the identity key vouches.
  crypto::Checkpoint Open(const v1::Checkpoint& checkpoint) {
    const auto instance = test_->get();
    const auto identity = crypto::PublicKey::Ed25519(
        AsBytes(instance->identity_key.public_key()));
    EXPECT_TRUE(identity
                    ->VerifyEd25519(AsBytes(CheckpointKeyStatement(
                                        checkpoint.verifier_key())),
                                    AsBytes(checkpoint.identity_signature()))
                    .ok());
    const auto verifier =
        crypto::NoteVerifier::Parse(checkpoint.verifier_key());
    EXPECT_TRUE(verifier.ok()) << verifier.status();
    const auto note = crypto::OpenNote(checkpoint.note(), {*verifier});
    EXPECT_TRUE(note.ok()) << note.status();
    const auto opened = crypto::ParseCheckpoint(note->text);
    EXPECT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(opened->origin,
              absl::StrCat("kms.v1/", Hex(instance->cluster_id), "/",
                           test_->View().position().epoch));
    EXPECT_EQ(verifier->name(), opened->origin);
    return *opened;
  }

  crypto::Checkpoint Latest() {
    const auto checkpoint = handlers_.GetCheckpoint(admin_, {});
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
    return Open(*checkpoint);
  }

  absl::StatusOr<v1::ListEntriesResponse> List(uint64_t start, uint32_t count) {
    v1::ListEntriesRequest request;
    request.set_start(start);
    request.set_count(count);
    return handlers_.ListEntries(admin_, request);
  }

  absl::StatusOr<v1::InclusionProof> Inclusion(uint64_t leaf, uint64_t size) {
    v1::GetInclusionProofRequest request;
    request.set_leaf_index(leaf);
    request.set_tree_size(size);
    return handlers_.GetInclusionProof(admin_, request);
  }

  absl::StatusOr<v1::ConsistencyProof> Consistency(uint64_t first,
                                                   uint64_t second) {
    v1::GetConsistencyProofRequest request;
    request.set_first_size(first);
    request.set_second_size(second);
    return handlers_.GetConsistencyProof(admin_, request);
  }

  Hashes AllLeaves() {
    const auto list = List(0, kEntriesMax);
    EXPECT_TRUE(list.ok()) << list.status();
    return Hashes(list->entries().begin(), list->entries().end());
  }

  const std::unique_ptr<TestInstance> test_ = MakeTestInstance();
  const Caller admin_ = TestAdministrator();
  CheckpointSigner signer_;
  AuditHandlers handlers_{test_->holder, signer_};
};

TEST_F(AuditHandlersTest, RefusesTheSealedAndTheUnnamed) {
  const auto refusals = [&](const Caller& caller) {
    return std::vector<v1::RefusalCode>{
        RefusalOf(handlers_.GetCheckpoint(caller, {}).status()),
        RefusalOf(handlers_.ListEntries(caller, {}).status()),
        RefusalOf(handlers_.GetInclusionProof(caller, {}).status()),
        RefusalOf(handlers_.GetConsistencyProof(caller, {}).status())};
  };
  EXPECT_EQ(refusals(TestWorkload()),
            std::vector<v1::RefusalCode>(4, v1::ADMINISTRATOR_REQUIRED));
  test_->Seal();
  EXPECT_EQ(refusals(admin_), std::vector<v1::RefusalCode>(4, v1::SEALED));
}

TEST_F(AuditHandlersTest, TheCheckpointsRootIsThatOfAllLeaves) {
  for (int i = 0; i < 9; ++i) {
    const crypto::Checkpoint checkpoint = Latest();
    const Hashes leaves = AllLeaves();
    EXPECT_EQ(checkpoint.size, leaves.size());
    EXPECT_EQ(checkpoint.root, TreeHash(leaves, 0, leaves.size()));
    AddLeaf();
  }
}

TEST_F(AuditHandlersTest, TheSameTreeGivesTheSameBytes) {
  const auto first = handlers_.GetCheckpoint(admin_, {});
  ASSERT_TRUE(first.ok()) << first.status();
  test_->clock.Advance(absl::Hours(1));
  // A signer that has not seen it yet, as another instance's.
  const CheckpointSigner fresh;
  AuditHandlers other(test_->holder, fresh);
  EXPECT_EQ(other.GetCheckpoint(admin_, {})->SerializeAsString(),
            first->SerializeAsString());
  AddLeaf();
  EXPECT_NE(handlers_.GetCheckpoint(admin_, {})->note(), first->note());
}

TEST_F(AuditHandlersTest, ProvesEveryLeafInEveryTree) {
  AddLeaves(7);
  const Hashes leaves = AllLeaves();
  for (uint64_t tree = 1; tree <= leaves.size(); ++tree) {
    const std::string root = TreeHash(leaves, 0, tree);
    for (uint64_t leaf = 0; leaf < tree; ++leaf) {
      const auto proof = Inclusion(leaf, tree);
      ASSERT_TRUE(proof.ok()) << proof.status();
      EXPECT_EQ(proof->leaf(), leaves[leaf]);
      EXPECT_EQ(proof->has_checkpoint(), tree == leaves.size());
      EXPECT_TRUE(crypto::VerifyInclusion(
                      leaf, tree,
                      AsBytes(crypto::LeafHash(AsBytes(proof->leaf()))),
                      Hashes(proof->hashes().begin(), proof->hashes().end()),
                      AsBytes(root))
                      .ok())
          << leaf << " in " << tree;
    }
  }
  const auto latest = Inclusion(0, 0);
  ASSERT_TRUE(latest.ok()) << latest.status();
  EXPECT_EQ(latest->tree_size(), leaves.size());
  EXPECT_EQ(Open(latest->checkpoint()).size, leaves.size());
}

TEST_F(AuditHandlersTest, ProvesThatEveryTreeBeganAsEveryEarlierOne) {
  AddLeaves(7);
  const Hashes leaves = AllLeaves();
  for (uint64_t second = 1; second <= leaves.size(); ++second) {
    for (uint64_t first = 1; first <= second; ++first) {
      const auto proof = Consistency(first, second);
      ASSERT_TRUE(proof.ok()) << proof.status();
      EXPECT_EQ(proof->has_checkpoint(), second == leaves.size());
      EXPECT_TRUE(crypto::VerifyConsistency(
                      first, second,
                      Hashes(proof->hashes().begin(), proof->hashes().end()),
                      AsBytes(TreeHash(leaves, 0, first)),
                      AsBytes(TreeHash(leaves, 0, second)))
                      .ok())
          << first << " to " << second;
    }
  }
}

// threats.md, G11.
TEST_F(AuditHandlersTest, AProofHoldsForItsLeafAndTreeOnly) {
  AddLeaves(5);
  const Hashes leaves = AllLeaves();
  const uint64_t tree = leaves.size();
  const std::string root = Latest().root;
  const auto proof = Inclusion(2, tree);
  ASSERT_TRUE(proof.ok()) << proof.status();
  const Hashes hashes(proof->hashes().begin(), proof->hashes().end());
  const std::string leaf_hash = crypto::LeafHash(AsBytes(proof->leaf()));
  const auto verify = [&](uint64_t index, uint64_t in, const std::string& leaf,
                          const Hashes& path) {
    return crypto::VerifyInclusion(index, in, AsBytes(leaf), path,
                                   AsBytes(root));
  };
  ASSERT_TRUE(verify(2, tree, leaf_hash, hashes).ok());
  // Another leaf; another place.
  EXPECT_TRUE(absl::IsUnauthenticated(
      verify(2, tree, crypto::LeafHash(AsBytes(leaves[3])), hashes)));
  EXPECT_TRUE(absl::IsUnauthenticated(verify(3, tree, leaf_hash, hashes)));
  // Index at and beyond the size.
  EXPECT_TRUE(absl::IsInvalidArgument(verify(tree, tree, leaf_hash, hashes)));
  EXPECT_TRUE(absl::IsInvalidArgument(verify(0, 0, leaf_hash, hashes)));
  // A node passed off as a leaf: the prefixes differ.
  const std::string node =
      crypto::NodeHash(AsBytes(crypto::LeafHash(AsBytes(leaves[2]))),
                       AsBytes(crypto::LeafHash(AsBytes(leaves[3]))));
  EXPECT_FALSE(verify(2, tree, node, hashes).ok());
  // Extra nodes, and missing ones.
  Hashes longer = hashes;
  longer.push_back(root);
  EXPECT_TRUE(absl::IsInvalidArgument(verify(2, tree, leaf_hash, longer)));
  Hashes shorter = hashes;
  shorter.pop_back();
  EXPECT_TRUE(absl::IsInvalidArgument(verify(2, tree, leaf_hash, shorter)));
}

TEST_F(AuditHandlersTest, RefusesProofsOutOfRange) {
  AddLeaves(2);
  const uint64_t tree = size();
  EXPECT_EQ(RefusalOf(Inclusion(tree, 0).status()), v1::REQUEST_MALFORMED);
  EXPECT_EQ(RefusalOf(Inclusion(tree, tree).status()), v1::REQUEST_MALFORMED);
  EXPECT_EQ(RefusalOf(Inclusion(1, 1).status()), v1::REQUEST_MALFORMED);
  EXPECT_EQ(RefusalOf(Inclusion(UINT64_MAX, 0).status()),
            v1::REQUEST_MALFORMED);
  EXPECT_EQ(RefusalOf(Inclusion(0, tree + 1).status()), v1::NOT_FOUND);
  EXPECT_EQ(RefusalOf(Inclusion(0, UINT64_MAX).status()), v1::NOT_FOUND);
  EXPECT_EQ(RefusalOf(Consistency(0, tree).status()), v1::REQUEST_MALFORMED);
  EXPECT_EQ(RefusalOf(Consistency(0, 0).status()), v1::REQUEST_MALFORMED);
  EXPECT_EQ(RefusalOf(Consistency(2, 1).status()), v1::REQUEST_MALFORMED);
  EXPECT_EQ(RefusalOf(Consistency(tree + 1, 0).status()),
            v1::REQUEST_MALFORMED);
  EXPECT_EQ(RefusalOf(Consistency(1, tree + 1).status()), v1::NOT_FOUND);
  EXPECT_EQ(RefusalOf(Consistency(1, UINT64_MAX).status()), v1::NOT_FOUND);
}

TEST_F(AuditHandlersTest, ListsLeavesInOrderFromAnywhere) {
  AddLeaves(5);
  const Hashes leaves = AllLeaves();
  ASSERT_EQ(leaves.size(), size());
  v1::AuditEntry first;
  ASSERT_TRUE(first.ParseFromString(leaves[0]));
  EXPECT_TRUE(first.has_cluster_started());
  for (uint64_t start = 0; start <= leaves.size(); ++start) {
    const auto list = List(start, 2);
    ASSERT_TRUE(list.ok()) << list.status();
    EXPECT_EQ(list->tree_size(), leaves.size());
    ASSERT_EQ(static_cast<size_t>(list->entries_size()),
              std::min<size_t>(2, leaves.size() - start));
    for (int i = 0; i < list->entries_size(); ++i) {
      EXPECT_EQ(list->entries(i), leaves[start + static_cast<uint64_t>(i)]);
    }
  }
  EXPECT_EQ(static_cast<size_t>(List(0, 0)->entries_size()), leaves.size());
}

TEST_F(AuditHandlersTest, RefusesListsOutOfRange) {
  EXPECT_EQ(RefusalOf(List(0, 1001).status()), v1::REQUEST_TOO_LARGE);
  EXPECT_EQ(RefusalOf(List(0, UINT32_MAX).status()), v1::REQUEST_TOO_LARGE);
  EXPECT_EQ(RefusalOf(List(size() + 1, 1).status()), v1::NOT_FOUND);
  EXPECT_EQ(RefusalOf(List(UINT64_MAX, 1000).status()), v1::NOT_FOUND);
}

class CheckpointSignerTest : public AuditHandlersTest {
 protected:
  absl::StatusOr<std::shared_ptr<const v1::Checkpoint>> Sign(uint64_t size,
                                                             char root,
                                                             uint64_t epoch) {
    return signer_.Sign(*test_->get(), {epoch, size, std::string(32, root)});
  }
};

TEST_F(CheckpointSignerTest, KeepsTheLatest) {
  const auto first = Sign(5, 'a', 1);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(Sign(5, 'a', 1)->get(), first->get());
  // A smaller tree is signed, and does not push out the larger.
  ASSERT_TRUE(Sign(4, 'b', 1).ok());
  EXPECT_EQ(Sign(5, 'a', 1)->get(), first->get());
}

TEST_F(CheckpointSignerTest, SignsNoForkOfWhatItSigned) {
  ASSERT_TRUE(Sign(5, 'a', 1).ok());
  EXPECT_EQ(RefusalOf(Sign(5, 'b', 1).status()), v1::DATA_LOSS);
  // Another epoch is another log.
  EXPECT_TRUE(Sign(5, 'b', 2).ok());
}

TEST_F(CheckpointSignerTest, NamesTheEpochInOriginAndKey) {
  const auto one = Sign(5, 'a', 1);
  const auto two = Sign(5, 'a', 2);
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_NE((*one)->verifier_key(), (*two)->verifier_key());
  const auto verifier = crypto::NoteVerifier::Parse((*two)->verifier_key());
  EXPECT_TRUE(absl::IsUnauthenticated(
      crypto::OpenNote((*one)->note(), {*verifier}).status()));
}

TEST_F(CheckpointSignerTest, RefusesARootThatIsNone) {
  EXPECT_EQ(RefusalOf(signer_.Sign(*test_->get(), {1, 5, "short"}).status()),
            v1::INTERNAL_ERROR);
}

}  // namespace
}  // namespace kms::audit

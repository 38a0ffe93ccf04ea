// The rows of threats.md G12: a share with x = 0 (share_test.cc too), an index
// twice, another ceremony, another threshold, a share that was tampered with.
#include "kms/seal/ceremony.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kms/base/refusal.h"
#include "kms/base/secret_access.h"
#include "kms/crypto/random.h"
#include "kms/seal/limits.h"

namespace kms::seal {
namespace {

constexpr char kAlice[] = "alice";
const absl::Time kNow = absl::FromUnixSeconds(1700000000);

// A root key, its shares and a seal file that it opens.
struct Cluster {
  Secret root;
  std::vector<std::string> shares;
  SealFile file;
};

Cluster MakeExample(uint32_t n, uint32_t k,
                    const std::string& cluster_id = std::string(16, 'c')) {
  Cluster cluster;
  cluster.root = crypto::RandomSecret(kRootKeyBytes).value();
  SplitRoot split = MakeShares(cluster.root, cluster_id, n, k).value();
  for (const Secret& text : split.texts) {
    cluster.shares.push_back(ToString(text.Expose(GrantSecretAccess())));
  }
  cluster.file.kind = SealKind::kShamir;
  cluster.file.commitments = std::move(split.commitments);
  cluster.file.identity_public_key = std::string(32, 'i');
  cluster.file.verifier_key = "origin+00000000+key";
  const storage::Keyring keyring = storage::Keyring::Generate().value();
  EXPECT_TRUE(SealKeyringInto(cluster.file, cluster.root, keyring).ok());
  return cluster;
}

// The text of a share with something changed, its checksum made right again.
template <typename Change>
std::string Altered(const std::string& text, Change change) {
  Share share = ParseShare(text).value();
  change(share);
  return ToString(PrintShare(share).value().Expose(GrantSecretAccess()));
}

void ExpectRejected(UnsealCeremony& ceremony, const std::string& text,
                    const std::string& reason) {
  const uint32_t before = ceremony.progress();
  const auto offered = ceremony.Offer(kAlice, text, kNow);
  ASSERT_FALSE(offered.ok());
  EXPECT_EQ(RefusalOf(offered.status()), v1::SHARE_REJECTED);
  EXPECT_NE(std::string(offered.status().message()).find(reason),
            std::string::npos)
      << offered.status();
  EXPECT_EQ(ceremony.progress(), before);
}

void ExpectAccepted(UnsealCeremony& ceremony, const std::string& text) {
  const auto offered = ceremony.Offer(kAlice, text, kNow);
  ASSERT_TRUE(offered.ok()) << offered.status();
  EXPECT_FALSE(offered->has_value());
}

void ExpectOpens(UnsealCeremony& ceremony, const std::string& text,
                 const Secret& root) {
  auto offered = ceremony.Offer(kAlice, text, kNow);
  ASSERT_TRUE(offered.ok()) << offered.status();
  ASSERT_TRUE(offered->has_value());
  EXPECT_TRUE((*offered)->root == root);
}

TEST(CeremonyTest, AnyThresholdOfSharesOpens) {
  const Cluster cluster = MakeExample(4, 2);
  for (size_t i = 0; i < 4; ++i) {
    for (size_t j = 0; j < 4; ++j) {
      if (i == j) continue;
      UnsealCeremony ceremony(cluster.file);
      ExpectAccepted(ceremony, cluster.shares[i]);
      ExpectOpens(ceremony, cluster.shares[j], cluster.root);
      EXPECT_EQ(ceremony.progress(), 0u);  // All shares are forgotten.
    }
  }
}

TEST(CeremonyTest, OneOfOneOpens) {
  const Cluster cluster = MakeExample(1, 1);
  UnsealCeremony ceremony(cluster.file);
  ExpectOpens(ceremony, cluster.shares[0], cluster.root);
}

TEST(CeremonyTest, TheLargestCeremonyOpens) {
  const Cluster cluster = MakeExample(kSharesMax, kSharesMax);
  UnsealCeremony ceremony(cluster.file);
  for (size_t i = 0; i + 1 < kSharesMax; ++i) {
    ExpectAccepted(ceremony, cluster.shares[i]);
  }
  ExpectOpens(ceremony, cluster.shares.back(), cluster.root);
}

TEST(CeremonyTest, RefusesImpossibleCounts) {
  const Secret root = crypto::RandomSecret(kRootKeyBytes).value();
  const std::pair<uint32_t, uint32_t> bad[] = {{0, 0}, {1, 0}, {0, 1},  {1, 2},
                                               {3, 4}, {3, 1}, {33, 2}, {3, 0}};
  for (const auto& [n, k] : bad) {
    EXPECT_EQ(RefusalOf(MakeShares(root, std::string(16, 'c'), n, k).status()),
              v1::REQUEST_MALFORMED)
        << k << " of " << n;
  }
}

TEST(CeremonyTest, RejectsAnIndexGivenAlready) {
  const Cluster cluster = MakeExample(3, 2);
  UnsealCeremony ceremony(cluster.file);
  ExpectAccepted(ceremony, cluster.shares[1]);
  ExpectRejected(ceremony, cluster.shares[1], "given already");
  ExpectOpens(ceremony, cluster.shares[0], cluster.root);
}

TEST(CeremonyTest, RejectsIndexZeroAndIndexesNobodyHas) {
  const Cluster cluster = MakeExample(3, 2);
  UnsealCeremony ceremony(cluster.file);
  ExpectRejected(ceremony,
                 Altered(cluster.shares[0], [](Share& s) { s.index = 0; }),
                 "index 0");
  ExpectRejected(ceremony,
                 Altered(cluster.shares[0], [](Share& s) { s.index = 4; }),
                 "index 4, want 1 to 3");
}

TEST(CeremonyTest, RejectsAShareOfAnotherCeremonyOfTheSameCluster) {
  const Cluster cluster = MakeExample(3, 2);
  const Cluster other = MakeExample(3, 2);
  UnsealCeremony ceremony(cluster.file);
  ExpectAccepted(ceremony, cluster.shares[0]);
  ExpectRejected(ceremony, other.shares[1], "another ceremony");
  ExpectOpens(ceremony, cluster.shares[1], cluster.root);
}

TEST(CeremonyTest, RejectsAShareOfAnotherCluster) {
  const Cluster cluster = MakeExample(3, 2);
  const Cluster other = MakeExample(3, 2, std::string(16, 'd'));
  UnsealCeremony ceremony(cluster.file);
  ExpectRejected(ceremony, other.shares[0], "another cluster");
}

TEST(CeremonyTest, RejectsAnotherThreshold) {
  const Cluster cluster = MakeExample(3, 2);
  UnsealCeremony ceremony(cluster.file);
  ExpectRejected(ceremony,
                 Altered(cluster.shares[0], [](Share& s) { s.threshold = 1; }),
                 "threshold of 1, want 2");
}

TEST(CeremonyTest, NamesATamperedShareAndOpensWithTheGenuineOnes) {
  const Cluster cluster = MakeExample(3, 2);
  UnsealCeremony ceremony(cluster.file);
  ExpectAccepted(ceremony, cluster.shares[0]);
  const std::string tampered = Altered(cluster.shares[1], [](Share& s) {
    s.data.ExposeMutable(GrantSecretAccess())[31] ^= 1;
  });
  ExpectRejected(ceremony, tampered, "share 2 does not match its commitment");
  ExpectOpens(ceremony, cluster.shares[1], cluster.root);
}

TEST(CeremonyTest, RejectsAShareUnderAnotherIndex) {
  const Cluster cluster = MakeExample(3, 2);
  UnsealCeremony ceremony(cluster.file);
  ExpectRejected(ceremony,
                 Altered(cluster.shares[0], [](Share& s) { s.index = 2; }),
                 "share 2 does not match its commitment");
}

TEST(CeremonyTest, RejectsMalformedText) {
  const Cluster cluster = MakeExample(3, 2);
  UnsealCeremony ceremony(cluster.file);
  ExpectRejected(ceremony, "", "malformed");
  ExpectRejected(ceremony, cluster.shares[0].substr(1), "malformed");
}

TEST(CeremonyTest, ResetForgetsTheShares) {
  const Cluster cluster = MakeExample(3, 2);
  UnsealCeremony ceremony(cluster.file);
  ExpectAccepted(ceremony, cluster.shares[0]);
  ceremony.Reset();
  EXPECT_EQ(ceremony.progress(), 0u);
  ExpectAccepted(ceremony, cluster.shares[0]);
}

TEST(CeremonyTest, AFloodOfWrongSharesHoldsUpOnlyItsSender) {
  const Cluster cluster = MakeExample(3, 2);
  UnsealCeremony ceremony(cluster.file);
  absl::Status last;
  for (int i = 0; i < 100; ++i) {
    last = ceremony.Offer("mallory", "kms1-wrong", kNow).status();
  }
  EXPECT_EQ(RefusalOf(last), v1::RATE_LIMITED);
  EXPECT_EQ(last.code(), absl::StatusCode::kResourceExhausted);
  ExpectAccepted(ceremony, cluster.shares[0]);
  ExpectOpens(ceremony, cluster.shares[1], cluster.root);
  // And not for ever.
  EXPECT_EQ(
      RefusalOf(ceremony.Offer("mallory", "kms1-wrong", kNow + absl::Seconds(6))
                    .status()),
      v1::SHARE_REJECTED);
}

TEST(CeremonyTest, GenuineSharesOfAChangedSealFileAreDataLoss) {
  Cluster cluster = MakeExample(3, 2);
  cluster.file.identity_public_key = std::string(32, 'j');
  UnsealCeremony ceremony(cluster.file);
  ExpectAccepted(ceremony, cluster.shares[0]);
  const auto offered = ceremony.Offer(kAlice, cluster.shares[1], kNow);
  EXPECT_EQ(RefusalOf(offered.status()), v1::DATA_LOSS) << offered.status();
  EXPECT_EQ(ceremony.progress(), 0u);
}

}  // namespace
}  // namespace kms::seal

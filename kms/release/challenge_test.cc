#include "kms/release/challenge.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

#include "kms/base/refusal.h"

namespace kms::release {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1700000000);
constexpr absl::Duration kLifetime = absl::Minutes(5);

class ChallengeTest : public testing::Test {
 protected:
  ChallengeTest()
      : keyring_(std::make_shared<const storage::Keyring>(
            *storage::Keyring::Generate())),
        keeper_(keyring_, AsBytes("0123456789abcdef"), 1, kLifetime) {}

  v1::RefusalCode CheckCode(const ChallengeKeeper& keeper,
                            const std::string& challenge, absl::Time now) {
    return RefusalOf(keeper.Check(AsBytes(challenge), now).status());
  }

  std::shared_ptr<const storage::Keyring> keyring_;
  ChallengeKeeper keeper_;
};

TEST_F(ChallengeTest, IsGoodUntilItExpires) {
  const Challenge challenge = *keeper_.Issue(kNow);
  EXPECT_EQ(challenge.bytes.size(), kChallengeBytes);
  EXPECT_EQ(challenge.expires, kNow + kLifetime);
  EXPECT_EQ(*keeper_.Check(AsBytes(challenge.bytes), kNow), kNow + kLifetime);
  const absl::Duration tick = absl::Microseconds(1);
  EXPECT_TRUE(
      keeper_.Check(AsBytes(challenge.bytes), kNow + kLifetime - tick).ok());
  EXPECT_EQ(CheckCode(keeper_, challenge.bytes, kNow + kLifetime),
            v1::CHALLENGE_EXPIRED);
}

TEST_F(ChallengeTest, IsGoodOnAnInstanceWhoseClockIsALittleBehind) {
  const Challenge challenge = *keeper_.Issue(kNow);
  EXPECT_TRUE(
      keeper_.Check(AsBytes(challenge.bytes), kNow - kChallengeSkewMax).ok());
  EXPECT_EQ(CheckCode(keeper_, challenge.bytes,
                      kNow - kChallengeSkewMax - absl::Seconds(1)),
            v1::CHALLENGE_EXPIRED);
}

TEST_F(ChallengeTest, IsNeverTheSameTwice) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) seen.insert(keeper_.Issue(kNow)->bytes);
  EXPECT_EQ(seen.size(), 100u);
}

TEST_F(ChallengeTest, RefusesEveryFlippedBitAndOtherLengths) {
  const std::string good = keeper_.Issue(kNow)->bytes;
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    EXPECT_EQ(CheckCode(keeper_, bad, kNow), v1::CHALLENGE_INVALID) << bit;
  }
  EXPECT_EQ(CheckCode(keeper_, good + "x", kNow), v1::CHALLENGE_INVALID);
  EXPECT_EQ(CheckCode(keeper_, good.substr(1), kNow), v1::CHALLENGE_INVALID);
  EXPECT_EQ(CheckCode(keeper_, "", kNow), v1::CHALLENGE_INVALID);
}

// Else one instance would forget a use while another still accepts it.
TEST_F(ChallengeTest, ExpiresWhenItsIssuerSaid) {
  const ChallengeKeeper patient(keyring_, AsBytes("0123456789abcdef"), 1,
                                kLifetime * 2);
  const Challenge challenge = *keeper_.Issue(kNow);
  EXPECT_EQ(*patient.Check(AsBytes(challenge.bytes), kNow), challenge.expires);
  EXPECT_EQ(CheckCode(patient, challenge.bytes, kNow + kLifetime),
            v1::CHALLENGE_EXPIRED);
}

TEST_F(ChallengeTest, RefusesAnotherClusterAndAnotherEpoch) {
  const std::string challenge = keeper_.Issue(kNow)->bytes;
  const ChallengeKeeper cluster(keyring_, AsBytes("fedcba9876543210"), 1,
                                kLifetime);
  EXPECT_EQ(CheckCode(cluster, challenge, kNow), v1::CHALLENGE_INVALID);
  const ChallengeKeeper epoch(keyring_, AsBytes("0123456789abcdef"), 2,
                              kLifetime);
  EXPECT_EQ(CheckCode(epoch, challenge, kNow), v1::CHALLENGE_INVALID);
}

TEST_F(ChallengeTest, StaysGoodAcrossARotationOfTheChallengeKey) {
  const std::string challenge = keeper_.Issue(kNow)->bytes;
  auto rotated = *keyring_->Clone();
  ASSERT_TRUE(rotated.Rotate(storage::KeyKind::kChallenge).ok());
  const ChallengeKeeper after(
      std::make_shared<const storage::Keyring>(std::move(rotated)),
      AsBytes("0123456789abcdef"), 1, kLifetime);
  EXPECT_TRUE(after.Check(AsBytes(challenge), kNow).ok());
  EXPECT_EQ(CheckCode(keeper_, after.Issue(kNow)->bytes, kNow),
            v1::CHALLENGE_INVALID);
}

}  // namespace
}  // namespace kms::release

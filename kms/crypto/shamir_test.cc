#include "kms/crypto/shamir.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "kms/base/secret_access.h"
#include "kms/crypto/random.h"

namespace kms::crypto {
namespace {

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

Secret SecretOf(absl::string_view bytes) {
  return Secret::CopyOf(AsBytes(bytes), GrantSecretAccess()).value();
}

Share Copy(const Share& share) { return {share.x, share.y.Clone().value()}; }

TEST(Shamir, AnyThresholdOfSharesCombine) {
  const Secret secret = RandomSecret(32).value();
  const auto shares = Split(secret, 5, 3).value();
  ASSERT_EQ(shares.size(), 5u);
  for (size_t a = 0; a < 5; ++a) {
    for (size_t b = 0; b < 5; ++b) {
      for (size_t c = 0; c < 5; ++c) {
        if (a == b || b == c || a == c) continue;
        std::vector<Share> three;
        for (const size_t i : {a, b, c}) three.push_back(Copy(shares[i]));
        EXPECT_EQ(Combine(three).value(), secret);
      }
    }
  }
  EXPECT_EQ(Combine(shares).value(), secret);
  // One too few gives something else (it could agree once in 2^256).
  EXPECT_FALSE(Combine(absl::MakeSpan(shares).first(2)).value() == secret);
}

TEST(Shamir, SplitsAsFarAsTheFieldGoes) {
  const Secret secret = SecretOf("marked-secret");
  const auto shares = Split(secret, 255, 255).value();
  EXPECT_EQ(Combine(shares).value(), secret);
  EXPECT_FALSE(Combine(absl::MakeSpan(shares).first(254)).value() == secret);
}

TEST(Shamir, OneOfOneIsTheSecret) {
  const Secret secret = SecretOf("marked-secret");
  const auto shares = Split(secret, 1, 1).value();
  ASSERT_EQ(shares.size(), 1u);
  EXPECT_EQ(Combine(shares).value(), secret);
}

// Worked by hand in AES's field: f(x) = s + c x with s = 0x2a, c = 0x57.
// FIPS 197, section 4.2: 0x57 * 0x02 = 0xae, 0x57 * 0x04 = 0x47, so that
// 0x57 * 0x13 = 0xfe as there.
TEST(Shamir, UsesTheFieldOfAes) {
  std::vector<Share> shares;
  shares.push_back({0x02, SecretOf(std::string(1, char(0x2a ^ 0xae)))});
  shares.push_back({0x13, SecretOf(std::string(1, char(0x2a ^ 0xfe)))});
  EXPECT_EQ(Combine(shares).value(), SecretOf("\x2a"));
}

TEST(Shamir, RefusesBadThresholds) {
  const Secret secret = SecretOf("s");
  const std::pair<int, int> kBad[] = {{0, 0}, {0, 2},   {2, 1},   {3, 1},
                                      {2, 3}, {256, 2}, {-1, -1}, {5, 0},
                                      {1, 2}, {5, -2},  {1, 0}};
  for (const auto& [shares, threshold] : kBad) {
    EXPECT_EQ(Split(secret, shares, threshold).status().code(), kInvalid)
        << threshold << " of " << shares;
  }
  EXPECT_EQ(Split(Secret(), 3, 2).status().code(), kInvalid);
}

TEST(Shamir, RefusesZeroDuplicateAndUnequalShares) {
  const auto shares = Split(SecretOf("secret"), 3, 2).value();
  EXPECT_EQ(Combine({}).status().code(), kInvalid);
  std::vector<Share> bad;
  bad.push_back(Copy(shares[0]));
  bad.push_back(Copy(shares[0]));
  EXPECT_EQ(Combine(bad).status().code(), kInvalid);
  bad[1] = {0, shares[1].y.Clone().value()};
  EXPECT_EQ(Combine(bad).status().code(), kInvalid);
  bad[1] = {2, SecretOf("secre")};
  EXPECT_EQ(Combine(bad).status().code(), kInvalid);
  bad[0] = {1, Secret()};
  bad[1] = {2, Secret()};
  EXPECT_EQ(Combine(bad).status().code(), kInvalid);
}

}  // namespace
}  // namespace kms::crypto

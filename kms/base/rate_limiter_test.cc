#include "kms/base/rate_limiter.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace kms {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1700000000);

TEST(RateLimiter, AllowsABurstThenTheAverage) {
  RateLimiter limiter(1, 3);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limiter.Allow("a", kStart));
  EXPECT_FALSE(limiter.Allow("a", kStart));
  EXPECT_FALSE(limiter.Allow("a", kStart + absl::Milliseconds(900)));
  EXPECT_TRUE(limiter.Allow("a", kStart + absl::Seconds(1)));
  EXPECT_FALSE(limiter.Allow("a", kStart + absl::Seconds(1)));
}

TEST(RateLimiter, KeepsNamesApart) {
  RateLimiter limiter(1, 1);
  EXPECT_TRUE(limiter.Allow("a", kStart));
  EXPECT_TRUE(limiter.Allow("b", kStart));
  EXPECT_FALSE(limiter.Allow("a", kStart));
}

TEST(RateLimiter, GivesNothingForAClockThatWentBack) {
  RateLimiter limiter(1, 1);
  EXPECT_TRUE(limiter.Allow("a", kStart));
  EXPECT_FALSE(limiter.Allow("a", kStart - absl::Hours(1)));
  EXPECT_FALSE(limiter.Allow("a", kStart));
}

TEST(RateLimiter, StaysBoundedAndRemembersWhoIsSpending) {
  RateLimiter limiter(0.001, 1);
  for (size_t i = 0; i < RateLimiter::kBucketsMax; ++i) {
    ASSERT_TRUE(limiter.Allow(absl::StrCat(i), kStart));
  }
  EXPECT_FALSE(limiter.Allow("newcomer", kStart));
  // Once the others' buckets are full again, they are forgotten.
  EXPECT_TRUE(limiter.Allow("newcomer", kStart + absl::Hours(1)));
}

}  // namespace
}  // namespace kms

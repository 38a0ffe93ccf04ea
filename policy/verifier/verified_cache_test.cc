#include "policy/verifier/verified_cache.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace kms::policy {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1000);
const absl::Time kEnd = absl::FromUnixSeconds(2000);

void Insert(VerifiedCache& cache, const std::string& key, size_t bytes) {
  cache.Insert(key, std::make_shared<const std::string>("of " + key), kStart,
               kEnd, bytes);
}

TEST(VerifiedCacheTest, HoldsToTimeWithBothEnds) {
  VerifiedCache cache(100);
  Insert(cache, "a", 10);
  ASSERT_NE(cache.Find<std::string>("a", kStart), nullptr);
  EXPECT_EQ(*cache.Find<std::string>("a", kEnd), "of a");
  EXPECT_EQ(cache.Find<std::string>("a", kStart - absl::Nanoseconds(1)),
            nullptr);
  EXPECT_EQ(cache.Find<std::string>("a", kEnd + absl::Nanoseconds(1)), nullptr);
  EXPECT_EQ(cache.Find<std::string>("b", kStart), nullptr);
}

TEST(VerifiedCacheTest, ForgetsTheLeastUsedWhenFull) {
  VerifiedCache cache(100);
  Insert(cache, "a", 40);
  Insert(cache, "b", 40);
  EXPECT_NE(cache.Find<std::string>("a", kStart), nullptr);
  Insert(cache, "c", 60);
  EXPECT_EQ(cache.Find<std::string>("b", kStart), nullptr);
  EXPECT_NE(cache.Find<std::string>("a", kStart), nullptr);
  EXPECT_EQ(cache.size(), 2u);
  Insert(cache, "a", 41);  // Replaced, and no longer beside c.
  EXPECT_EQ(cache.size(), 1u);
}

TEST(VerifiedCacheTest, KeepsNothingOversize) {
  VerifiedCache cache(1 << 20);
  Insert(cache, "a", VerifiedCache::kItemBytesMax + 1);
  EXPECT_EQ(cache.size(), 0u);
  VerifiedCache small(9);
  Insert(small, "a", 10);
  EXPECT_EQ(small.size(), 0u);
}

TEST(VerifiedCacheTest, KeysNameEveryInputAndItsEnd) {
  EXPECT_NE(VerifiedCacheKey("k").Add("ab").Add("c").Finish(),
            VerifiedCacheKey("k").Add("a").Add("bc").Finish());
  EXPECT_NE(VerifiedCacheKey("k").Add("a").Finish(),
            VerifiedCacheKey("l").Add("a").Finish());
}

}  // namespace
}  // namespace kms::policy

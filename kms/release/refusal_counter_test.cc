#include "kms/release/refusal_counter.h"

#include <gtest/gtest.h>

#include "kms/base/refusal.h"

namespace kms::release {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1700000000);

TEST(RefusalCounter, SummarisesByCodeAndStartsAnew) {
  RefusalCounter counter(kStart);
  counter.Count("peer", Refuse(v1::SIGNATURE_INVALID, "a"), kStart);
  counter.Count("peer", Refuse(v1::CHALLENGE_INVALID, "b"), kStart);
  counter.Count("peer", Refuse(v1::SIGNATURE_INVALID, "c"), kStart);
  const auto taken = counter.Take(kStart + absl::Minutes(1));
  ASSERT_TRUE(taken.has_value());
  ASSERT_EQ(taken->counts_size(), 2);
  EXPECT_EQ(taken->counts(0).code(), v1::CHALLENGE_INVALID);
  EXPECT_EQ(taken->counts(0).count(), 1u);
  EXPECT_EQ(taken->counts(1).code(), v1::SIGNATURE_INVALID);
  EXPECT_EQ(taken->counts(1).count(), 2u);
  EXPECT_EQ(taken->from_us(), absl::ToUnixMicros(kStart));
  EXPECT_EQ(taken->until_us(), absl::ToUnixMicros(kStart + absl::Minutes(1)));
  EXPECT_FALSE(counter.Take(kStart + absl::Minutes(2)).has_value());
}

TEST(RefusalCounter, LosesNothingThatCouldNotBeProposed) {
  RefusalCounter counter(kStart);
  counter.Count("peer", Refuse(v1::SIGNATURE_INVALID, "a"), kStart);
  counter.PutBack(*counter.Take(kStart + absl::Minutes(1)));
  counter.Count("peer", Refuse(v1::SIGNATURE_INVALID, "b"), kStart);
  const auto taken = counter.Take(kStart + absl::Minutes(2));
  EXPECT_EQ(taken->counts(0).count(), 2u);
  EXPECT_EQ(taken->from_us(), absl::ToUnixMicros(kStart));
}

TEST(RefusalCounter, KeepsABoundedRing) {
  RefusalCounter counter(kStart);
  for (size_t i = 0; i < RefusalCounter::kRecentMax + 10; ++i) {
    counter.Count("peer", Refuse(v1::SIGNATURE_INVALID, "a"), kStart);
  }
  EXPECT_EQ(counter.recent().size(), RefusalCounter::kRecentMax);
}

}  // namespace
}  // namespace kms::release

#include "kms/admin/policy_terms.h"

#include <cstdint>

#include "gtest/gtest.h"
#include "kms/base/refusal.h"

namespace kms::admin {
namespace {

TEST(PolicyTerms, AreMicrosecondsWithZeroForAbsent) {
  policy::PolicyTerms terms;
  terms.lease_seconds = 3600;
  const auto open = ToStoredTerms(terms);
  ASSERT_TRUE(open.ok()) << open.status();
  EXPECT_EQ(open->lease_us(), 3'600'000'000);
  EXPECT_EQ(open->quota_count(), 0u);
  EXPECT_EQ(open->quota_window_us(), 0);
  EXPECT_EQ(open->valid_from_us(), 0);
  EXPECT_EQ(open->valid_until_us(), 0);

  terms.quota_count = 5;
  terms.window_seconds = 60;
  terms.valid_from = 1;
  terms.valid_until = 253'402'300'799;
  const auto bounded = ToStoredTerms(terms);
  ASSERT_TRUE(bounded.ok()) << bounded.status();
  EXPECT_EQ(bounded->quota_count(), 5u);
  EXPECT_EQ(bounded->quota_window_us(), 60'000'000);
  EXPECT_EQ(bounded->valid_from_us(), 1'000'000);
  EXPECT_EQ(bounded->valid_until_us(), 253'402'300'799'000'000);
}

// An end at or before 1970, stored as 0, would say "no end".
TEST(PolicyTerms, RefuseAnEndThatWouldReadAsNone) {
  for (const int64_t seconds :
       {int64_t{0}, int64_t{-1}, int64_t{253'402'300'800}, INT64_MAX,
        INT64_MIN}) {
    policy::PolicyTerms terms;
    terms.lease_seconds = 1;
    terms.valid_until = seconds;
    EXPECT_EQ(RefusalOf(ToStoredTerms(terms).status()), v1::POLICY_INVALID)
        << seconds;
  }
}

}  // namespace
}  // namespace kms::admin

#include "tools/kmsctl/weights_progress.h"

#include <gtest/gtest.h>

namespace kms::kmsctl {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

TEST(ProgressLineTest, SaysHowFarHowFastAndHowLong) {
  EXPECT_EQ(ProgressLine("encrypting", kGiB, 4 * kGiB, absl::Seconds(2)),
            "encrypting  25%  1.0 of 4.0 GiB, 0.50 GiB/s, 6s left");
}

TEST(ProgressLineTest, HoldsAtItsEdges) {
  EXPECT_EQ(ProgressLine("verifying", kGiB, kGiB, absl::Seconds(1)),
            "verifying 100%  1.0 of 1.0 GiB, 1.00 GiB/s, 0s left");
  EXPECT_EQ(ProgressLine("verifying", 0, 0, absl::Seconds(1)),
            "verifying 100%  0.0 of 0.0 GiB, 0.00 GiB/s, 0s left");
}

}  // namespace
}  // namespace kms::kmsctl

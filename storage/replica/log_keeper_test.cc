#include "storage/replica/log_keeper.h"

#include "gtest/gtest.h"
#include "storage/replica/limits.h"

namespace kms::storage {
namespace {

TEST(LogKeeperTest, ForgetsWhatIsOldAndOnDisk) {
  LogKeeper keeper({1, 10}, absl::ZeroDuration());
  keeper.Applied({1, 11}, 1000, absl::Minutes(1));
  EXPECT_FALSE(keeper.FlushDue(absl::Minutes(2)));
  EXPECT_EQ(keeper.TrimDue(kLogTimeKept), LogPosition());
  // What was there at the start is on disk.
  EXPECT_EQ(keeper.TrimDue(kLogTimeKept + absl::Seconds(1)),
            (LogPosition{1, 10}));
  keeper.Trimmed({1, 10});
  EXPECT_EQ(keeper.TrimDue(kLogTimeKept + absl::Seconds(1)), LogPosition());
  const absl::Duration later =
      absl::Minutes(1) + kLogTimeKept + absl::Seconds(1);
  EXPECT_TRUE(keeper.FlushDue(later));
  EXPECT_EQ(keeper.TrimDue(later), LogPosition());  // Not on disk yet.
  keeper.Flushed({1, 11});
  EXPECT_FALSE(keeper.FlushDue(later));
  EXPECT_EQ(keeper.TrimDue(later), (LogPosition{1, 11}));
}

TEST(LogKeeperTest, KeepsSoManyBytes) {
  LogKeeper keeper({}, absl::ZeroDuration());
  uint64_t index = 0;
  for (uint64_t bytes = 0; bytes < kLogBytesKept + 3 * kMarkBytes;
       bytes += kMarkBytes) {
    keeper.Applied({1, ++index}, kMarkBytes, absl::ZeroDuration());
  }
  EXPECT_TRUE(keeper.FlushDue(absl::ZeroDuration()));
  keeper.Flushed({1, index});
  EXPECT_EQ(keeper.TrimDue(absl::ZeroDuration()), (LogPosition{1, 2}));
}

TEST(LogKeeperTest, FlushesAfterSoMuchLog) {
  LogKeeper keeper({}, absl::ZeroDuration());
  keeper.Applied({1, 1}, kUnflushedBytesMax - 1, absl::ZeroDuration());
  EXPECT_FALSE(keeper.FlushDue(absl::ZeroDuration()));
  keeper.Applied({1, 2}, 1, absl::ZeroDuration());
  EXPECT_TRUE(keeper.FlushDue(absl::ZeroDuration()));
}

}  // namespace
}  // namespace kms::storage

// What shared_log.h promises, asked of every implementation.

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/base/refusal.h"
#include "storage/engine/memory_engine.h"
#include "storage/engine/rocksdb_engine.h"
#include "storage/log/etcd/etcd_log.h"
#include "storage/log/etcd/testing.h"
#include "storage/log/local/local_log.h"
#include "storage/log/shared_log.h"
#include "storage/log/simulated/simulated_log.h"

namespace kms::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kEpoch = 3;
constexpr size_t kAll = size_t{1} << 30;

// A log and what it stands on.
struct Fixture {
  std::unique_ptr<Engine> engine;
  std::unique_ptr<SimulatedLog> service;
  std::unique_ptr<SharedLog> log;
};

std::string FreshPath() {
  static int count = 0;
  return absl::StrCat(testing::TempDir(), "/conformance_", ++count);
}

Fixture MakeLocal(std::unique_ptr<Engine> engine) {
  LocalLogOptions options;
  options.acknowledged_path = FreshPath();
  auto log = LocalLog::Create(engine.get(), options, kEpoch);
  EXPECT_TRUE(log.ok()) << log.status();
  return {std::move(engine), nullptr, *std::move(log)};
}

Fixture MakeLocalOnMemory() {
  return MakeLocal(std::make_unique<MemoryEngine>());
}

Fixture MakeLocalOnRocksdb() {
  RocksdbOptions options;
  options.path = FreshPath();
  auto engine = OpenRocksdbEngine(options);
  EXPECT_TRUE(engine.ok()) << engine.status();
  return MakeLocal(*std::move(engine));
}

Fixture MakeSimulated() {
  auto service = std::make_unique<SimulatedLog>(kEpoch, /*seed=*/1);
  auto log = service->Attach();
  return {nullptr, std::move(service), std::move(log)};
}

// One etcd for all, a prefix for each.
TestEtcd& Etcd() {
  static TestEtcd etcd;
  return etcd;
}

Fixture MakeEtcd() {
  static int count = 0;
  EtcdLogOptions options;
  options.endpoints = Etcd().endpoints();
  options.prefix = absl::StrCat("conformance/", ++count);
  auto log = EtcdLog::Create(options, kEpoch, absl::Now() + absl::Seconds(20));
  EXPECT_TRUE(log.ok()) << log.status();
  return {nullptr, nullptr, *std::move(log)};
}

struct Kind {
  const char* name;
  Fixture (*make)();
  bool waits;  // Whether Read blocks.
};

class LogTest : public testing::TestWithParam<Kind> {
 protected:
  static BatchId Id(uint64_t sequence, uint8_t instance = 1,
                    uint64_t incarnation = 1) {
    BatchId id;
    id.instance.bytes.fill(instance);
    id.incarnation = incarnation;
    id.sequence = sequence;
    return id;
  }

  LogPosition Append(uint64_t sequence) {
    const auto position =
        log().Append(Id(sequence), AsBytes(absl::StrCat("batch ", sequence)));
    EXPECT_TRUE(position.ok()) << position.status();
    return position.value_or(LogPosition{});
  }

  absl::StatusOr<std::vector<LogEntry>> Read(LogPosition after,
                                             size_t bytes_max = kAll) {
    return log().Read(after, bytes_max, absl::ZeroDuration());
  }

  // "index:batch" of each entry read, or the error.
  std::vector<std::string> Entries(LogPosition after, size_t bytes_max = kAll) {
    const auto entries = Read(after, bytes_max);
    if (!entries.ok()) return {entries.status().ToString()};
    std::vector<std::string> texts;
    for (const LogEntry& entry : *entries) {
      EXPECT_EQ(entry.position.epoch, kEpoch);
      texts.push_back(absl::StrCat(entry.position.index, ":", entry.batch));
    }
    return texts;
  }

  SharedLog& log() { return *fixture_.log; }

  Fixture fixture_ = GetParam().make();
};

INSTANTIATE_TEST_SUITE_P(
    Logs, LogTest,
    testing::Values(Kind{"LocalOnMemory", MakeLocalOnMemory, true},
                    Kind{"LocalOnRocksdb", MakeLocalOnRocksdb, true},
                    Kind{"Simulated", MakeSimulated, false},
                    Kind{"Etcd", MakeEtcd, true}),
    [](const auto& suite) { return suite.param.name; });

TEST_P(LogTest, BeginsEmpty) {
  EXPECT_EQ(*log().Tail(), (LogPosition{kEpoch, 0}));
  EXPECT_THAT(Entries({}), IsEmpty());
  EXPECT_THAT(Entries({kEpoch, 0}), IsEmpty());
}

TEST_P(LogTest, NumbersEntriesFromOneWithoutGaps) {
  for (uint64_t i = 1; i <= 3; ++i) {
    EXPECT_EQ(Append(i), (LogPosition{kEpoch, i}));
    EXPECT_EQ(*log().Tail(), (LogPosition{kEpoch, i}));
  }
}

TEST_P(LogTest, ReadsStrictlyAfterInOrder) {
  for (uint64_t i = 1; i <= 3; ++i) Append(i);
  const auto all = ElementsAre("1:batch 1", "2:batch 2", "3:batch 3");
  EXPECT_THAT(Entries({}), all);
  EXPECT_THAT(Entries({kEpoch, 0}), all);
  EXPECT_THAT(Entries({kEpoch, 1}), ElementsAre("2:batch 2", "3:batch 3"));
  EXPECT_THAT(Entries({kEpoch, 3}), IsEmpty());
}

TEST_P(LogTest, KeepsOrderPastTwoHundredFiftySix) {
  for (uint64_t i = 1; i <= 300; ++i) Append(i);
  const auto entries = Read({});
  ASSERT_TRUE(entries.ok()) << entries.status();
  ASSERT_EQ(entries->size(), 300u);
  for (uint64_t i = 0; i < 300; ++i) {
    EXPECT_EQ((*entries)[i].position.index, i + 1);
    EXPECT_EQ((*entries)[i].batch, absl::StrCat("batch ", i + 1));
  }
}

TEST_P(LogTest, ReadKeepsWithinItsBytesButGivesAtLeastOne) {
  for (uint64_t i = 1; i <= 3; ++i) Append(i);  // 7 bytes each.
  EXPECT_THAT(Entries({}, 14), ElementsAre("1:batch 1", "2:batch 2"));
  EXPECT_THAT(Entries({}, 13), ElementsAre("1:batch 1"));
  EXPECT_THAT(Entries({}, 0), ElementsAre("1:batch 1"));
}

TEST_P(LogTest, RetryOfAnAppendChangesNothing) {
  Append(1);
  Append(2);
  EXPECT_EQ(Append(1), (LogPosition{kEpoch, 1}));
  EXPECT_EQ(*log().Tail(), (LogPosition{kEpoch, 2}));
  EXPECT_EQ(*log().Append(Id(1), AsBytes("other bytes")),
            (LogPosition{kEpoch, 1}));
  EXPECT_THAT(Entries({}), ElementsAre("1:batch 1", "2:batch 2"));
}

TEST_P(LogTest, TellsIdsApartByEveryPart) {
  const std::vector<BatchId> ids = {Id(1), Id(2), Id(1, 2), Id(1, 1, 2)};
  uint64_t index = 0;
  for (const BatchId& id : ids) {
    EXPECT_EQ(*log().Append(id, AsBytes("x")), (LogPosition{kEpoch, ++index}));
  }
}

TEST_P(LogTest, BoundsTheBatch) {
  EXPECT_EQ(log().Append(Id(1), {}).status().code(),
            absl::StatusCode::kInvalidArgument);
  const std::string largest(kBatchBytesMax, 'x');
  EXPECT_EQ(log().Append(Id(1), AsBytes(largest + "x")).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(*log().Append(Id(1), AsBytes(largest)), (LogPosition{kEpoch, 1}));
  const auto entries = Read({});
  ASSERT_TRUE(entries.ok());
  ASSERT_EQ(entries->size(), 1u);
  EXPECT_EQ(entries->front().batch, largest);
}

TEST_P(LogTest, TrimForgetsAndReadersMustCopyASnapshot) {
  for (uint64_t i = 1; i <= 4; ++i) Append(i);
  ASSERT_TRUE(log().Trim({kEpoch, 2}).ok());
  EXPECT_EQ(Read({}).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(Read({kEpoch, 1}).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(Entries({kEpoch, 2}), ElementsAre("3:batch 3", "4:batch 4"));
  EXPECT_EQ(*log().Tail(), (LogPosition{kEpoch, 4}));
}

TEST_P(LogTest, TrimOfEverythingKeepsTheTail) {
  for (uint64_t i = 1; i <= 2; ++i) Append(i);
  ASSERT_TRUE(log().Trim({kEpoch, 2}).ok());
  EXPECT_EQ(*log().Tail(), (LogPosition{kEpoch, 2}));
  EXPECT_THAT(Entries({kEpoch, 2}), IsEmpty());
  EXPECT_EQ(Append(3), (LogPosition{kEpoch, 3}));
}

TEST_P(LogTest, TrimOfManyEntriesReachesItsEnd) {
  for (uint64_t i = 1; i <= 600; ++i) Append(i);
  ASSERT_TRUE(log().Trim({kEpoch, 598}).ok());
  EXPECT_THAT(Entries({kEpoch, 598}),
              ElementsAre("599:batch 599", "600:batch 600"));
  EXPECT_EQ(Read({kEpoch, 597}).status().code(), absl::StatusCode::kOutOfRange);
}

TEST_P(LogTest, TrimAgainOrToLessIsNoError) {
  for (uint64_t i = 1; i <= 3; ++i) Append(i);
  ASSERT_TRUE(log().Trim({kEpoch, 2}).ok());
  EXPECT_TRUE(log().Trim({kEpoch, 2}).ok());
  EXPECT_TRUE(log().Trim({kEpoch, 1}).ok());
  EXPECT_THAT(Entries({kEpoch, 2}), ElementsAre("3:batch 3"));
}

TEST_P(LogTest, RefusesToTrimPastTheTailOrAnotherEpoch) {
  Append(1);
  for (const LogPosition through :
       {LogPosition{kEpoch, 2}, LogPosition{kEpoch - 1, 1},
        LogPosition{kEpoch + 1, 1}}) {
    EXPECT_EQ(log().Trim(through).code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_THAT(Entries({}), ElementsAre("1:batch 1"));
}

TEST_P(LogTest, ForgottenIdMayAppearAgainAtANewPosition) {
  Append(1);
  Append(2);
  ASSERT_TRUE(log().Trim({kEpoch, 1}).ok());
  EXPECT_EQ(Append(2), (LogPosition{kEpoch, 2}));  // Still known.
  EXPECT_EQ(Append(1), (LogPosition{kEpoch, 3}));
}

TEST_P(LogTest, ReaderAheadOfTheLogIsDataLoss) {
  Append(1);
  for (const LogPosition after :
       {LogPosition{kEpoch, 2}, LogPosition{kEpoch + 1, 0},
        LogPosition{kEpoch + 1, 1}}) {
    const auto entries = Read(after);
    EXPECT_EQ(entries.status().code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(RefusalOf(entries.status()), v1::DATA_LOSS);
  }
}

TEST_P(LogTest, ReaderOfAnEarlierEpochMustCopyASnapshot) {
  Append(1);
  EXPECT_EQ(Read({kEpoch - 1, 0}).status().code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_EQ(Read({kEpoch - 1, 9}).status().code(),
            absl::StatusCode::kOutOfRange);
}

TEST_P(LogTest, WaitingReaderSeesAnAppend) {
  if (!GetParam().waits) GTEST_SKIP() << "one thread: nothing to wait for";
  std::vector<std::string> entries;
  std::thread reader([&] {
    const auto read = log().Read({}, kAll, absl::InfiniteDuration());
    ASSERT_TRUE(read.ok()) << read.status();
    for (const LogEntry& entry : *read) entries.push_back(entry.batch);
  });
  Append(1);
  reader.join();
  EXPECT_THAT(entries, ElementsAre("batch 1"));
}

TEST_P(LogTest, InterruptEndsAWaitBegunBeforeOrAfterIt) {
  if (!GetParam().waits) GTEST_SKIP() << "one thread: nothing to wait for";
  Append(1);
  log().Interrupt();
  const auto after = log().Read({kEpoch, 1}, kAll, absl::InfiniteDuration());
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_THAT(*after, IsEmpty());
  std::thread reader([&] {
    const auto before = log().Read({kEpoch, 1}, kAll, absl::InfiniteDuration());
    ASSERT_TRUE(before.ok()) << before.status();
    EXPECT_THAT(*before, IsEmpty());
  });
  log().Interrupt();
  reader.join();
}

TEST_P(LogTest, InterruptDoesNotHideEntries) {
  Append(1);
  log().Interrupt();
  EXPECT_THAT(Entries({}), ElementsAre("1:batch 1"));
}

TEST_P(LogTest, ProposerReaderAndTrimmerMayRunAtOnce) {
  if (!GetParam().waits) GTEST_SKIP() << "driven by one thread";
  constexpr uint64_t kCount = 400;
  std::thread proposer([&] {
    for (uint64_t i = 1; i <= kCount; ++i) Append(i);
  });
  LogPosition applied;
  while (applied.index < kCount) {
    const auto entries = log().Read(applied, 100, absl::InfiniteDuration());
    ASSERT_TRUE(entries.ok()) << entries.status();
    for (const LogEntry& entry : *entries) {
      EXPECT_EQ(entry.position.index, applied.index + 1);
      EXPECT_EQ(entry.batch, absl::StrCat("batch ", entry.position.index));
      applied = entry.position;
    }
    ASSERT_TRUE(log().Trim(applied).ok());
  }
  proposer.join();
}

}  // namespace
}  // namespace kms::storage

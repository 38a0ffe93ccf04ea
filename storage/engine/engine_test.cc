// One suite for both engines: the twin is only of use if it behaves like the
// disk.

#include "storage/engine/engine.h"

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/engine/memory_engine.h"
#include "storage/engine/rocksdb_engine.h"

namespace kms::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::unique_ptr<Engine> OpenMemory() {
  return std::make_unique<MemoryEngine>();
}

std::unique_ptr<Engine> OpenRocksdb() {
  static int count = 0;
  RocksdbOptions options;
  options.path = absl::StrCat(testing::TempDir(), "/engine_", ++count);
  auto engine = OpenRocksdbEngine(options);
  EXPECT_TRUE(engine.ok()) << engine.status();
  return engine.ok() ? *std::move(engine) : nullptr;
}

struct Kind {
  const char* name;
  std::unique_ptr<Engine> (*open)();
};

class EngineTest : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override { ASSERT_NE(engine_, nullptr); }

  void Put(absl::string_view key, absl::string_view value,
           Sync sync = Sync::kNo) {
    WriteBatch batch;
    batch.Put(key, value);
    ASSERT_TRUE(engine_->Write(batch, sync).ok());
  }

  static std::string Get(const EngineReader& reader, absl::string_view key) {
    const auto value = reader.Get(key);
    if (!value.ok()) return value.status().ToString();
    return value->value_or("(absent)");
  }

  static std::vector<std::string> Keys(const EngineReader& reader,
                                       absl::string_view prefix,
                                       absl::string_view start_after = "",
                                       size_t limit = EngineReader::kNoLimit) {
    std::vector<std::string> keys;
    const absl::Status status =
        reader.Scan(prefix, start_after, limit,
                    [&](absl::string_view key, absl::string_view) {
                      keys.emplace_back(key);
                      return true;
                    });
    EXPECT_TRUE(status.ok()) << status;
    return keys;
  }

  std::unique_ptr<Engine> engine_ = GetParam().open();
};

INSTANTIATE_TEST_SUITE_P(Engines, EngineTest,
                         testing::Values(Kind{"Memory", OpenMemory},
                                         Kind{"Rocksdb", OpenRocksdb}),
                         [](const auto& suite) { return suite.param.name; });

TEST_P(EngineTest, GetsWhatWasPut) {
  Put("a", "1");
  EXPECT_EQ(Get(*engine_, "a"), "1");
  EXPECT_EQ(Get(*engine_, "b"), "(absent)");
}

TEST_P(EngineTest, KeepsEveryByteOfKeysAndValues) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
  Put(all, all);
  EXPECT_EQ(Get(*engine_, all), all);
}

TEST_P(EngineTest, TellsAnEmptyValueFromAnAbsentRow) {
  Put("a", "");
  EXPECT_EQ(Get(*engine_, "a"), "");
}

TEST_P(EngineTest, LaterOperationOfABatchWins) {
  WriteBatch batch;
  batch.Put("a", "1");
  batch.Put("a", "2");
  batch.Put("b", "1");
  batch.Delete("b");
  ASSERT_TRUE(engine_->Write(batch, Sync::kYes).ok());
  EXPECT_EQ(Get(*engine_, "a"), "2");
  EXPECT_EQ(Get(*engine_, "b"), "(absent)");
}

TEST_P(EngineTest, DeletesAndIgnoresAbsentKeys) {
  Put("a", "1");
  WriteBatch batch;
  batch.Delete("a");
  batch.Delete("never there");
  ASSERT_TRUE(engine_->Write(batch, Sync::kNo).ok());
  EXPECT_EQ(Get(*engine_, "a"), "(absent)");
}

TEST_P(EngineTest, AcceptsAnEmptyBatch) {
  EXPECT_TRUE(engine_->Write({}, Sync::kNo).ok());
  EXPECT_TRUE(engine_->Write({}, Sync::kYes).ok());
}

TEST_P(EngineTest, ScansInUnsignedByteOrder) {
  Put("\xff", "");
  Put("\x7f", "");
  Put("\x80", "");
  Put("a", "");
  EXPECT_THAT(Keys(*engine_, ""), ElementsAre("a", "\x7f", "\x80", "\xff"));
}

TEST_P(EngineTest, ScansOnlyThePrefix) {
  for (const char* key : {"a", "b", "b1", "b2", "c"}) Put(key, "");
  EXPECT_THAT(Keys(*engine_, "b"), ElementsAre("b", "b1", "b2"));
  EXPECT_THAT(Keys(*engine_, "bb"), IsEmpty());
}

TEST_P(EngineTest, ScansPrefixOfHighestBytes) {
  Put("\xff\xff", "");
  Put("\xff\xff\xff", "");
  EXPECT_THAT(Keys(*engine_, "\xff\xff"),
              ElementsAre("\xff\xff", "\xff\xff\xff"));
}

TEST_P(EngineTest, ScanStartsStrictlyAfter) {
  for (const char* key : {"b1", "b2", "b3", "c"}) Put(key, "");
  EXPECT_THAT(Keys(*engine_, "b", "b1"), ElementsAre("b2", "b3"));
  EXPECT_THAT(Keys(*engine_, "b", "b11"), ElementsAre("b2", "b3"));
  EXPECT_THAT(Keys(*engine_, "b", "a"), ElementsAre("b1", "b2", "b3"));
  EXPECT_THAT(Keys(*engine_, "b", "c"), IsEmpty());
}

TEST_P(EngineTest, ScanStopsAtTheLimitOrWhenTold) {
  for (const char* key : {"a", "b", "c"}) Put(key, "");
  EXPECT_THAT(Keys(*engine_, "", "", 2), ElementsAre("a", "b"));
  EXPECT_THAT(Keys(*engine_, "", "", 0), IsEmpty());
  int rows = 0;
  ASSERT_TRUE(engine_
                  ->Scan("", "", EngineReader::kNoLimit,
                         [&](absl::string_view, absl::string_view) {
                           ++rows;
                           return false;
                         })
                  .ok());
  EXPECT_EQ(rows, 1);
}

TEST_P(EngineTest, ScanSeesOneMomentEvenIfItsCallbackWrites) {
  for (const char* key : {"a", "b", "c"}) Put(key, "");
  std::vector<std::string> keys;
  ASSERT_TRUE(engine_
                  ->Scan("", "", EngineReader::kNoLimit,
                         [&](absl::string_view key, absl::string_view) {
                           keys.emplace_back(key);
                           Put(absl::StrCat(key, "!"), "");
                           WriteBatch batch;
                           batch.Delete("c");
                           return engine_->Write(batch, Sync::kNo).ok();
                         })
                  .ok());
  EXPECT_THAT(keys, ElementsAre("a", "b", "c"));
}

TEST_P(EngineTest, SnapshotDoesNotSeeLaterWrites) {
  Put("a", "1");
  Put("b", "1");
  const auto snapshot = engine_->Snapshot();
  Put("a", "2");
  Put("c", "1");
  WriteBatch batch;
  batch.Delete("b");
  ASSERT_TRUE(engine_->Write(batch, Sync::kYes).ok());
  ASSERT_TRUE(engine_->Flush().ok());
  EXPECT_EQ(Get(*snapshot, "a"), "1");
  EXPECT_THAT(Keys(*snapshot, ""), ElementsAre("a", "b"));
  EXPECT_EQ(Get(*engine_, "a"), "2");
  EXPECT_THAT(Keys(*engine_, ""), ElementsAre("a", "c"));
}

TEST_P(EngineTest, TwoSnapshotsHoldTwoMoments) {
  Put("a", "1");
  const auto first = engine_->Snapshot();
  Put("a", "2");
  const auto second = engine_->Snapshot();
  Put("a", "3");
  EXPECT_EQ(Get(*first, "a"), "1");
  EXPECT_EQ(Get(*second, "a"), "2");
  EXPECT_EQ(Get(*engine_, "a"), "3");
}

TEST_P(EngineTest, ReadsWhatWasFlushed) {
  Put("a", "1");
  ASSERT_TRUE(engine_->Flush().ok());
  Put("b", "2");
  EXPECT_EQ(Get(*engine_, "a"), "1");
  EXPECT_THAT(Keys(*engine_, ""), ElementsAre("a", "b"));
}

TEST_P(EngineTest, SaysHowMuchRoomThereIs) {
  const auto bytes = engine_->FreeBytes();
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_GT(*bytes, 0u);
}

TEST(MemoryEngine, PowerCutLosesExactlyTheUnsyncedSuffix) {
  MemoryEngine engine;
  const auto write = [&](const char* key, const char* value, Sync sync) {
    WriteBatch batch;
    batch.Put(key, value);
    ASSERT_TRUE(engine.Write(batch, sync).ok());
  };
  write("a", "1", Sync::kNo);
  write("b", "1", Sync::kYes);
  write("a", "2", Sync::kNo);
  write("a", "3", Sync::kNo);
  write("c", "1", Sync::kNo);
  WriteBatch batch;
  batch.Delete("b");
  ASSERT_TRUE(engine.Write(batch, Sync::kNo).ok());
  engine.LoseUnsynced();
  EXPECT_EQ(**engine.Get("a"), "1");
  EXPECT_EQ(**engine.Get("b"), "1");
  EXPECT_EQ(*engine.Get("c"), std::nullopt);
}

TEST(MemoryEngine, FlushMakesEverythingSurvive) {
  MemoryEngine engine;
  WriteBatch batch;
  batch.Put("a", "1");
  ASSERT_TRUE(engine.Write(batch, Sync::kNo).ok());
  ASSERT_TRUE(engine.Flush().ok());
  engine.LoseUnsynced();
  EXPECT_EQ(**engine.Get("a"), "1");
}

TEST(MemoryEngine, RefusesEverythingOnceFailed) {
  MemoryEngine engine;
  const auto snapshot = engine.Snapshot();
  engine.Fail();
  WriteBatch batch;
  batch.Put("a", "1");
  EXPECT_EQ(engine.Write(batch, Sync::kYes).code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(engine.Get("a").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(snapshot->Get("a").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(engine.Flush().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace kms::storage

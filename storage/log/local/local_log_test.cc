// What a local log does beyond conformance_test.cc: across starts, and when its
// two files disagree. Power cuts and failing disks are in local_fault_test.cc.

#include "storage/log/local/local_log.h"

#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "kms/base/byte_writer.h"
#include "kms/base/refusal.h"
#include "storage/engine/memory_engine.h"

namespace kms::storage {
namespace {

constexpr uint64_t kEpoch = 2;

BatchId Id(uint64_t sequence) {
  BatchId id;
  id.incarnation = 1;
  id.sequence = sequence;
  return id;
}

class LocalLogTest : public testing::Test {
 protected:
  LocalLogTest() {
    static int count = 0;
    options_.acknowledged_path =
        absl::StrCat(testing::TempDir(), "/local_log_", ++count);
  }

  void Create() {
    auto log = LocalLog::Create(&engine_, options_, kEpoch);
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }

  // Ends this start and begins the next.
  absl::Status Reopen() {
    log_.reset();
    auto log = LocalLog::Open(&engine_, options_);
    if (log.ok()) log_ = *std::move(log);
    return log.status();
  }

  absl::StatusOr<LogPosition> Append(uint64_t sequence) {
    return log_->Append(Id(sequence),
                        AsBytes(absl::StrCat("batch ", sequence)));
  }
  void AppendMany(uint64_t count) {
    for (uint64_t i = 1; i <= count; ++i) ASSERT_TRUE(Append(i).ok());
  }

  void DeleteRow(absl::string_view key) {
    WriteBatch batch;
    batch.Delete(key);
    ASSERT_TRUE(engine_.Write(batch, Sync::kYes).ok());
  }
  static std::string EntryKey(uint64_t index) {
    return ByteWriter().Bytes("e").U64Be(index).Take();
  }

  MemoryEngine engine_;
  LocalLogOptions options_;
  std::unique_ptr<LocalLog> log_;
};

TEST_F(LocalLogTest, OpenFindsNoneUntilOneIsBegun) {
  EXPECT_EQ(Reopen().code(), absl::StatusCode::kNotFound);
  Create();
  EXPECT_TRUE(Reopen().ok());
}

TEST_F(LocalLogTest, RefusesEpochZeroAndASecondLog) {
  EXPECT_EQ(LocalLog::Create(&engine_, options_, 0).status().code(),
            absl::StatusCode::kInvalidArgument);
  Create();
  EXPECT_EQ(LocalLog::Create(&engine_, options_, kEpoch + 1).status().code(),
            absl::StatusCode::kAlreadyExists);
}

TEST_F(LocalLogTest, GoesOnAfterAStart) {
  Create();
  AppendMany(3);
  ASSERT_TRUE(log_->Trim({kEpoch, 1}).ok());
  ASSERT_TRUE(Reopen().ok());
  EXPECT_EQ(*log_->Tail(), (LogPosition{kEpoch, 3}));
  EXPECT_EQ(*Append(2), (LogPosition{kEpoch, 2}));  // Still known.
  EXPECT_EQ(*Append(4), (LogPosition{kEpoch, 4}));
  EXPECT_EQ(log_->Read({}, 1, absl::ZeroDuration()).status().code(),
            absl::StatusCode::kOutOfRange);
}

TEST_F(LocalLogTest, StartsAfterEverythingWasTrimmed) {
  Create();
  AppendMany(3);
  ASSERT_TRUE(log_->Trim({kEpoch, 3}).ok());
  ASSERT_TRUE(Reopen().ok());
  EXPECT_EQ(*Append(4), (LogPosition{kEpoch, 4}));
}

TEST_F(LocalLogTest, AcknowledgedAppendsSurviveAPowerCutAndTrimsMayNot) {
  Create();
  AppendMany(3);
  ASSERT_TRUE(log_->Trim({kEpoch, 2}).ok());
  engine_.LoseUnsynced();
  ASSERT_TRUE(Reopen().ok());
  EXPECT_EQ(*log_->Tail(), (LogPosition{kEpoch, 3}));
  const auto entries = log_->Read({kEpoch, 2}, 1, absl::ZeroDuration());
  ASSERT_TRUE(entries.ok()) << entries.status();
  EXPECT_EQ(entries->front().batch, "batch 3");
}

TEST_F(LocalLogTest, LogThatEndsBeforeTheAcknowledgedEntryIsDataLoss) {
  Create();
  AppendMany(3);
  // The engine as it was one append ago: the file remembers the third.
  WriteBatch batch;
  batch.Delete(EntryKey(3));
  batch.Put("t", ByteWriter().U64Le(2).Take());
  ASSERT_TRUE(engine_.Write(batch, Sync::kYes).ok());
  const absl::Status status = Reopen();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(RefusalOf(status), v1::DATA_LOSS);
}

TEST_F(LocalLogTest, EmptyEngineBesideAcknowledgedEntriesIsDataLoss) {
  Create();
  AppendMany(1);
  MemoryEngine empty;
  EXPECT_EQ(LocalLog::Open(&empty, options_).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(LocalLog::Create(&empty, options_, kEpoch + 1).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(LocalLogTest, MissingAcknowledgedFileIsDataLoss) {
  Create();
  log_.reset();
  ASSERT_EQ(std::remove(options_.acknowledged_path.c_str()), 0);
  EXPECT_EQ(Reopen().code(), absl::StatusCode::kDataLoss);
}

TEST_F(LocalLogTest, AcknowledgedFileOfAnotherEpochIsDataLoss) {
  Create();
  AppendMany(1);
  MemoryEngine other;
  LocalLogOptions options;
  options.acknowledged_path = options_.acknowledged_path + ".other";
  ASSERT_TRUE(LocalLog::Create(&other, options, kEpoch - 1).ok());
  EXPECT_EQ(LocalLog::Open(&other, options_).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(LocalLogTest, UnacknowledgedEntryOfTheLastStartIsKept) {
  Create();
  AppendMany(2);
  // As if the second append had crashed before the file was written.
  ASSERT_EQ(std::remove(options_.acknowledged_path.c_str()), 0);
  ASSERT_TRUE(AcknowledgedFile::Create(options_.acknowledged_path).ok());
  ASSERT_TRUE((*AcknowledgedFile::Open(options_.acknowledged_path))
                  ->Record({kEpoch, 1})
                  .ok());
  ASSERT_TRUE(Reopen().ok());
  EXPECT_EQ(*log_->Tail(), (LogPosition{kEpoch, 2}));
  EXPECT_EQ(*Append(2), (LogPosition{kEpoch, 2}));
  log_.reset();
  EXPECT_EQ((*AcknowledgedFile::Open(options_.acknowledged_path))->position(),
            (LogPosition{kEpoch, 2}));
}

TEST_F(LocalLogTest, MissingEntriesAreDataLossNotAGap) {
  Create();
  AppendMany(4);
  DeleteRow(EntryKey(2));
  EXPECT_EQ(log_->Read({}, 1 << 20, absl::ZeroDuration()).status().code(),
            absl::StatusCode::kDataLoss);
  DeleteRow(EntryKey(4));
  EXPECT_EQ(
      log_->Read({kEpoch, 3}, 1 << 20, absl::ZeroDuration()).status().code(),
      absl::StatusCode::kDataLoss);
  EXPECT_EQ(Reopen().code(), absl::StatusCode::kDataLoss);
}

TEST_F(LocalLogTest, MalformedRowsAreDataLoss) {
  Create();
  AppendMany(1);
  for (const char* key : {"h", "t", "x"}) {
    const auto good = engine_.Get(key);
    ASSERT_TRUE(good.ok());
    WriteBatch batch;
    batch.Put(key, "malformed");
    ASSERT_TRUE(engine_.Write(batch, Sync::kYes).ok());
    EXPECT_EQ(Reopen().code(), absl::StatusCode::kDataLoss) << key;
    batch.Clear();
    if (good->has_value()) {
      batch.Put(key, **good);
    } else {
      batch.Delete(key);
    }
    ASSERT_TRUE(engine_.Write(batch, Sync::kYes).ok());
  }
  EXPECT_TRUE(Reopen().ok());
}

TEST_F(LocalLogTest, FullDiskRefusesAppendsAndStillTrims) {
  Create();
  AppendMany(2);
  engine_.SetFreeBytes(options_.free_bytes_min - 1);
  EXPECT_EQ(Append(3).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(*Append(2), (LogPosition{kEpoch, 2}));  // A retry needs no room.
  EXPECT_TRUE(log_->Trim({kEpoch, 1}).ok());
  engine_.SetFreeBytes(options_.free_bytes_min);
  EXPECT_EQ(*Append(3), (LogPosition{kEpoch, 3}));
}

TEST_F(LocalLogTest, NothingIsAcknowledgedOnceTheEngineFailed) {
  Create();
  AppendMany(1);
  engine_.Fail();
  EXPECT_EQ(Append(2).status().code(), absl::StatusCode::kUnavailable);
  // A proposer that tries again learns that it is in vain.
  EXPECT_EQ(Append(2).status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(*log_->Tail(), (LogPosition{kEpoch, 1}));
}

}  // namespace
}  // namespace kms::storage

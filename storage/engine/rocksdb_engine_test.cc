// What RocksdbEngine does beyond engine_test.cc: across starts, on disks that
// fail, lie or lose power, and to files that were changed.

#include "storage/engine/rocksdb_engine.h"

#include <sys/stat.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/base/refusal.h"
#include "storage/engine/fault_file_system.h"

namespace kms::storage {
namespace {

using Fault = FaultFileSystem::Fault;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file),
                     std::istreambuf_iterator<char>());
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

class RocksdbEngineTest : public testing::Test {
 protected:
  RocksdbEngineTest() {
    static int count = 0;
    options_.path = absl::StrCat(testing::TempDir(), "/rocksdb_", ++count);
    options_.file_system = faults_;
    options_.on_fatal = [this](const absl::Status&) { ++fatal_calls_; };
  }

  absl::Status Open() {
    engine_.reset();
    auto engine = OpenRocksdbEngine(options_);
    if (engine.ok()) engine_ = *std::move(engine);
    return engine.status();
  }

  absl::Status Put(absl::string_view key, absl::string_view value,
                   Sync sync = Sync::kYes) {
    WriteBatch batch;
    batch.Put(key, value);
    return engine_->Write(batch, sync);
  }

  std::string Get(absl::string_view key) {
    const auto value = engine_->Get(key);
    if (!value.ok()) return value.status().ToString();
    return value->value_or("(absent)");
  }

  // The power goes; the engine's process with it; both come back.
  absl::Status CutPowerAndOpen(size_t torn_bytes = 0) {
    faults_->CutPowerAfter(0);
    engine_.reset();
    faults_->RestorePower(torn_bytes);
    return Open();
  }

  // The paths of the engine's files that end in `ending`.
  std::vector<std::string> Files(absl::string_view ending) {
    std::vector<std::string> paths;
    for (const auto& entry :
         std::filesystem::directory_iterator(options_.path)) {
      const std::string path = entry.path().string();
      if (absl::EndsWith(path, ending)) paths.push_back(path);
    }
    return paths;
  }

  // The only file ending in `ending` that holds `bytes`.
  std::string FileWith(absl::string_view ending, const std::string& bytes) {
    for (const std::string& path : Files(ending)) {
      if (absl::StrContains(ReadFile(path), bytes)) return path;
    }
    ADD_FAILURE() << "no file holds the bytes";
    return "";
  }

  // Flips one bit of the first byte of `bytes` in the file at `path`.
  static void FlipIn(const std::string& path, const std::string& bytes) {
    std::string file = ReadFile(path);
    const size_t at = file.find(bytes);
    ASSERT_NE(at, std::string::npos);
    file[at] = static_cast<char>(file[at] ^ 1);
    WriteFile(path, file);
  }

  const std::shared_ptr<FaultFileSystem> faults_ =
      std::make_shared<FaultFileSystem>();
  RocksdbOptions options_;
  int fatal_calls_ = 0;
  std::unique_ptr<Engine> engine_;
};

TEST_F(RocksdbEngineTest, KeepsRowsAcrossStarts) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Put("a", "1", Sync::kNo).ok());
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(Get("a"), "1");
}

TEST_F(RocksdbEngineTest, RunsWithTheSettingsThatItsSafetyNeeds) {
  ASSERT_TRUE(Open().ok());
  std::string text;
  for (const auto& entry : std::filesystem::directory_iterator(options_.path)) {
    const std::string path = entry.path().string();
    if (absl::StrContains(path, "/OPTIONS-")) text = ReadFile(path);
  }
  for (const char* setting :
       {"wal_recovery_mode=kTolerateCorruptedTailRecords",
        "max_bgerror_resume_count=0", "atomic_flush=true",
        "paranoid_checks=true", "paranoid_file_checks=true",
        "force_consistency_checks=true", "recycle_log_file_num=0",
        "wal_compression=kNoCompression", "two_write_queues=false",
        "manual_wal_flush=false", "enable_pipelined_write=false",
        "unordered_write=false", "info_log_level=WARN_LEVEL",
        "max_log_file_size=1048576", "filter_policy=bloomfilter:10"}) {
    EXPECT_THAT(text, testing::HasSubstr(setting));
  }
}

TEST_F(RocksdbEngineTest, FilesAreTheirOwnersOnlyWhateverTheUmask) {
  const mode_t umask_before = ::umask(0);
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Put("a", "1").ok());
  ASSERT_TRUE(engine_->Flush().ok());
  ::umask(umask_before);
  struct stat info;
  ASSERT_EQ(::stat(options_.path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  for (const std::string& path : Files("")) {
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u) << path;
  }
}

TEST_F(RocksdbEngineTest, RefusesADirectoryThatOthersMayEnter) {
  ASSERT_EQ(::mkdir(options_.path.c_str(), 0700), 0);
  for (const mode_t mode : {0710, 0701, 0777}) {
    ASSERT_EQ(::chmod(options_.path.c_str(), mode), 0);
    EXPECT_EQ(Open().code(), absl::StatusCode::kFailedPrecondition);
  }
}

TEST_F(RocksdbEngineTest, RefusesADirectoryInUse) {
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(OpenRocksdbEngine(options_).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(RocksdbEngineTest, SyncsEachSyncedWriteAndNoOther) {
  ASSERT_TRUE(Open().ok());
  const uint64_t before = faults_->syncs();
  ASSERT_TRUE(Put("a", "1", Sync::kNo).ok());
  EXPECT_EQ(faults_->syncs(), before);
  ASSERT_TRUE(Put("b", "1", Sync::kYes).ok());
  EXPECT_EQ(faults_->syncs(), before + 1);
  ASSERT_TRUE(engine_->Write({}, Sync::kYes).ok());
  EXPECT_EQ(faults_->syncs(), before + 2);
}

TEST_F(RocksdbEngineTest, PowerCutLosesOnlyAnUnsyncedSuffix) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Put("a", "1", Sync::kNo).ok());
  ASSERT_TRUE(Put("b", "1", Sync::kYes).ok());
  ASSERT_TRUE(Put("c", "1", Sync::kNo).ok());
  ASSERT_TRUE(CutPowerAndOpen().ok());
  EXPECT_EQ(Get("a"), "1");
  EXPECT_EQ(Get("b"), "1");
  EXPECT_EQ(Get("c"), "(absent)");
}

TEST_F(RocksdbEngineTest, FlushedRowsSurviveAPowerCut) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Put("a", "1", Sync::kNo).ok());
  ASSERT_TRUE(engine_->Flush().ok());
  ASSERT_TRUE(CutPowerAndOpen().ok());
  EXPECT_EQ(Get("a"), "1");
}

TEST_F(RocksdbEngineTest, EveryTornTailOpensWithoutTheTornRow) {
  // The record of c: 7 bytes header, 12 batch header, 1 + 1 + 1 + 1 + 40.
  for (size_t torn = 0; torn < 63; torn += 3) {
    ASSERT_TRUE(Open().ok());
    ASSERT_TRUE(Put("b", absl::StrCat(torn), Sync::kYes).ok());
    ASSERT_TRUE(Put("c", std::string(40, 'c'), Sync::kNo).ok());
    const absl::Status opened = CutPowerAndOpen(torn);
    ASSERT_TRUE(opened.ok()) << torn << ": " << opened;
    EXPECT_EQ(Get("b"), absl::StrCat(torn));
    EXPECT_EQ(Get("c"), "(absent)") << torn;
  }
}

TEST_F(RocksdbEngineTest, FailedSyncIsFatalOnceAndNothingIsAnsweredAfter) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Put("a", "1").ok());
  faults_->Fail(Fault::kSync, 1);
  EXPECT_EQ(Put("b", "1").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(fatal_calls_, 1);
  // The disk would sync again, and lie.
  EXPECT_EQ(Put("c", "1").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(engine_->Get("a").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(engine_->Flush().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(engine_->Write({}, Sync::kYes).code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(fatal_calls_, 1);
  ASSERT_TRUE(CutPowerAndOpen().ok());
  EXPECT_EQ(Get("a"), "1");
  EXPECT_EQ(Get("b"), "(absent)");
  EXPECT_EQ(Get("c"), "(absent)");
}

TEST_F(RocksdbEngineTest, FailedWriteIsFatalEvenUnsynced) {
  for (const Fault fault : {Fault::kWrite, Fault::kNoSpace}) {
    fatal_calls_ = 0;
    ASSERT_TRUE(Open().ok());
    ASSERT_TRUE(Put("a", "1").ok());
    faults_->Fail(fault, 1);
    EXPECT_EQ(Put("b", "1", Sync::kNo).code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(fatal_calls_, 1);
    EXPECT_EQ(Put("c", "1").code(), absl::StatusCode::kUnavailable);
    ASSERT_TRUE(CutPowerAndOpen().ok());
    EXPECT_EQ(Get("a"), "1");
    EXPECT_EQ(Get("c"), "(absent)");
  }
}

TEST_F(RocksdbEngineTest, FailedBackgroundWorkIsFatal) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Put("a", "1").ok());
  faults_->Fail(Fault::kSync, 1);
  EXPECT_EQ(engine_->Flush().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(fatal_calls_, 1);
  EXPECT_EQ(Put("b", "1").code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(CutPowerAndOpen().ok());
  EXPECT_EQ(Get("a"), "1");
}

TEST_F(RocksdbEngineTest, AbortsByDefault) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_DEATH(
      {
        options_.on_fatal = RocksdbOptions().on_fatal;
        if (!Open().ok()) return;
        faults_->Fail(Fault::kSync, 1);
        Put("a", "1").IgnoreError();
      },
      "fatal: UNAVAILABLE: rocksdb: .* failed: IO error: injected");
}

TEST_F(RocksdbEngineTest, ChangedTableByteIsDataLoss) {
  const std::string value(100, 'v');
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Put("a", value).ok());
  ASSERT_TRUE(engine_->Flush().ok());
  engine_.reset();
  FlipIn(FileWith(".sst", value), value);
  ASSERT_TRUE(Open().ok());
  const absl::Status get = engine_->Get("a").status();
  EXPECT_EQ(get.code(), absl::StatusCode::kDataLoss) << get;
  EXPECT_EQ(RefusalOf(get), v1::DATA_LOSS);
  const absl::Status scan =
      engine_->Scan("", "", EngineReader::kNoLimit,
                    [](absl::string_view, absl::string_view) { return true; });
  EXPECT_EQ(scan.code(), absl::StatusCode::kDataLoss) << scan;
  EXPECT_EQ(fatal_calls_, 0);
}

TEST_F(RocksdbEngineTest, NoChangedTableByteGivesOtherRows) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Put("a", "value of a").ok());
  ASSERT_TRUE(engine_->Flush().ok());
  engine_.reset();
  const std::string path = FileWith(".sst", "value of a");
  const std::string good = ReadFile(path);
  for (size_t at = 0; at < good.size(); at += 7) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    WriteFile(path, bad);
    absl::Status status = Open();
    if (status.ok()) {
      const auto value = engine_->Get("a");
      if (value.ok()) {  // A byte that nothing depends on, such as a statistic.
        EXPECT_EQ(value->value_or("(absent)"), "value of a") << at;
        continue;
      }
      status = value.status();
    }
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << at << status;
    engine_.reset();
  }
}

TEST_F(RocksdbEngineTest, ChangedLogByteBeforeTheEndIsDataLoss) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Put("a", "first value").ok());
  ASSERT_TRUE(Put("b", "second value").ok());
  engine_.reset();
  FlipIn(FileWith(".log", "first value"), "first value");
  const absl::Status status = Open();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_EQ(RefusalOf(status), v1::DATA_LOSS);
}

TEST_F(RocksdbEngineTest, AHoleInUnsyncedRecordsOpensOnlyWhatIsReplayed) {
  // As when the disk wrote the pages of the unsynced end out of order.
  const std::string page(4096, 'p');
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Put("flushed", "1", Sync::kNo).ok());
  ASSERT_TRUE(engine_->Flush().ok());
  ASSERT_TRUE(Put("a", "1", Sync::kNo).ok());
  ASSERT_TRUE(Put("b", page, Sync::kNo).ok());
  ASSERT_TRUE(Put("c", "1", Sync::kNo).ok());
  engine_.reset();
  const std::string path = FileWith(".log", page);
  std::string log = ReadFile(path);
  log.replace(log.find(page), page.size(), page.size(), '\0');
  WriteFile(path, log);

  EXPECT_EQ(Open().code(), absl::StatusCode::kDataLoss);
  options_.replayable = true;
  for (int start = 0; start < 2; ++start) {
    const absl::Status opened = Open();
    ASSERT_TRUE(opened.ok()) << opened;
    EXPECT_EQ(Get("flushed"), "1");
    EXPECT_EQ(Get("a"), "1");
    EXPECT_EQ(Get("b"), "(absent)");
    EXPECT_EQ(Get("c"), "(absent)");
  }
}

TEST_F(RocksdbEngineTest, MissingFilesAreDataLossNotAFreshStart) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Put("a", "value of a").ok());
  ASSERT_TRUE(engine_->Flush().ok());
  engine_.reset();
  for (const std::string& path :
       {options_.path + "/CURRENT", FileWith(".sst", "value of a")}) {
    const std::string bytes = ReadFile(path);
    ASSERT_EQ(std::remove(path.c_str()), 0);
    EXPECT_EQ(Open().code(), absl::StatusCode::kDataLoss) << path;
    WriteFile(path, bytes);
  }
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(Get("a"), "value of a");
}

TEST_F(RocksdbEngineTest, ADatabaseWhoseMakingWasCutShortOpens) {
  for (uint64_t operations = 0;; ++operations) {
    faults_->CutPowerAfter(operations);
    const bool made = Open().ok() && Put("a", "1").ok();
    engine_.reset();
    faults_->RestorePower();
    ASSERT_TRUE(Open().ok()) << operations;
    if (made) break;
    engine_.reset();
    std::filesystem::remove_all(options_.path);
  }
  EXPECT_EQ(Get("a"), "1");
}

}  // namespace
}  // namespace kms::storage

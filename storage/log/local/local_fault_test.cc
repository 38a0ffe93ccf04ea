// The local log on a disk that loses power at every point of a run, and on one
// that fails or lies.

#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "storage/engine/fault_file_system.h"
#include "storage/engine/rocksdb_engine.h"
#include "storage/log/local/local_log.h"

namespace kms::storage {
namespace {

constexpr uint64_t kEpoch = 1;

BatchId Id(uint64_t sequence) {
  BatchId id;
  id.incarnation = 1;
  id.sequence = sequence;
  return id;
}

std::string Batch(uint64_t sequence) {
  return absl::StrCat("batch ", sequence, std::string(sequence * 10, '.'));
}

class LocalFaultTest : public testing::Test {
 protected:
  LocalFaultTest() {
    directory_ = absl::StrCat(testing::TempDir(), "/local_fault");
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directory(directory_);
    engine_options_.path = directory_ + "/log";
    engine_options_.file_system = faults_;
    engine_options_.on_fatal = [this](const absl::Status&) { ++fatal_calls_; };
    log_options_.acknowledged_path = directory_ + "/acknowledged";
  }

  void Close() {
    log_.reset();
    engine_.reset();
  }

  // Opens the log, or begins it if there is none.
  absl::Status Open() {
    Close();
    auto engine = OpenRocksdbEngine(engine_options_);
    if (!engine.ok()) return engine.status();
    engine_ = *std::move(engine);
    auto log = LocalLog::Open(engine_.get(), log_options_);
    if (absl::IsNotFound(log.status())) {
      log = LocalLog::Create(engine_.get(), log_options_, kEpoch);
    }
    if (log.ok()) log_ = *std::move(log);
    return log.status();
  }

  absl::StatusOr<LogPosition> Append(uint64_t sequence) {
    return log_->Append(Id(sequence), AsBytes(Batch(sequence)));
  }

  // What is acknowledged of a run that may end anywhere.
  struct Acknowledged {
    std::map<uint64_t, uint64_t> sequences;  // By index.
    uint64_t trimmed = 0;
  };

  // Appends, flushes, trims and starts again; stops at the first failure.
  // True if it reached its end.
  bool Run(Acknowledged* done) {
    for (uint64_t sequence = 1; sequence <= 8; ++sequence) {
      if (sequence % 5 == 1 && !Open().ok()) return false;
      const auto position = Append(sequence);
      if (!position.ok()) return false;
      done->sequences[position->index] = sequence;
      if (sequence % 4 == 3 && !engine_->Flush().ok()) return false;
      if (sequence % 6 == 0) {
        done->trimmed = position->index - 2;
        if (!log_->Trim({kEpoch, done->trimmed}).ok()) return false;
      }
    }
    return true;
  }

  // Every acknowledged entry is there, unless it was trimmed, and nothing is
  // there that was never sent.
  void Check(const Acknowledged& done) {
    for (const auto& [index, sequence] : done.sequences) {
      if (index <= done.trimmed) continue;
      const auto entries =
          log_->Read({kEpoch, index - 1}, 1, absl::ZeroDuration());
      ASSERT_TRUE(entries.ok()) << entries.status();
      ASSERT_EQ(entries->size(), 1u);
      EXPECT_EQ(entries->front().position, (LogPosition{kEpoch, index}));
      EXPECT_EQ(entries->front().batch, Batch(sequence));
    }
    EXPECT_LE(log_->Tail()->index, done.sequences.size() + 1);
  }

  std::string WalPath() const {
    std::string path;
    for (const auto& entry :
         std::filesystem::directory_iterator(engine_options_.path)) {
      const std::string name = entry.path().string();
      if (absl::EndsWith(name, ".log") && name > path) path = name;
    }
    return path;
  }

  std::string directory_;
  const std::shared_ptr<FaultFileSystem> faults_ =
      std::make_shared<FaultFileSystem>();
  RocksdbOptions engine_options_;
  LocalLogOptions log_options_;
  int fatal_calls_ = 0;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<LocalLog> log_;
};

// The acknowledged file is left as it was written: a power cut after its page
// reached the disk, which is the stricter case.
TEST_F(LocalFaultTest, AcknowledgedAppendsSurviveAPowerCutAtEveryChange) {
  uint64_t changes = 0;
  for (bool ended = false; !ended; ++changes) {
    SCOPED_TRACE(absl::StrCat("power cut after change ", changes));
    Close();
    faults_->RestorePower();  // Forgets the files of the run before.
    std::filesystem::remove_all(engine_options_.path);
    std::filesystem::remove(log_options_.acknowledged_path);
    faults_->CutPowerAfter(changes);
    Acknowledged done;
    ended = Run(&done);
    Close();
    faults_->RestorePower(/*torn_bytes=*/changes % 3 * 9);
    const absl::Status opened = Open();
    ASSERT_TRUE(opened.ok()) << opened;
    Check(done);
    // And it goes on where it was.
    const uint64_t tail = log_->Tail()->index;
    EXPECT_EQ(*Append(100), (LogPosition{kEpoch, tail + 1}));
  }
  EXPECT_GT(changes, 50u);  // The run did reach the disk.
}

TEST_F(LocalFaultTest, FailedSyncStopsAllAcknowledgement) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Append(1).ok());
  faults_->Fail(FaultFileSystem::Fault::kSync, 1);
  EXPECT_EQ(Append(2).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(fatal_calls_, 1);
  // The disk says yes again.
  for (const uint64_t sequence : {2, 3}) {
    EXPECT_EQ(Append(sequence).status().code(), absl::StatusCode::kInternal);
  }
  EXPECT_EQ(*log_->Tail(), (LogPosition{kEpoch, 1}));
  Close();
  faults_->RestorePower();
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(*log_->Tail(), (LogPosition{kEpoch, 1}));
  EXPECT_EQ(*Append(2), (LogPosition{kEpoch, 2}));
}

TEST_F(LocalFaultTest, LogCutAtARecordBoundaryIsDataLoss) {
  ASSERT_TRUE(Open().ok());
  for (uint64_t i = 1; i <= 2; ++i) ASSERT_TRUE(Append(i).ok());
  const std::string wal = WalPath();
  const uintmax_t size = std::filesystem::file_size(wal);
  ASSERT_TRUE(Append(3).ok());
  Close();
  ASSERT_GT(std::filesystem::file_size(wal), size);
  std::filesystem::resize_file(wal, size);
  const absl::Status status = Open();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_NE(engine_, nullptr);  // To RocksDB it is an ordinary log.
}

TEST_F(LocalFaultTest, LogCutInsideAnAcknowledgedRecordIsDataLoss) {
  ASSERT_TRUE(Open().ok());
  for (uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(Append(i).ok());
  const std::string wal = WalPath();
  Close();
  std::filesystem::resize_file(wal, std::filesystem::file_size(wal) - 1);
  const absl::Status status = Open();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_NE(engine_, nullptr);
}

TEST_F(LocalFaultTest, LostDirectoryBesideTheAcknowledgedFileIsDataLoss) {
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Append(1).ok());
  Close();
  std::filesystem::remove_all(engine_options_.path);
  EXPECT_EQ(Open().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace kms::storage

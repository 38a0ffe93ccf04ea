#include "storage/replica/replica.h"

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "kms/base/clock.h"
#include "kms/base/refusal.h"
#include "proto/kms/v1/audit_entry.pb.h"
#include "storage/engine/memory_engine.h"
#include "storage/engine/rocksdb_engine.h"
#include "storage/log/simulated/simulated_log.h"
#include "storage/replica/limits.h"
#include "storage/state/limits.h"
#include "storage/state/row_key.h"
#include "storage/state/state_fixture.h"
#include "storage/state/state_machine.h"

namespace kms::storage {
namespace {

// One simulated service for many threads: a lock around it, time that moves
// with every call, and a Read that waits until something happens.
class LockedService {
 public:
  explicit LockedService(uint64_t seed) : log(1, seed) {}

  absl::Mutex mutex;
  SimulatedLog log;
  absl::CondVar changed;
};

class LockedLog : public SharedLog {
 public:
  explicit LockedLog(LockedService& service)
      : service_(service), client_(service.log.Attach()) {}

  // Called before each append, without a lock; what it returns, if anything,
  // is the answer in place of the log's.
  using AppendFn = std::function<std::optional<absl::StatusOr<LogPosition>>(
      const BatchId& id, BytesView sealed)>;
  void OnAppend(AppendFn on_append) {
    absl::MutexLock lock(&service_.mutex);
    on_append_ = std::move(on_append);
  }
  // While true, reads find nothing.
  void HoldReads(bool hold) {
    absl::MutexLock lock(&service_.mutex);
    reads_held_ = hold;
    service_.changed.SignalAll();
  }

  absl::StatusOr<LogPosition> Append(const BatchId& id,
                                     BytesView sealed) override {
    AppendFn on_append;
    {
      absl::MutexLock lock(&service_.mutex);
      on_append = on_append_;
    }
    if (on_append != nullptr) {
      if (const auto answer = on_append(id, sealed)) return *answer;
    }
    absl::MutexLock lock(&service_.mutex);
    service_.log.Step();
    service_.changed.SignalAll();
    return client_->Append(id, sealed);
  }
  absl::StatusOr<std::vector<LogEntry>> Read(LogPosition after,
                                             size_t bytes_max,
                                             absl::Duration wait) override {
    absl::MutexLock lock(&service_.mutex);
    const absl::Time until = absl::Now() + wait;
    for (;;) {
      service_.log.Step();
      absl::StatusOr<std::vector<LogEntry>> entries = std::vector<LogEntry>();
      if (!reads_held_) entries = client_->Read(after, bytes_max, wait);
      if (!entries.ok() || !entries->empty() || interrupted_ ||
          absl::Now() >= until) {
        interrupted_ = false;
        return entries;
      }
      service_.changed.WaitWithTimeout(&service_.mutex, absl::Milliseconds(5));
    }
  }
  absl::StatusOr<LogPosition> Tail() override {
    absl::MutexLock lock(&service_.mutex);
    return client_->Tail();
  }
  absl::Status Trim(LogPosition through) override {
    absl::MutexLock lock(&service_.mutex);
    return client_->Trim(through);
  }
  void Interrupt() override {
    absl::MutexLock lock(&service_.mutex);
    interrupted_ = true;
    service_.changed.SignalAll();
  }
  void Stop() override {
    if (!stopped_.HasBeenNotified()) stopped_.Notify();
  }
  bool stopped() const { return stopped_.HasBeenNotified(); }
  bool AwaitStop() {
    return stopped_.WaitForNotificationWithTimeout(absl::Seconds(60));
  }
  SimulatedLog::Peer peer() const { return client_->peer(); }

 private:
  absl::Notification stopped_;
  LockedService& service_;
  std::unique_ptr<SimulatedLogClient> client_;
  bool interrupted_ = false;
  bool reads_held_ = false;
  AppendFn on_append_;
};

// A clock that calls a function before it tells the time.
class HookedClock : public Clock {
 public:
  explicit HookedClock(const Clock& clock) : clock_(clock) {}

  absl::Time Now() const override {
    if (on_now != nullptr) on_now();
    return clock_.Now();
  }

  std::function<void()> on_now;

 private:
  const Clock& clock_;
};

// One instance: its disk and its place in the log survive a restart.
struct Member {
  Member(LockedService& service, const TestInstance& who)
      : instance(who), log(std::make_unique<LockedLog>(service)) {}

  TestInstance instance;
  MemoryEngine engine;
  std::unique_ptr<LockedLog> log;
  std::unique_ptr<Replica> replica;
  absl::Mutex mutex;
  absl::Status fatal ABSL_GUARDED_BY(mutex);
};

class ReplicaTest : public testing::Test {
 protected:
  ReplicaTest() {
    BootstrapOptions options;
    options.log = first_.log.get();
    options.envelope = &fixture_.envelope();
    options.clock = &clock_;
    options.instance = IdOf(first_);
    options.signing_key = first_.instance.key.get();
    options.cluster_id = TestId(0);
    options.salt = TestId(1);
    options.principal = "alice";
    EXPECT_EQ(Replica::Bootstrap(options, Soon()), absl::OkStatus());
    bootstrap_ = options;
  }

  static absl::Time Soon() { return absl::Now() + absl::Seconds(30); }
  static InstanceId IdOf(const Member& member) {
    InstanceId id;
    std::copy(member.instance.id.begin(), member.instance.id.end(),
              id.bytes.begin());
    return id;
  }
  ReplicaOptions OptionsOf(Member& member) {
    ReplicaOptions options;
    options.state = &member.engine;
    options.log = member.log.get();
    options.envelope = &fixture_.envelope();
    options.clock = &clock_;
    options.boot_time = [this] { return absl::Seconds(boot_seconds_.load()); };
    options.instance = IdOf(member);
    options.signing_key = member.instance.key.get();
    options.cluster_id = TestId(0);
    options.retry_delay = absl::Milliseconds(1);
    options.on_fatal = [&member](const absl::Status& status) {
      absl::MutexLock lock(&member.mutex);
      member.fatal = status;
    };
    return options;
  }
  size_t LogSize() {
    absl::MutexLock lock(&service_.mutex);
    return service_.log.Entries(0).size();
  }
  void WaitForLogSize(size_t size) {
    while (LogSize() < size) std::this_thread::yield();
  }
  absl::Status Open(Member& member) {
    auto replica = Replica::Open(OptionsOf(member), Soon());
    if (!replica.ok()) return replica.status();
    member.replica = *std::move(replica);
    return absl::OkStatus();
  }
  v1::RefusalCode Do(Member& member, const Command& command) {
    const auto applied = member.replica->Propose(command, Soon());
    EXPECT_TRUE(applied.ok()) << applied.status();
    return applied.ok() ? applied->effect.refusal : v1::INTERNAL_ERROR;
  }
  // Waits until `member` has applied what `other` has.
  void WaitFor(Member& member, const StateView& other) {
    while (member.replica->View()->position() < other.position()) {
      ASSERT_EQ(member.replica->health(), absl::OkStatus());
      std::this_thread::yield();
    }
  }
  absl::Status WaitForFatal(Member& member) {
    const auto failed = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(member.mutex) {
      return !member.fatal.ok();
    };
    absl::MutexLock lock(&member.mutex);
    member.mutex.AwaitWithTimeout(absl::Condition(&failed), absl::Seconds(30));
    return member.fatal;
  }

  static constexpr v1::RefusalCode kDone = v1::REFUSAL_CODE_UNSPECIFIED;

  StateFixture fixture_;
  ManualClock clock_{absl::FromUnixMicros(kTestStartUs)};
  std::atomic<int64_t> boot_seconds_{100};
  LockedService service_{1};
  Member first_{service_, fixture_.first()};
  BootstrapOptions bootstrap_;
};

TEST_F(ReplicaTest, ProposesAndAnswers) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  const auto applied = first_.replica->Propose(fixture_.PutPolicy("p"), Soon());
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_TRUE(applied->effect.ok());
  EXPECT_EQ(applied->position, (LogPosition{1, 3}));
  EXPECT_EQ(applied->proposed_at, absl::Seconds(100));
  EXPECT_EQ(applied->log_time_us, kTestStartUs);
  const auto view = first_.replica->View();
  EXPECT_EQ(applied->tree_size, view->tree_size());
  EXPECT_EQ(applied->tree_root, view->tree_root());
  EXPECT_EQ(Do(first_, fixture_.PutPolicy("p")), v1::VERSION_CONFLICT);
}

TEST_F(ReplicaTest, BootstrapsOnce) {
  EXPECT_EQ(RefusalOf(Replica::Bootstrap(bootstrap_, Soon())),
            v1::ALREADY_INITIALIZED);
}

TEST_F(ReplicaTest, AnEmptyLogIsNotInitialized) {
  LockedService empty(1);
  Member member(empty, fixture_.first());
  EXPECT_EQ(RefusalOf(Open(member)), v1::NOT_INITIALIZED);
}

TEST_F(ReplicaTest, RefusesAnotherClusterAndStrangers) {
  ReplicaOptions options = OptionsOf(first_);
  options.cluster_id = TestId(99);
  EXPECT_EQ(Replica::Open(options, Soon()).status().code(),
            absl::StatusCode::kFailedPrecondition);
  Member stranger(service_, MakeTestInstance(5));
  EXPECT_EQ(RefusalOf(Open(stranger)), v1::NOT_FOUND);
  Member impostor(service_, first_.instance);
  impostor.instance.key = MakeTestInstance(5).key;
  EXPECT_EQ(Open(impostor).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(ReplicaTest, OversizeCommandsAreRefusedBeforeProposing) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  Command command = fixture_.PutPolicy("p");
  command.mutable_put_policy()->set_source(std::string(kCommandBytesMax, 's'));
  EXPECT_EQ(RefusalOf(first_.replica->Propose(command, Soon()).status()),
            v1::REQUEST_TOO_LARGE);
  ApprovedCommand approved;
  for (size_t i = 0; i <= kApprovalsMax; ++i) approved.add_approvals();
  EXPECT_EQ(RefusalOf(first_.replica->Propose(approved, Soon()).status()),
            v1::REQUEST_MALFORMED);
  EXPECT_EQ(first_.replica->View()->position().index, 2u);
}

TEST_F(ReplicaTest, AnAcknowledgedWriteSurvivesLossOfTheUnsyncedState) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  ASSERT_EQ(Do(first_, fixture_.PutPolicy("p")), kDone);
  const uint64_t incarnation =
      first_.replica->View()->GetInstance(first_.instance.id)->incarnation();
  first_.replica.reset();
  first_.engine.LoseUnsynced();
  ASSERT_EQ(Open(first_), absl::OkStatus());
  EXPECT_TRUE(first_.replica->View()->GetPolicy("default", "p").ok());
  EXPECT_EQ(
      first_.replica->View()->GetInstance(first_.instance.id)->incarnation(),
      incarnation + 1);
}

TEST_F(ReplicaTest, ALogBehindTheStateIsDataLoss) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  ASSERT_EQ(Do(first_, fixture_.PutPolicy("p")), kDone);
  first_.replica.reset();
  service_.log.Rollback(0, {1, 2});
  EXPECT_EQ(Open(first_).code(), absl::StatusCode::kDataLoss);
}

TEST_F(ReplicaTest, LostDelayedDuplicatedAndUnknownAppendsAreAppliedOnce) {
  SimulatedFaults faults;
  faults.lose = 0.2;
  faults.unknown = 0.2;
  faults.delay = 0.2;
  faults.duplicate = 0.2;
  faults.unreachable = 0.1;
  faults.short_read = 0.3;
  {
    absl::MutexLock lock(&service_.mutex);
    service_.log.SetFaults(faults);
  }
  ASSERT_EQ(Open(first_), absl::OkStatus());
  for (uint32_t version = 0; version < 60; ++version) {
    // A second application would find another version there.
    ASSERT_EQ(Do(first_, fixture_.PutPolicy("p", version)), kDone);
  }
  EXPECT_EQ(first_.replica->View()->GetPolicy("default", "p")->latest_version,
            60u);
}

TEST_F(ReplicaTest, TwoReplicasOnOneLogStayEqual) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  Member second(service_, MakeTestInstance(2));
  ASSERT_EQ(Do(first_, fixture_.Register(second.instance)), kDone);
  ASSERT_EQ(Open(second), absl::OkStatus());
  std::thread other([&] {
    StateFixture mine;
    for (int i = 0; i < 50; ++i)
      EXPECT_EQ(Do(second, mine.PutAnchor("b")), kDone);
  });
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(Do(first_, fixture_.PutAnchor("a")), kDone);
  }
  other.join();
  WaitFor(first_, *second.replica->View());
  WaitFor(second, *first_.replica->View());
  EXPECT_EQ(first_.replica->View()->header().SerializeAsString(),
            second.replica->View()->header().SerializeAsString());
}

TEST_F(ReplicaTest, ManyThreadsShareBatches) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  constexpr int kThreads = 16;
  constexpr int kCommands = 30;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this, t] {
      StateFixture mine;
      for (int i = 0; i < kCommands; ++i) {
        const uint64_t n = static_cast<uint64_t>(t * 1000 + i);
        EXPECT_EQ(
            Do(first_, mine.CreateKey("k" + std::to_string(n), TestId(n), "")),
            kDone);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto view = first_.replica->View();
  EXPECT_EQ(view->ListKeys("default", "", 10000)->size(),
            size_t{kThreads * kCommands});
  EXPECT_LE(view->position().index, uint64_t{kThreads * kCommands + 2});
}

TEST_F(ReplicaTest, ABatchWaitsForEveryAnnouncedCommand) {
  ReplicaOptions options = OptionsOf(first_);
  options.batch_wait = absl::InfiniteDuration();
  auto replica = Replica::Open(options, Soon());
  ASSERT_EQ(replica.status(), absl::OkStatus());
  constexpr int kCommands = 3;
  std::vector<Replica::Announcement> announced;
  for (int i = 0; i < kCommands; ++i) {
    announced.push_back((*replica)->Announce());
  }
  std::vector<LogPosition> positions(kCommands);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kCommands; ++i) {
    threads.emplace_back([&, i] {
      StateFixture mine;
      const auto applied =
          (*replica)->Propose(mine.PutPolicy("p" + std::to_string(i)),
                              absl::InfiniteFuture(), std::move(announced[i]));
      ASSERT_TRUE(applied.ok()) << applied.status();
      positions[i] = applied->position;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(positions, std::vector<LogPosition>(kCommands, {1, 3}));
}

TEST_F(ReplicaTest, ABatchGoesOnWithoutAnnouncedCommandsThatDoNotCome) {
  ReplicaOptions options = OptionsOf(first_);
  options.batch_wait = absl::InfiniteDuration();
  {
    auto replica = Replica::Open(options, Soon());
    ASSERT_EQ(replica.status(), absl::OkStatus());
    (*replica)->Announce();  // Dropped, as by a caller who was refused.
    EXPECT_EQ((*replica)->Propose(fixture_.PutPolicy("p"), Soon()).status(),
              absl::OkStatus());
  }
  options.batch_wait = absl::Milliseconds(1);
  auto replica = Replica::Open(options, Soon());
  ASSERT_EQ(replica.status(), absl::OkStatus());
  const Replica::Announcement held = (*replica)->Announce();
  EXPECT_EQ((*replica)->Propose(fixture_.PutPolicy("q"), Soon()).status(),
            absl::OkStatus());
}

TEST_F(ReplicaTest, AnotherProcessOfTheSameInstanceStopsThisOne) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  Member clone(service_, first_.instance);
  ASSERT_EQ(Open(clone), absl::OkStatus());
  EXPECT_EQ(WaitForFatal(first_).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(
      first_.replica->Propose(fixture_.PutPolicy("p"), Soon()).status().code(),
      absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Do(clone, fixture_.PutPolicy("p")), kDone);
}

TEST_F(ReplicaTest, ABatchOfADeadProcessUnderTheSameNumberIsSteppedOver) {
  // The dead process had sent the first batch of incarnation 2: it arrives
  // when the new process, which has not seen it, sends its own of that number.
  MemoryEngine engine;
  const auto mirror = StateMachine::Open(engine, fixture_.envelope());
  ASSERT_TRUE((*mirror)->Apply(service_.log.Entries(0)[0]).ok());
  TestInstance dead = first_.instance;
  dead.incarnation = 2;
  const std::string late = fixture_.Seal(
      dead,
      fixture_.NewBatch(dead, *(*mirror)->View(), {fixture_.PutPolicy("p")}));
  LockedLog other(service_);
  std::vector<uint64_t> tried;
  first_.log->OnAppend([&](const BatchId& id, BytesView) {
    tried.push_back(id.incarnation);
    if (id.incarnation == 2) {
      EXPECT_TRUE(other.Append(id, AsBytes(late)).ok());
    }
    return std::nullopt;
  });
  ASSERT_EQ(Open(first_), absl::OkStatus());
  EXPECT_EQ(tried, (std::vector<uint64_t>{2, 3}));
  first_.log->OnAppend(nullptr);
  const auto view = first_.replica->View();
  EXPECT_EQ(view->GetInstance(first_.instance.id)->incarnation(), 3u);
  EXPECT_TRUE(view->GetPolicy("default", "p").ok());  // It was in the log.
  EXPECT_EQ(Do(first_, fixture_.PutPolicy("q")), kDone);
}

TEST_F(ReplicaTest, AStaleBatchIsProposedAgain) {
  // Thousands of entries: MemoryEngine would copy its rows for each.
  RocksdbOptions disk;
  disk.path = testing::TempDir() + "/stale";
  const auto engine = OpenRocksdbEngine(disk);
  ASSERT_TRUE(engine.ok()) << engine.status();
  ReplicaOptions options = OptionsOf(first_);
  options.state = engine->get();
  auto replica = Replica::Open(options, Soon());
  ASSERT_TRUE(replica.ok()) << replica.status();
  const std::string junk = *fixture_.envelope().Seal(
      KeyKind::kLog, AsBytes("junk"), AsBytes("kms.v1 log entry"));
  LockedLog other(service_);
  BatchId junk_id;
  first_.log->OnAppend([&](const BatchId&, BytesView) {
    // Overtaken by a whole window of entries, once.
    while (junk_id.sequence < kDigestWindow) {
      ++junk_id.sequence;
      EXPECT_TRUE(other.Append(junk_id, AsBytes(junk)).ok());
    }
    return std::nullopt;
  });
  const auto applied = (*replica)->Propose(fixture_.PutPolicy("p"), Soon());
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_TRUE(applied->effect.ok());
  // Two entries at the start, the window, the stale batch and this one.
  EXPECT_EQ(applied->position.index, 2 + kDigestWindow + 2);
}

TEST_F(ReplicaTest, ItsOwnBatchJudgedDivergedStopsItWithDataLoss) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  // A log that acknowledges a batch and loses it: the next leaves a gap.
  absl::Notification lost;
  first_.log->OnAppend(
      [&](const BatchId& id,
          BytesView) -> std::optional<absl::StatusOr<LogPosition>> {
        if (id.sequence != 2) return std::nullopt;
        lost.Notify();
        return LogPosition{1, 3};
      });
  absl::Status first_answer;
  std::thread caller([&] {
    first_answer =
        first_.replica->Propose(fixture_.PutPolicy("p"), Soon()).status();
  });
  lost.WaitForNotification();
  StateFixture mine;
  const absl::Status second_answer =
      first_.replica->Propose(mine.PutPolicy("q"), Soon()).status();
  caller.join();
  EXPECT_EQ(RefusalOf(second_answer), v1::LOG_UNAVAILABLE);
  EXPECT_EQ(RefusalOf(first_answer), v1::DATA_LOSS);
  EXPECT_EQ(RefusalOf(WaitForFatal(first_)), v1::DATA_LOSS);
  EXPECT_EQ(RefusalOf(first_.replica->health()), v1::DATA_LOSS);
  EXPECT_TRUE(
      first_.replica->View()->GetInstance(first_.instance.id)->fenced());
  // Nor does it start again.
  first_.log->OnAppend(nullptr);
  first_.replica.reset();
  EXPECT_EQ(RefusalOf(Open(first_)), v1::DATA_LOSS);
}

TEST_F(ReplicaTest, NoRoomInTheLogIsALimitAndTheNumberIsUsedAgain) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  first_.log->OnAppend([](const BatchId&, BytesView) {
    return absl::ResourceExhaustedError("no room");
  });
  EXPECT_EQ(
      RefusalOf(
          first_.replica->Propose(fixture_.PutPolicy("p"), Soon()).status()),
      v1::LIMIT_REACHED);
  first_.log->OnAppend(nullptr);
  EXPECT_EQ(Do(first_, fixture_.PutPolicy("p")), kDone);
}

TEST_F(ReplicaTest, NoRoomAfterAnUnknownOutcomeIsNotANo) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  first_.log->HoldReads(true);
  LockedLog other(service_);
  int tries = 0;
  first_.log->OnAppend(
      [&](const BatchId& id,
          BytesView sealed) -> std::optional<absl::StatusOr<LogPosition>> {
        switch (++tries) {
          case 1:  // It is done, and the answer is lost.
            EXPECT_TRUE(other.Append(id, sealed).ok());
            return absl::UnavailableError("lost");
          case 2:
            return absl::ResourceExhaustedError("no room");
          default:
            first_.log->HoldReads(false);
            return std::nullopt;
        }
      });
  EXPECT_EQ(Do(first_, fixture_.PutPolicy("p")), kDone);
  EXPECT_EQ(Do(first_, fixture_.PutPolicy("q")), kDone);
  EXPECT_EQ(first_.replica->health(), absl::OkStatus());
}

TEST_F(ReplicaTest, AFullQueueIsRateLimited) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  {
    absl::MutexLock lock(&service_.mutex);
    service_.log.SetPartitioned(first_.log->peer(), true);
  }
  Command command = fixture_.PutPolicy("p");
  command.mutable_put_policy()->set_source(std::string(kObjectBytesMax, 's'));
  // What is in flight, what fills the queue, and some more.
  constexpr size_t kCallers = kQueuedBytesMax / kObjectBytesMax + 6;
  std::atomic<int> refused = 0;
  std::vector<absl::Status> answers(kCallers);
  std::vector<std::thread> callers;
  for (absl::Status& answer : answers) {
    callers.emplace_back([&, this] {
      answer = first_.replica->Propose(command, Soon()).status();
      if (RefusalOf(answer) == v1::RATE_LIMITED) ++refused;
    });
  }
  while (refused == 0) std::this_thread::yield();
  first_.replica->Stop(absl::InfinitePast());
  for (std::thread& caller : callers) caller.join();
  for (const absl::Status& answer : answers) {
    if (absl::IsDeadlineExceeded(answer)) continue;  // In flight.
    EXPECT_TRUE(RefusalOf(answer) == v1::RATE_LIMITED ||
                RefusalOf(answer) == v1::LOG_UNAVAILABLE)
        << answer;
  }
}

TEST_F(ReplicaTest, RefusesCallersWhileItIsBehindTheLog) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  first_.log->HoldReads(true);
  std::vector<std::thread> callers;
  for (const char* name : {"p", "q"}) {
    callers.emplace_back([this, name, command = fixture_.PutPolicy(name)] {
      EXPECT_EQ(Do(first_, command), kDone) << name;
    });
    // With the second in the log, the first is known to be there.
    WaitForLogSize(2 + callers.size());
  }
  boot_seconds_ += 2;
  EXPECT_EQ(
      RefusalOf(
          first_.replica->Propose(fixture_.PutPolicy("r"), Soon()).status()),
      v1::LOG_UNAVAILABLE);
  EXPECT_EQ(LogSize(), 4u);
  first_.log->HoldReads(false);
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(Do(first_, fixture_.PutPolicy("r")), kDone);
}

TEST_F(ReplicaTest, WhatApplyWouldStopOnIsRefusedBeforeProposing) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  Command unknown_enum = fixture_.SetKeyVersionState(
      TestId(1), 1, static_cast<::storage::v1::KeyVersionState>(77));
  Command unknown_field = fixture_.PutPolicy("p");
  unknown_field.GetReflection()
      ->MutableUnknownFields(&unknown_field)
      ->AddVarint(60, 1);
  for (const Command& command : {unknown_enum, unknown_field}) {
    EXPECT_EQ(RefusalOf(first_.replica->Propose(command, Soon()).status()),
              v1::REQUEST_MALFORMED);
  }
  ApprovedCommand no_command;
  no_command.set_command("\xff");
  EXPECT_EQ(RefusalOf(first_.replica->Propose(no_command, Soon()).status()),
            v1::REQUEST_MALFORMED);
  EXPECT_EQ(Do(first_, fixture_.PutPolicy("p")), kDone);
  EXPECT_EQ(LogSize(), 3u);
}

TEST_F(ReplicaTest, StopEndsAnAppendThatHangs) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  absl::Notification asked;
  bool stopped = false;
  first_.log->OnAppend(
      [&](const BatchId&, BytesView) -> absl::StatusOr<LogPosition> {
        asked.Notify();
        stopped = first_.log->AwaitStop();
        return absl::UnavailableError("stopped");
      });
  std::thread caller([&] {
    EXPECT_EQ(first_.replica->Propose(fixture_.PutPolicy("p"), Soon())
                  .status()
                  .code(),
              absl::StatusCode::kDeadlineExceeded);
  });
  asked.WaitForNotification();
  first_.replica->Stop(absl::InfinitePast());
  caller.join();
  EXPECT_TRUE(stopped);
}

TEST_F(ReplicaTest, StopAnswersABatchThatIsBeingMade) {
  HookedClock clock(clock_);
  ReplicaOptions options = OptionsOf(first_);
  options.clock = &clock;
  auto replica = Replica::Open(options, Soon());
  ASSERT_TRUE(replica.ok()) << replica.status();
  absl::Notification making;
  absl::Notification answered;
  clock.on_now = [&] {  // The proposer's, off the queue and not yet sealed.
    making.Notify();
    answered.WaitForNotification();
  };
  std::thread caller([&] {
    EXPECT_EQ((*replica)->Propose(fixture_.PutPolicy("p"), Soon()).status(),
              absl::DeadlineExceededError(
                  "command: in flight when this instance stopped"));
    answered.Notify();
  });
  making.WaitForNotification();
  (*replica)->Stop(absl::InfinitePast());
  caller.join();
  EXPECT_EQ(LogSize(), 2u);  // And it is not sent any more.
}

TEST_F(ReplicaTest, AFailedDiskStopsServingWithItsStatus) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  first_.engine.Fail();
  EXPECT_EQ(
      first_.replica->Propose(fixture_.PutPolicy("p"), Soon()).status().code(),
      absl::StatusCode::kUnavailable);
  EXPECT_EQ(WaitForFatal(first_).code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(first_.replica->health().ok());
  EXPECT_FALSE(first_.replica->Tick().ok());
}

// A disk that changes what it was given, while nobody reads that row.
TEST_F(ReplicaTest, TickFindsAStoredRowThatChangedAndStopsServing) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  ASSERT_EQ(Do(first_, fixture_.PutPolicy("p")), kDone);
  ASSERT_EQ(first_.replica->Tick(), absl::OkStatus());  // A whole pass.
  std::string leaf;
  std::string stored;
  ASSERT_TRUE(first_.engine
                  .Scan(FamilyPrefix(Family::kLeaf), "", 1,
                        [&](absl::string_view key, absl::string_view value) {
                          leaf = std::string(key);
                          stored = std::string(value);
                          return true;
                        })
                  .ok());
  stored.back() = static_cast<char>(stored.back() ^ 1);
  WriteBatch damage;
  damage.Put(leaf, stored);
  ASSERT_TRUE(first_.engine.Write(damage, Sync::kYes).ok());
  ASSERT_EQ(Do(first_, fixture_.PutPolicy("r")), kDone);  // A view that has it.

  // Not before the next pass, then at once.
  ASSERT_EQ(first_.replica->Tick(), absl::OkStatus());
  boot_seconds_ += 24 * 3600;
  EXPECT_EQ(RefusalOf(first_.replica->Tick()), v1::DATA_LOSS);
  EXPECT_EQ(RefusalOf(WaitForFatal(first_)), v1::DATA_LOSS);
  EXPECT_EQ(RefusalOf(first_.replica->health()), v1::DATA_LOSS);
  EXPECT_EQ(
      RefusalOf(
          first_.replica->Propose(fixture_.PutPolicy("q"), Soon()).status()),
      v1::DATA_LOSS);
}

TEST_F(ReplicaTest, StopAnswersACallThatWaitsForALogOutOfReach) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  {
    absl::MutexLock lock(&service_.mutex);
    service_.log.SetPartitioned(first_.log->peer(), true);
  }
  absl::Status in_flight;
  std::thread caller([&] {
    in_flight =
        first_.replica
            ->Propose(fixture_.PutPolicy("p"), absl::Now() + absl::Minutes(10))
            .status();
  });
  // The second is not ordered while the first is in flight.
  while (RefusalOf(first_.replica
                       ->Propose(fixture_.PutPolicy("q"),
                                 absl::Now() + absl::Milliseconds(20))
                       .status()) != v1::LOG_UNAVAILABLE) {
  }
  first_.replica->Stop(absl::InfinitePast());
  caller.join();
  // Whether it is done is not known, or it never was ordered.
  EXPECT_TRUE(absl::IsDeadlineExceeded(in_flight) ||
              RefusalOf(in_flight) == v1::LOG_UNAVAILABLE)
      << in_flight;
}

TEST_F(ReplicaTest, ARotatedStorageKeyReachesEveryRowWhileItServes) {
  const std::unique_ptr<Envelope> envelope = fixture_.NewEnvelope();
  ReplicaOptions options = OptionsOf(first_);
  options.envelope = envelope.get();
  auto replica = Replica::Open(options, Soon());
  ASSERT_TRUE(replica.ok()) << replica.status();
  first_.replica = *std::move(replica);
  EXPECT_EQ(Do(first_, fixture_.CreateKey("a", TestId(11), "")), kDone);
  Keyring keyring = *envelope->keyring()->Clone();
  ASSERT_TRUE(keyring.Rotate(KeyKind::kStorage).ok());
  ASSERT_TRUE(
      envelope->Update(std::make_shared<const Keyring>(std::move(keyring)))
          .ok());
  EXPECT_EQ(Do(first_, fixture_.CreateKey("b", TestId(12), "")), kDone);
  const auto old_rows = [&] {
    size_t rows = 0;
    EXPECT_TRUE(first_.engine
                    .Scan({}, {}, EngineReader::kNoLimit,
                          [&](absl::string_view, absl::string_view stored) {
                            rows += *EnvelopeKeyVersion(AsBytes(stored)) == 1;
                            return true;
                          })
                    .ok());
    return rows;
  };
  const absl::Time give_up = Soon();
  while (old_rows() != 0 && absl::Now() < give_up) std::this_thread::yield();
  EXPECT_EQ(old_rows(), 0u);
  EXPECT_EQ(first_.replica->health(), absl::OkStatus());
  first_.replica = nullptr;  // Before its envelope.
}

TEST_F(ReplicaTest, AnUnreachableLogIsADeadlineNotALostCommand) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  {
    absl::MutexLock lock(&service_.mutex);
    service_.log.SetPartitioned(first_.log->peer(), true);
  }
  const auto propose = [this](absl::string_view name) {
    return first_.replica
        ->Propose(fixture_.PutPolicy(name), absl::Now() + absl::Milliseconds(5))
        .status();
  };
  // Until the proposer was quick enough to take it off the queue in time.
  absl::Status status;
  do {
    status = propose("p");
  } while (absl::IsUnavailable(status));
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  // The batch is in flight; what comes now waits and was not ordered.
  EXPECT_EQ(RefusalOf(propose("q")), v1::LOG_UNAVAILABLE);
  {
    absl::MutexLock lock(&service_.mutex);
    service_.log.SetPartitioned(first_.log->peer(), false);
  }
  EXPECT_EQ(Do(first_, fixture_.PutPolicy("r")), kDone);
  const auto view = first_.replica->View();
  EXPECT_TRUE(view->GetPolicy("default", "p").ok());
  EXPECT_EQ(view->GetPolicy("default", "q").status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(ReplicaTest, TickStatesTheClockOnlyWhenIdle) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  ASSERT_EQ(first_.replica->Tick(), absl::OkStatus());
  clock_.Advance(absl::Seconds(11));
  boot_seconds_ += 11;
  ASSERT_EQ(first_.replica->Tick(), absl::OkStatus());
  while (first_.replica->View()->header().log_time_us() <
         kTestStartUs + 11 * kSecondUs) {
    ASSERT_EQ(first_.replica->health(), absl::OkStatus());
    std::this_thread::yield();
  }
  EXPECT_EQ(first_.replica->View()->position().index, 3u);
}

TEST_F(ReplicaTest, OldLogIsTrimmedOnceTheStateIsOnDisk) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  for (uint32_t i = 0; i < 5; ++i) {
    boot_seconds_ += 60;
    ASSERT_EQ(Do(first_, fixture_.PutPolicy("p", i)), kDone);
  }
  ASSERT_EQ(first_.replica->Tick(), absl::OkStatus());
  EXPECT_EQ(service_.log.Entries(0).front().position.index, 1u);
  boot_seconds_ += 3500;
  ASSERT_EQ(first_.replica->Tick(), absl::OkStatus());
  {
    absl::MutexLock lock(&service_.mutex);
    EXPECT_GT(service_.log.Entries(0).front().position.index, 2u);
  }
  // What was trimmed is on disk: nothing is lost with what is not.
  first_.replica.reset();
  first_.engine.LoseUnsynced();
  ASSERT_EQ(Open(first_), absl::OkStatus());
  EXPECT_EQ(first_.replica->View()->GetPolicy("default", "p")->latest_version,
            5u);
  // Who lags behind that copies a snapshot.
  Member fresh(service_, first_.instance);
  EXPECT_EQ(Open(fresh).code(), absl::StatusCode::kOutOfRange);
}

TEST_F(ReplicaTest, StopAnswersWhatItAcceptedAndThenRefuses) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  ASSERT_EQ(Do(first_, fixture_.PutPolicy("p")), kDone);
  first_.replica->Stop(Soon());
  EXPECT_EQ(
      RefusalOf(
          first_.replica->Propose(fixture_.PutPolicy("q"), Soon()).status()),
      v1::LOG_UNAVAILABLE);
  // A graceful stop leaves nothing to replay.
  first_.engine.LoseUnsynced();
  first_.replica.reset();
  ASSERT_EQ(Open(first_), absl::OkStatus());
  EXPECT_TRUE(first_.replica->View()->GetPolicy("default", "p").ok());
}

// --- Epochs ---

class EpochTest : public ReplicaTest {
 protected:
  // Ends the log's life: the service is empty, in epoch 2.
  void LoseLog() {
    absl::MutexLock lock(&service_.mutex);
    service_.log.StartEpoch(2);
  }
  absl::Status BeginEpoch(Member& member, SharedLog* ended) {
    ReplicaOptions last = OptionsOf(member);
    last.log = ended;
    BootstrapOptions next = bootstrap_;
    next.instance = IdOf(member);
    next.signing_key = member.instance.key.get();
    next.reason = "etcd was lost";
    return Replica::BeginEpoch(
        last, next,
        [&](const StateView& view) -> absl::StatusOr<SharedLog*> {
          EXPECT_EQ(view.position().epoch, 1u);
          return member.log.get();
        },
        Soon());
  }
};

TEST_F(EpochTest, ANewEpochGoesOnWithTheStateAndVoidsRegistrations) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  Member second(service_, MakeTestInstance(2));
  ASSERT_EQ(Do(first_, fixture_.Register(second.instance)), kDone);
  ASSERT_EQ(Open(second), absl::OkStatus());
  ASSERT_EQ(Do(first_, fixture_.PutPolicy("p")), kDone);
  second.replica->Stop(Soon());
  second.replica.reset();
  const auto before = first_.replica->View();
  first_.replica.reset();
  const LogPosition ended = before->position();

  LoseLog();
  EXPECT_EQ(Open(first_).code(), absl::StatusCode::kOutOfRange);
  ASSERT_EQ(BeginEpoch(first_, nullptr), absl::OkStatus());
  // Its answer was lost, and it is asked for again.
  ASSERT_EQ(BeginEpoch(first_, first_.log.get()), absl::OkStatus());
  ASSERT_EQ(Open(first_), absl::OkStatus());
  const auto view = first_.replica->View();
  EXPECT_EQ(view->position(), (LogPosition{2, 2}));
  EXPECT_EQ(view->header().epoch_started_us(), kTestStartUs);
  EXPECT_GT(view->header().appraisal_generation(),
            before->header().appraisal_generation());
  EXPECT_GT(view->tree_size(), before->tree_size());
  EXPECT_EQ(*view->RootAt(before->tree_size()), before->tree_root());
  EXPECT_TRUE(view->GetPolicy("default", "p").ok());
  EXPECT_EQ(Do(first_, fixture_.PutPolicy("q")), kDone);

  const auto leaf = view->GetLeaf(before->tree_size());
  ASSERT_TRUE(leaf.ok()) << leaf.status();
  v1::AuditEntry entry;
  ASSERT_TRUE(entry.ParseFromString(*leaf));
  EXPECT_EQ(entry.cluster_started().previous_epoch(), ended.epoch);
  EXPECT_EQ(entry.cluster_started().previous_index(), ended.index);
  EXPECT_EQ(entry.cluster_started().previous_digest(),
            before->header().digest());
  EXPECT_EQ(entry.cluster_started().reason(), "etcd was lost");

  EXPECT_TRUE(view->GetInstance(second.instance.id)->removed());
  EXPECT_EQ(RefusalOf(Open(second)), v1::INSTANCE_REMOVED);
}

TEST_F(EpochTest, AppliesWhatTheEndedLogHasBeyondTheState) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  ASSERT_EQ(Do(first_, fixture_.PutPolicy("p")), kDone);
  first_.replica.reset();
  first_.engine.LoseUnsynced();
  LockedService next(2);
  next.log.StartEpoch(2);
  LockedLog ended(service_);
  first_.log = std::make_unique<LockedLog>(next);
  ASSERT_EQ(BeginEpoch(first_, &ended), absl::OkStatus());
  ASSERT_EQ(Open(first_), absl::OkStatus());
  EXPECT_TRUE(first_.replica->View()->GetPolicy("default", "p").ok());
  first_.replica.reset();
  first_.log.reset();  // Before the service it belongs to.
}

TEST_F(EpochTest, ALogBehindTheStateEndsWhereTheStateDoes) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  ASSERT_EQ(Do(first_, fixture_.PutPolicy("p")), kDone);
  first_.replica.reset();
  service_.log.Rollback(0, {1, 2});
  LockedService next(2);
  next.log.StartEpoch(2);
  LockedLog ended(service_);
  first_.log = std::make_unique<LockedLog>(next);
  ASSERT_EQ(BeginEpoch(first_, &ended), absl::OkStatus());
  ASSERT_EQ(Open(first_), absl::OkStatus());
  EXPECT_TRUE(first_.replica->View()->GetPolicy("default", "p").ok());
  first_.replica.reset();
  first_.log.reset();
}

TEST_F(EpochTest, ALogOfAnotherClusterIsNotEnded) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  ASSERT_EQ(Do(first_, fixture_.PutPolicy("p")), kDone);
  first_.replica.reset();
  // As if the configuration named another cluster's prefix.
  LockedService theirs(2);
  LockedLog log(theirs);
  ASSERT_TRUE(log.Append({}, AsBytes(std::string(1024, 'x'))).ok());
  ReplicaOptions last = OptionsOf(first_);
  last.log = &log;
  BootstrapOptions next = bootstrap_;
  next.instance = IdOf(first_);
  next.signing_key = first_.instance.key.get();
  EXPECT_EQ(Replica::BeginEpoch(
                last, next,
                [](const StateView&) -> absl::StatusOr<SharedLog*> {
                  return absl::InternalError("was asked for a log");
                },
                Soon())
                .code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(EpochTest, AnInstanceThatStandsElsewhereMustJoinAgain) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  Member second(service_, MakeTestInstance(2));
  ASSERT_EQ(Do(first_, fixture_.Register(second.instance)), kDone);
  ASSERT_EQ(Open(second), absl::OkStatus());
  second.replica.reset();
  ASSERT_EQ(Do(first_, fixture_.PutPolicy("p")), kDone);
  first_.replica.reset();
  LoseLog();
  ASSERT_EQ(BeginEpoch(first_, nullptr), absl::OkStatus());
  EXPECT_EQ(Open(second).code(), absl::StatusCode::kFailedPrecondition);
  // Nor may a removed one begin it: its registration counts.
  EXPECT_EQ(Replica::BeginEpoch(
                OptionsOf(second), bootstrap_,
                [](const StateView&) -> absl::StatusOr<SharedLog*> {
                  return absl::InternalError("was asked for a log");
                },
                Soon())
                .code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(EpochTest, WhoJoinsALaterEpochCopiesASnapshot) {
  ASSERT_EQ(Open(first_), absl::OkStatus());
  first_.replica.reset();
  LoseLog();
  ASSERT_EQ(BeginEpoch(first_, nullptr), absl::OkStatus());
  Member fresh(service_, first_.instance);
  EXPECT_EQ(Open(fresh).code(), absl::StatusCode::kOutOfRange);
  // It is asked again when the snapshot is here.
  EXPECT_FALSE(fresh.log->stopped());
}

TEST_F(EpochTest, AnEmptyStateBeginsNoEpoch) {
  LockedService empty(1);
  Member member(empty, fixture_.first());
  EXPECT_EQ(RefusalOf(BeginEpoch(member, nullptr)), v1::NOT_INITIALIZED);
}

}  // namespace
}  // namespace kms::storage

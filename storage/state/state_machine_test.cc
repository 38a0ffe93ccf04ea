// Each rule of Apply that is about batches, time and the state as a whole, by
// its exact outcome. commands_test.cc has the rules about commands.
#include "storage/state/state_machine.h"

#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/merkle.h"
#include "proto/kms/v1/audit_entry.pb.h"
#include "storage/engine/memory_engine.h"
#include "storage/engine/rocksdb_engine.h"
#include "storage/state/batch_codec.h"
#include "storage/state/limits.h"
#include "storage/state/scrubber.h"
#include "storage/state/state_fixture.h"

namespace kms::storage {
namespace {

class StateMachineTest : public testing::Test {
 protected:
  v1::AuditEntry LastLeaf() const {
    v1::AuditEntry entry;
    const auto view = fed_.view();
    EXPECT_TRUE(entry.ParseFromString(*view->GetLeaf(view->tree_size() - 1)));
    return entry;
  }
  // Feeds `batch`, sealed by `instance`.
  absl::StatusOr<BatchResult> Feed(const TestInstance& instance,
                                   const Batch& batch) {
    return fed_.Feed(fixture_.Seal(instance, batch));
  }
  TestInstance AddInstance(uint64_t n) {
    TestInstance instance = MakeTestInstance(n);
    EXPECT_TRUE(fed_.Do(fixture_.Register(instance)).ok());
    return instance;
  }
  void ExpectRejected(const absl::StatusOr<BatchResult>& result,
                      BatchVerdict verdict, v1::BatchRejected::Cause cause) {
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->verdict, verdict);
    EXPECT_TRUE(result->effects.empty());
    EXPECT_EQ(LastLeaf().batch_rejected().cause(), cause);
  }

  StateFixture fixture_;
  MemoryEngine engine_;
  FedMachine fed_{fixture_, engine_};
};

TEST_F(StateMachineTest, GenesisStartsTheCluster) {
  const auto& header = fed_.view()->header();
  EXPECT_EQ(header.cluster_id(), TestId(0));
  EXPECT_EQ(header.index(), 1u);
  EXPECT_EQ(header.tree_size(), 1u);
  EXPECT_EQ(header.log_time_us(), kTestStartUs);
  EXPECT_EQ(LastLeaf().cluster_started().cluster_id(), TestId(0));
  EXPECT_EQ(fed_.view()->ListInstances()->size(), 1u);
}

TEST_F(StateMachineTest, RefusesALogThatDoesNotBeginWithGenesis) {
  const Batch no_genesis =
      fixture_.NewBatch(fixture_.first(), *fed_.view(), {});
  MemoryEngine engine;
  const auto machine = StateMachine::Open(engine, fixture_.envelope());
  ASSERT_TRUE(machine.ok());
  const LogEntry entry = {{1, 1}, fixture_.Seal(fixture_.first(), no_genesis)};
  EXPECT_EQ((*machine)->Apply(entry).status().code(),
            absl::StatusCode::kDataLoss);
  // For ever: also the right entry comes too late.
  EXPECT_EQ((*machine)->Apply(fed_.log()[0]).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(StateMachineTest, RefusesAGenesisThatItsOwnKeyDidNotSign) {
  TestInstance first = MakeTestInstance(1);
  MemoryEngine engine;
  const auto machine = StateMachine::Open(engine, fixture_.envelope());
  const Batch batch =
      fixture_.NewBatch(first, *(*machine)->View(), {fixture_.Genesis()});
  const LogEntry entry = {{1, 1}, fixture_.Seal(MakeTestInstance(2), batch)};
  EXPECT_EQ((*machine)->Apply(entry).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(StateMachineTest, RefusesEntriesOutOfOrder) {
  const std::string sealed = fixture_.Seal(
      fixture_.first(), fixture_.NewBatch(fixture_.first(), *fed_.view(), {}));
  EXPECT_EQ(fed_.machine().Apply({{1, 3}, sealed}).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(StateMachineTest, RefusesAnEntryThatDoesNotOpen) {
  std::string sealed = fixture_.Seal(
      fixture_.first(), fixture_.NewBatch(fixture_.first(), *fed_.view(), {}));
  sealed.back() = static_cast<char>(sealed.back() ^ 1);
  EXPECT_EQ(fed_.Feed(sealed).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(StateMachineTest, RetriesAndOldBatchesAreNoOpsWithoutALeaf) {
  const std::string sealed = fixture_.Seal(
      fixture_.first(), fixture_.NewBatch(fixture_.first(), *fed_.view(),
                                          {fixture_.PutPolicy("p")}));
  ASSERT_EQ(fed_.Feed(sealed)->verdict, BatchVerdict::kApplied);
  const std::string first_entry = fed_.log()[0].batch;
  const uint64_t leaves = fed_.view()->tree_size();
  for (const std::string& old : {sealed, first_entry}) {
    const auto result = fed_.Feed(old);
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(result->verdict, BatchVerdict::kDuplicate);
    EXPECT_EQ(fed_.view()->tree_size(), leaves);
  }
  EXPECT_EQ(fed_.view()->GetPolicy("default", "p")->latest_version, 1u);
}

TEST_F(StateMachineTest, ClosedIncarnationsAreNoOps) {
  TestInstance& first = fixture_.first();
  const Batch late = fixture_.NewBatch(first, *fed_.view(), {});
  first.incarnation = 2;
  first.sequence = 0;
  ASSERT_EQ(Feed(first, fixture_.NewBatch(first, *fed_.view(), {}))->verdict,
            BatchVerdict::kApplied);
  EXPECT_EQ(Feed(first, late)->verdict, BatchVerdict::kDuplicate);
}

TEST_F(StateMachineTest, AGapInTheSequenceFencesItsProposer) {
  TestInstance second = AddInstance(2);
  fixture_.NewBatch(second, *fed_.view(), {});  // Number 1 is never appended.
  ExpectRejected(Feed(second, fixture_.NewBatch(second, *fed_.view(), {})),
                 BatchVerdict::kDiverged, v1::BatchRejected::DIVERGED);
  EXPECT_TRUE(fed_.view()->GetInstance(second.id)->fenced());
  // An incarnation begins with number 1 as well.
  TestInstance third = AddInstance(3);
  third.incarnation = 5;
  third.sequence = 1;
  ExpectRejected(Feed(third, fixture_.NewBatch(third, *fed_.view(), {})),
                 BatchVerdict::kDiverged, v1::BatchRejected::DIVERGED);
}

TEST_F(StateMachineTest, AnotherDigestFencesItsProposerAndNobodyElse) {
  TestInstance second = AddInstance(2);
  Batch batch = fixture_.NewBatch(second, *fed_.view(), {});
  batch.set_applied_digest(std::string(32, 'x'));
  ExpectRejected(Feed(second, batch), BatchVerdict::kDiverged,
                 v1::BatchRejected::DIVERGED);
  EXPECT_TRUE(fed_.view()->GetInstance(second.id)->fenced());
  // Even a right one of its batches is a no-op now.
  ExpectRejected(Feed(second, fixture_.NewBatch(second, *fed_.view(), {})),
                 BatchVerdict::kUnknownInstance,
                 v1::BatchRejected::UNKNOWN_INSTANCE);
  EXPECT_TRUE(fed_.Do(fixture_.PutPolicy("p")).ok());
}

TEST_F(StateMachineTest, APositionNotBelowItsOwnFencesItsProposer) {
  TestInstance second = AddInstance(2);
  Batch batch = fixture_.NewBatch(second, *fed_.view(), {});
  batch.set_applied_index(batch.applied_index() + 1);
  ExpectRejected(Feed(second, batch), BatchVerdict::kDiverged,
                 v1::BatchRejected::DIVERGED);
}

TEST_F(StateMachineTest, APositionOlderThanTheWindowIsStaleAndHarmless) {
  TestInstance second = AddInstance(2);
  const auto old_view = fed_.view();
  const Batch in_time = fixture_.NewBatch(second, *old_view, {});
  const Batch too_late = fixture_.NewBatch(second, *old_view, {});
  const uint64_t last = old_view->position().index + kDigestWindow - 1;
  while (fed_.log().size() < last) fed_.Do(std::vector<Command>());
  ASSERT_EQ(Feed(second, in_time)->verdict, BatchVerdict::kApplied);
  ExpectRejected(Feed(second, too_late), BatchVerdict::kStale,
                 v1::BatchRejected::STALE);
  EXPECT_FALSE(fed_.view()->GetInstance(second.id)->fenced());
  EXPECT_EQ(Feed(second, fixture_.NewBatch(second, *fed_.view(), {}))->verdict,
            BatchVerdict::kApplied);
}

TEST_F(StateMachineTest, UnregisteredAndBadlySignedBatchesLeaveALeafOnly) {
  TestInstance stranger = MakeTestInstance(7);
  ExpectRejected(Feed(stranger, fixture_.NewBatch(stranger, *fed_.view(), {})),
                 BatchVerdict::kUnknownInstance,
                 v1::BatchRejected::UNKNOWN_INSTANCE);
  // In the name of the first, by another key: its sequence does not move.
  Batch forged = fixture_.NewBatch(fixture_.first(), *fed_.view(),
                                   {fixture_.PutPolicy("p")});
  --fixture_.first().sequence;
  ExpectRejected(Feed(stranger, forged), BatchVerdict::kUnknownInstance,
                 v1::BatchRejected::UNKNOWN_INSTANCE);
  EXPECT_TRUE(fed_.Do(fixture_.PutPolicy("p")).ok());
}

TEST_F(StateMachineTest, AnOwnBatchIsKnownByItsDigest) {
  // The signature is not looked at, and only for the very bytes.
  const Batch batch = fixture_.NewBatch(fixture_.first(), *fed_.view(), {});
  const std::string sealed = fixture_.Seal(MakeTestInstance(7), batch);
  const std::string digest = crypto::Sha256(AsBytes(sealed));
  const auto result = fed_.machine().Apply(
      {{1, 2}, sealed},
      [&](absl::string_view d) { return d == absl::string_view(digest); });
  EXPECT_EQ(result->verdict, BatchVerdict::kApplied);
}

TEST_F(StateMachineTest, BytesThatAreNoBatchLeaveALeafOnly) {
  const std::string junk = *fixture_.envelope().Seal(
      KeyKind::kLog, AsBytes("junk"), AsBytes("kms.v1 log entry"));
  ExpectRejected(fed_.Feed(junk), BatchVerdict::kMalformed,
                 v1::BatchRejected::MALFORMED);
  EXPECT_TRUE(fed_.Do(fixture_.PutPolicy("p")).ok());
}

TEST_F(StateMachineTest, ALevelAboveTheStatesIsANoOpForEverybody) {
  Batch batch = fixture_.NewBatch(fixture_.first(), *fed_.view(), {});
  batch.set_feature_level(kFeatureLevelMax + 1);
  ExpectRejected(Feed(fixture_.first(), batch), BatchVerdict::kMalformed,
                 v1::BatchRejected::MALFORMED);
}

TEST_F(StateMachineTest, ABatchWithoutAClockIsMalformed) {
  for (const int64_t clock : {int64_t{0}, int64_t{-1}, kClockUsMax + 1}) {
    Batch batch = fixture_.NewBatch(fixture_.first(), *fed_.view(), {});
    batch.set_clock_us(clock);
    ExpectRejected(Feed(fixture_.first(), batch), BatchVerdict::kMalformed,
                   v1::BatchRejected::MALFORMED);
  }
}

TEST_F(StateMachineTest, StopsOnAnUnknownFieldAndWritesNothing) {
  Command command = fixture_.PutPolicy("p");
  command.GetReflection()->MutableUnknownFields(&command)->AddVarint(60, 1);
  const Batch batch =
      fixture_.NewBatch(fixture_.first(), *fed_.view(), {command});
  EXPECT_EQ(Feed(fixture_.first(), batch).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(fed_.view()->position().index, 1u);
  EXPECT_TRUE(StateMachine::Open(engine_, fixture_.envelope()).ok());
}

TEST_F(StateMachineTest, StopsOnAnUnknownFieldOfTheBatch) {
  Batch batch = fixture_.NewBatch(fixture_.first(), *fed_.view(), {});
  batch.GetReflection()->MutableUnknownFields(&batch)->AddVarint(60, 1);
  EXPECT_EQ(Feed(fixture_.first(), batch).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(StateMachineTest, ACommandThatDoesNotParseIsRefusedAlone) {
  Batch batch = fixture_.NewBatch(fixture_.first(), *fed_.view(), {});
  batch.add_commands()->set_command("\xff");
  batch.add_commands()->set_command(
      fixture_.PutPolicy("p").SerializeAsString());
  const auto result = Feed(fixture_.first(), batch);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->effects[0].refusal, v1::REQUEST_MALFORMED);
  EXPECT_TRUE(result->effects[1].ok());
}

TEST_F(StateMachineTest, LogTimeIsTheLowerMedianAndNeverGoesBack) {
  const auto state_clock = [&](TestInstance& instance, int64_t clock_us) {
    fixture_.now_us = clock_us;
    EXPECT_EQ(
        Feed(instance, fixture_.NewBatch(instance, *fed_.view(), {}))->verdict,
        BatchVerdict::kApplied);
    return fed_.view()->header().log_time_us() - kTestStartUs;
  };
  TestInstance& first = fixture_.first();
  TestInstance second = AddInstance(2);
  TestInstance third = AddInstance(3);
  // One that never stated a clock does not hold time back.
  EXPECT_EQ(state_clock(first, kTestStartUs + 10), 10);
  // Of two the lower; a year ahead moves nothing alone.
  EXPECT_EQ(state_clock(second, kTestStartUs + 365 * kDayUs), 10);
  EXPECT_EQ(state_clock(first, kTestStartUs + 20), 20);
  EXPECT_EQ(state_clock(third, kTestStartUs + 30), 30);
  EXPECT_EQ(state_clock(third, kTestStartUs + 5), 30);
}

TEST_F(StateMachineTest, AJumpOfTheOnlyClockIsRecorded) {
  fixture_.now_us += kClockJumpUs;
  fed_.Do(std::vector<Command>());
  EXPECT_EQ(fed_.view()->header().clock_jump_to_us(), 0);
  const int64_t before = fixture_.now_us;
  fixture_.now_us += kClockJumpUs + 1;
  fed_.Do(std::vector<Command>());
  EXPECT_EQ(fed_.view()->header().clock_jump_from_us(), before);
  EXPECT_EQ(fed_.view()->header().clock_jump_to_us(), fixture_.now_us);
}

TEST_F(StateMachineTest, TheSettingsIndexMovesWithAllButReleases) {
  const auto moves = [this](const Command& command) {
    const uint64_t before = fed_.view()->settings_index();
    EXPECT_TRUE(fed_.Do(command).ok());
    const uint64_t after = fed_.view()->settings_index();
    EXPECT_TRUE(after == before || after == fed_.view()->position().index);
    return after != before;
  };
  Command policy = fixture_.PutPolicy("p", 0, 10, 3'600'000'000);
  policy.mutable_put_policy()->mutable_terms()->set_concurrent(10);
  EXPECT_TRUE(moves(policy));
  EXPECT_TRUE(moves(fixture_.CreateKey("k", TestId(1), "p")));
  EXPECT_TRUE(moves(fixture_.PutAnchor("a")));
  for (uint64_t challenge = 1; challenge < 4; ++challenge) {
    EXPECT_FALSE(
        moves(fixture_.Release(TestId(1), challenge, fed_.generation())));
  }
  EXPECT_TRUE(moves(
      fixture_.SetKeyVersionState(TestId(1), 1, ::storage::v1::DISABLED)));
  EXPECT_TRUE(
      moves(fixture_.SetKeyVersionState(TestId(1), 1, ::storage::v1::ENABLED)));
  EXPECT_TRUE(moves(fixture_.RotateKey(TestId(1), 1)));
  EXPECT_TRUE(moves(fixture_.PutPolicy("p", 1)));

  // One that starts now cannot know since when.
  const auto again = StateMachine::Open(engine_, fixture_.envelope());
  ASSERT_EQ(again.status(), absl::OkStatus());
  EXPECT_EQ((*again)->View()->settings_index(), fed_.view()->position().index);
}

TEST_F(StateMachineTest, LeavesProveIntoTheRoot) {
  for (int i = 0; i < 300; ++i) {
    fed_.Do(fixture_.PutAnchor("a" + std::to_string(i % 9)));
  }
  const auto view = fed_.view();
  for (const uint64_t index : {uint64_t{0}, uint64_t{255}, uint64_t{299}}) {
    const auto proof = view->InclusionProof(index, view->tree_size());
    ASSERT_TRUE(proof.ok()) << proof.status();
    const std::string hash = crypto::LeafHash(AsBytes(*view->GetLeaf(index)));
    EXPECT_EQ(crypto::VerifyInclusion(index, view->tree_size(), AsBytes(hash),
                                      *proof, AsBytes(view->tree_root())),
              absl::OkStatus());
  }
  EXPECT_EQ(view->GetLeaf(view->tree_size()).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(view->InclusionProof(3, 3).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(view->InclusionProof(3, view->tree_size() + 1).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(view->ConsistencyProof(0, 3).status().code(),
            absl::StatusCode::kNotFound);
}

// Something of every command family.
void DoALittleOfEverything(StateFixture& fixture, FedMachine& fed) {
  Command bounded = fixture.PutPolicy("p", 0, 3, kHourUs);
  bounded.mutable_put_policy()->mutable_terms()->set_concurrent(2);
  Command draft = fixture.PutPolicy("p", 1);
  draft.mutable_put_policy()->set_state(::storage::v1::POLICY_DRAFT);
  fed.Do({bounded, draft,
          fixture.SetPolicyState("p", 2, ::storage::v1::POLICY_SHADOW, 1)});
  fed.Do({fixture.PutReferenceSet("images", 0),
          fixture.PutReferenceSet("images", 1),
          fixture.PutReferenceSet("images", 1)});
  fed.Do({fixture.CreateKey("k1", TestId(1), "p"),
          fixture.CreateKey("k2", TestId(2), "p"),
          fixture.CreateKey("k1", TestId(3), "p")});
  fed.Do(fixture.PutAnchor("root"));
  fed.Do({fixture.PutCollateral("ca", 1), fixture.PutCollateral("ca", 2),
          fixture.PutCollateral("other", 1), fixture.PutCollateral("ca", 1)});
  fed.Do({fixture.RemoveCollateral("other"), fixture.SetKillSwitch(2, true),
          fixture.PutDenyList(1, {"chip 1", "chip 2"}),
          fixture.PutDenyList(1, {"chip 2"}, 1),
          fixture.SetKillSwitch(2, false)});
  for (uint64_t n = 0; n < 5; ++n) {
    fixture.now_us += kMinuteUs;
    fed.Do({fixture.Release(TestId(1), n, fed.generation()),
            fixture.Release(TestId(2), 100 + n / 2, fed.generation())});
  }
  fed.Do(fixture.RotateKey(TestId(2), 1));
  fed.Do(fixture.SetKeyVersionState(TestId(2), 1, ::storage::v1::DESTROYED));
  for (uint64_t n = 0; n < 300; ++n) fed.Do(fixture.PutAnchor("other"));
  TestInstance second = MakeTestInstance(2);
  fed.Do(fixture.Register(second));
  Batch diverged = fixture.NewBatch(second, *fed.view(), {});
  diverged.set_applied_digest("x");
  EXPECT_EQ(fed.Feed(fixture.Seal(second, diverged))->verdict,
            BatchVerdict::kDiverged);
  fixture.now_us += kHourUs;
  fed.Do(std::vector<Command>());
}

void ExpectSameState(const StateView& a, const StateView& b) {
  EXPECT_EQ(a.header().SerializeAsString(), b.header().SerializeAsString());
}

TEST_F(StateMachineTest, OneLogMakesOneStateOnAnyEngineWithAnyNonces) {
  DoALittleOfEverything(fixture_, fed_);
  const auto other_envelope = fixture_.NewEnvelope();
  RocksdbOptions options;
  options.path = testing::TempDir() + "/replayed";
  const auto rocksdb = OpenRocksdbEngine(options);
  ASSERT_TRUE(rocksdb.ok()) << rocksdb.status();
  MemoryEngine memory;
  for (Engine* engine : {static_cast<Engine*>(&memory), rocksdb->get()}) {
    const auto machine = StateMachine::Open(*engine, *other_envelope);
    ASSERT_TRUE(machine.ok()) << machine.status();
    for (const LogEntry& entry : fed_.log()) {
      ASSERT_TRUE((*machine)->Apply(entry).ok());
    }
    ExpectSameState(*(*machine)->View(), *fed_.view());
    // And it opens again, as it was left.
    const auto again = StateMachine::Open(*engine, *other_envelope);
    ASSERT_TRUE(again.ok()) << again.status();
    ExpectSameState(*(*again)->View(), *fed_.view());
  }
}

TEST_F(StateMachineTest, ReplayFromTheFlushedPositionMakesTheSameState) {
  fed_.Do(fixture_.PutAnchor("a"));
  ASSERT_TRUE(engine_.Flush().ok());
  DoALittleOfEverything(fixture_, fed_);
  const std::string want = fed_.view()->header().SerializeAsString();
  engine_.LoseUnsynced();
  const auto machine = StateMachine::Open(engine_, fixture_.envelope());
  ASSERT_TRUE(machine.ok()) << machine.status();
  const uint64_t flushed = (*machine)->applied().index;
  EXPECT_EQ(flushed, 2u);
  for (size_t i = flushed; i < fed_.log().size(); ++i) {
    ASSERT_TRUE((*machine)->Apply(fed_.log()[i]).ok());
  }
  EXPECT_EQ((*machine)->View()->header().SerializeAsString(), want);
}

// --- What is stored is what Apply left, or it is noticed. ---

absl::Status ScrubAll(std::shared_ptr<const StateView> view,
                      const Envelope& envelope) {
  auto scrubber = Scrubber::Create(std::move(view), envelope);
  if (!scrubber.ok()) return scrubber.status();
  for (;;) {
    const absl::StatusOr<bool> done = scrubber->Step(7);
    if (!done.ok()) return done.status();
    if (*done) return absl::OkStatus();
  }
}

class TamperTest : public StateMachineTest {
 protected:
  TamperTest() {
    DoALittleOfEverything(fixture_, fed_);
    rows_ = Dump();
    // Older values of the same rows.
    fed_.Do(
        {fixture_.PutPolicy("p", 2),
         fixture_.SetKeyVersionState(TestId(1), 1, ::storage::v1::DISABLED)});
    newer_ = Dump();
  }

  std::map<std::string, std::string> Dump() const {
    std::map<std::string, std::string> rows;
    EXPECT_TRUE(engine_
                    .Scan({}, {}, EngineReader::kNoLimit,
                          [&](absl::string_view key, absl::string_view value) {
                            rows[std::string(key)] = std::string(value);
                            return true;
                          })
                    .ok());
    return rows;
  }
  // Of the rows of now, some of each family: the first three and the last.
  std::map<std::string, std::string> Sample() const {
    std::map<std::string, std::string> sample;
    size_t seen = 0;
    for (auto row = newer_.begin(); row != newer_.end(); ++row) {
      const auto next = std::next(row);
      const bool last = next == newer_.end() || next->first[0] != row->first[0];
      if (++seen <= 3 || last) sample.insert(*row);
      if (last) seen = 0;
    }
    return sample;
  }
  void Put(const std::string& key, const std::string& value) {
    WriteBatch writes;
    writes.Put(key, value);
    ASSERT_TRUE(engine_.Write(writes, Sync::kNo).ok());
  }
  void Delete(const std::string& key) {
    WriteBatch writes;
    writes.Delete(key);
    ASSERT_TRUE(engine_.Write(writes, Sync::kNo).ok());
  }
  absl::Status Open() {
    return StateMachine::Open(engine_, fixture_.envelope()).status();
  }
  // Scrubs the rows of now under the header that memory has of them: that of
  // an instance which serves while they are changed.
  absl::Status Scrub() {
    return ScrubAll(std::make_shared<const StateView>(
                        engine_.Snapshot(), fixture_.envelope(), nullptr,
                        fed_.view()->header(), MerkleEdge(), 0),
                    fixture_.envelope());
  }
  // Whether a start reads the row at `key`: not what is left of the edge,
  // which here begins at the second tile of leaves, nor tiles that are none.
  static bool StartReads(const std::string& key) {
    const auto parsed = ParseRowKey(key);
    if (!parsed.ok()) return true;
    if (parsed->family() == Family::kTile) return *parsed == TileRow(0, 0);
    return parsed->family() != Family::kLeaf || *parsed >= LeafRow(kTileWidth);
  }
  // The row at `key`, as it is now, is found out by a scrub and, if a start
  // reads it, by a start.
  void ExpectNoticed(const std::string& key) {
    EXPECT_EQ(Open().code(), StartReads(key) ? absl::StatusCode::kDataLoss
                                             : absl::StatusCode::kOk)
        << FamilyOf(key);
    EXPECT_EQ(Scrub().code(), absl::StatusCode::kDataLoss) << FamilyOf(key);
  }
  static std::string FamilyOf(const std::string& key) {
    const auto parsed = ParseRowKey(key);
    return parsed.ok() ? std::string(InfoOf(parsed->family()).name) : "none";
  }

  std::map<std::string, std::string> rows_;
  std::map<std::string, std::string> newer_;
};

TEST_F(TamperTest, UntouchedStateIsAsItWasLeft) {
  EXPECT_EQ(Open(), absl::OkStatus());
  EXPECT_EQ(Scrub(), absl::OkStatus());
}

TEST_F(TamperTest, AFlippedBitInAnyRowIsNoticed) {
  for (const auto& [key, value] : Sample()) {
    std::string bad = value;
    bad[bad.size() / 2] = static_cast<char>(bad[bad.size() / 2] ^ 4);
    Put(key, bad);
    ExpectNoticed(key);
    Put(key, value);
  }
}

TEST_F(TamperTest, AnyMissingRowIsNoticed) {
  for (const auto& [key, value] : Sample()) {
    Delete(key);
    ExpectNoticed(key);
    Put(key, value);
  }
}

TEST_F(TamperTest, AnyOlderValueOfARowIsNoticed) {
  size_t tried = 0;
  for (const auto& [key, value] : rows_) {
    const auto newer = newer_.find(key);
    ASSERT_NE(newer, newer_.end());
    if (newer->second == value) continue;
    ++tried;
    Put(key, value);
    ExpectNoticed(key);
    Put(key, newer->second);
  }
  EXPECT_GE(tried, 4u);  // Header, policy, key, instance.
}

TEST_F(TamperTest, SwappedRowsAreNoticed) {
  std::string last;
  for (const auto& [key, value] : Sample()) {
    if (!last.empty() && last[0] == key[0]) {
      Put(last, value);
      Put(key, newer_[last]);
      ExpectNoticed(key);
      Put(last, newer_[last]);
      Put(key, value);
    }
    last = key;
  }
}

TEST_F(TamperTest, AnAddedRowIsNoticed) {
  const auto view = fed_.view();
  const RowKey added[] = {SpentRow(TestId(9, 32)), LeafRow(view->tree_size()),
                          LeafRow(view->tree_size() + 5), TileRow(0, 99),
                          TileRow(3, 0)};
  for (const RowKey& key : added) {
    Put(key.bytes(), *SealRow(fixture_.envelope(), key, "x"));
    ExpectNoticed(key.bytes());
    Delete(key.bytes());
  }
}

TEST_F(TamperTest, ARowWhoseKeyIsNoneIsNoticed) {
  std::vector<std::string> keys = {"\xee odd", std::string(1, '\0'),
                                   HeaderRow().bytes() + "x"};
  for (const FamilyInfo& info : Families()) {
    if (info.family == Family::kHeader) continue;
    // Ends before its namespace, before its id, or after where it should.
    std::string key = FamilyPrefix(info.family);
    keys.push_back(key);
    if (info.has_namespace) {
      const auto names = NameHasher::Create(*fixture_.envelope().keyring());
      key += names->Namespace("default");
      keys.push_back(key);
    }
    if (info.summed)
      keys.push_back(key + std::string(info.id_size + 1, '\xff'));
  }
  for (const std::string& key : keys) {
    Put(key, "x");
    ExpectNoticed(key);
    Delete(key);
  }
}

TEST_F(TamperTest, TheWholeOlderStateOpensForTheLogToJudge) {
  // Rows all put back together are a state that once was: only the log, which
  // is then ahead, or a checkpoint known outside, can tell.
  for (const auto& [key, value] : newer_) Delete(key);
  for (const auto& [key, value] : rows_) Put(key, value);
  EXPECT_EQ(Open(), absl::OkStatus());
}

TEST_F(TamperTest, ApplyStopsOnARowThatDoesNotAuthenticate) {
  const auto names = NameHasher::Create(*fixture_.envelope().keyring());
  Put(names->Policy("default", "p").bytes(), "junk");
  const Batch batch = fixture_.NewBatch(fixture_.first(), *fed_.view(),
                                        {fixture_.PutPolicy("p", 2)});
  EXPECT_EQ(Feed(fixture_.first(), batch).status().code(),
            absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace kms::storage

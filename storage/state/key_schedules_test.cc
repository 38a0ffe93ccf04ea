// Destructions and rotations by log time.
#include <string>

#include "gtest/gtest.h"
#include "proto/kms/v1/audit_entry.pb.h"
#include "storage/engine/memory_engine.h"
#include "storage/state/limits.h"
#include "storage/state/state_fixture.h"

namespace kms::storage {
namespace {

using ::storage::v1::DESTROYED;
using ::storage::v1::DISABLED;
using ::storage::v1::ENABLED;

constexpr v1::RefusalCode kDone = v1::REFUSAL_CODE_UNSPECIFIED;

class KeySchedulesTest : public testing::Test {
 protected:
  KeySchedulesTest() { fed_.Do(fixture_.CreateKey("k", Id(), "")); }

  static std::string Id() { return TestId(1); }
  v1::RefusalCode Do(const Command& command) {
    return fed_.Do(command).refusal;
  }
  Command Schedule(uint32_t version, int64_t wait_us = kHourUs,
                   const std::string& id = Id()) {
    Command command = fixture_.NewCommand();
    auto& op = *command.mutable_schedule_destruction();
    op.set_key_id(id);
    op.set_version(version);
    op.set_wait_us(wait_us);
    op.set_leaf_salt(std::string(16, 's'));
    return command;
  }
  Command Cancel(uint32_t version) {
    Command command = fixture_.NewCommand();
    command.mutable_cancel_destruction()->set_key_id(Id());
    command.mutable_cancel_destruction()->set_version(version);
    return command;
  }
  Command Period(int64_t us) {
    Command command = fixture_.NewCommand();
    command.mutable_configure_key()->set_key_id(Id());
    command.mutable_configure_key()->set_rotation_period_us(us);
    return command;
  }
  // As an instance proposes it, with nobody's name.
  Command RotateDue(uint32_t primary) {
    Command command = fixture_.NewCommand();
    command.clear_principal();
    *command.mutable_rotate_due_key()->mutable_rotate_key() =
        fixture_.RotateKey(Id(), primary).rotate_key();
    return command;
  }
  // Moves log time by steps that are no jump.
  void Pass(int64_t us) {
    for (; us > 0; us -= kHourUs) {
      fixture_.now_us += std::min(us, kHourUs);
      fed_.Do(std::vector<Command>());
    }
  }
  void Jump(int64_t us) {
    fixture_.now_us += us;
    fed_.Do(std::vector<Command>());
  }
  ::storage::v1::KeyRecord Key() const {
    return *fed_.view()->GetKeyById("default", Id());
  }
  ::storage::v1::KeyVersionState State(int version) const {
    return Key().versions(version - 1).state();
  }
  v1::AuditEntry LastLeaf() const {
    v1::AuditEntry entry;
    EXPECT_TRUE(entry.ParseFromString(
        *fed_.view()->GetLeaf(fed_.view()->tree_size() - 1)));
    return entry;
  }

  StateFixture fixture_;
  MemoryEngine engine_;
  FedMachine fed_{fixture_, engine_};
};

TEST_F(KeySchedulesTest, AVersionIsDisabledAtOnceAndDestroyedWhenItsTimeComes) {
  EXPECT_EQ(Do(Schedule(1, 3 * kHourUs)), kDone);
  const int64_t due_us = fixture_.now_us + 3 * kHourUs;
  EXPECT_EQ(LastLeaf().destruction_scheduled().destroy_at_us(), due_us);
  EXPECT_EQ(State(1), DISABLED);
  EXPECT_EQ(Key().versions(0).destroy_at_us(), due_us);
  Pass(3 * kHourUs - 1);
  EXPECT_EQ(State(1), DISABLED);
  EXPECT_TRUE(fed_.view()->GetKeyMaterial("default", Id(), 1).ok());
  const uint64_t leaves = fed_.view()->tree_size();
  Pass(1);
  EXPECT_EQ(State(1), DESTROYED);
  EXPECT_EQ(Key().versions(0).destroy_at_us(), 0);
  EXPECT_EQ(Key().primary_version(), 0u);
  EXPECT_EQ(RefusalOf(fed_.view()->GetKeyMaterial("default", Id(), 1).status()),
            v1::VERSION_DESTROYED);
  EXPECT_EQ(fed_.view()->tree_size(), leaves + 1);
  EXPECT_TRUE(LastLeaf().key_version_state_set().due());
  EXPECT_EQ(LastLeaf().salt(), std::string(16, 's'));
  EXPECT_EQ(LastLeaf().namespace_(), "default");
  Pass(kHourUs);
  EXPECT_EQ(fed_.view()->tree_size(), leaves + 1);
}

TEST_F(KeySchedulesTest, ACancelledDestructionDoesNotHappen) {
  EXPECT_EQ(Do(Cancel(1)), v1::VERSION_CONFLICT);
  EXPECT_EQ(Do(Schedule(1)), kDone);
  EXPECT_EQ(Do(Schedule(1)), v1::DESTRUCTION_SCHEDULED);
  EXPECT_EQ(Do(fixture_.SetKeyVersionState(Id(), 1, ENABLED)),
            v1::DESTRUCTION_SCHEDULED);
  EXPECT_EQ(Do(Cancel(2)), v1::NOT_FOUND);
  EXPECT_EQ(Do(Cancel(1)), kDone);
  EXPECT_EQ(LastLeaf().destruction_cancelled().version(), 1u);
  Pass(3 * kHourUs);
  EXPECT_EQ(State(1), DISABLED);
  EXPECT_EQ(Do(fixture_.SetKeyVersionState(Id(), 1, ENABLED)), kDone);
}

TEST_F(KeySchedulesTest, DestructionAtOnceTakesTheScheduleAway) {
  EXPECT_EQ(Do(Schedule(1)), kDone);
  EXPECT_EQ(Do(fixture_.SetKeyVersionState(Id(), 1, DESTROYED)), kDone);
  EXPECT_EQ(Do(Cancel(1)), v1::VERSION_DESTROYED);
  EXPECT_EQ(Do(Schedule(1)), v1::VERSION_DESTROYED);
  const uint64_t leaves = fed_.view()->tree_size();
  Pass(2 * kHourUs);
  EXPECT_EQ(fed_.view()->tree_size(), leaves);
}

TEST_F(KeySchedulesTest, TheWaitIsBounded) {
  EXPECT_EQ(Do(Schedule(1, kDestructionWaitUsMin - 1)), v1::REQUEST_MALFORMED);
  EXPECT_EQ(Do(Schedule(1, kDestructionWaitUsMax + 1)), v1::REQUEST_MALFORMED);
  EXPECT_EQ(Do(Schedule(2)), v1::NOT_FOUND);
  EXPECT_EQ(Do(Schedule(0)), v1::NOT_FOUND);
  EXPECT_EQ(Do(Schedule(1, kHourUs, TestId(9))), v1::NOT_FOUND);
  Command no_salt = Schedule(1);
  no_salt.mutable_schedule_destruction()->clear_leaf_salt();
  EXPECT_EQ(Do(no_salt), v1::REQUEST_MALFORMED);
  Command nobody = Schedule(1);
  nobody.clear_principal();
  EXPECT_EQ(Do(nobody), v1::ADMINISTRATOR_REQUIRED);
  EXPECT_EQ(Do(Schedule(1, kDestructionWaitUsMax)), kDone);
}

TEST_F(KeySchedulesTest, MoreThanOneBatchMayFireAreFiredByTheNext) {
  const int keys = static_cast<int>(kDestructionsPerBatchMax) + 3;
  for (int i = 0; i < keys; ++i) {
    const std::string id = TestId(100 + static_cast<uint64_t>(i));
    fed_.Do(fixture_.CreateKey("k" + std::to_string(i), id, ""));
    EXPECT_EQ(Do(Schedule(1, kHourUs, id)), kDone);
  }
  const uint64_t leaves = fed_.view()->tree_size();
  Pass(kHourUs);
  EXPECT_EQ(fed_.view()->tree_size(), leaves + kDestructionsPerBatchMax);
  Pass(1);
  EXPECT_EQ(fed_.view()->tree_size(), leaves + static_cast<uint64_t>(keys));
}

TEST_F(KeySchedulesTest, AJumpOfTheOnlyClockHoldsEverythingUntilConfirmed) {
  EXPECT_EQ(Do(Schedule(1)), kDone);
  EXPECT_EQ(Do(Period(kHourUs)), kDone);
  const int64_t from_us = fixture_.now_us;
  Jump(2 * kHourUs);
  Pass(kHourUs);
  EXPECT_EQ(State(1), DISABLED);
  EXPECT_TRUE(fed_.view()->ListDueRotations(10)->empty());
  EXPECT_EQ(Do(RotateDue(1)), v1::VERSION_CONFLICT);
  Command confirm = fixture_.NewCommand();
  confirm.mutable_confirm_clock()->set_clock_jump_to_us(from_us);
  EXPECT_EQ(Do(confirm), v1::VERSION_CONFLICT);
  confirm.mutable_confirm_clock()->set_clock_jump_to_us(from_us + 2 * kHourUs);
  EXPECT_EQ(Do(confirm), kDone);
  EXPECT_EQ(LastLeaf().clock_confirmed().clock_jump_from_us(), from_us);
  EXPECT_EQ(Do(confirm), v1::VERSION_CONFLICT);
  EXPECT_EQ(fed_.view()->ListDueRotations(10)->size(), 1u);
  Pass(1);
  EXPECT_EQ(State(1), DESTROYED);
}

TEST_F(KeySchedulesTest, ARotationIsDueOnceAPeriod) {
  EXPECT_EQ(Do(RotateDue(1)), v1::VERSION_CONFLICT);
  EXPECT_EQ(Do(Period(2 * kHourUs)), kDone);
  EXPECT_EQ(LastLeaf().key_configured().rotation_period_s(), 7200);
  EXPECT_EQ(Key().next_rotation_us(), fixture_.now_us + 2 * kHourUs);
  Pass(2 * kHourUs - 1);
  EXPECT_TRUE(fed_.view()->ListDueRotations(10)->empty());
  EXPECT_EQ(Do(RotateDue(1)), v1::VERSION_CONFLICT);
  Pass(1);
  ASSERT_EQ(fed_.view()->ListDueRotations(10)->size(), 1u);
  EXPECT_EQ(fed_.view()->ListDueRotations(10)->at(0).name(), "k");
  EXPECT_EQ(Do(RotateDue(1)), kDone);
  EXPECT_TRUE(LastLeaf().key_rotated().due());
  EXPECT_EQ(LastLeaf().principal(), "");
  // Another instance comes too late with its own.
  EXPECT_EQ(Do(RotateDue(1)), v1::VERSION_CONFLICT);
  EXPECT_EQ(Do(RotateDue(2)), v1::VERSION_CONFLICT);
  EXPECT_TRUE(fed_.view()->ListDueRotations(10)->empty());
  EXPECT_EQ(Key().next_rotation_us(), fixture_.now_us + 2 * kHourUs);
}

TEST_F(KeySchedulesTest, ARotationByHandPutsTheNextOneOff) {
  EXPECT_EQ(Do(Period(2 * kHourUs)), kDone);
  Pass(kHourUs);
  EXPECT_EQ(Do(fixture_.RotateKey(Id(), 1)), kDone);
  EXPECT_FALSE(LastLeaf().key_rotated().due());
  Pass(kHourUs);
  EXPECT_TRUE(fed_.view()->ListDueRotations(10)->empty());
  EXPECT_EQ(Do(Period(0)), kDone);
  EXPECT_EQ(Key().next_rotation_us(), 0);
  Pass(3 * kHourUs);
  EXPECT_TRUE(fed_.view()->ListDueRotations(10)->empty());
}

TEST_F(KeySchedulesTest, ThePeriodIsBounded) {
  EXPECT_EQ(Do(Period(kRotationPeriodUsMin - 1)), v1::REQUEST_MALFORMED);
  EXPECT_EQ(Do(Period(kRotationPeriodUsMax + 1)), v1::REQUEST_MALFORMED);
  EXPECT_EQ(Do(Period(-1)), v1::REQUEST_MALFORMED);
  EXPECT_EQ(Do(Period(kRotationPeriodUsMax)), kDone);
  EXPECT_EQ(Do(Period(kRotationPeriodUsMin)), kDone);
}

TEST(KeySchedulesFeatureLevelTest, HoldsBackWhatNotEveryInstanceKnows) {
  StateFixture fixture;
  MemoryEngine engine;
  Command genesis = fixture.Genesis();
  genesis.mutable_genesis()->set_feature_level(kFeatureLevelKeys - 1);
  FedMachine fed(fixture, engine, genesis);
  Command commands[4];
  for (Command& command : commands) command = fixture.NewCommand();
  commands[0].mutable_schedule_destruction();
  commands[1].mutable_cancel_destruction();
  commands[2].mutable_confirm_clock();
  commands[3].mutable_rotate_due_key();
  for (const Command& command : commands) {
    EXPECT_EQ(fed.Do(command).refusal, v1::FEATURE_LEVEL_TOO_LOW)
        << command.op_case();
  }
}

}  // namespace
}  // namespace kms::storage

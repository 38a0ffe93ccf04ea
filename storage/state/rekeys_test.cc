#include "gtest/gtest.h"
#include "proto/kms/v1/audit_entry.pb.h"
#include "storage/engine/memory_engine.h"
#include "storage/state/limits.h"
#include "storage/state/state_fixture.h"

namespace kms::storage {
namespace {

using ::storage::v1::Command;

Command Rekey(StateFixture& fixture) {
  Command command = fixture.NewCommand();
  ::storage::v1::RecordRekey& op = *command.mutable_record_rekey();
  op.set_previous_kind("shamir");
  op.set_kind("pkcs11");
  return command;
}

TEST(RekeysTest, LeavesALeafThatSaysWhoHasTheRootKeyNow) {
  StateFixture fixture;
  MemoryEngine engine;
  FedMachine fed(fixture, engine);
  Command command = Rekey(fixture);
  command.mutable_record_rekey()->set_kind("shamir");
  command.mutable_record_rekey()->set_shares(5);
  command.mutable_record_rekey()->set_threshold(3);
  const Effect effect = fed.Do(command);
  ASSERT_TRUE(effect.ok());
  ASSERT_TRUE(effect.leaf.has_value());
  v1::AuditEntry entry;
  ASSERT_TRUE(entry.ParseFromString(*fed.view()->GetLeaf(*effect.leaf)));
  EXPECT_EQ(entry.rekeyed().previous_kind(), "shamir");
  EXPECT_EQ(entry.rekeyed().kind(), "shamir");
  EXPECT_EQ(entry.rekeyed().shares(), 5u);
  EXPECT_EQ(entry.rekeyed().threshold(), 3u);
}

TEST(RekeysTest, RefusesIllFormedFieldsAndNobody) {
  StateFixture fixture;
  MemoryEngine engine;
  FedMachine fed(fixture, engine);
  Command kind = Rekey(fixture);
  kind.mutable_record_rekey()->set_kind("");
  EXPECT_EQ(fed.Do(kind).refusal, v1::REQUEST_MALFORMED);
  Command previous = Rekey(fixture);
  previous.mutable_record_rekey()->set_previous_kind(
      std::string(kSealKindBytesMax + 1, 'a'));
  EXPECT_EQ(fed.Do(previous).refusal, v1::REQUEST_MALFORMED);
  Command threshold = Rekey(fixture);
  threshold.mutable_record_rekey()->set_threshold(1);
  EXPECT_EQ(fed.Do(threshold).refusal, v1::REQUEST_MALFORMED);
  Command nobody = Rekey(fixture);
  nobody.clear_principal();
  EXPECT_EQ(fed.Do(nobody).refusal, v1::ADMINISTRATOR_REQUIRED);
}

TEST(RekeysTest, WaitsForTheFeatureLevel) {
  StateFixture fixture;
  MemoryEngine engine;
  Command genesis = fixture.Genesis();
  genesis.mutable_genesis()->set_feature_level(kFeatureLevelSeals - 1);
  FedMachine fed(fixture, engine, genesis);
  EXPECT_EQ(fed.Do(Rekey(fixture)).refusal, v1::FEATURE_LEVEL_TOO_LOW);
}

TEST(RekeysTest, AKeyringIsRotatedByTheOnlyInstance) {
  StateFixture fixture;
  MemoryEngine engine;
  FedMachine fed(fixture, engine);
  Command rotate = fixture.NewCommand();
  rotate.mutable_rotate_keyring()->set_kind("log");
  EXPECT_EQ(fed.Do(rotate).refusal, v1::REQUEST_MALFORMED);
  rotate.mutable_rotate_keyring()->set_version(2);
  const Effect effect = fed.Do(rotate);
  ASSERT_TRUE(effect.leaf.has_value());
  v1::AuditEntry entry;
  ASSERT_TRUE(entry.ParseFromString(*fed.view()->GetLeaf(*effect.leaf)));
  EXPECT_EQ(entry.keyring_rotated().kind(), "log");
  EXPECT_EQ(entry.keyring_rotated().version(), 2u);
  ASSERT_TRUE(fed.Do(fixture.Register(MakeTestInstance(2))).ok());
  EXPECT_EQ(fed.Do(rotate).refusal, v1::REKEY_CONFLICT);
}

}  // namespace
}  // namespace kms::storage

// The rules about wrapping keys, and the life of any key, each by its exact
// refusal. Creation, rotation and states of stored keys: commands_test.cc.
#include <string>
#include <vector>

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
using ::storage::v1::KEY_PURPOSE_WRAPPING;

constexpr v1::RefusalCode kDone = v1::REFUSAL_CODE_UNSPECIFIED;

class KeysTest : public testing::Test {
 protected:
  KeysTest() {
    fed_.Do(fixture_.PutPolicy("p", 0, 5, kHourUs));
    fed_.Do(fixture_.CreateKey("stored", Stored(), "p"));
    EXPECT_EQ(Do(CreateWrapping("wrapping", Wrapping())), kDone);
  }

  static std::string Stored() { return TestId(1); }
  static std::string Wrapping() { return TestId(2); }

  v1::RefusalCode Do(const Command& command) {
    return fed_.Do(command).refusal;
  }
  v1::AuditEntry Leaf(const Effect& effect) const {
    v1::AuditEntry entry;
    EXPECT_TRUE(entry.ParseFromString(*fed_.view()->GetLeaf(*effect.leaf)));
    return entry;
  }
  static void MakePair(::storage::v1::KeyMaterial& material) {
    material.set_kem_id(0x20);
    material.set_public_key(std::string(32, 'p'));
  }
  Command CreateWrapping(const std::string& name, const std::string& id) {
    Command command = fixture_.CreateKey(name, id, "p");
    command.mutable_create_key()->set_purpose(KEY_PURPOSE_WRAPPING);
    MakePair(*command.mutable_create_key()->mutable_material());
    return command;
  }
  Command RotateWrapping(uint32_t primary) {
    Command command = fixture_.RotateKey(Wrapping(), primary);
    MakePair(*command.mutable_rotate_key()->mutable_material());
    return command;
  }
  Command Configure(const std::string& id) {
    Command command = fixture_.NewCommand();
    command.mutable_configure_key()->set_key_id(id);
    return command;
  }
  Command Minimum(const std::string& id, uint32_t version) {
    Command command = Configure(id);
    command.mutable_configure_key()->set_minimum_version(version);
    return command;
  }
  Command Release(const std::string& id, uint64_t n) {
    return fixture_.Release(id, n, fed_.generation());
  }
  // Of a blob of version 1.
  Command Unwrap(uint64_t n) {
    Command command = Release(Wrapping(), n);
    command.mutable_release()->set_blob_digest(std::string(32, 'b'));
    return command;
  }
  Command Rewrap(uint32_t version, uint32_t to) {
    Command command = fixture_.NewCommand();
    auto& op = *command.mutable_record_rewrap();
    op.set_key_id(Wrapping());
    op.set_version(version);
    op.set_new_version(to);
    op.set_blob_digest(std::string(32, 'b'));
    op.set_new_blob_digest(std::string(32, 'n'));
    return command;
  }
  ::storage::v1::KeyRecord Key(const std::string& id) const {
    return *fed_.view()->GetKeyById("default", id);
  }

  StateFixture fixture_;
  MemoryEngine engine_;
  FedMachine fed_{fixture_, engine_};
};

TEST_F(KeysTest, AWrappingKeyKeepsItsPublicHalf) {
  EXPECT_EQ(Key(Wrapping()).purpose(), KEY_PURPOSE_WRAPPING);
  const auto material = fed_.view()->GetKeyMaterial("default", Wrapping(), 1);
  ASSERT_TRUE(material.ok()) << material.status();
  EXPECT_EQ(material->public_key(), std::string(32, 'p'));
  EXPECT_EQ(Do(RotateWrapping(1)), kDone);
  EXPECT_EQ(Key(Wrapping()).primary_version(), 2u);
}

TEST_F(KeysTest, MaterialIsOfTheKeysPurpose) {
  // A stored key's with a public half; a wrapping key's without one, of
  // another length, or of an unknown KEM.
  Command stored = fixture_.CreateKey("k", TestId(9), "");
  MakePair(*stored.mutable_create_key()->mutable_material());
  EXPECT_EQ(Do(stored), v1::REQUEST_MALFORMED);
  Command wrapping = CreateWrapping("k", TestId(9));
  auto& material = *wrapping.mutable_create_key()->mutable_material();
  material.set_public_key(std::string(65, 'p'));
  EXPECT_EQ(Do(wrapping), v1::REQUEST_MALFORMED);
  material.set_kem_id(0x21);
  EXPECT_EQ(Do(wrapping), v1::REQUEST_MALFORMED);
  material.clear_kem_id();
  EXPECT_EQ(Do(wrapping), v1::REQUEST_MALFORMED);
  material.clear_public_key();
  EXPECT_EQ(Do(wrapping), v1::REQUEST_MALFORMED);
  material.set_kem_id(0x10);
  material.set_public_key(std::string(65, 'p'));
  material.set_artifact_digest("short");
  EXPECT_EQ(Do(wrapping), v1::REQUEST_MALFORMED);
  material.clear_artifact_digest();
  EXPECT_EQ(Do(wrapping), kDone);
  EXPECT_EQ(Do(fixture_.RotateKey(Wrapping(), 1)), v1::REQUEST_MALFORMED);
  Command rotate = fixture_.RotateKey(Stored(), 1);
  MakePair(*rotate.mutable_rotate_key()->mutable_material());
  EXPECT_EQ(Do(rotate), v1::REQUEST_MALFORMED);
}

TEST_F(KeysTest, AnUnwrapIsRecordedWithItsBlob) {
  Command unwrap = Unwrap(1);
  unwrap.mutable_release()->set_artifact_digest(std::string(32, 'a'));
  const Effect effect = fed_.Do(unwrap);
  ASSERT_TRUE(effect.ok()) << effect.message;
  const v1::Released released = Leaf(effect).released();
  EXPECT_EQ(released.blob_digest(), std::string(32, 'b'));
  EXPECT_EQ(released.artifact_digest(), std::string(32, 'a'));
  EXPECT_EQ(Key(Wrapping()).versions(0).releases(), 1u);
  EXPECT_EQ(Key(Wrapping()).versions(0).last_used_us(), fixture_.now_us);
}

TEST_F(KeysTest, AKeyServesItsOwnPurposeOnly) {
  EXPECT_EQ(Do(Release(Wrapping(), 1)), v1::PURPOSE_MISMATCH);
  Command unwrap = Release(Stored(), 2);
  unwrap.mutable_release()->set_blob_digest(std::string(32, 'b'));
  EXPECT_EQ(Do(unwrap), v1::PURPOSE_MISMATCH);
  Command half = Unwrap(3);
  half.mutable_release()->set_new_blob_version(1);
  EXPECT_EQ(Do(half), v1::REQUEST_MALFORMED);
  Command short_digest = Unwrap(3);
  short_digest.mutable_release()->set_blob_digest("short");
  EXPECT_EQ(Do(short_digest), v1::REQUEST_MALFORMED);
}

TEST_F(KeysTest, ABlobThatMovesIsNoUseOfItsVersion) {
  EXPECT_EQ(Do(RotateWrapping(1)), kDone);
  Command move = Unwrap(1);
  move.mutable_release()->set_new_blob_digest(std::string(32, 'n'));
  move.mutable_release()->set_new_blob_version(2);
  const Effect effect = fed_.Do(move);
  ASSERT_TRUE(effect.ok()) << effect.message;
  EXPECT_EQ(Leaf(effect).released().new_blob_version(), 2u);
  EXPECT_EQ(Key(Wrapping()).versions(0).releases(), 0u);
  // But it draws from the quota, as every release.
  EXPECT_EQ(fed_.view()->GetQuota("default", Wrapping(), "p")->drawn(), 1u);
  // Both versions are looked at.
  fed_.Do(fixture_.SetKeyVersionState(Wrapping(), 2, DISABLED));
  move.mutable_release()->set_challenge_hash(std::string(32, 'x'));
  EXPECT_EQ(Do(move), v1::VERSION_DISABLED);
}

TEST_F(KeysTest, AVersionBoundToAnArtifactIsForNoOther) {
  const std::string artifact(32, 'a');
  Command rotate = fixture_.RotateKey(Stored(), 1);
  rotate.mutable_rotate_key()->mutable_material()->set_artifact_digest(
      artifact);
  EXPECT_EQ(Do(rotate), kDone);
  EXPECT_EQ(Key(Stored()).versions(1).artifact_digest(), artifact);
  Command release = Release(Stored(), 1);
  release.mutable_release()->set_version(2);
  EXPECT_EQ(Do(release), v1::ARTIFACT_MISMATCH);
  release.mutable_release()->set_artifact_digest(std::string(32, 'x'));
  EXPECT_EQ(Do(release), v1::ARTIFACT_MISMATCH);
  release.mutable_release()->set_artifact_digest(artifact);
  EXPECT_EQ(Do(release), kDone);
  // Version 1 is bound to none.
  Command unbound = Release(Stored(), 2);
  unbound.mutable_release()->set_artifact_digest(artifact);
  EXPECT_EQ(Do(unbound), v1::ARTIFACT_MISMATCH);

  Command wrapping = RotateWrapping(1);
  wrapping.mutable_rotate_key()->mutable_material()->set_artifact_digest(
      artifact);
  EXPECT_EQ(Do(wrapping), kDone);
  Command unwrap = Unwrap(3);
  unwrap.mutable_release()->set_version(2);
  EXPECT_EQ(Do(unwrap), v1::ARTIFACT_MISMATCH);
  unwrap.mutable_release()->set_artifact_digest(artifact);
  EXPECT_EQ(Do(unwrap), kDone);
}

TEST_F(KeysTest, VersionsBelowTheMinimumAreNotUsable) {
  EXPECT_EQ(Do(Minimum(Wrapping(), 2)), v1::VERSION_CONFLICT);
  EXPECT_EQ(Do(Minimum(TestId(9), 1)), v1::NOT_FOUND);
  EXPECT_EQ(Do(RotateWrapping(1)), kDone);
  const Effect raised = fed_.Do(Minimum(Wrapping(), 2));
  ASSERT_TRUE(raised.ok()) << raised.message;
  EXPECT_EQ(Leaf(raised).key_configured().minimum_version(), 2u);
  EXPECT_EQ(Do(Unwrap(1)), v1::VERSION_BELOW_MINIMUM);
  EXPECT_EQ(Do(Rewrap(1, 2)), v1::VERSION_BELOW_MINIMUM);
  EXPECT_EQ(Do(Minimum(Wrapping(), 1)), kDone);
  EXPECT_EQ(Do(Unwrap(1)), kDone);
}

TEST_F(KeysTest, ConfigurationChangesWhatIsGivenAndNothingElse) {
  Command both = Minimum(Stored(), 1);
  both.mutable_configure_key()->set_description("for people");
  EXPECT_EQ(Do(both), kDone);
  Command labels = Configure(Stored());
  auto& label = *labels.mutable_configure_key()->mutable_labels()->add_labels();
  label.set_name("team");
  label.set_value("research");
  EXPECT_EQ(Do(labels), kDone);
  EXPECT_EQ(Key(Stored()).minimum_version(), 1u);
  EXPECT_EQ(Key(Stored()).description(), "for people");
  ASSERT_EQ(Key(Stored()).labels_size(), 1);
  EXPECT_EQ(Key(Stored()).labels(0).value(), "research");
  Command none = Configure(Stored());
  none.mutable_configure_key()->mutable_labels();
  EXPECT_EQ(Do(none), kDone);
  EXPECT_EQ(Key(Stored()).labels_size(), 0);
  EXPECT_EQ(Key(Stored()).description(), "for people");
}

TEST_F(KeysTest, LabelsAreAscendingAndBounded) {
  const auto with = [this](const std::vector<std::string>& names,
                           const std::string& value) {
    Command command = Configure(Stored());
    auto& labels = *command.mutable_configure_key()->mutable_labels();
    for (const std::string& name : names) {
      labels.add_labels()->set_name(name);
      labels.mutable_labels()->rbegin()->set_value(value);
    }
    return Do(command);
  };
  EXPECT_EQ(with({"a", "b"}, ""), kDone);
  EXPECT_EQ(with({"b", "a"}, ""), v1::REQUEST_MALFORMED);
  EXPECT_EQ(with({"a", "a"}, ""), v1::REQUEST_MALFORMED);
  EXPECT_EQ(with({""}, ""), v1::REQUEST_MALFORMED);
  EXPECT_EQ(with({"A"}, ""), v1::REQUEST_MALFORMED);
  EXPECT_EQ(with({"a"}, "\n"), v1::REQUEST_MALFORMED);
  EXPECT_EQ(with({"a"}, "\xc3\xa9"), v1::REQUEST_MALFORMED);
  EXPECT_EQ(with({"a"}, std::string(kLabelValueBytesMax, 'v')), kDone);
  EXPECT_EQ(with({"a"}, std::string(kLabelValueBytesMax + 1, 'v')),
            v1::REQUEST_MALFORMED);
  std::vector<std::string> many;
  for (int i = 0; i < kLabelsMax; ++i) many.push_back(std::to_string(100 + i));
  EXPECT_EQ(with(many, ""), kDone);
  many.push_back("one-more");
  EXPECT_EQ(with(many, ""), v1::REQUEST_MALFORMED);
}

TEST_F(KeysTest, ARewrapGoesToThePrimaryVersionOnly) {
  EXPECT_EQ(Do(RotateWrapping(1)), kDone);
  EXPECT_EQ(Do(Rewrap(1, 1)), v1::VERSION_CONFLICT);
  EXPECT_EQ(Do(Rewrap(3, 2)), v1::NOT_FOUND);
  const Effect moved = fed_.Do(Rewrap(1, 2));
  ASSERT_TRUE(moved.ok()) << moved.message;
  EXPECT_EQ(Leaf(moved).blob_rewrapped().new_blob_digest(),
            std::string(32, 'n'));
  Command malformed = Rewrap(1, 2);
  malformed.mutable_record_rewrap()->clear_blob_digest();
  EXPECT_EQ(Do(malformed), v1::REQUEST_MALFORMED);
  Command nobody = Rewrap(1, 2);
  nobody.clear_principal();
  EXPECT_EQ(Do(nobody), v1::ADMINISTRATOR_REQUIRED);
  fed_.Do(fixture_.SetKeyVersionState(Wrapping(), 1, DISABLED));
  EXPECT_EQ(Do(Rewrap(1, 2)), v1::VERSION_DISABLED);
  Command stored = Rewrap(1, 1);
  stored.mutable_record_rewrap()->set_key_id(Stored());
  EXPECT_EQ(Do(stored), v1::PURPOSE_MISMATCH);
}

// A state at level 1, until its instances raise it.
TEST(KeysFeatureLevelTest, HoldsBackWhatNotEveryInstanceKnows) {
  StateFixture fixture;
  MemoryEngine engine;
  Command genesis = fixture.Genesis();
  genesis.mutable_genesis()->set_feature_level(kFeatureLevelKeys - 1);
  FedMachine fed(fixture, engine, genesis);
  EXPECT_TRUE(fed.Do(fixture.CreateKey("k", TestId(1), "")).ok());
  Command wrapping = fixture.CreateKey("w", TestId(2), "");
  wrapping.mutable_create_key()->set_purpose(KEY_PURPOSE_WRAPPING);
  Command bound = fixture.CreateKey("b", TestId(3), "");
  bound.mutable_create_key()->mutable_material()->set_artifact_digest(
      std::string(32, 'a'));
  Command labelled = fixture.CreateKey("l", TestId(4), "");
  labelled.mutable_create_key()->add_labels()->set_name("team");
  Command rotate = fixture.RotateKey(TestId(1), 1);
  rotate.mutable_rotate_key()->mutable_material()->set_artifact_digest(
      std::string(32, 'a'));
  Command configure = fixture.NewCommand();
  configure.mutable_configure_key()->set_key_id(TestId(1));
  Command rewrap = fixture.NewCommand();
  rewrap.mutable_record_rewrap()->set_key_id(TestId(1));
  for (const Command& later :
       {wrapping, bound, labelled, rotate, configure, rewrap}) {
    EXPECT_EQ(fed.Do(later).refusal, v1::FEATURE_LEVEL_TOO_LOW)
        << later.op_case();
  }
}

}  // namespace
}  // namespace kms::storage

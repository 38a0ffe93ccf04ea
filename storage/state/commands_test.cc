// Each rule about commands, by its exact refusal.
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "proto/kms/v1/audit_entry.pb.h"
#include "storage/engine/memory_engine.h"
#include "storage/state/batch_codec.h"
#include "storage/state/limits.h"
#include "storage/state/state_fixture.h"

namespace kms::storage {
namespace {

class CommandsTest : public testing::Test {
 protected:
  v1::RefusalCode Do(const Command& command) {
    return fed_.Do(command).refusal;
  }
  v1::AuditEntry Leaf(uint64_t index) const {
    v1::AuditEntry entry;
    EXPECT_TRUE(entry.ParseFromString(*fed_.view()->GetLeaf(index)));
    return entry;
  }
  void Advance(int64_t us) { fixture_.now_us += us; }

  static constexpr v1::RefusalCode kDone = v1::REFUSAL_CODE_UNSPECIFIED;

  StateFixture fixture_;
  MemoryEngine engine_;
  FedMachine fed_{fixture_, engine_};
};

TEST_F(CommandsTest, ShapeOfEveryCommandIsChecked) {
  Command no_salt = fixture_.PutAnchor("a");
  no_salt.set_salt("short");
  EXPECT_EQ(Do(no_salt), v1::REQUEST_MALFORMED);
  Command no_namespace = fixture_.PutAnchor("a");
  no_namespace.clear_namespace_();
  EXPECT_EQ(Do(no_namespace), v1::REQUEST_MALFORMED);
  EXPECT_EQ(Do(fixture_.NewCommand()), v1::REQUEST_MALFORMED);
  Command nobody = fixture_.CreateKey("k", TestId(1), "");
  nobody.clear_principal();
  EXPECT_EQ(Do(nobody), v1::ADMINISTRATOR_REQUIRED);
  EXPECT_EQ(Do(fixture_.Genesis()), v1::ALREADY_INITIALIZED);
  Command large = fixture_.PutPolicy("p");
  large.mutable_put_policy()->set_source(std::string(kCommandBytesMax, 's'));
  EXPECT_EQ(Do(large), v1::REQUEST_TOO_LARGE);
}

TEST_F(CommandsTest, KeysAreCreatedOnce) {
  const Effect effect = fed_.Do(fixture_.CreateKey("k", TestId(1), ""));
  EXPECT_TRUE(effect.ok());
  EXPECT_EQ(effect.version, 1u);
  EXPECT_EQ(Leaf(*effect.leaf).key_created().key_id(), TestId(1));
  EXPECT_EQ(Do(fixture_.CreateKey("k", TestId(2), "")), v1::ALREADY_EXISTS);
  EXPECT_EQ(Do(fixture_.CreateKey("l", TestId(1), "")), v1::ALREADY_EXISTS);
  const auto key = fed_.view()->GetKey("default", "k");
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->primary_version(), 1u);
  EXPECT_EQ(fed_.view()->GetKeyMaterial("default", TestId(1), 1)->wrapped(),
            "wrapped 1 of k");
}

TEST_F(CommandsTest, NamespacesDoNotSeeEachOther) {
  Command other = fixture_.CreateKey("k", TestId(1), "");
  other.set_namespace_("tenant");
  EXPECT_EQ(Do(other), kDone);
  EXPECT_EQ(Do(fixture_.CreateKey("k", TestId(2), "")), kDone);
  EXPECT_EQ(fed_.view()->GetKey("default", "k")->key_id(), TestId(2));
  EXPECT_EQ(fed_.view()->GetKeyById("default", TestId(1)).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(fed_.view()->ListKeys("tenant", "", 10)->size(), 1u);
  EXPECT_EQ(Do(fixture_.RotateKey(TestId(1), 1)), v1::NOT_FOUND);
}

TEST_F(CommandsTest, KeyFieldsAreBounded) {
  for (const std::string& name :
       {std::string(), std::string("Upper"), std::string("a/b"),
        std::string(kKeyNameBytesMax + 1, 'a')}) {
    EXPECT_EQ(Do(fixture_.CreateKey(name, TestId(1), "")),
              v1::REQUEST_MALFORMED);
  }
  EXPECT_EQ(Do(fixture_.CreateKey("k", "short", "")), v1::REQUEST_MALFORMED);
  Command command = fixture_.CreateKey("k", TestId(1), "");
  command.mutable_create_key()->mutable_material()->clear_wrapped();
  EXPECT_EQ(Do(command), v1::REQUEST_MALFORMED);
  command.mutable_create_key()->mutable_material()->set_wrapped(
      std::string(kMaterialBytesMax + 1, 'm'));
  EXPECT_EQ(Do(command), v1::REQUEST_MALFORMED);
  EXPECT_EQ(Do(fixture_.CreateKey("k", TestId(1), "absent")), v1::NOT_FOUND);
}

TEST_F(CommandsTest, RotationIsCompareAndSet) {
  EXPECT_EQ(Do(fixture_.RotateKey(TestId(1), 1)), v1::NOT_FOUND);
  fed_.Do(fixture_.CreateKey("k", TestId(1), ""));
  EXPECT_EQ(fed_.Do(fixture_.RotateKey(TestId(1), 1)).version, 2u);
  EXPECT_EQ(Do(fixture_.RotateKey(TestId(1), 1)), v1::VERSION_CONFLICT);
  EXPECT_EQ(fed_.view()->GetKeyById("default", TestId(1))->primary_version(),
            2u);
  EXPECT_TRUE(fed_.view()->GetKeyMaterial("default", TestId(1), 1).ok());
}

TEST_F(CommandsTest, DestructionIsForEver) {
  using ::storage::v1::DESTROYED;
  using ::storage::v1::DISABLED;
  using ::storage::v1::ENABLED;
  fed_.Do(fixture_.CreateKey("k", TestId(1), ""));
  EXPECT_EQ(Do(fixture_.SetKeyVersionState(TestId(1), 2, DISABLED)),
            v1::NOT_FOUND);
  EXPECT_EQ(Do(fixture_.SetKeyVersionState(TestId(1), 0, DISABLED)),
            v1::NOT_FOUND);
  EXPECT_EQ(Do(fixture_.SetKeyVersionState(
                TestId(1), 1, ::storage::v1::KEY_VERSION_STATE_UNSPECIFIED)),
            v1::REQUEST_MALFORMED);
  EXPECT_EQ(Do(fixture_.SetKeyVersionState(TestId(1), 1, DISABLED)), kDone);
  EXPECT_EQ(Do(fixture_.SetKeyVersionState(TestId(1), 1, ENABLED)), kDone);
  EXPECT_EQ(Do(fixture_.SetKeyVersionState(TestId(1), 1, DESTROYED)), kDone);
  EXPECT_EQ(Do(fixture_.SetKeyVersionState(TestId(1), 1, ENABLED)),
            v1::VERSION_DESTROYED);
  const auto view = fed_.view();
  EXPECT_EQ(RefusalOf(view->GetKeyMaterial("default", TestId(1), 1).status()),
            v1::VERSION_DESTROYED);
  EXPECT_EQ(view->GetKeyById("default", TestId(1))->primary_version(), 0u);
  EXPECT_EQ(Do(fixture_.RotateKey(TestId(1), 0)), v1::VERSION_CONFLICT);
  Command next = fixture_.RotateKey(TestId(1), 0);
  next.mutable_rotate_key()->set_version(2);
  EXPECT_EQ(Do(next), kDone);
}

TEST_F(CommandsTest, PoliciesAreVersionedAndMoveTheGeneration) {
  const uint64_t before = fed_.generation();
  EXPECT_EQ(fed_.Do(fixture_.PutPolicy("p")).version, 1u);
  EXPECT_EQ(Do(fixture_.PutPolicy("p")), v1::VERSION_CONFLICT);
  EXPECT_EQ(fed_.Do(fixture_.PutPolicy("p", 1)).version, 2u);
  EXPECT_EQ(fed_.generation(), before + 2);
  EXPECT_EQ(fed_.view()->GetPolicy("default", "p")->version, 2u);
  EXPECT_EQ(fed_.view()->GetPolicy("default", "p", 1)->version, 1u);
  EXPECT_EQ(fed_.view()->GetPolicy("default", "p", 3).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(CommandsTest, PolicyTermsAreBounded) {
  const auto with = [&](auto change) {
    Command command = fixture_.PutPolicy("p");
    change(*command.mutable_put_policy()->mutable_terms());
    return Do(command);
  };
  EXPECT_EQ(with([](auto& t) { t.set_lease_us(0); }), v1::REQUEST_MALFORMED);
  EXPECT_EQ(with([](auto& t) { t.set_lease_us(kLeaseUsMax + 1); }),
            v1::REQUEST_MALFORMED);
  EXPECT_EQ(with([](auto& t) { t.set_quota_count(1); }), v1::REQUEST_MALFORMED);
  EXPECT_EQ(with([](auto& t) { t.set_quota_window_us(1); }),
            v1::REQUEST_MALFORMED);
  EXPECT_EQ(with([](auto& t) { t.set_valid_from_us(-1); }),
            v1::REQUEST_MALFORMED);
  EXPECT_EQ(with([](auto& t) {
              t.set_valid_from_us(5);
              t.set_valid_until_us(5);
            }),
            v1::REQUEST_MALFORMED);
  EXPECT_EQ(with([](auto&) {}), kDone);
}

TEST_F(CommandsTest, AnchorsArePutAndRemoved) {
  const uint64_t before = fed_.generation();
  EXPECT_EQ(Do(fixture_.PutAnchor("a")), kDone);
  EXPECT_EQ(Do(fixture_.PutAnchor("a")), kDone);
  EXPECT_EQ(fed_.view()->ListAnchors()->size(), 1u);
  Command remove = fixture_.NewCommand();
  remove.mutable_remove_anchor()->set_name("a");
  EXPECT_EQ(Do(remove), kDone);
  EXPECT_EQ(Do(remove), v1::NOT_FOUND);
  EXPECT_EQ(fed_.generation(), before + 3);
  Command bad = fixture_.PutAnchor("a");
  bad.mutable_put_anchor()->set_spki_digest("short");
  EXPECT_EQ(Do(bad), v1::REQUEST_MALFORMED);
}

TEST_F(CommandsTest, AnchorsKeepTheirUse) {
  Command command = fixture_.PutAnchor("a");
  command.mutable_put_anchor()->set_use(1);
  const Effect effect = fed_.Do(command);
  ASSERT_TRUE(effect.ok());
  EXPECT_EQ(fed_.view()->GetAnchor("a")->use(), 1u);
  EXPECT_EQ(Leaf(*effect.leaf).anchor_put().use(), 1u);
  EXPECT_EQ(Leaf(*effect.leaf).anchor_put().evidence_type(),
            command.put_anchor().evidence_type());
}

// A state at level 1, until its instances raise it.
TEST(FeatureLevelTest, HoldsBackWhatNotEveryInstanceKnows) {
  StateFixture fixture;
  MemoryEngine engine;
  Command genesis = fixture.Genesis();
  genesis.mutable_genesis()->set_feature_level(kFeatureLevelMin);
  FedMachine fed(fixture, engine, genesis);
  Command command = fixture.PutAnchor("a");
  EXPECT_TRUE(fed.Do(command).ok());
  command.mutable_put_anchor()->set_use(1);
  for (const Command& later :
       {command, fixture.PutCollateral("ca", 1), fixture.RemoveCollateral("ca"),
        fixture.PutDenyList(1, {"chip"}), fixture.SetKillSwitch(1, true)}) {
    EXPECT_EQ(fed.Do(later).refusal, v1::FEATURE_LEVEL_TOO_LOW);
  }
  Command raise = fixture.NewCommand();
  raise.mutable_raise_feature_level()->set_level(kFeatureLevelCollateral);
  EXPECT_TRUE(fed.Do(raise).ok());
  EXPECT_TRUE(fed.Do(command).ok());
}

TEST_F(CommandsTest, AnchorsAreLimited) {
  for (uint32_t i = 0; i < kAnchorsMax; ++i) {
    fed_.Do(fixture_.PutAnchor("a" + std::to_string(i)));
  }
  EXPECT_EQ(Do(fixture_.PutAnchor("one-more")), v1::LIMIT_REACHED);
  EXPECT_EQ(Do(fixture_.PutAnchor("a0")), kDone);
}

TEST_F(CommandsTest, InstancesRegisterOnce) {
  const TestInstance second = MakeTestInstance(2);
  EXPECT_EQ(Do(fixture_.Register(second)), kDone);
  EXPECT_EQ(Do(fixture_.Register(second)), v1::ALREADY_EXISTS);
  Command wrong_level = fixture_.Register(MakeTestInstance(3));
  wrong_level.mutable_register_()->set_feature_level_max(kFeatureLevelMax - 1);
  EXPECT_EQ(Do(wrong_level), v1::REQUEST_MALFORMED);
  Command no_evidence = fixture_.Register(MakeTestInstance(3));
  no_evidence.mutable_register_()->clear_evidence_digest();
  EXPECT_EQ(Do(no_evidence), v1::REQUEST_MALFORMED);
}

// A registration that the policy "cluster-join" allowed; challenge `n`.
class JoinTest : public CommandsTest {
 protected:
  JoinTest() { fed_.Do(fixture_.PutPolicy(kJoinPolicyName)); }

  Command Join(const TestInstance& instance, uint64_t n) {
    Command command = fixture_.Register(instance);
    command.clear_principal();
    auto& op = *command.mutable_register_();
    op.set_join_policy_version(1);
    op.set_appraisal_generation(fed_.generation());
    op.set_challenge_hash(TestId(n, 32));
    op.set_challenge_expires_us(fixture_.now_us + kMinuteUs);
    op.set_transcript_digest(TestId(n, 64));
    return command;
  }
  Command JoinByToken(const TestInstance& instance, uint64_t n) {
    Command command = Join(instance, n);
    command.set_principal("development-join-token");
    command.mutable_register_()->clear_join_policy_version();
    command.mutable_register_()->clear_evidence_digest();
    command.mutable_register_()->set_development(true);
    return command;
  }
  Command Remove(const std::string& id) {
    Command command = fixture_.NewCommand();
    command.mutable_remove_instance()->set_instance_id(id);
    command.mutable_remove_instance()->set_reason("lost");
    return command;
  }
  Command Unfence(const std::string& id) {
    Command command = fixture_.NewCommand();
    command.mutable_unfence_instance()->set_instance_id(id);
    return command;
  }

  const TestInstance second_ = MakeTestInstance(2);
};

TEST_F(JoinTest, AnApprovedPolicyAdmitsWithoutAPrincipal) {
  const Effect effect = fed_.Do(Join(second_, 1));
  ASSERT_TRUE(effect.ok()) << effect.message;
  const auto leaf = Leaf(*effect.leaf).instance_registered();
  EXPECT_EQ(leaf.instance_id(), second_.id);
  EXPECT_EQ(leaf.join_policy_version(), 1u);
  EXPECT_EQ(leaf.evidence_digest(), std::string(32, 'e'));
  EXPECT_EQ(leaf.transcript_digest(), TestId(1, 64));
  EXPECT_FALSE(leaf.development());
}

TEST_F(JoinTest, TheTokenAdmitsByNameAndLeavesItInTheLeaf) {
  const Effect effect = fed_.Do(JoinByToken(second_, 1));
  ASSERT_TRUE(effect.ok()) << effect.message;
  EXPECT_TRUE(Leaf(*effect.leaf).instance_registered().development());
  EXPECT_EQ(Leaf(*effect.leaf).principal(), "development-join-token");
  Command nobody = JoinByToken(MakeTestInstance(3), 2);
  nobody.clear_principal();
  EXPECT_EQ(Do(nobody), v1::APPROVALS_MISSING);
  Command both = JoinByToken(MakeTestInstance(3), 3);
  both.mutable_register_()->set_join_policy_version(1);
  EXPECT_EQ(Do(both), v1::REQUEST_MALFORMED);
}

TEST_F(JoinTest, TheSameTranscriptIsARepeatAndAnotherIsSpent) {
  const Effect first = fed_.Do(Join(second_, 1));
  const Effect again = fed_.Do(Join(second_, 1));
  ASSERT_TRUE(again.ok()) << again.message;
  EXPECT_EQ(again.repeat_of, first.leaf);
  EXPECT_EQ(fed_.view()->ListInstances()->size(), 2u);
  EXPECT_EQ(Leaf(*again.leaf).instance_registered().repeat_of_plus_one(),
            *first.leaf + 1);
  Command other = Join(MakeTestInstance(3), 1);
  other.mutable_register_()->set_transcript_digest(TestId(9, 64));
  EXPECT_EQ(Do(other), v1::CHALLENGE_SPENT);
  // Another instance behind the same transcript is no repeat of its own.
  EXPECT_EQ(Do(Join(MakeTestInstance(3), 1)), kDone);
}

TEST_F(JoinTest, AJoinsChallengeIsSpentForReleasesToo) {
  fed_.Do(fixture_.PutPolicy("p"));
  fed_.Do(fixture_.CreateKey("k", TestId(1), "p"));
  Command release = fixture_.Release(TestId(1), 5, fed_.generation());
  Command join = Join(second_, 1);
  join.mutable_register_()->set_challenge_hash(
      release.release().challenge_hash());
  ASSERT_EQ(Do(join), kDone);
  EXPECT_EQ(Do(release), v1::CHALLENGE_SPENT);
}

TEST_F(JoinTest, WhatWasJudgedMustHoldWhereItIsOrdered) {
  Command join = Join(second_, 1);
  Command other_version = join;
  other_version.mutable_register_()->set_join_policy_version(2);
  EXPECT_EQ(Do(other_version), v1::APPRAISAL_STALE);
  fed_.Do(fixture_.PutAnchor("a"));
  EXPECT_EQ(Do(join), v1::APPRAISAL_STALE);
  Command expired = Join(second_, 2);
  Advance(2 * kMinuteUs);
  EXPECT_EQ(Do(expired), v1::CHALLENGE_EXPIRED);
  Command long_lived = Join(second_, 3);
  long_lived.mutable_register_()->set_challenge_expires_us(
      fixture_.now_us + kChallengeLifetimeUsMax + 1);
  EXPECT_EQ(Do(long_lived), v1::REQUEST_MALFORMED);
  Command unchallenged = Join(second_, 4);
  unchallenged.mutable_register_()->clear_challenge_hash();
  EXPECT_EQ(Do(unchallenged), v1::REQUEST_MALFORMED);
}

TEST_F(JoinTest, WithoutThePolicyNobodyJoinsByEvidence) {
  StateFixture fixture;
  MemoryEngine engine;
  FedMachine fed(fixture, engine);
  EXPECT_EQ(fed.Do(Join(second_, 1)).refusal, v1::NO_POLICY);
}

TEST_F(JoinTest, BelowItsLevelNobodyJoinsOrLeaves) {
  StateFixture fixture;
  MemoryEngine engine;
  Command genesis = fixture.Genesis();
  genesis.mutable_genesis()->set_feature_level(kFeatureLevelCluster - 1);
  FedMachine fed(fixture, engine, genesis);
  EXPECT_EQ(fed.Do(Join(second_, 1)).refusal, v1::FEATURE_LEVEL_TOO_LOW);
  EXPECT_EQ(fed.Do(Remove(second_.id)).refusal, v1::FEATURE_LEVEL_TOO_LOW);
  EXPECT_EQ(fed.Do(Unfence(second_.id)).refusal, v1::FEATURE_LEVEL_TOO_LOW);
}

TEST_F(JoinTest, RemovedIsForEver) {
  ASSERT_EQ(Do(Join(second_, 1)), kDone);
  const Effect removed = fed_.Do(Remove(second_.id));
  ASSERT_TRUE(removed.ok()) << removed.message;
  EXPECT_EQ(Leaf(*removed.leaf).instance_removed().instance_id(), second_.id);
  EXPECT_EQ(Leaf(*removed.leaf).instance_removed().reason(), "lost");
  EXPECT_EQ(Do(Remove(second_.id)), v1::INSTANCE_REMOVED);
  EXPECT_EQ(Do(Unfence(second_.id)), v1::INSTANCE_REMOVED);
  EXPECT_EQ(Do(Join(second_, 1)), v1::INSTANCE_REMOVED);
  EXPECT_EQ(Do(Join(second_, 2)), v1::INSTANCE_REMOVED);
  // Its key is of no use under another id.
  TestInstance renamed = second_;
  renamed.id = TestId(77);
  EXPECT_EQ(Do(Join(renamed, 3)), v1::INSTANCE_REMOVED);
  TestInstance stolen = MakeTestInstance(3);
  stolen.key = fixture_.first().key;
  EXPECT_EQ(Do(Join(stolen, 4)), v1::ALREADY_EXISTS);
}

TEST_F(JoinTest, RemovingNeedsSomebodyToRemoveAndSomebodyToStay) {
  EXPECT_EQ(Do(Remove(TestId(5))), v1::NOT_FOUND);
  EXPECT_EQ(Do(Remove(fixture_.first().id)), v1::LAST_INSTANCE);
  Command wordy = Remove(TestId(5));
  wordy.mutable_remove_instance()->set_reason(
      std::string(kReasonBytesMax + 1, 'x'));
  EXPECT_EQ(Do(wordy), v1::REQUEST_TOO_LARGE);
  Command nobody = Remove(TestId(5));
  nobody.clear_principal();
  EXPECT_EQ(Do(nobody), v1::ADMINISTRATOR_REQUIRED);
}

TEST_F(JoinTest, ARemovedInstancesBatchesLeaveALeafOnly) {
  ASSERT_EQ(Do(Join(second_, 1)), kDone);
  TestInstance second = second_;
  const auto before =
      fixture_.Seal(second, fixture_.NewBatch(second, *fed_.view(), {}));
  ASSERT_EQ(fed_.Feed(before)->verdict, BatchVerdict::kApplied);
  ASSERT_EQ(Do(Remove(second.id)), kDone);
  const uint64_t size = fed_.view()->tree_size();
  const auto result = fed_.Feed(fixture_.Seal(
      second, fixture_.NewBatch(second, *fed_.view(),
                                {fixture_.CreateKey("k", TestId(1), "")})));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->verdict, BatchVerdict::kUnknownInstance);
  EXPECT_EQ(fed_.view()->tree_size(), size + 1);
  EXPECT_EQ(Leaf(size).batch_rejected().cause(),
            v1::BatchRejected::UNKNOWN_INSTANCE);
  EXPECT_FALSE(fed_.view()->GetKey("default", "k").ok());
}

TEST_F(JoinTest, AnAdministratorUnfences) {
  ASSERT_EQ(Do(Join(second_, 1)), kDone);
  EXPECT_EQ(Do(Unfence(second_.id)), v1::VERSION_CONFLICT);
  EXPECT_EQ(Do(Unfence(TestId(5))), v1::NOT_FOUND);
  TestInstance second = second_;
  Batch diverged = fixture_.NewBatch(second, *fed_.view(), {});
  diverged.set_applied_digest(std::string(32, 'x'));
  ASSERT_EQ(fed_.Feed(fixture_.Seal(second, diverged))->verdict,
            BatchVerdict::kDiverged);
  Command nobody = Unfence(second.id);
  nobody.clear_principal();
  EXPECT_EQ(Do(nobody), v1::APPROVALS_MISSING);
  const Effect effect = fed_.Do(Unfence(second.id));
  ASSERT_TRUE(effect.ok()) << effect.message;
  EXPECT_EQ(Leaf(*effect.leaf).instance_unfenced().instance_id(), second.id);
  EXPECT_EQ(fed_.Feed(fixture_.Seal(
                          second, fixture_.NewBatch(second, *fed_.view(), {})))
                ->verdict,
            BatchVerdict::kApplied);
}

TEST_F(CommandsTest, TheFeatureLevelNeedsEveryInstance) {
  Command raise = fixture_.NewCommand();
  raise.mutable_raise_feature_level()->set_level(kFeatureLevelMax + 1);
  EXPECT_EQ(Do(raise), v1::VERSION_CONFLICT);
  raise.mutable_raise_feature_level()->set_level(kFeatureLevelMax);
  EXPECT_EQ(Do(raise), v1::VERSION_CONFLICT);
}

// --- Approvals ---

class ApprovalsTest : public testing::Test {
 protected:
  static Command TwoOfThem(StateFixture& fixture) {
    std::vector<::storage::v1::Approver> approvers(2);
    approvers[0].set_principal("alice");
    approvers[0].set_public_key(MakeTestInstance(10).key->public_key());
    approvers[1].set_principal("bob");
    approvers[1].set_public_key(MakeTestInstance(11).key->public_key());
    return fixture.Genesis(2, approvers);
  }
  ::storage::v1::Approval Approve(const Command& command, uint64_t key,
                                  const std::string& principal) {
    ::storage::v1::Approval approval;
    const TestInstance approver = MakeTestInstance(key);
    approval.set_principal(principal);
    approval.set_public_key(approver.key->public_key());
    approval.set_signature(approver.key->Sign(
        ApprovalSigningInput(TestId(0), command.SerializeAsString())));
    return approval;
  }
  v1::RefusalCode Do(const Command& command,
                     const std::vector<::storage::v1::Approval>& approvals) {
    Batch batch = fixture_.NewBatch(fixture_.first(), *fed_.view(), {command});
    for (const auto& approval : approvals) {
      *batch.mutable_commands(0)->add_approvals() = approval;
    }
    const auto result = fed_.Feed(fixture_.Seal(fixture_.first(), batch));
    EXPECT_TRUE(result.ok()) << result.status();
    return result->effects.at(0).refusal;
  }
  Command PutAnchor() {
    Command command = fixture_.PutAnchor("a");
    command.set_expected_generation(fed_.generation());
    return command;
  }

  StateFixture fixture_;
  MemoryEngine engine_;
  FedMachine fed_{fixture_, engine_, TwoOfThem(fixture_)};
};

TEST_F(ApprovalsTest, AnotherPrincipalsValidSignatureCounts) {
  const Command command = PutAnchor();  // By alice.
  EXPECT_EQ(Do(command, {}), v1::APPROVALS_MISSING);
  EXPECT_EQ(Do(command, {Approve(command, 11, "bob")}),
            v1::REFUSAL_CODE_UNSPECIFIED);
}

TEST_F(ApprovalsTest, OnlyNamedApproversCountEachOnce) {
  const Command command = PutAnchor();
  // Alice twice; a stranger; a stranger as bob; bob's key as carol; bob's
  // signature over something else.
  EXPECT_EQ(Do(command, {Approve(command, 10, "alice")}),
            v1::APPROVALS_MISSING);
  EXPECT_EQ(Do(command, {Approve(command, 12, "carol")}),
            v1::APPROVALS_MISSING);
  EXPECT_EQ(Do(command, {Approve(command, 12, "bob")}), v1::APPROVALS_MISSING);
  EXPECT_EQ(Do(command, {Approve(command, 11, "carol")}),
            v1::APPROVALS_MISSING);
  EXPECT_EQ(Do(command, {Approve(fixture_.PutAnchor("b"), 11, "bob")}),
            v1::APPROVALS_MISSING);
}

TEST_F(ApprovalsTest, AnApprovalIsNotUsedTwice) {
  const Command command = PutAnchor();
  const auto approval = Approve(command, 11, "bob");
  ASSERT_EQ(Do(command, {approval}), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(Do(command, {approval}), v1::VERSION_CONFLICT);
  Command unbound = fixture_.PutAnchor("b");
  EXPECT_EQ(Do(unbound, {Approve(unbound, 11, "bob")}), v1::APPROVALS_MISSING);
}

TEST_F(ApprovalsTest, OrdinaryCommandsNeedNone) {
  EXPECT_EQ(Do(fixture_.CreateKey("k", TestId(1), ""), {}),
            v1::REFUSAL_CODE_UNSPECIFIED);
}

// --- Releases ---

class ReleaseTest : public CommandsTest {
 protected:
  ReleaseTest() {
    fed_.Do(fixture_.PutPolicy("p", 0, 3, kHourUs));
    fed_.Do(fixture_.CreateKey("k", TestId(1), "p"));
  }
  Command Release(uint64_t n) {
    return fixture_.Release(TestId(1), n, fed_.generation());
  }
  uint64_t Releases() const {
    return fed_.view()
        ->GetKeyById("default", TestId(1))
        ->versions(0)
        .releases();
  }
};

TEST_F(ReleaseTest, IsRecordedCountedAndLeased) {
  const Effect effect = fed_.Do(Release(1));
  ASSERT_TRUE(effect.ok()) << effect.message;
  EXPECT_EQ(effect.lease_until_us,
            fed_.view()->header().log_time_us() + 60'000'000);
  const v1::AuditEntry leaf = Leaf(*effect.leaf);
  EXPECT_EQ(leaf.released().key_id(), TestId(1));
  EXPECT_EQ(leaf.released().repeat_of_plus_one(), 0u);
  EXPECT_EQ(leaf.namespace_(), "default");
  EXPECT_EQ(leaf.instance_id(), fixture_.first().id);
  EXPECT_EQ(Releases(), 1u);
  EXPECT_EQ(fed_.view()->GetQuota("default", TestId(1), "p")->drawn(), 1u);
  const auto spent =
      fed_.view()->FindSpentChallenge(Release(1).release().challenge_hash());
  ASSERT_TRUE(spent.ok() && spent->has_value());
  EXPECT_EQ((*spent)->leaf(), *effect.leaf);
}

TEST_F(ReleaseTest, SameTranscriptRepeatsAndDrawsNothing) {
  const Command release = Release(1);
  const Effect first = fed_.Do(release);
  const Effect again = fed_.Do(release);
  ASSERT_TRUE(again.ok()) << again.message;
  EXPECT_EQ(again.repeat_of, first.leaf);
  EXPECT_EQ(Leaf(*again.leaf).released().repeat_of_plus_one(), *first.leaf + 1);
  EXPECT_EQ(Releases(), 1u);
  EXPECT_EQ(fed_.view()->GetQuota("default", TestId(1), "p")->drawn(), 1u);
}

TEST_F(ReleaseTest, RepeatMeetsTheStateOfNow) {
  const Command release = Release(1);
  fed_.Do(release);
  fed_.Do(fixture_.SetKeyVersionState(TestId(1), 1, ::storage::v1::DISABLED));
  EXPECT_EQ(Do(release), v1::VERSION_DISABLED);
  fed_.Do(fixture_.SetKeyVersionState(TestId(1), 1, ::storage::v1::ENABLED));
  fed_.Do(fixture_.PutAnchor("a"));
  EXPECT_EQ(Do(release), v1::APPRAISAL_STALE);
}

TEST_F(ReleaseTest, AnotherTranscriptOrKeyUnderASpentChallengeIsRefused) {
  fed_.Do(fixture_.CreateKey("k2", TestId(2), "p"));
  fed_.Do(Release(1));
  Command other = Release(1);
  other.mutable_release()->set_transcript_digest(std::string(64, 'x'));
  EXPECT_EQ(Do(other), v1::CHALLENGE_SPENT);
  Command other_key = Release(1);
  other_key.mutable_release()->set_key_id(TestId(2));
  EXPECT_EQ(Do(other_key), v1::CHALLENGE_SPENT);
  fed_.Do(fixture_.RotateKey(TestId(1), 1));
  Command other_version = Release(1);
  other_version.mutable_release()->set_version(2);
  EXPECT_EQ(Do(other_version), v1::CHALLENGE_SPENT);
}

TEST_F(ReleaseTest, ARefusalDoesNotSpend) {
  fed_.Do(fixture_.SetKeyVersionState(TestId(1), 1, ::storage::v1::DISABLED));
  const Effect refused = fed_.Do(Release(1));
  EXPECT_EQ(refused.refusal, v1::VERSION_DISABLED);
  ASSERT_TRUE(refused.leaf.has_value());
  EXPECT_EQ(Leaf(*refused.leaf).refused().code(), v1::VERSION_DISABLED);
  fed_.Do(fixture_.SetKeyVersionState(TestId(1), 1, ::storage::v1::ENABLED));
  const Effect released = fed_.Do(Release(1));
  EXPECT_TRUE(released.ok());
  EXPECT_FALSE(released.repeat_of.has_value());
}

TEST_F(ReleaseTest, QuotaIsAWindowOfLogTime) {
  for (uint64_t n = 0; n < 3; ++n) EXPECT_EQ(Do(Release(n)), kDone);
  const Effect over = fed_.Do(Release(3));
  EXPECT_EQ(over.refusal, v1::QUOTA_EXHAUSTED);
  EXPECT_TRUE(over.leaf.has_value());
  EXPECT_EQ(Do(Release(0)), kDone);  // A repeat draws nothing.
  Advance(kHourUs - 1);
  EXPECT_EQ(Do(Release(4)), v1::QUOTA_EXHAUSTED);
  Advance(1);
  EXPECT_EQ(Do(Release(5)), kDone);
  EXPECT_EQ(fed_.view()->GetQuota("default", TestId(1), "p")->drawn(), 1u);
}

TEST_F(ReleaseTest, WhatWasJudgedMustStillHold) {
  Command release = Release(1);
  release.mutable_release()->set_appraisal_generation(fed_.generation() - 1);
  const Effect stale = fed_.Do(release);
  EXPECT_EQ(stale.refusal, v1::APPRAISAL_STALE);
  EXPECT_FALSE(stale.leaf.has_value());
  release = Release(1);
  release.mutable_release()->set_policy_version(2);
  EXPECT_EQ(Do(release), v1::APPRAISAL_STALE);
  release = Release(1);
  release.mutable_release()->set_policy("q");
  EXPECT_EQ(Do(release), v1::APPRAISAL_STALE);
  EXPECT_EQ(Do(Release(1)), kDone);
}

TEST_F(ReleaseTest, KeyVersionAndPolicyMustBeThere) {
  Command release = Release(1);
  release.mutable_release()->set_key_id(TestId(9));
  const Effect unknown = fed_.Do(release);
  EXPECT_EQ(unknown.refusal, v1::NOT_FOUND);
  EXPECT_FALSE(unknown.leaf.has_value());
  release = Release(1);
  release.mutable_release()->set_version(2);
  EXPECT_EQ(Do(release), v1::NOT_FOUND);
  fed_.Do(fixture_.CreateKey("k2", TestId(2), ""));
  release = Release(1);
  release.mutable_release()->set_key_id(TestId(2));
  EXPECT_EQ(Do(release), v1::NO_POLICY);
  fed_.Do(fixture_.SetKeyVersionState(TestId(1), 1, ::storage::v1::DESTROYED));
  EXPECT_EQ(Do(Release(1)), v1::VERSION_DESTROYED);
}

TEST_F(ReleaseTest, PolicyIsValidForATimeOfTheLog) {
  Command policy = fixture_.PutPolicy("p", 1);
  auto& terms = *policy.mutable_put_policy()->mutable_terms();
  terms.set_valid_from_us(fixture_.now_us + 100);
  terms.set_valid_until_us(fixture_.now_us + 200);
  fed_.Do(policy);
  const auto release = [&](uint64_t n) {
    Command command = Release(n);
    command.mutable_release()->set_policy_version(2);
    return Do(command);
  };
  EXPECT_EQ(release(1), v1::POLICY_DENIED);
  Advance(100);
  EXPECT_EQ(release(1), kDone);
  Advance(100);
  EXPECT_EQ(release(2), v1::POLICY_DENIED);
}

TEST_F(ReleaseTest, ChallengesExpireByLogTime) {
  const Command release = Release(1);
  Advance(release.release().challenge_expires_us() - fixture_.now_us);
  EXPECT_EQ(Do(release), kDone);
  EXPECT_EQ(Do(release), kDone);
  Advance(1);
  EXPECT_EQ(Do(release), v1::CHALLENGE_EXPIRED);
  Command far = Release(2);
  far.mutable_release()->set_challenge_expires_us(fixture_.now_us +
                                                  kChallengeLifetimeUsMax + 1);
  EXPECT_EQ(Do(far), v1::REQUEST_MALFORMED);
}

TEST_F(ReleaseTest, SpentRowsGoWhenLogTimePassesTheirExpiry) {
  fed_.Do(fixture_.PutPolicy("p", 1));
  const size_t count = kSpentPrunedPerBatchMin + 10;
  std::vector<Command> releases;
  for (uint64_t n = 0; n < count; ++n) {
    releases.push_back(Release(n));
    releases.back().mutable_release()->set_policy_version(2);
  }
  for (const Effect& effect : fed_.Do(releases)) ASSERT_TRUE(effect.ok());
  EXPECT_EQ(fed_.view()->header().spent_challenges(), count);
  Advance(300'000'001);
  fed_.Do(std::vector<Command>());
  EXPECT_EQ(fed_.view()->header().spent_challenges(), 10u);
  fed_.Do(std::vector<Command>());
  EXPECT_EQ(fed_.view()->header().spent_challenges(), 0u);
  EXPECT_EQ(
      *fed_.view()->FindSpentChallenge(releases[0].release().challenge_hash()),
      std::nullopt);
}

TEST_F(ReleaseTest, PruningKeepsUpWithSpending) {
  fed_.Do(fixture_.PutPolicy("p", 1));
  const size_t count = 2 * kSpentPrunedPerBatchMin;
  auto release = [&, first = uint64_t{0}]() mutable {
    std::vector<Command> releases;
    for (size_t i = 0; i < count; ++i) {
      releases.push_back(Release(first++));
      releases.back().mutable_release()->set_policy_version(2);
    }
    for (const Effect& effect : fed_.Do(releases)) ASSERT_TRUE(effect.ok());
  };
  release();
  Advance(300'000'001);
  release();
  EXPECT_EQ(fed_.view()->header().spent_challenges(), count);
}

TEST_F(ReleaseTest, IllFormedReleasesAreRefused) {
  const auto with = [&](auto change) {
    Command command = Release(1);
    change(*command.mutable_release());
    const Effect effect = fed_.Do(command);
    EXPECT_FALSE(effect.leaf.has_value());
    return effect.refusal;
  };
  const std::string shorter(31, 'x');
  EXPECT_EQ(with([](auto& r) { r.set_key_id("k"); }), v1::REQUEST_MALFORMED);
  EXPECT_EQ(with([](auto& r) { r.set_version(0); }), v1::REQUEST_MALFORMED);
  EXPECT_EQ(with([](auto& r) { r.clear_policy(); }), v1::REQUEST_MALFORMED);
  EXPECT_EQ(with([&](auto& r) { r.set_challenge_hash(shorter); }),
            v1::REQUEST_MALFORMED);
  EXPECT_EQ(with([&](auto& r) { r.set_transcript_digest(shorter); }),
            v1::REQUEST_MALFORMED);
  EXPECT_EQ(with([&](auto& r) { r.set_evidence_digest(shorter); }),
            v1::REQUEST_MALFORMED);
  EXPECT_EQ(with([&](auto& r) { r.set_claims_digest(shorter); }),
            v1::REQUEST_MALFORMED);
  EXPECT_EQ(with([&](auto& r) { r.set_recipient_thumbprint(shorter); }),
            v1::REQUEST_MALFORMED);
  EXPECT_EQ(with([](auto& r) { r.set_challenge_expires_us(0); }),
            v1::REQUEST_MALFORMED);
}

TEST_F(ReleaseTest, RefusalLeavesAreLimitedAKeyAndMinute) {
  Command refusal = fixture_.NewCommand();
  refusal.clear_principal();
  refusal.mutable_record_refusal()->set_key_id(TestId(1));
  refusal.mutable_record_refusal()->set_code(v1::POLICY_DENIED);
  for (uint64_t i = 0; i < kRefusalLeavesPerKeyMinute; ++i) {
    ASSERT_EQ(Do(refusal), kDone);
  }
  const uint64_t leaves = fed_.view()->tree_size();
  EXPECT_EQ(Do(refusal), v1::RATE_LIMITED);
  Command bad_version = Release(1);
  bad_version.mutable_release()->set_version(7);
  EXPECT_FALSE(fed_.Do(bad_version).leaf.has_value());
  EXPECT_EQ(fed_.view()->tree_size(), leaves);
  Advance(kMinuteUs);
  EXPECT_EQ(Do(refusal), kDone);
  refusal.mutable_record_refusal()->set_key_id(TestId(9));
  EXPECT_EQ(Do(refusal), v1::NOT_FOUND);
}

TEST_F(ReleaseTest, RefusalCountsAreAscending) {
  Command counts = fixture_.NewCommand();
  auto& op = *counts.mutable_count_refusals();
  EXPECT_EQ(Do(counts), v1::REQUEST_MALFORMED);
  for (const auto code : {v1::CHALLENGE_INVALID, v1::POLICY_DENIED}) {
    op.add_counts()->set_code(code);
    op.mutable_counts(op.counts_size() - 1)->set_count(2);
  }
  const Effect effect = fed_.Do(counts);
  ASSERT_TRUE(effect.ok());
  EXPECT_EQ(Leaf(*effect.leaf).refusals_counted().counts_size(), 2);
  op.mutable_counts()->SwapElements(0, 1);
  EXPECT_EQ(Do(counts), v1::REQUEST_MALFORMED);
}

}  // namespace
}  // namespace kms::storage

// The rules about versions of policies: which decides, which only watches, and
// how many leases may be outstanding.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "proto/kms/v1/audit_entry.pb.h"
#include "storage/engine/memory_engine.h"
#include "storage/state/limits.h"
#include "storage/state/state_fixture.h"

namespace kms::storage {
namespace {

using ::storage::v1::POLICY_ACTIVE;
using ::storage::v1::POLICY_DRAFT;
using ::storage::v1::POLICY_RETIRED;
using ::storage::v1::POLICY_SHADOW;
using ::storage::v1::POLICY_STATE_UNSPECIFIED;
using ::storage::v1::PolicyState;

constexpr v1::RefusalCode kDone = v1::REFUSAL_CODE_UNSPECIFIED;

class PoliciesTest : public testing::Test {
 protected:
  v1::RefusalCode Do(const Command& command) {
    return fed_.Do(command).refusal;
  }
  v1::RefusalCode Put(uint32_t latest, PolicyState state) {
    Command command = fixture_.PutPolicy("p", latest);
    command.mutable_put_policy()->set_state(state);
    return Do(command);
  }
  v1::RefusalCode Set(uint32_t version, PolicyState state, uint32_t active) {
    return Do(fixture_.SetPolicyState("p", version, state, active));
  }
  StateView::Policy Version(uint32_t version) const {
    const auto policy = fed_.view()->GetPolicy("default", "p", version);
    EXPECT_TRUE(policy.ok()) << policy.status();
    return *policy;
  }
  std::vector<PolicyState> States() const {
    std::vector<PolicyState> states;
    for (uint32_t v = 1; v <= Version(1).latest_version; ++v) {
      states.push_back(Version(v).state);
    }
    return states;
  }
  v1::AuditEntry LastLeaf() const {
    v1::AuditEntry entry;
    EXPECT_TRUE(entry.ParseFromString(
        *fed_.view()->GetLeaf(fed_.view()->tree_size() - 1)));
    return entry;
  }
  Command Release(uint64_t n, uint32_t policy_version) {
    Command command = fixture_.Release(TestId(1), n, fed_.generation());
    command.mutable_release()->set_policy_version(policy_version);
    return command;
  }

  StateFixture fixture_;
  MemoryEngine engine_;
  FedMachine fed_{fixture_, engine_};
};

TEST_F(PoliciesTest, TheLatestIsActiveUntilAStateIsSet) {
  EXPECT_EQ(Put(0, POLICY_STATE_UNSPECIFIED), kDone);
  EXPECT_EQ(Put(1, POLICY_STATE_UNSPECIFIED), kDone);
  EXPECT_EQ(LastLeaf().policy_put().state(), "");
  EXPECT_EQ(States(),
            (std::vector<PolicyState>{POLICY_RETIRED, POLICY_ACTIVE}));
  EXPECT_EQ(Put(2, POLICY_DRAFT), kDone);
  EXPECT_EQ(LastLeaf().policy_put().state(), "draft");
  EXPECT_EQ(States(), (std::vector<PolicyState>{POLICY_RETIRED, POLICY_ACTIVE,
                                                POLICY_DRAFT}));
  EXPECT_EQ(fed_.view()->GetPolicy("default", "p")->version, 2u);
  // From then on an unspecified state is the active one, and says so.
  EXPECT_EQ(Put(3, POLICY_STATE_UNSPECIFIED), kDone);
  EXPECT_EQ(fed_.view()->GetPolicy("default", "p")->version, 4u);
  EXPECT_EQ(Version(4).record.replaced_version(), 2u);
}

TEST_F(PoliciesTest, OneVersionIsActiveAndOneIsTheShadow) {
  EXPECT_EQ(Put(0, POLICY_ACTIVE), kDone);
  EXPECT_EQ(Put(1, POLICY_SHADOW), kDone);
  EXPECT_EQ(Put(2, POLICY_SHADOW), kDone);
  EXPECT_EQ(Put(3, POLICY_DRAFT), kDone);
  EXPECT_EQ(States(), (std::vector<PolicyState>{POLICY_ACTIVE, POLICY_RETIRED,
                                                POLICY_SHADOW, POLICY_DRAFT}));
  EXPECT_EQ(Version(1).shadow_version, 3u);
  // The shadow becomes active: nothing is the shadow then.
  EXPECT_EQ(Set(3, POLICY_ACTIVE, 1), kDone);
  EXPECT_EQ(Version(3).active_version, 3u);
  EXPECT_EQ(Version(3).shadow_version, 0u);
  EXPECT_EQ(Version(3).record.replaced_version(), 1u);
  EXPECT_EQ(Version(3).record.state_principal(), "alice");
  EXPECT_EQ(Version(3).record.state_changed_us(), fixture_.now_us);
  EXPECT_EQ(LastLeaf().policy_state_set().version(), 3u);
  EXPECT_EQ(LastLeaf().policy_state_set().state(), "active");
  EXPECT_EQ(LastLeaf().policy_state_set().replaced_version(), 1u);
  // The active one becomes the shadow: nothing decides.
  EXPECT_EQ(Set(3, POLICY_SHADOW, 3), kDone);
  EXPECT_EQ(Version(3).active_version, 0u);
  EXPECT_EQ(RefusalOf(fed_.view()->GetPolicy("default", "p").status()),
            v1::NO_POLICY);
}

TEST_F(PoliciesTest, EveryChangeOfStateMovesTheGeneration) {
  EXPECT_EQ(Put(0, POLICY_ACTIVE), kDone);
  EXPECT_EQ(Put(1, POLICY_DRAFT), kDone);
  for (const PolicyState state :
       {POLICY_SHADOW, POLICY_RETIRED, POLICY_SHADOW}) {
    const uint64_t before = fed_.generation();
    EXPECT_EQ(Set(2, state, 1), kDone);
    EXPECT_EQ(fed_.generation(), before + 1);
    EXPECT_EQ(Version(2).state, state);
  }
}

TEST_F(PoliciesTest, ARevertKeepsWhatItsTargetReplaced) {
  EXPECT_EQ(Put(0, POLICY_ACTIVE), kDone);
  EXPECT_EQ(Put(1, POLICY_ACTIVE), kDone);
  EXPECT_EQ(Put(2, POLICY_ACTIVE), kDone);
  Command revert = fixture_.SetPolicyState("p", 2, POLICY_ACTIVE, 3);
  revert.mutable_set_policy_state()->set_revert(true);
  EXPECT_EQ(Do(revert), kDone);
  EXPECT_EQ(Version(2).record.replaced_version(), 1u);
  EXPECT_EQ(Set(3, POLICY_ACTIVE, 2), kDone);
  EXPECT_EQ(Set(2, POLICY_ACTIVE, 3), kDone);
  EXPECT_EQ(Version(2).record.replaced_version(), 3u);
}

TEST_F(PoliciesTest, RefusesWhatIsNoChangeOfState) {
  EXPECT_EQ(Set(1, POLICY_ACTIVE, 0), v1::NOT_FOUND);
  EXPECT_EQ(Put(0, POLICY_ACTIVE), kDone);
  EXPECT_EQ(Set(0, POLICY_ACTIVE, 1), v1::NOT_FOUND);
  EXPECT_EQ(Set(2, POLICY_ACTIVE, 1), v1::NOT_FOUND);
  EXPECT_EQ(Set(1, POLICY_ACTIVE, 1), v1::ALREADY_EXISTS);
  EXPECT_EQ(Set(1, POLICY_RETIRED, 0), v1::VERSION_CONFLICT);
  EXPECT_EQ(Set(1, POLICY_DRAFT, 1), v1::REQUEST_MALFORMED);
  EXPECT_EQ(Set(1, POLICY_STATE_UNSPECIFIED, 1), v1::REQUEST_MALFORMED);
  EXPECT_EQ(Put(1, POLICY_RETIRED), v1::REQUEST_MALFORMED);
  EXPECT_EQ(States(), std::vector<PolicyState>{POLICY_ACTIVE});
}

TEST_F(PoliciesTest, StatesNeedTheirFeatureLevel) {
  MemoryEngine engine;
  Command genesis = fixture_.Genesis();
  genesis.mutable_genesis()->set_feature_level(1);
  FedMachine old(fixture_, engine, genesis);
  EXPECT_TRUE(old.Do(fixture_.PutPolicy("p")).ok());
  Command draft = fixture_.PutPolicy("p", 1);
  draft.mutable_put_policy()->set_state(POLICY_DRAFT);
  EXPECT_EQ(old.Do(draft).refusal, v1::FEATURE_LEVEL_TOO_LOW);
  Command bounded = fixture_.PutPolicy("p", 1);
  bounded.mutable_put_policy()->mutable_terms()->set_concurrent(1);
  EXPECT_EQ(old.Do(bounded).refusal, v1::FEATURE_LEVEL_TOO_LOW);
  EXPECT_EQ(old.Do(fixture_.SetPolicyState("p", 1, POLICY_RETIRED, 1)).refusal,
            v1::FEATURE_LEVEL_TOO_LOW);
  old.Do(fixture_.CreateKey("k", TestId(1), "p"));
  Command release = fixture_.Release(TestId(1), 1, old.generation());
  EXPECT_TRUE(old.Do(release).ok());
  release.mutable_release()->mutable_shadow()->set_policy_version(1);
  EXPECT_EQ(old.Do(release).refusal, v1::FEATURE_LEVEL_TOO_LOW);
}

TEST_F(PoliciesTest, ChangesOfStateCountApprovals) {
  std::vector<::storage::v1::Approver> approvers(1);
  approvers[0].set_principal("bob");
  approvers[0].set_public_key(MakeTestInstance(11).key->public_key());
  MemoryEngine engine;
  FedMachine two(fixture_, engine, fixture_.Genesis(2, approvers));
  Command command = fixture_.SetPolicyState("p", 1, POLICY_ACTIVE, 0);
  command.set_expected_generation(two.generation());
  EXPECT_EQ(two.Do(command).refusal, v1::APPROVALS_MISSING);
}

TEST_F(PoliciesTest, AReleaseIsOfTheActiveVersion) {
  EXPECT_EQ(Put(0, POLICY_ACTIVE), kDone);
  EXPECT_EQ(Put(1, POLICY_SHADOW), kDone);
  fed_.Do(fixture_.CreateKey("k", TestId(1), "p"));
  EXPECT_EQ(Do(Release(1, 1)), kDone);
  EXPECT_EQ(Do(Release(2, 2)), v1::APPRAISAL_STALE);
  EXPECT_EQ(Set(1, POLICY_RETIRED, 1), kDone);
  EXPECT_EQ(Do(Release(3, 1)), v1::NO_POLICY);
  EXPECT_EQ(LastLeaf().refused().code(), v1::NO_POLICY);
}

TEST_F(PoliciesTest, TheShadowsVerdictStandsInTheLeaf) {
  EXPECT_EQ(Put(0, POLICY_ACTIVE), kDone);
  fed_.Do(fixture_.CreateKey("k", TestId(1), "p"));
  Command release = Release(1, 1);
  auto& shadow = *release.mutable_release()->mutable_shadow();
  shadow.set_policy_version(2);
  shadow.set_code(v1::POLICY_DENIED);
  shadow.add_failed_rules("firmware");
  EXPECT_EQ(Do(release), kDone);
  const v1::ShadowVerdict told = LastLeaf().released().shadow();
  EXPECT_EQ(told.policy_version(), 2u);
  EXPECT_EQ(told.code(), v1::POLICY_DENIED);
  ASSERT_EQ(told.failed_rules_size(), 1);
  EXPECT_EQ(told.failed_rules(0), "firmware");
  for (int i = 0; i < kShadowRulesMax; ++i) shadow.add_failed_rules("r");
  EXPECT_EQ(Do(release), v1::REQUEST_MALFORMED);
  shadow.clear_failed_rules();
  shadow.add_failed_rules(std::string(kFailedRuleBytesMax + 1, 'r'));
  EXPECT_EQ(Do(release), v1::REQUEST_MALFORMED);
}

// Leases last a minute in the fixture.
class LeasesTest : public PoliciesTest {
 protected:
  LeasesTest() {
    Command policy = fixture_.PutPolicy("p");
    policy.mutable_put_policy()->mutable_terms()->set_concurrent(2);
    fed_.Do(policy);
    fed_.Do(fixture_.CreateKey("k", TestId(1), "p"));
  }
};

TEST_F(LeasesTest, NoMoreAreOutstandingThanThePolicyAllows) {
  EXPECT_EQ(Do(Release(1, 1)), kDone);
  fixture_.now_us += 10 * kSecondUs;
  EXPECT_EQ(Do(Release(2, 1)), kDone);
  EXPECT_EQ(Do(Release(3, 1)), v1::CONCURRENCY_EXHAUSTED);
  EXPECT_EQ(LastLeaf().refused().code(), v1::CONCURRENCY_EXHAUSTED);
  // The first ends with its minute, the second not yet.
  fixture_.now_us += 50 * kSecondUs - 1;
  EXPECT_EQ(Do(Release(3, 1)), v1::CONCURRENCY_EXHAUSTED);
  fixture_.now_us += 1;
  EXPECT_EQ(Do(Release(3, 1)), kDone);
  EXPECT_EQ(Do(Release(4, 1)), v1::CONCURRENCY_EXHAUSTED);
}

TEST_F(LeasesTest, ARepeatRenewsItsOwnAndTakesNoOther) {
  const Command first = Release(1, 1);
  EXPECT_EQ(Do(first), kDone);
  EXPECT_EQ(Do(Release(2, 1)), kDone);
  EXPECT_EQ(Do(first), kDone);
  fixture_.now_us += 30 * kSecondUs;
  EXPECT_EQ(Do(first), kDone);
  // The second has ended; the first was renewed.
  fixture_.now_us += 30 * kSecondUs;
  EXPECT_EQ(Do(Release(3, 1)), kDone);
  EXPECT_EQ(Do(Release(4, 1)), v1::CONCURRENCY_EXHAUSTED);
}

TEST_F(LeasesTest, ARepeatOfALeaseThatEndedNeedsRoom) {
  const Command first = Release(1, 1);
  EXPECT_EQ(Do(first), kDone);
  fixture_.now_us += kMinuteUs;
  EXPECT_EQ(Do(Release(2, 1)), kDone);
  EXPECT_EQ(Do(Release(3, 1)), kDone);
  EXPECT_EQ(Do(first), v1::CONCURRENCY_EXHAUSTED);
}

TEST_F(LeasesTest, ARefusalForWantOfQuotaHoldsNone) {
  Command policy = fixture_.PutPolicy("p", 1, 1, kHourUs);
  policy.mutable_put_policy()->mutable_terms()->set_concurrent(2);
  fed_.Do(policy);
  EXPECT_EQ(Do(Release(1, 2)), kDone);
  for (uint64_t n = 2; n < 5; ++n) {
    EXPECT_EQ(Do(Release(n, 2)), v1::QUOTA_EXHAUSTED);
  }
}

TEST_F(LeasesTest, TheBoundIsBounded) {
  Command policy = fixture_.PutPolicy("p", 1);
  policy.mutable_put_policy()->mutable_terms()->set_concurrent(kConcurrentMax +
                                                               1);
  EXPECT_EQ(Do(policy), v1::REQUEST_MALFORMED);
}

}  // namespace
}  // namespace kms::storage

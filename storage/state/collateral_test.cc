// The rules about collateral, deny lists and kill switches, each by its exact
// refusal.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kms/crypto/digest.h"
#include "proto/kms/v1/audit_entry.pb.h"
#include "storage/engine/memory_engine.h"
#include "storage/state/batch_codec.h"
#include "storage/state/limits.h"
#include "storage/state/state_fixture.h"

namespace kms::storage {
namespace {

constexpr v1::RefusalCode kDone = v1::REFUSAL_CODE_UNSPECIFIED;

class CollateralTest : public testing::Test {
 protected:
  v1::RefusalCode Do(const Command& command) {
    return fed_.Do(command).refusal;
  }
  v1::AuditEntry Leaf(uint64_t index) const {
    v1::AuditEntry entry;
    EXPECT_TRUE(entry.ParseFromString(*fed_.view()->GetLeaf(index)));
    return entry;
  }
  v1::RefusalCode With(
      const std::function<void(::storage::v1::PutCollateral&)>& change) {
    Command command = fixture_.PutCollateral("ca", 9);
    change(*command.mutable_put_collateral());
    return Do(command);
  }
  static void SetContent(::storage::v1::PutCollateral& op,
                         const std::string& content) {
    op.set_content(content);
    op.set_digest(crypto::Sha256(AsBytes(content)));
  }

  StateFixture fixture_;
  MemoryEngine engine_;
  FedMachine fed_{fixture_, engine_};
};

TEST_F(CollateralTest, IsKeptAndReadBack) {
  const uint64_t before = fed_.generation();
  const Command command = fixture_.PutCollateral("ca", 7);
  const auto& op = command.put_collateral();
  const Effect effect = fed_.Do(command);
  ASSERT_TRUE(effect.ok());
  EXPECT_EQ(fed_.generation(), before + 1);
  const auto stored = fed_.view()->GetCollateral("crl", "ca");
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_EQ(stored->number(), op.number());
  EXPECT_EQ(stored->issued_us(), op.issued_us());
  EXPECT_EQ(stored->next_update_us(), op.next_update_us());
  EXPECT_EQ(stored->digest(), op.digest());
  EXPECT_EQ(stored->size(), op.content().size());
  EXPECT_EQ(stored->stored_us(), fixture_.now_us);
  EXPECT_EQ(stored->principal(), "alice");
  EXPECT_EQ(*fed_.view()->GetCollateralContent("crl", "ca"), op.content());
  EXPECT_EQ(RefusalOf(fed_.view()->GetCollateral("crl", "cb").status()),
            v1::NOT_FOUND);
  EXPECT_EQ(RefusalOf(fed_.view()->GetCollateral("tcb_info", "ca").status()),
            v1::NOT_FOUND);
  // The leaf names it and does not hold it.
  const v1::AuditEntry leaf = Leaf(*effect.leaf);
  EXPECT_EQ(leaf.collateral_put().digest(), op.digest());
  EXPECT_EQ(leaf.collateral_put().number(), op.number());
  EXPECT_EQ(leaf.SerializeAsString().find(op.content()), std::string::npos);
}

TEST_F(CollateralTest, IsListedByRoleAndSubject) {
  fed_.Do(fixture_.PutCollateral("b", 1));
  fed_.Do(fixture_.PutCollateral("a", 1));
  Command other = fixture_.PutCollateral("z", 1);
  other.mutable_put_collateral()->set_role("cert_chain");
  fed_.Do(other);
  const auto all = fed_.view()->ListCollateral();
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(), 3u);
  EXPECT_EQ((*all)[0].subject(), "z");
  EXPECT_EQ((*all)[1].subject(), "a");
  EXPECT_EQ((*all)[2].subject(), "b");
}

TEST_F(CollateralTest, AnInstanceMayPutWhatItFetchedWithoutAPrincipal) {
  Command fetched = fixture_.PutCollateral("ca", 1);
  fetched.clear_principal();
  EXPECT_EQ(Do(fetched), kDone);
  EXPECT_EQ(fed_.view()->GetCollateral("crl", "ca")->principal(), "");
}

TEST_F(CollateralTest, NeverGoesBack) {
  EXPECT_EQ(Do(fixture_.PutCollateral("ca", 5)), kDone);
  EXPECT_EQ(Do(fixture_.PutCollateral("ca", 4)), v1::COLLATERAL_OLDER);
  EXPECT_EQ(Do(fixture_.PutCollateral("ca", 5)), kDone);
  // An equal number of an earlier day.
  Command earlier = fixture_.PutCollateral("ca", 5);
  earlier.mutable_put_collateral()->set_issued_us(
      earlier.put_collateral().issued_us() - 1);
  EXPECT_EQ(Do(earlier), v1::COLLATERAL_OLDER);
  // A lower number of a later day.
  Command later = fixture_.PutCollateral("ca", 4);
  later.mutable_put_collateral()->set_issued_us(kTestStartUs + 100 * kDayUs);
  EXPECT_EQ(Do(later), v1::COLLATERAL_OLDER);
  // No number, where there was one.
  later.mutable_put_collateral()->clear_number();
  EXPECT_EQ(Do(later), v1::COLLATERAL_OLDER);
  EXPECT_EQ(Do(fixture_.PutCollateral("ca", 6)), kDone);
  EXPECT_EQ(fed_.view()->GetCollateral("crl", "ca")->number(), "\6");
}

TEST_F(CollateralTest, ComparesNumbersAndNotText) {
  const auto numbered = [this](const std::string& number) {
    Command command = fixture_.PutCollateral("ca", 1);
    command.mutable_put_collateral()->set_number(number);
    return Do(command);
  };
  EXPECT_EQ(numbered("\xff"), kDone);
  EXPECT_EQ(numbered(std::string("\x01\x00", 2)), kDone);
  EXPECT_EQ(numbered("\xff"), v1::COLLATERAL_OLDER);
  EXPECT_EQ(numbered(std::string("\xfe\x00", 2)), kDone);
  EXPECT_EQ(numbered(std::string(21, '\x01')), kDone);
  EXPECT_EQ(numbered(std::string(20, '\xff')), v1::COLLATERAL_OLDER);
}

TEST_F(CollateralTest, ARemovedOneStillBoundsWhatMayCome) {
  EXPECT_EQ(Do(fixture_.PutCollateral("ca", 5)), kDone);
  const uint64_t before = fed_.generation();
  EXPECT_EQ(Do(fixture_.RemoveCollateral("ca")), kDone);
  EXPECT_EQ(fed_.generation(), before + 1);
  EXPECT_EQ(fed_.view()->header().collateral_bytes(), 0u);
  EXPECT_TRUE(fed_.view()->ListCollateral()->empty());
  EXPECT_EQ(RefusalOf(fed_.view()->GetCollateral("crl", "ca").status()),
            v1::NOT_FOUND);
  EXPECT_EQ(RefusalOf(fed_.view()->GetCollateralContent("crl", "ca").status()),
            v1::NOT_FOUND);
  EXPECT_EQ(Do(fixture_.RemoveCollateral("ca")), v1::NOT_FOUND);
  EXPECT_EQ(Do(fixture_.PutCollateral("ca", 4)), v1::COLLATERAL_OLDER);
  EXPECT_EQ(Do(fixture_.PutCollateral("ca", 5)), kDone);
  EXPECT_TRUE(fed_.view()->GetCollateralContent("crl", "ca").ok());
}

TEST_F(CollateralTest, WhatHasNeitherNumberNorDateLeavesNothing) {
  Command chain = fixture_.PutCollateral("ca", 5);
  chain.mutable_put_collateral()->clear_number();
  chain.mutable_put_collateral()->clear_issued_us();
  EXPECT_EQ(Do(chain), kDone);
  EXPECT_EQ(fed_.view()->header().collateral(), 1u);
  EXPECT_EQ(Do(fixture_.RemoveCollateral("ca")), kDone);
  EXPECT_EQ(fed_.view()->header().collateral(), 0u);
}

TEST_F(CollateralTest, FieldsAreBounded) {
  using Op = ::storage::v1::PutCollateral;
  const std::vector<std::function<void(Op&)>> bad = {
      [](Op& op) { op.clear_role(); },
      [](Op& op) { op.set_role("CRL"); },
      [](Op& op) { op.set_role(std::string(65, 'r')); },
      [](Op& op) { op.clear_subject(); },
      [](Op& op) { op.set_subject("a b"); },
      [](Op& op) { op.set_subject("a\n"); },
      [](Op& op) { op.set_subject(std::string(257, 's')); },
      [](Op& op) { op.set_title("a\n"); },
      [](Op& op) { op.set_title(std::string(257, 't')); },
      [](Op& op) { op.set_evidence_type(0); },
      [](Op& op) { op.set_evidence_type(256); },
      [](Op& op) { op.set_number(std::string(22, 'n')); },
      [](Op& op) { op.set_number(std::string("\0\1", 2)); },
      [](Op& op) { op.set_issued_us(-1); },
      [](Op& op) { op.set_issued_us(kClockUsMax + 1); },
      [](Op& op) { op.set_next_update_us(-1); },
      [](Op& op) { op.set_next_update_us(kClockUsMax + 1); },
      [](Op& op) { SetContent(op, ""); },
      [](Op& op) { SetContent(op, std::string(kObjectBytesMax + 1, 'c')); },
      [](Op& op) { op.set_digest(std::string(32, 'd')); },
      [](Op& op) { op.mutable_content()->back() ^= 1; },
  };
  for (size_t i = 0; i < bad.size(); ++i) {
    EXPECT_EQ(With(bad[i]), v1::REQUEST_MALFORMED) << i;
  }
  EXPECT_EQ(
      With([](Op& op) { SetContent(op, std::string(kObjectBytesMax, 'c')); }),
      kDone);
}

TEST_F(CollateralTest, BytesTogetherAreLimited) {
  const std::string large(kObjectBytesMax, 'c');
  const uint64_t most = kCollateralTotalBytesMax / kObjectBytesMax;
  for (uint64_t i = 0; i < most; ++i) {
    Command command = fixture_.PutCollateral(std::to_string(i), 1);
    SetContent(*command.mutable_put_collateral(), large);
    ASSERT_EQ(Do(command), kDone);
  }
  EXPECT_EQ(Do(fixture_.PutCollateral("one-more", 1)), v1::LIMIT_REACHED);
  // In place of another there is room, and after a removal.
  Command again = fixture_.PutCollateral("0", 2);
  SetContent(*again.mutable_put_collateral(), large);
  EXPECT_EQ(Do(again), kDone);
  EXPECT_EQ(Do(fixture_.RemoveCollateral("1")), kDone);
  EXPECT_EQ(Do(fixture_.PutCollateral("one-more", 1)), kDone);
}

TEST_F(CollateralTest, ItemsAreLimitedTheRemovedOnesToo) {
  std::vector<Command> commands;
  for (uint32_t i = 0; i < kCollateralMax; ++i) {
    commands.push_back(fixture_.PutCollateral(std::to_string(i), 1));
  }
  for (const Effect& effect : fed_.Do(commands)) ASSERT_TRUE(effect.ok());
  EXPECT_EQ(Do(fixture_.PutCollateral("one-more", 1)), v1::LIMIT_REACHED);
  EXPECT_EQ(Do(fixture_.RemoveCollateral("0")), kDone);
  EXPECT_EQ(Do(fixture_.PutCollateral("one-more", 1)), v1::LIMIT_REACHED);
  EXPECT_EQ(Do(fixture_.PutCollateral("0", 1)), kDone);
}

TEST_F(CollateralTest, DenyListsAreCompareAndSet) {
  const uint64_t before = fed_.generation();
  const Effect first = fed_.Do(fixture_.PutDenyList(1, {"a", "b"}));
  EXPECT_EQ(first.version, 1u);
  EXPECT_EQ(Leaf(*first.leaf).deny_list_put().entries(), 2u);
  EXPECT_EQ(Do(fixture_.PutDenyList(1, {"c"})), v1::VERSION_CONFLICT);
  EXPECT_EQ(fed_.Do(fixture_.PutDenyList(1, {"c"}, 1)).version, 2u);
  EXPECT_EQ(fed_.Do(fixture_.PutDenyList(1, {}, 2)).version, 3u);
  EXPECT_EQ(Do(fixture_.PutDenyList(4, {"g"})), kDone);
  EXPECT_EQ(fed_.generation(), before + 4);
  const auto lists = fed_.view()->ListDenyLists();
  ASSERT_TRUE(lists.ok()) << lists.status();
  ASSERT_EQ(lists->size(), 2u);
  EXPECT_EQ((*lists)[0].version(), 3u);
  EXPECT_EQ((*lists)[0].entries_size(), 0);
  EXPECT_EQ((*lists)[1].evidence_type(), 4u);
  EXPECT_EQ((*lists)[1].entries(0), "g");
}

TEST_F(CollateralTest, DenyListsAreBounded) {
  for (const auto& entries : std::vector<std::vector<std::string>>{
           {""}, {std::string(65, 'e')}, {"b", "a"}, {"a", "a"}}) {
    EXPECT_EQ(Do(fixture_.PutDenyList(1, entries)), v1::REQUEST_MALFORMED);
  }
  EXPECT_EQ(Do(fixture_.PutDenyList(0, {"a"})), v1::REQUEST_MALFORMED);
  EXPECT_EQ(Do(fixture_.PutDenyList(256, {"a"})), v1::REQUEST_MALFORMED);
  std::vector<std::string> most;
  for (int i = 0; i < kDenyListEntriesMax; ++i) {
    most.push_back(std::to_string(100000 + i) + std::string(58, 'e'));
  }
  EXPECT_EQ(Do(fixture_.PutDenyList(1, most)), kDone);
  most.push_back("9");
  EXPECT_EQ(Do(fixture_.PutDenyList(1, most, 1)), v1::REQUEST_MALFORMED);
}

TEST_F(CollateralTest, KillSwitchesMoveTheGeneration) {
  const uint64_t before = fed_.generation();
  const Effect on = fed_.Do(fixture_.SetKillSwitch(3, true));
  EXPECT_TRUE(Leaf(*on.leaf).kill_switch_set().on());
  EXPECT_EQ(fed_.generation(), before + 1);
  EXPECT_TRUE(fed_.view()->ListKillSwitches()->at(0).on());
  EXPECT_EQ(Do(fixture_.SetKillSwitch(3, false)), kDone);
  EXPECT_EQ(fed_.generation(), before + 2);
  EXPECT_FALSE(fed_.view()->ListKillSwitches()->at(0).on());
  EXPECT_EQ(Do(fixture_.SetKillSwitch(0, true)), v1::REQUEST_MALFORMED);
  EXPECT_EQ(Do(fixture_.SetKillSwitch(256, true)), v1::REQUEST_MALFORMED);
}

// Of many releases judged before a switch, those ordered before it stand and
// none after it does, whichever batch they travel in.
TEST_F(CollateralTest, NoReleaseIsOrderedAfterTheKillSwitch) {
  fed_.Do(fixture_.PutPolicy("p"));
  fed_.Do(fixture_.CreateKey("k", TestId(1), "p"));
  const uint64_t judged_at = fed_.generation();
  std::vector<Command> batch;
  for (uint64_t n = 0; n < 40; ++n) {
    if (n == 20) batch.push_back(fixture_.SetKillSwitch(1, true));
    batch.push_back(fixture_.Release(TestId(1), n, judged_at));
  }
  const std::vector<Effect> effects = fed_.Do(batch);
  for (size_t i = 0; i < effects.size(); ++i) {
    const v1::RefusalCode want = i <= 20 ? kDone : v1::APPRAISAL_STALE;
    EXPECT_EQ(effects[i].refusal, want) << i;
  }
  EXPECT_EQ(Do(fixture_.Release(TestId(1), 50, judged_at)),
            v1::APPRAISAL_STALE);
}

// Two administrators must agree to what gives machines back.
class TwoAdministratorsTest : public CollateralTest {
 protected:
  TwoAdministratorsTest() : two_(fixture_, other_engine_, Genesis(fixture_)) {}

  static Command Genesis(StateFixture& fixture) {
    std::vector<::storage::v1::Approver> approvers(1);
    approvers[0].set_principal("bob");
    approvers[0].set_public_key(MakeTestInstance(11).key->public_key());
    return fixture.Genesis(2, approvers);
  }
  v1::RefusalCode Alone(const Command& command) {
    return two_.Do(command).refusal;
  }
  v1::RefusalCode Approved(Command command) {
    command.set_expected_generation(two_.generation());
    Batch batch = fixture_.NewBatch(fixture_.first(), *two_.view(), {command});
    auto& approval = *batch.mutable_commands(0)->add_approvals();
    const TestInstance bob = MakeTestInstance(11);
    approval.set_principal("bob");
    approval.set_public_key(bob.key->public_key());
    approval.set_signature(bob.key->Sign(
        ApprovalSigningInput(TestId(0), command.SerializeAsString())));
    const auto result = two_.Feed(fixture_.Seal(fixture_.first(), batch));
    EXPECT_TRUE(result.ok()) << result.status();
    return result->effects.at(0).refusal;
  }

  MemoryEngine other_engine_;
  FedMachine two_;
};

TEST_F(TwoAdministratorsTest, OneTakesAwayAndTwoGiveBack) {
  EXPECT_EQ(Alone(fixture_.SetKillSwitch(1, true)), kDone);
  EXPECT_EQ(Alone(fixture_.SetKillSwitch(1, false)), v1::APPROVALS_MISSING);
  EXPECT_EQ(Approved(fixture_.SetKillSwitch(1, false)), kDone);

  EXPECT_EQ(Alone(fixture_.PutDenyList(1, {"b"})), kDone);
  EXPECT_EQ(Alone(fixture_.PutDenyList(1, {"a", "b", "c"}, 1)), kDone);
  EXPECT_EQ(Alone(fixture_.PutDenyList(1, {"a", "c", "d"}, 2)),
            v1::APPROVALS_MISSING);
  EXPECT_EQ(Approved(fixture_.PutDenyList(1, {"a", "c"}, 2)), kDone);

  EXPECT_EQ(Alone(fixture_.PutCollateral("ca", 1)), kDone);
  EXPECT_EQ(Alone(fixture_.PutCollateral("ca", 2)), kDone);
  EXPECT_EQ(Alone(fixture_.RemoveCollateral("ca")), v1::APPROVALS_MISSING);
  EXPECT_EQ(Approved(fixture_.RemoveCollateral("ca")), kDone);
}

TEST_F(TwoAdministratorsTest, SomebodyMustStandBehindEachButAPut) {
  for (Command command :
       {fixture_.PutDenyList(1, {"a"}), fixture_.SetKillSwitch(1, true)}) {
    command.clear_principal();
    EXPECT_EQ(Alone(command), v1::ADMINISTRATOR_REQUIRED);
  }
}

}  // namespace
}  // namespace kms::storage

// The rules about sets of Reference Values, each by its exact refusal.
#include <functional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kms/base/byte_writer.h"
#include "kms/crypto/digest.h"
#include "proto/kms/v1/audit_entry.pb.h"
#include "storage/engine/memory_engine.h"
#include "storage/state/limits.h"
#include "storage/state/state_fixture.h"

namespace kms::storage {
namespace {

constexpr v1::RefusalCode kDone = v1::REFUSAL_CODE_UNSPECIFIED;

class ReferencesTest : public testing::Test {
 protected:
  v1::RefusalCode Do(const Command& command) {
    return fed_.Do(command).refusal;
  }
  v1::RefusalCode With(
      const std::function<void(::storage::v1::PutReferenceSet&)>& change) {
    Command command = fixture_.PutReferenceSet("images", latest_);
    change(*command.mutable_put_reference_set());
    const v1::RefusalCode refusal = Do(command);
    if (refusal == kDone) ++latest_;
    return refusal;
  }
  v1::RefusalCode Put() {
    return With([](auto&) {});
  }
  v1::RefusalCode End(uint32_t version) {
    Command command = fixture_.NewCommand();
    command.mutable_end_reference_version()->set_name("images");
    command.mutable_end_reference_version()->set_version(version);
    return Do(command);
  }
  std::vector<uint32_t> Current() const {
    const auto set = fed_.view()->GetReferenceSet("default", "images");
    EXPECT_TRUE(set.ok()) << set.status();
    std::vector<uint32_t> versions;
    for (const auto& window : set->current()) {
      versions.push_back(window.version());
    }
    return versions;
  }
  v1::AuditEntry LastLeaf() const {
    v1::AuditEntry entry;
    EXPECT_TRUE(entry.ParseFromString(
        *fed_.view()->GetLeaf(fed_.view()->tree_size() - 1)));
    return entry;
  }

  uint32_t latest_ = 0;
  StateFixture fixture_;
  MemoryEngine engine_;
  FedMachine fed_{fixture_, engine_};
};

TEST_F(ReferencesTest, AVersionIsKeptWithItsProvenance) {
  const uint64_t before = fed_.generation();
  EXPECT_EQ(Put(), kDone);
  EXPECT_EQ(fed_.generation(), before + 1);
  const auto record = fed_.view()->GetReferenceVersion("default", "images", 1);
  ASSERT_TRUE(record.ok()) << record.status();
  ASSERT_EQ(record->values_size(), 2);
  EXPECT_EQ(record->values(0), "a");
  EXPECT_EQ(record->digest(),
            crypto::Sha256(AsBytes(ByteWriter().Field("a").Field("b").str())));
  EXPECT_EQ(record->signer(), "acme");
  EXPECT_EQ(record->signed_us(), kTestStartUs);
  EXPECT_EQ(record->stored_us(), fixture_.now_us);
  EXPECT_EQ(record->principal(), "alice");
  const v1::ReferenceSetPut leaf = LastLeaf().reference_set_put();
  EXPECT_EQ(leaf.set(), "images");
  EXPECT_EQ(leaf.version(), 1u);
  EXPECT_EQ(leaf.values(), 2u);
  EXPECT_EQ(leaf.digest(), record->digest());
  EXPECT_EQ(leaf.signer(), "acme");
  EXPECT_EQ(fed_.view()->header().reference_sets(), 1u);
  EXPECT_EQ(fed_.view()->ListReferenceSets("default")->size(), 1u);
  EXPECT_EQ(fed_.view()->ListReferenceSets("tenant")->size(), 0u);
}

TEST_F(ReferencesTest, VersionsOverlapAndThoseThatEndedMakeRoom) {
  for (int i = 0; i < kReferenceCurrentMax; ++i) {
    EXPECT_EQ(With([&](auto& op) {
                op.set_valid_until_us(kTestStartUs + (i + 1) * kDayUs);
              }),
              kDone);
  }
  EXPECT_EQ(Put(), v1::LIMIT_REACHED);
  EXPECT_EQ(End(3), kDone);
  EXPECT_EQ(Current(), (std::vector<uint32_t>{1, 2, 4}));
  EXPECT_EQ(Put(), kDone);
  EXPECT_EQ(Put(), v1::LIMIT_REACHED);
  fixture_.now_us = kTestStartUs + kDayUs;  // The first ends.
  EXPECT_EQ(Put(), kDone);
  EXPECT_EQ(Current(), (std::vector<uint32_t>{2, 4, 5, 6}));
  EXPECT_TRUE(fed_.view()->GetReferenceVersion("default", "images", 1).ok());
}

TEST_F(ReferencesTest, AnEndIsRecordedAndHappensOnce) {
  EXPECT_EQ(End(1), v1::NOT_FOUND);
  EXPECT_EQ(Put(), kDone);
  EXPECT_EQ(End(2), v1::NOT_FOUND);
  const uint64_t before = fed_.generation();
  EXPECT_EQ(End(1), kDone);
  EXPECT_EQ(fed_.generation(), before + 1);
  EXPECT_EQ(LastLeaf().reference_version_ended().version(), 1u);
  EXPECT_EQ(fed_.view()
                ->GetReferenceVersion("default", "images", 1)
                ->ended_principal(),
            "alice");
  EXPECT_EQ(End(1), v1::NOT_FOUND);
  EXPECT_EQ(Current(), std::vector<uint32_t>());
}

TEST_F(ReferencesTest, PuttingIsCompareAndSet) {
  EXPECT_EQ(Put(), kDone);
  EXPECT_EQ(With([](auto& op) { op.set_expected_version(0); }),
            v1::VERSION_CONFLICT);
  EXPECT_EQ(With([](auto& op) { op.set_expected_version(2); }),
            v1::VERSION_CONFLICT);
  EXPECT_EQ(Put(), kDone);
}

TEST_F(ReferencesTest, FieldsAreBounded) {
  using Change = std::function<void(::storage::v1::PutReferenceSet&)>;
  const std::vector<Change> faults = {
      [](auto& op) { op.set_name(""); },
      [](auto& op) { op.set_name("Upper"); },
      [](auto& op) { op.clear_values(); },
      [](auto& op) { op.add_values(""); },
      [](auto& op) { op.add_values("a"); },  // Not ascending.
      [](auto& op) { op.add_values("b"); },  // Twice.
      [](auto& op) {
        op.add_values(std::string(kReferenceValueBytesMax + 1, 'c'));
      },
      [](auto& op) { op.set_file_digest("short"); },
      [](auto& op) { op.set_signer_spki_digest("short"); },
      [](auto& op) { op.clear_signer(); },
      [](auto& op) {
        op.clear_signer();
        op.clear_signer_spki_digest();
        op.set_simulated(true);
      },
      [](auto& op) { op.set_title("tab\t"); },
      [](auto& op) { op.set_format(std::string(33, 'f')); },
      [](auto& op) { op.set_valid_from_us(-1); },
      [](auto& op) { op.set_valid_until_us(kClockUsMax + 1); },
      [](auto& op) {
        op.set_valid_from_us(5);
        op.set_valid_until_us(5);
      },
      [](auto& op) { op.set_signed_us(-1); }};
  for (size_t i = 0; i < faults.size(); ++i) {
    EXPECT_EQ(With(faults[i]), v1::REQUEST_MALFORMED) << i;
  }
  EXPECT_EQ(Put(), kDone);
}

TEST_F(ReferencesTest, NeedTheirFeatureLevelAndApprovals) {
  MemoryEngine old_engine;
  Command genesis = fixture_.Genesis();
  genesis.mutable_genesis()->set_feature_level(1);
  FedMachine old(fixture_, old_engine, genesis);
  EXPECT_EQ(old.Do(fixture_.PutReferenceSet("images", 0)).refusal,
            v1::FEATURE_LEVEL_TOO_LOW);
  std::vector<::storage::v1::Approver> approvers(1);
  approvers[0].set_principal("bob");
  approvers[0].set_public_key(MakeTestInstance(11).key->public_key());
  MemoryEngine two_engine;
  FedMachine two(fixture_, two_engine, fixture_.Genesis(2, approvers));
  Command command = fixture_.PutReferenceSet("images", 0);
  command.set_expected_generation(two.generation());
  EXPECT_EQ(two.Do(command).refusal, v1::APPROVALS_MISSING);
}

TEST_F(ReferencesTest, AReleaseNamesWhatItsRulesRead) {
  fed_.Do(fixture_.PutPolicy("p"));
  fed_.Do(fixture_.CreateKey("k", TestId(1), "p"));
  Command release = fixture_.Release(TestId(1), 1, fed_.generation());
  auto& use = *release.mutable_release()->add_references();
  use.set_set("images");
  use.set_version(3);
  use.set_digest(std::string(32, 'd'));
  EXPECT_EQ(Do(release), kDone);
  ASSERT_EQ(LastLeaf().released().references_size(), 1);
  EXPECT_EQ(LastLeaf().released().references(0).set(), "images");
  EXPECT_EQ(LastLeaf().released().references(0).version(), 3u);
  EXPECT_EQ(LastLeaf().released().references(0).digest(), std::string(32, 'd'));
  use.set_digest("short");
  EXPECT_EQ(Do(release), v1::REQUEST_MALFORMED);
  use.set_digest(std::string(32, 'd'));
  while (release.release().references_size() <= kReferenceUsesMax) {
    auto more = release.release().references(0);
    *release.mutable_release()->add_references() = more;
  }
  EXPECT_EQ(Do(release), v1::REQUEST_MALFORMED);
}

}  // namespace
}  // namespace kms::storage

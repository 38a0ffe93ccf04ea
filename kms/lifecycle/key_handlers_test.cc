#include "kms/lifecycle/key_handlers.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "kms/base/refusal.h"
#include "kms/instance/testing.h"
#include "kms/lifecycle/key_material.h"
#include "proto/kms/v1/audit_entry.pb.h"

namespace kms::lifecycle {
namespace {

using namespace std::string_literals;

const std::string kBadNames[] = {"../a", "a/b", "A",           "weightS",
                                 " a",   "a\n", "a\0b"s,       "*",
                                 ".",    "..",  "caf\xc3\xa9", "-a"};

class KeyHandlersTest : public testing::Test {
 protected:
  absl::StatusOr<v1::Key> Create(const std::string& name,
                                 const std::string& name_space = "") {
    v1::CreateKeyRequest request;
    request.set_namespace_(name_space);
    request.set_name(name);
    return handlers_.CreateKey(admin_, request);
  }

  absl::StatusOr<v1::Key> Get(const std::string& name,
                              const std::string& name_space = "") {
    v1::GetKeyRequest request;
    request.set_namespace_(name_space);
    request.set_name(name);
    return handlers_.GetKey(admin_, request);
  }

  absl::StatusOr<v1::Key> Rotate(const std::string& name,
                                 uint32_t expected_primary = 0) {
    v1::RotateKeyRequest request;
    request.set_name(name);
    request.set_expected_primary(expected_primary);
    return handlers_.RotateKey(admin_, request);
  }

  absl::StatusOr<v1::Key> SetState(const std::string& name, uint32_t version,
                                   v1::KeyVersion::State state) {
    v1::SetKeyVersionStateRequest request;
    request.set_name(name);
    request.set_version(version);
    request.set_state(state);
    return handlers_.SetKeyVersionState(admin_, request);
  }

  absl::StatusOr<v1::ListKeysResponse> List(const std::string& token,
                                            uint32_t page_size,
                                            const std::string& prefix = "",
                                            const std::string& ns = "") {
    v1::ListKeysRequest request;
    request.set_namespace_(ns);
    request.set_prefix(prefix);
    request.set_page_size(page_size);
    request.set_page_token(token);
    return handlers_.ListKeys(admin_, request);
  }

  // Every name, page by page.
  std::multiset<std::string> ListAll(uint32_t page_size,
                                     const std::string& prefix = "",
                                     const std::string& ns = "") {
    std::multiset<std::string> names;
    std::string token;
    do {
      const auto page = List(token, page_size, prefix, ns);
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) break;
      EXPECT_LE(page->keys_size(), static_cast<int>(page_size));
      for (const v1::Key& key : page->keys()) names.insert(key.name());
      token = page->next_page_token();
    } while (!token.empty());
    return names;
  }

  const std::unique_ptr<TestInstance> test_ = MakeTestInstance();
  const Caller admin_ = TestAdministrator();
  KeyHandlers handlers_{test_->holder};
};

// One call of each kind, with `name` where a name belongs.
std::vector<absl::Status> CallAll(const KeyHandlers& handlers,
                                  const Caller& caller,
                                  const std::string& name_space,
                                  const std::string& name) {
  v1::CreateKeyRequest create;
  v1::GetKeyRequest get;
  v1::RotateKeyRequest rotate;
  v1::SetKeyVersionStateRequest state;
  v1::SetKeyPolicyRequest policy;
  v1::UpdateKeyRequest update;
  v1::ScheduleKeyVersionDestructionRequest schedule;
  v1::CancelKeyVersionDestructionRequest cancel;
  v1::GetWrappingKeyRequest wrapping;
  update.set_namespace_(name_space);
  schedule.set_namespace_(name_space);
  cancel.set_namespace_(name_space);
  wrapping.set_namespace_(name_space);
  update.set_name(name);
  schedule.set_name(name);
  cancel.set_name(name);
  wrapping.set_name(name);
  create.set_namespace_(name_space);
  get.set_namespace_(name_space);
  rotate.set_namespace_(name_space);
  state.set_namespace_(name_space);
  policy.set_namespace_(name_space);
  create.set_name(name);
  get.set_name(name);
  rotate.set_name(name);
  state.set_name(name);
  policy.set_name(name);
  return {handlers.CreateKey(caller, create).status(),
          handlers.GetKey(caller, get).status(),
          handlers.RotateKey(caller, rotate).status(),
          handlers.SetKeyVersionState(caller, state).status(),
          handlers.SetKeyPolicy(caller, policy).status(),
          handlers.UpdateKey(caller, update).status(),
          handlers.ScheduleKeyVersionDestruction(caller, schedule).status(),
          handlers.CancelKeyVersionDestruction(caller, cancel).status(),
          handlers.GetWrappingKey(caller, wrapping).status()};
}

TEST_F(KeyHandlersTest, RefusesEverythingWhileSealed) {
  test_->Seal();
  for (const absl::Status& status : CallAll(handlers_, admin_, "", "k")) {
    EXPECT_EQ(RefusalOf(status), v1::SEALED);
  }
  EXPECT_EQ(RefusalOf(handlers_.ListKeys(admin_, {}).status()), v1::SEALED);
  EXPECT_EQ(RefusalOf(handlers_.GetImportKey(admin_, {}).status()), v1::SEALED);
}

TEST_F(KeyHandlersTest, RefusesWhoIsNoAdministrator) {
  Caller nameless = TestAdministrator();
  nameless.principal.clear();
  Caller named = TestWorkload();
  named.principal = "alice";
  for (const Caller& caller : {TestWorkload(), nameless, named}) {
    for (const absl::Status& status : CallAll(handlers_, caller, "", "k")) {
      EXPECT_EQ(RefusalOf(status), v1::ADMINISTRATOR_REQUIRED);
    }
    EXPECT_EQ(RefusalOf(handlers_.ListKeys(caller, {}).status()),
              v1::ADMINISTRATOR_REQUIRED);
    EXPECT_EQ(RefusalOf(handlers_.GetImportKey(caller, {}).status()),
              v1::ADMINISTRATOR_REQUIRED);
  }
}

TEST_F(KeyHandlersTest, RefusesBadNamesInEveryCallAndWritesNothing) {
  const uint64_t leaves = test_->View().tree_size();
  for (const std::string& bad : kBadNames) {
    for (const absl::Status& status : CallAll(handlers_, admin_, "", bad)) {
      EXPECT_EQ(RefusalOf(status), v1::REQUEST_MALFORMED) << bad;
    }
    for (const absl::Status& status : CallAll(handlers_, admin_, bad, "k")) {
      EXPECT_EQ(RefusalOf(status), v1::REQUEST_MALFORMED) << bad;
    }
    EXPECT_EQ(RefusalOf(List("", 1, bad).status()), v1::REQUEST_MALFORMED);
    EXPECT_EQ(RefusalOf(List("", 1, "", bad).status()), v1::REQUEST_MALFORMED);
  }
  for (const absl::Status& status : CallAll(handlers_, admin_, "", "")) {
    EXPECT_EQ(RefusalOf(status), v1::REQUEST_MALFORMED);
  }
  const std::string long_name(129, 'a');
  for (const absl::Status& status : CallAll(handlers_, admin_, "", long_name)) {
    EXPECT_EQ(RefusalOf(status), v1::REQUEST_TOO_LARGE);
  }
  EXPECT_EQ(test_->View().tree_size(), leaves);
}

TEST_F(KeyHandlersTest, CreatesAnEnabledFirstVersion) {
  v1::CreateKeyRequest request;
  request.set_name("weights");
  request.set_description("of the large model");
  const auto key = handlers_.CreateKey(admin_, request);
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->namespace_(), "default");
  EXPECT_EQ(key->name(), "weights");
  EXPECT_EQ(key->description(), "of the large model");
  EXPECT_EQ(key->key_id().size(), kKeyIdSize);
  EXPECT_EQ(key->policy(), "");
  EXPECT_EQ(key->primary_version(), 1u);
  ASSERT_EQ(key->versions_size(), 1);
  EXPECT_EQ(key->versions(0).version(), 1u);
  EXPECT_EQ(key->versions(0).state(), v1::KeyVersion::ENABLED);
  EXPECT_EQ(key->versions(0).releases(), 0u);
  const auto read = Get("weights", "default");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->SerializeAsString(), key->SerializeAsString());
}

TEST_F(KeyHandlersTest, StoresMaterialThatOpensOnlyAsThisVersion) {
  const auto key = Create("k");
  ASSERT_TRUE(key.ok()) << key.status();
  const auto material =
      test_->View().GetKeyMaterial("default", key->key_id(), 1);
  ASSERT_TRUE(material.ok()) << material.status();
  const auto opened =
      OpenKeyMaterial(*test_->get()->envelope, {"default", key->key_id(), 1},
                      AsBytes(material->wrapped()));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->size(), 32u);
  EXPECT_EQ(RefusalOf(OpenKeyMaterial(*test_->get()->envelope,
                                      {"default", key->key_id(), 2},
                                      AsBytes(material->wrapped()))
                          .status()),
            v1::DATA_LOSS);
}

TEST_F(KeyHandlersTest, RecordsWhoDidIt) {
  ASSERT_TRUE(Create("k", "tenant").ok());
  const storage::StateView& view = test_->View();
  const auto leaf = view.GetLeaf(view.tree_size() - 1);
  ASSERT_TRUE(leaf.ok()) << leaf.status();
  v1::AuditEntry entry;
  ASSERT_TRUE(entry.ParseFromString(*leaf));
  EXPECT_EQ(entry.principal(), "alice");
  EXPECT_EQ(entry.namespace_(), "tenant");
  EXPECT_EQ(entry.salt().size(), 16u);
  EXPECT_TRUE(entry.has_key_created());
}

TEST_F(KeyHandlersTest, RefusesATakenNameOnlyInItsNamespace) {
  ASSERT_TRUE(Create("k").ok());
  EXPECT_EQ(RefusalOf(Create("k").status()), v1::ALREADY_EXISTS);
  EXPECT_EQ(RefusalOf(Create("k", "default").status()), v1::ALREADY_EXISTS);
  EXPECT_TRUE(Create("k", "tenant").ok());
}

TEST_F(KeyHandlersTest, KeepsNamespacesApart) {
  ASSERT_TRUE(Create("k", "tenant-a").ok());
  EXPECT_EQ(RefusalOf(Get("k").status()), v1::NOT_FOUND);
  EXPECT_EQ(RefusalOf(Get("k", "tenant-b").status()), v1::NOT_FOUND);
  EXPECT_TRUE(Get("k", "tenant-a").ok());
  EXPECT_TRUE(ListAll(10, "", "tenant-b").empty());
}

TEST_F(KeyHandlersTest, BoundsWhatCreateTakes) {
  v1::CreateKeyRequest request;
  request.set_name("k");
  request.set_description(std::string(1025, 'd'));
  EXPECT_EQ(RefusalOf(handlers_.CreateKey(admin_, request).status()),
            v1::REQUEST_TOO_LARGE);
  request.clear_description();
  request.mutable_material()->set_random_bytes(15);
  EXPECT_EQ(RefusalOf(handlers_.CreateKey(admin_, request).status()),
            v1::REQUEST_MALFORMED);
  request.mutable_material()->set_random_bytes(4097);
  EXPECT_EQ(RefusalOf(handlers_.CreateKey(admin_, request).status()),
            v1::REQUEST_TOO_LARGE);
  request.mutable_material()->set_random_bytes(4096);
  request.set_policy("Not-A-Name");
  EXPECT_EQ(RefusalOf(handlers_.CreateKey(admin_, request).status()),
            v1::REQUEST_MALFORMED);
  request.set_policy("no-such-policy");
  EXPECT_EQ(RefusalOf(handlers_.CreateKey(admin_, request).status()),
            v1::NOT_FOUND);
  request.clear_policy();
  EXPECT_TRUE(handlers_.CreateKey(admin_, request).ok());
}

TEST_F(KeyHandlersTest, RotationAddsThePrimaryVersionAndKeepsTheOld) {
  ASSERT_TRUE(Create("k").ok());
  const auto rotated = Rotate("k", 1);
  ASSERT_TRUE(rotated.ok()) << rotated.status();
  EXPECT_EQ(rotated->primary_version(), 2u);
  ASSERT_EQ(rotated->versions_size(), 2);
  EXPECT_EQ(rotated->versions(0).state(), v1::KeyVersion::ENABLED);
  for (uint32_t version : {1u, 2u}) {
    const auto material =
        test_->View().GetKeyMaterial("default", rotated->key_id(), version);
    ASSERT_TRUE(material.ok()) << material.status();
    EXPECT_TRUE(OpenKeyMaterial(*test_->get()->envelope,
                                {"default", rotated->key_id(), version},
                                AsBytes(material->wrapped()))
                    .ok());
  }
}

TEST_F(KeyHandlersTest, RotationOfAnotherPrimaryConflicts) {
  ASSERT_TRUE(Create("k").ok());
  ASSERT_TRUE(Rotate("k", 1).ok());
  for (uint32_t stale : {1u, 3u, std::numeric_limits<uint32_t>::max()}) {
    const auto refused = Rotate("k", stale);
    EXPECT_EQ(RefusalOf(refused.status()), v1::VERSION_CONFLICT);
    EXPECT_TRUE(absl::IsAborted(refused.status()));
  }
  EXPECT_EQ(Get("k")->primary_version(), 2u);
  EXPECT_EQ(RefusalOf(Rotate("none").status()), v1::NOT_FOUND);
}

TEST_F(KeyHandlersTest, RotationsAtOnceAllSucceedWithVersionsOfTheirOwn) {
  ASSERT_TRUE(Create("k").ok());
  // As many as kRotateTries: in each round one of them wins.
  constexpr int kCallers = 4;
  std::vector<absl::Status> results(kCallers);
  std::vector<std::thread> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([this, &results, i] {
      results[static_cast<size_t>(i)] = Rotate("k").status();
    });
  }
  for (std::thread& caller : callers) caller.join();
  for (const absl::Status& result : results) EXPECT_TRUE(result.ok()) << result;
  const auto key = Get("k");
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->primary_version(), 5u);
  EXPECT_EQ(key->versions_size(), 5);
}

TEST_F(KeyHandlersTest, DisablesAndEnablesAndDestroysForEver) {
  ASSERT_TRUE(Create("k").ok());
  const auto disabled = SetState("k", 1, v1::KeyVersion::DISABLED);
  ASSERT_TRUE(disabled.ok()) << disabled.status();
  EXPECT_EQ(disabled->versions(0).state(), v1::KeyVersion::DISABLED);
  const auto enabled = SetState("k", 1, v1::KeyVersion::ENABLED);
  ASSERT_TRUE(enabled.ok()) << enabled.status();
  EXPECT_EQ(enabled->versions(0).state(), v1::KeyVersion::ENABLED);
  const auto destroyed = SetState("k", 1, v1::KeyVersion::DESTROYED);
  ASSERT_TRUE(destroyed.ok()) << destroyed.status();
  EXPECT_EQ(destroyed->versions(0).state(), v1::KeyVersion::DESTROYED);
  for (const auto state : {v1::KeyVersion::ENABLED, v1::KeyVersion::DISABLED}) {
    const auto refused = SetState("k", 1, state);
    EXPECT_EQ(RefusalOf(refused.status()), v1::VERSION_DESTROYED);
    EXPECT_TRUE(absl::IsFailedPrecondition(refused.status()));
  }
  EXPECT_EQ(RefusalOf(test_->View()
                          .GetKeyMaterial("default", destroyed->key_id(), 1)
                          .status()),
            v1::VERSION_DESTROYED);
}

TEST_F(KeyHandlersTest, RotatesAKeyWhosePrimaryWasDestroyed) {
  ASSERT_TRUE(Create("k").ok());
  ASSERT_TRUE(SetState("k", 1, v1::KeyVersion::DESTROYED).ok());
  EXPECT_EQ(Get("k")->primary_version(), 0u);
  const auto rotated = Rotate("k");
  ASSERT_TRUE(rotated.ok()) << rotated.status();
  EXPECT_EQ(rotated->primary_version(), 2u);
}

TEST_F(KeyHandlersTest, RefusesVersionsAndStatesThatAreNone) {
  ASSERT_TRUE(Create("k").ok());
  const auto enabled = v1::KeyVersion::ENABLED;
  EXPECT_EQ(RefusalOf(SetState("k", 0, enabled).status()),
            v1::REQUEST_MALFORMED);
  for (uint32_t version : {2u, 0x80000000u, 0xffffffffu}) {
    EXPECT_EQ(RefusalOf(SetState("k", version, enabled).status()),
              v1::NOT_FOUND);
  }
  EXPECT_EQ(
      RefusalOf(SetState("k", 1, v1::KeyVersion::STATE_UNSPECIFIED).status()),
      v1::REQUEST_MALFORMED);
  EXPECT_EQ(
      RefusalOf(
          SetState("k", 1, static_cast<v1::KeyVersion::State>(77)).status()),
      v1::REQUEST_MALFORMED);
  EXPECT_EQ(RefusalOf(SetState("none", 1, enabled).status()), v1::NOT_FOUND);
}

TEST_F(KeyHandlersTest, NamesOnlyPoliciesThatExist) {
  ASSERT_TRUE(Create("k").ok());
  v1::SetKeyPolicyRequest request;
  request.set_name("k");
  EXPECT_TRUE(handlers_.SetKeyPolicy(admin_, request).ok());
  request.set_policy("none");
  EXPECT_EQ(RefusalOf(handlers_.SetKeyPolicy(admin_, request).status()),
            v1::NOT_FOUND);
  request.set_policy("../none");
  EXPECT_EQ(RefusalOf(handlers_.SetKeyPolicy(admin_, request).status()),
            v1::REQUEST_MALFORMED);
  request.set_policy(std::string(65, 'p'));
  EXPECT_EQ(RefusalOf(handlers_.SetKeyPolicy(admin_, request).status()),
            v1::REQUEST_TOO_LARGE);
}

TEST_F(KeyHandlersTest, ListsEveryKeyOnceWhateverThePageSize) {
  std::multiset<std::string> names;
  for (int i = 0; i < 7; ++i) {
    names.insert(absl::StrCat("k", i));
    ASSERT_TRUE(Create(absl::StrCat("k", i)).ok());
  }
  ASSERT_TRUE(Create("other").ok());
  names.insert("other");
  for (uint32_t page_size : {1u, 2u, 3u, 8u, 1000u}) {
    EXPECT_EQ(ListAll(page_size), names) << page_size;
  }
  names.erase("other");
  for (uint32_t page_size : {1u, 3u, 7u, 8u}) {
    EXPECT_EQ(ListAll(page_size, "k"), names) << page_size;
  }
  EXPECT_TRUE(ListAll(2, "x").empty());
}

TEST_F(KeyHandlersTest, RefusesHostilePageTokensAndSizes) {
  ASSERT_TRUE(Create("k").ok());
  for (const std::string& token :
       {"x"s, "00"s, std::string(31, '0'), std::string(33, '0'),
        std::string(32, 'g'), std::string(32, 'A'), std::string(34, '0'),
        std::string(1 << 20, '0'), "../../../../../../../../../../.."s,
        std::string(32, '\0')}) {
    EXPECT_EQ(RefusalOf(List(token, 1).status()), v1::REQUEST_MALFORMED);
  }
  // Well-formed ones grant nothing: they only say where to read on.
  EXPECT_TRUE(List(std::string(32, 'f'), 1)->keys().empty());
  EXPECT_EQ(List(std::string(32, '0'), 1)->keys_size(), 1);
  EXPECT_EQ(RefusalOf(List("", 1001).status()), v1::REQUEST_TOO_LARGE);
  EXPECT_EQ(RefusalOf(List("", 0xffffffffu).status()), v1::REQUEST_TOO_LARGE);
}

// --- Destruction after a wait ---

TEST_F(KeyHandlersTest, DestroysAfterAWeekUnlessAskedOtherwise) {
  ASSERT_TRUE(Create("k").ok());
  ASSERT_TRUE(Rotate("k").ok());
  v1::ScheduleKeyVersionDestructionRequest request;
  request.set_name("k");
  request.set_version(1);
  const auto scheduled =
      handlers_.ScheduleKeyVersionDestruction(admin_, request);
  ASSERT_TRUE(scheduled.ok()) << scheduled.status();
  EXPECT_EQ(scheduled->versions(0).state(), v1::KeyVersion::DISABLED);
  EXPECT_EQ(scheduled->versions(0).destroy_at_us(),
            test_->View().header().log_time_us() +
                absl::ToInt64Microseconds(kDestructionWaitDefault));
  EXPECT_EQ(RefusalOf(SetState("k", 1, v1::KeyVersion::ENABLED).status()),
            v1::DESTRUCTION_SCHEDULED);
  v1::CancelKeyVersionDestructionRequest cancel;
  cancel.set_name("k");
  cancel.set_version(1);
  const auto cancelled = handlers_.CancelKeyVersionDestruction(admin_, cancel);
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->versions(0).destroy_at_us(), 0);
  EXPECT_EQ(
      RefusalOf(handlers_.CancelKeyVersionDestruction(admin_, cancel).status()),
      v1::VERSION_CONFLICT);
  for (const int64_t wait_us : {int64_t{1}, int64_t{-1}}) {
    request.set_wait_us(wait_us);
    EXPECT_EQ(
        RefusalOf(
            handlers_.ScheduleKeyVersionDestruction(admin_, request).status()),
        v1::REQUEST_MALFORMED)
        << wait_us;
  }
  request.clear_wait_us();
  request.clear_version();
  EXPECT_EQ(
      RefusalOf(
          handlers_.ScheduleKeyVersionDestruction(admin_, request).status()),
      v1::REQUEST_MALFORMED);
  cancel.clear_version();
  EXPECT_EQ(
      RefusalOf(handlers_.CancelKeyVersionDestruction(admin_, cancel).status()),
      v1::REQUEST_MALFORMED);
}

TEST_F(KeyHandlersTest, AnInstanceMayDemandAWait) {
  ASSERT_TRUE(Create("k").ok());
  const KeyHandlers careful(test_->holder, absl::Hours(24 * 30));
  v1::SetKeyVersionStateRequest now;
  now.set_name("k");
  now.set_version(1);
  now.set_state(v1::KeyVersion::DESTROYED);
  EXPECT_EQ(RefusalOf(careful.SetKeyVersionState(admin_, now).status()),
            v1::DESTRUCTION_TOO_SOON);
  v1::ScheduleKeyVersionDestructionRequest request;
  request.set_name("k");
  request.set_version(1);
  request.set_wait_us(absl::ToInt64Microseconds(absl::Hours(24 * 29)));
  EXPECT_EQ(
      RefusalOf(
          careful.ScheduleKeyVersionDestruction(admin_, request).status()),
      v1::DESTRUCTION_TOO_SOON);
  // What is not asked for is as much as is demanded.
  request.clear_wait_us();
  const auto scheduled = careful.ScheduleKeyVersionDestruction(admin_, request);
  ASSERT_TRUE(scheduled.ok()) << scheduled.status();
  EXPECT_EQ(scheduled->versions(0).destroy_at_us(),
            test_->View().header().log_time_us() +
                absl::ToInt64Microseconds(absl::Hours(24 * 30)));
}

TEST_F(KeyHandlersTest, OnlyAJumpThatIsThereIsConfirmed) {
  v1::ConfirmClockRequest request;
  EXPECT_EQ(RefusalOf(handlers_.ConfirmClock(admin_, request).status()),
            v1::VERSION_CONFLICT);
  ASSERT_TRUE(Create("k").ok());
  test_->clock.Advance(absl::Hours(3));
  ASSERT_TRUE(Rotate("k").ok());
  const v1::Key held = *Get("k");
  ASSERT_TRUE(held.has_held_by());
  request.set_to_us(held.held_by().to_us());
  EXPECT_TRUE(handlers_.ConfirmClock(admin_, request).ok());
  EXPECT_FALSE(Get("k")->has_held_by());
}

}  // namespace
}  // namespace kms::lifecycle

#include "kms/lifecycle/key_watch.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kms/base/refusal.h"
#include "kms/instance/testing.h"
#include "kms/lifecycle/key_handlers.h"

namespace kms::lifecycle {
namespace {

class Ears : public KeyWatch::Watcher {
 public:
  void Tell(const v1::WatchedKey& key) override {
    EXPECT_TRUE(ended.ok()) << "told after its end";
    told.push_back(key);
  }
  void End(const absl::Status& status) override { ended = status; }

  std::vector<v1::WatchedKey> told;
  absl::Status ended;
};

// Receipts: kms/release/wrapping_test.cc, which has some.
class KeyWatchTest : public testing::Test {
 protected:
  KeyWatchTest() {
    for (const char* name : {"a", "b"}) {
      v1::CreateKeyRequest request;
      request.set_name(name);
      EXPECT_TRUE(keys_.CreateKey(admin_, request).ok());
    }
  }
  void Rotate(const std::string& name) {
    v1::RotateKeyRequest request;
    request.set_name(name);
    EXPECT_TRUE(keys_.RotateKey(admin_, request).ok());
  }
  absl::Status Add(const std::string& name, std::shared_ptr<Ears> ears) {
    v1::WatchKeyRequest request;
    request.set_name(name);
    return watch_.Add(admin_, request, std::move(ears));
  }

  const Caller admin_ = TestAdministrator();
  const std::unique_ptr<TestInstance> test_ = MakeTestInstance();
  const KeyHandlers keys_{test_->holder};
  KeyWatch watch_{test_->holder};
};

TEST_F(KeyWatchTest, TellsTheKeyAsItIsAndThenEachChange) {
  const auto ears = std::make_shared<Ears>();
  ASSERT_TRUE(Add("a", ears).ok());
  ASSERT_EQ(ears->told.size(), 1u);
  EXPECT_EQ(ears->told[0].primary_version(), 1u);
  watch_.Look();
  Rotate("b");
  watch_.Look();
  EXPECT_EQ(ears->told.size(), 1u);
  Rotate("a");
  watch_.Look();
  ASSERT_EQ(ears->told.size(), 2u);
  EXPECT_EQ(ears->told[1].primary_version(), 2u);
  v1::UpdateKeyRequest update;
  update.set_name("a");
  update.set_minimum_version(2);
  ASSERT_TRUE(keys_.UpdateKey(admin_, update).ok());
  watch_.Look();
  watch_.Look();
  ASSERT_EQ(ears->told.size(), 3u);
  EXPECT_EQ(ears->told[2].minimum_version(), 2u);
}

TEST_F(KeyWatchTest, SeveralWatchOneKeyAndOneGoes) {
  const auto first = std::make_shared<Ears>();
  const auto second = std::make_shared<Ears>();
  ASSERT_TRUE(Add("a", first).ok());
  ASSERT_TRUE(Add("a", second).ok());
  watch_.Remove(first.get());
  watch_.Remove(first.get());
  Rotate("a");
  watch_.Look();
  EXPECT_EQ(first->told.size(), 1u);
  EXPECT_EQ(second->told.size(), 2u);
}

TEST_F(KeyWatchTest, RefusesWhoShowsNeitherReceiptNorCertificate) {
  const auto ears = std::make_shared<Ears>();
  v1::WatchKeyRequest request;
  request.set_name("a");
  EXPECT_EQ(RefusalOf(watch_.Add(TestWorkload(), request, ears)),
            v1::ADMINISTRATOR_REQUIRED);
  request.mutable_receipt()->set_body("made up");
  EXPECT_EQ(RefusalOf(watch_.Add(TestWorkload(), request, ears)),
            v1::RECEIPT_INVALID);
  // A bad receipt is one for an administrator too.
  EXPECT_EQ(RefusalOf(watch_.Add(admin_, request, ears)), v1::RECEIPT_INVALID);
  EXPECT_EQ(RefusalOf(Add("c", ears)), v1::NOT_FOUND);
  EXPECT_EQ(RefusalOf(Add("../a", ears)), v1::REQUEST_MALFORMED);
  EXPECT_TRUE(ears->told.empty());
}

TEST_F(KeyWatchTest, EndsWhenTheInstanceIsSealed) {
  const auto ears = std::make_shared<Ears>();
  ASSERT_TRUE(Add("a", ears).ok());
  test_->Seal();
  watch_.Look();
  EXPECT_EQ(RefusalOf(ears->ended), v1::SEALED);
  EXPECT_EQ(RefusalOf(Add("a", ears)), v1::SEALED);
}

TEST_F(KeyWatchTest, EndsAndTakesNoMoreOnceStopped) {
  const auto ears = std::make_shared<Ears>();
  watch_.Start();
  ASSERT_TRUE(Add("a", ears).ok());
  watch_.Stop();
  EXPECT_EQ(RefusalOf(ears->ended), v1::LOG_UNAVAILABLE);
  EXPECT_EQ(RefusalOf(Add("b", std::make_shared<Ears>())), v1::LOG_UNAVAILABLE);
}

}  // namespace
}  // namespace kms::lifecycle

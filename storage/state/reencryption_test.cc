#include "storage/state/reencryption.h"

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "kms/base/refusal.h"
#include "storage/engine/memory_engine.h"
#include "storage/state/state_fixture.h"
#include "storage/state/state_machine.h"

namespace kms::storage {
namespace {

class ReencryptionTest : public testing::Test {
 protected:
  ReencryptionTest() {
    for (uint64_t n = 1; n <= 20; ++n) {
      fed_.Do(fixture_.CreateKey("k" + std::to_string(n), TestId(n), ""));
    }
  }

  // The fixture's keyring with another storage key.
  void Rotate() {
    Keyring keyring = *envelope_->keyring()->Clone();
    ASSERT_TRUE(keyring.Rotate(KeyKind::kStorage).ok());
    ASSERT_TRUE(
        envelope_->Update(std::make_shared<const Keyring>(std::move(keyring)))
            .ok());
  }
  size_t Rows(uint32_t version) const {
    size_t rows = 0;
    EXPECT_TRUE(engine_
                    .Scan({}, {}, EngineReader::kNoLimit,
                          [&](absl::string_view, absl::string_view stored) {
                            rows +=
                                *EnvelopeKeyVersion(AsBytes(stored)) == version
                                    ? 1
                                    : 0;
                            return true;
                          })
                    .ok());
    return rows;
  }

  StateFixture fixture_;
  MemoryEngine engine_;
  FedMachine fed_{fixture_, engine_};
  const std::unique_ptr<Envelope> envelope_ = fixture_.NewEnvelope();
};

TEST_F(ReencryptionTest, BringsEveryRowUnderTheNewKeyAndChangesNothing) {
  Reencryption reencryption(engine_, *envelope_);
  EXPECT_FALSE(reencryption.wanted());
  Rotate();
  const size_t rows = Rows(1);
  ASSERT_GT(rows, 40u);
  size_t steps = 0;
  for (; reencryption.wanted(); ++steps) {
    ASSERT_TRUE(reencryption.Step(7).ok());
  }
  EXPECT_EQ(steps, rows / 7 + 1);
  EXPECT_EQ(Rows(1), 0u);
  EXPECT_EQ(Rows(2), rows);
  const auto reopened = StateMachine::Open(engine_, *envelope_);
  ASSERT_TRUE(reopened.ok()) << reopened.status();
  EXPECT_EQ((*reopened)->View()->header().digest(),
            fed_.view()->header().digest());
}

TEST_F(ReencryptionTest, GoesOnWhereACrashCutItShort) {
  Rotate();
  const size_t rows = Rows(1);
  {
    Reencryption cut(engine_, *envelope_);
    ASSERT_TRUE(cut.Step(10).ok());
    EXPECT_EQ(Rows(2), 10u);
  }
  Reencryption reencryption(engine_, *envelope_);
  while (reencryption.wanted()) ASSERT_TRUE(reencryption.Step(1000).ok());
  EXPECT_EQ(Rows(2), rows);
  // One more pass would write nothing.
  const auto after = engine_.Get(HeaderRow().bytes());
  Reencryption again(engine_, *envelope_);
  while (again.wanted()) ASSERT_TRUE(again.Step(1000).ok());
  EXPECT_EQ(*engine_.Get(HeaderRow().bytes()), *after);
}

TEST_F(ReencryptionTest, ARotationMeanwhileBeginsThePassAnew) {
  Rotate();
  const size_t rows = Rows(1);
  Reencryption reencryption(engine_, *envelope_);
  ASSERT_TRUE(reencryption.Step(rows - 1).ok());
  Rotate();
  while (reencryption.wanted()) ASSERT_TRUE(reencryption.Step(9).ok());
  EXPECT_EQ(Rows(3), rows);
}

TEST_F(ReencryptionTest, ADamagedRowIsNotEncryptedAnew) {
  Rotate();
  std::string stored = **engine_.Get(HeaderRow().bytes());
  stored.back() = static_cast<char>(stored.back() ^ 1);
  WriteBatch damage;
  damage.Put(HeaderRow().bytes(), stored);
  ASSERT_TRUE(engine_.Write(damage, Sync::kNo).ok());
  Reencryption reencryption(engine_, *envelope_);
  EXPECT_EQ(RefusalOf(reencryption.Step(1000)), v1::DATA_LOSS);
}

}  // namespace
}  // namespace kms::storage

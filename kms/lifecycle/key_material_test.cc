#include "kms/lifecycle/key_material.h"

#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "kms/base/refusal.h"
#include "kms/crypto/random.h"
#include "storage/envelope/keyring.h"

namespace kms::lifecycle {
namespace {

class KeyMaterialTest : public testing::Test {
 protected:
  KeyMaterialTest()
      : envelope_(
            *storage::Envelope::Create(std::make_shared<const storage::Keyring>(
                *storage::Keyring::Generate()))),
        material_(*crypto::RandomSecret(32)),
        wrapped_(*SealKeyMaterial(*envelope_, place_, material_)) {}

  const std::string key_id_ = std::string(kKeyIdSize, 'k');
  const KeyMaterialPlace place_ = {"default", key_id_, 7};
  std::unique_ptr<storage::Envelope> envelope_;
  Secret material_;
  std::string wrapped_;
};

TEST_F(KeyMaterialTest, OpensInItsPlace) {
  const auto opened = OpenKeyMaterial(*envelope_, place_, AsBytes(wrapped_));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(*opened == material_);
}

TEST_F(KeyMaterialTest, OpensNowhereElse) {
  const std::string other_id(kKeyIdSize, 'l');
  const KeyMaterialPlace others[] = {{"tenant", key_id_, 7},
                                     {"default", other_id, 7},
                                     {"default", key_id_, 8},
                                     {"default", key_id_, 0x07000000}};
  for (const KeyMaterialPlace& place : others) {
    const auto opened = OpenKeyMaterial(*envelope_, place, AsBytes(wrapped_));
    EXPECT_EQ(RefusalOf(opened.status()), v1::DATA_LOSS) << opened.status();
  }
}

TEST_F(KeyMaterialTest, NoticesEveryChangedByte) {
  for (size_t i = 0; i < wrapped_.size(); ++i) {
    std::string changed = wrapped_;
    changed[i] = static_cast<char>(changed[i] ^ 2);
    const auto opened = OpenKeyMaterial(*envelope_, place_, AsBytes(changed));
    ASSERT_FALSE(opened.ok()) << i;
    // Bytes 1 to 4 name the key version: one that the keyring has not got.
    EXPECT_EQ(opened.status().code(),
              i >= 1 && i <= 4 ? absl::StatusCode::kFailedPrecondition
                               : absl::StatusCode::kDataLoss)
        << i;
  }
}

TEST_F(KeyMaterialTest, RefusesWhatIsNoPlace) {
  const KeyMaterialPlace none[] = {
      {"", key_id_, 7}, {"default", "short", 7}, {"default", key_id_, 0}};
  for (const KeyMaterialPlace& place : none) {
    EXPECT_EQ(RefusalOf(SealKeyMaterial(*envelope_, place, material_).status()),
              v1::INTERNAL_ERROR);
    EXPECT_EQ(
        RefusalOf(
            OpenKeyMaterial(*envelope_, place, AsBytes(wrapped_)).status()),
        v1::INTERNAL_ERROR);
  }
}

}  // namespace
}  // namespace kms::lifecycle

#include "kms/lifecycle/rotator.h"

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "kms/base/refusal.h"
#include "kms/instance/testing.h"
#include "kms/lifecycle/key_handlers.h"
#include "kms/lifecycle/key_material.h"

namespace kms::lifecycle {
namespace {

class RotatorTest : public testing::Test {
 protected:
  RotatorTest() {
    Create("stored", v1::Key::STORED, 48, 0);
    Create("wrapping", v1::Key::WRAPPING, 0, 0x10);
    Create("by-hand", v1::Key::STORED, 0, 0);
    for (const char* name : {"stored", "wrapping"}) {
      v1::UpdateKeyRequest update;
      update.set_name(name);
      update.set_rotation_period_s(3600);
      EXPECT_TRUE(keys_.UpdateKey(admin_, update).ok());
    }
  }
  void Create(const std::string& name, v1::Key::Purpose purpose, uint32_t bytes,
              uint32_t kem, const std::string& artifact = "") {
    v1::CreateKeyRequest request;
    request.mutable_material()->set_artifact_digest(artifact);
    request.set_name(name);
    request.set_purpose(purpose);
    request.mutable_material()->set_random_bytes(bytes);
    request.mutable_material()->set_kem_id(kem);
    const auto key = keys_.CreateKey(admin_, request);
    EXPECT_TRUE(key.ok()) << key.status();
  }
  v1::Key Get(const std::string& name) {
    v1::GetKeyRequest request;
    request.set_name(name);
    return *keys_.GetKey(admin_, request);
  }
  absl::Status Tick() {
    return rotator_.Tick(test_->clock.Now() + absl::Minutes(1));
  }
  // Log time follows the proposals' clock: a no-op of an administrator.
  void Pass(absl::Duration duration) {
    test_->clock.Advance(duration);
    v1::UpdateKeyRequest update;
    update.set_name("by-hand");
    EXPECT_TRUE(keys_.UpdateKey(admin_, update).ok());
  }

  const Caller admin_ = TestAdministrator();
  const std::unique_ptr<TestInstance> test_ = MakeTestInstance();
  const KeyHandlers keys_{test_->holder};
  const Rotator rotator_{test_->holder};
};

TEST_F(RotatorTest, RotatesWhatIsDueOnceAndNothingElse) {
  Pass(absl::Minutes(59));
  EXPECT_TRUE(Tick().ok());
  EXPECT_EQ(Get("stored").primary_version(), 1u);
  // By then every instance's own delay has passed too.
  Pass(absl::Minutes(1) + kRotationDelayMax);
  EXPECT_TRUE(Tick().ok());
  EXPECT_TRUE(Tick().ok());
  EXPECT_EQ(Get("stored").primary_version(), 2u);
  EXPECT_EQ(Get("wrapping").primary_version(), 2u);
  EXPECT_EQ(Get("by-hand").primary_version(), 1u);
}

TEST_F(RotatorTest, TheSuccessorIsOfTheSameKind) {
  Pass(absl::Minutes(59));
  Pass(absl::Minutes(1) + kRotationDelayMax);
  ASSERT_TRUE(Tick().ok());
  const v1::Key stored = Get("stored");
  const auto material = test_->View().GetKeyMaterial("default", stored.key_id(),
                                                     stored.primary_version());
  const auto opened =
      OpenKeyMaterial(*test_->get()->envelope, {"default", stored.key_id(), 2},
                      AsBytes(material->wrapped()));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->size(), 48u);
  const v1::Key wrapping = Get("wrapping");
  const auto pair =
      test_->View().GetKeyMaterial("default", wrapping.key_id(), 2);
  EXPECT_EQ(pair->kem_id(), 0x10u);
  EXPECT_TRUE(OpenWrappingKey(*test_->get()->envelope,
                              {"default", wrapping.key_id(), 2}, *pair)
                  .ok());
}

TEST_F(RotatorTest, TheSuccessorIsForTheSameArtifact) {
  const std::string artifact(32, 'a');
  for (const auto purpose : {v1::Key::STORED, v1::Key::WRAPPING}) {
    const std::string name = absl::StrCat("bound-", purpose);
    Create(name, purpose, 0, 0, artifact);
    v1::UpdateKeyRequest update;
    update.set_name(name);
    update.set_rotation_period_s(3600);
    ASSERT_TRUE(keys_.UpdateKey(admin_, update).ok());
    // What it was for is known even when its material is gone.
    v1::SetKeyVersionStateRequest destroy;
    destroy.set_name(name);
    destroy.set_version(1);
    destroy.set_state(v1::KeyVersion::DESTROYED);
    ASSERT_TRUE(keys_.SetKeyVersionState(admin_, destroy).ok());
  }
  Pass(absl::Minutes(59));
  Pass(absl::Minutes(1) + kRotationDelayMax);
  ASSERT_TRUE(Tick().ok());
  for (const auto purpose : {v1::Key::STORED, v1::Key::WRAPPING}) {
    const v1::Key key = Get(absl::StrCat("bound-", purpose));
    ASSERT_EQ(key.versions_size(), 2);
    EXPECT_EQ(key.versions(1).artifact_digest(), artifact);
  }
}

TEST_F(RotatorTest, InstancesWaitForDifferentTimes) {
  const absl::Duration one = RotationDelay("instance 1", "key");
  EXPECT_EQ(RotationDelay("instance 1", "key"), one);
  EXPECT_NE(RotationDelay("instance 2", "key"), one);
  EXPECT_LT(one, kRotationDelayMax);
  EXPECT_GE(one, absl::ZeroDuration());
}

TEST_F(RotatorTest, RotatesNothingWhenSealed) {
  test_->Seal();
  EXPECT_EQ(RefusalOf(Tick()), v1::SEALED);
}

}  // namespace
}  // namespace kms::lifecycle

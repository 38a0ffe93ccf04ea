// Wrapping keys through the administrators' calls.
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "kms/base/refusal.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/random.h"
#include "kms/instance/testing.h"
#include "kms/lifecycle/key_handlers.h"
#include "kms/lifecycle/wrapped_blob.h"
#include "kms/lifecycle/wrapping_key.h"
#include "proto/kms/v1/audit_entry.pb.h"

namespace kms::lifecycle {
namespace {

class WrappingHandlersTest : public testing::Test {
 protected:
  WrappingHandlersTest() {
    EXPECT_TRUE(Create("w", v1::Key::WRAPPING).ok());
    EXPECT_TRUE(Create("s", v1::Key::STORED).ok());
  }
  absl::StatusOr<v1::Key> Create(const std::string& name,
                                 v1::Key::Purpose purpose,
                                 const v1::NewMaterial& material = {}) {
    v1::CreateKeyRequest request;
    request.set_name(name);
    request.set_purpose(purpose);
    *request.mutable_material() = material;
    return keys_.CreateKey(admin_, request);
  }
  absl::StatusOr<v1::Key> Rotate(const std::string& name, uint32_t kem_id = 0) {
    v1::RotateKeyRequest request;
    request.set_name(name);
    request.mutable_material()->set_kem_id(kem_id);
    return keys_.RotateKey(admin_, request);
  }
  void SetState(uint32_t version, v1::KeyVersion::State state) {
    v1::SetKeyVersionStateRequest request;
    request.set_name("w");
    request.set_version(version);
    request.set_state(state);
    EXPECT_TRUE(keys_.SetKeyVersionState(admin_, request).ok());
  }
  absl::StatusOr<v1::WrappingKey> PublicHalf(const std::string& name,
                                             uint32_t version = 0) {
    v1::GetWrappingKeyRequest request;
    request.set_name(name);
    request.set_version(version);
    const auto signed_key = keys_.GetWrappingKey(admin_, request);
    if (!signed_key.ok()) return signed_key.status();
    return VerifyWrappingKey(*signed_key,
                             AsBytes(test_->get()->identity_key.public_key()),
                             AsBytes(test_->get()->cluster_id));
  }
  std::string Seal(const v1::WrappingKey& key) {
    return *SealBlobTo(key, {}, data_key_);
  }
  absl::StatusOr<v1::RewrapBlobResponse> Rewrap(const std::string& blob) {
    v1::RewrapBlobRequest request;
    request.set_blob(blob);
    return keys_.RewrapBlob(admin_, request);
  }
  v1::RefusalCode RewrapCode(const std::string& blob) {
    return RefusalOf(Rewrap(blob).status());
  }
  v1::AuditEntry LastLeaf() {
    const storage::StateView& view = test_->View();
    v1::AuditEntry entry;
    entry.ParseFromString(*view.GetLeaf(view.tree_size() - 1));
    return entry;
  }

  const Caller admin_ = TestAdministrator();
  const std::unique_ptr<TestInstance> test_ = MakeTestInstance();
  const KeyHandlers keys_{test_->holder};
  const Secret data_key_ = *crypto::RandomSecret(32);
};

TEST_F(WrappingHandlersTest, ThePublicHalfIsOfTheVersionAskedFor) {
  ASSERT_TRUE(Rotate("w").ok());
  const auto first = PublicHalf("w", 1);
  const auto second = PublicHalf("w");
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(first->version(), 1u);
  EXPECT_EQ(second->version(), 2u);
  EXPECT_EQ(second->name(), "w");
  EXPECT_EQ(second->namespace_(), "default");
  EXPECT_EQ(second->kem_id(), 0x20u);
  EXPECT_NE(first->public_key(), second->public_key());
}

TEST_F(WrappingHandlersTest, NobodyIsGivenAPublicHalfThatOpensNoMore) {
  EXPECT_EQ(RefusalOf(PublicHalf("s").status()), v1::PURPOSE_MISMATCH);
  EXPECT_EQ(RefusalOf(PublicHalf("none").status()), v1::NOT_FOUND);
  EXPECT_EQ(RefusalOf(PublicHalf("w", 2).status()), v1::NOT_FOUND);
  ASSERT_TRUE(Rotate("w").ok());
  SetState(1, v1::KeyVersion::DISABLED);
  EXPECT_EQ(RefusalOf(PublicHalf("w", 1).status()), v1::VERSION_DISABLED);
  SetState(1, v1::KeyVersion::ENABLED);
  v1::UpdateKeyRequest update;
  update.set_name("w");
  update.set_minimum_version(2);
  ASSERT_TRUE(keys_.UpdateKey(admin_, update).ok());
  EXPECT_EQ(RefusalOf(PublicHalf("w", 1).status()), v1::VERSION_BELOW_MINIMUM);
  SetState(1, v1::KeyVersion::DESTROYED);
  EXPECT_EQ(RefusalOf(PublicHalf("w", 1).status()), v1::VERSION_DESTROYED);
}

TEST_F(WrappingHandlersTest,
       AVersionIsOfTheKemOfTheOneBeforeUnlessToldOtherwise) {
  v1::NewMaterial p256;
  p256.set_kem_id(0x10);
  ASSERT_TRUE(Create("p", v1::Key::WRAPPING, p256).ok());
  ASSERT_TRUE(Rotate("p").ok());
  EXPECT_EQ(PublicHalf("p")->kem_id(), 0x10u);
  EXPECT_EQ(PublicHalf("p")->public_key().size(), 65u);
  ASSERT_TRUE(Rotate("p", 0x20).ok());
  ASSERT_TRUE(Rotate("p").ok());
  EXPECT_EQ(PublicHalf("p")->kem_id(), 0x20u);
  EXPECT_EQ(RefusalOf(Rotate("p", 0x21).status()), v1::RECIPIENT_KEY_INVALID);
}

TEST_F(WrappingHandlersTest, TakesNoMaterialOfTheOtherPurpose) {
  v1::NewMaterial bytes;
  bytes.set_random_bytes(32);
  EXPECT_EQ(RefusalOf(Create("x", v1::Key::WRAPPING, bytes).status()),
            v1::PURPOSE_MISMATCH);
  v1::NewMaterial kem;
  kem.set_kem_id(0x20);
  EXPECT_EQ(RefusalOf(Create("x", v1::Key::STORED, kem).status()),
            v1::PURPOSE_MISMATCH);
  EXPECT_EQ(RefusalOf(Rotate("s", 0x20).status()), v1::PURPOSE_MISMATCH);
  v1::NewMaterial artifact;
  artifact.set_artifact_digest("short");
  EXPECT_EQ(RefusalOf(Create("x", v1::Key::STORED, artifact).status()),
            v1::REQUEST_MALFORMED);
  EXPECT_EQ(RefusalOf(Create("x", static_cast<v1::Key::Purpose>(9)).status()),
            v1::REQUEST_MALFORMED);
}

TEST_F(WrappingHandlersTest, RewrapsAndRecordsIt) {
  const std::string blob = Seal(*PublicHalf("w"));
  ASSERT_TRUE(Rotate("w").ok());
  const auto moved = Rewrap(blob);
  ASSERT_TRUE(moved.ok()) << moved.status();
  EXPECT_EQ(moved->version(), 2u);
  EXPECT_EQ(ParseBlob(AsBytes(moved->blob()))->header.version, 2u);
  const v1::BlobRewrapped event = LastLeaf().blob_rewrapped();
  EXPECT_EQ(event.version(), 1u);
  EXPECT_EQ(event.new_version(), 2u);
  EXPECT_EQ(event.blob_digest(), crypto::Sha256(AsBytes(blob)));
  EXPECT_EQ(event.new_blob_digest(), crypto::Sha256(AsBytes(moved->blob())));
  EXPECT_EQ(LastLeaf().principal(), admin_.principal);
  // What is there already stays as it is, and is no event.
  const uint64_t leaves = test_->View().tree_size();
  const auto again = Rewrap(moved->blob());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->blob(), moved->blob());
  EXPECT_EQ(test_->View().tree_size(), leaves);
}

TEST_F(WrappingHandlersTest, RewrapsNothingThatDoesNotOpen) {
  const v1::WrappingKey first = *PublicHalf("w");
  const std::string blob = Seal(first);
  ASSERT_TRUE(Rotate("w").ok());
  std::string changed = blob;
  changed.back() = static_cast<char>(changed.back() ^ 1);
  EXPECT_EQ(RewrapCode(changed), v1::BLOB_REJECTED);
  EXPECT_EQ(RewrapCode("blob"), v1::BLOB_MALFORMED);
  v1::WrappingKey other = first;
  other.set_cluster_id(std::string(16, 'x'));
  EXPECT_EQ(RewrapCode(Seal(other)), v1::BLOB_MISMATCH);
  other = first;
  other.set_key_id(std::string(16, 'x'));
  EXPECT_EQ(RewrapCode(Seal(other)), v1::NOT_FOUND);
  other = first;
  other.set_version(9);
  EXPECT_EQ(RewrapCode(Seal(other)), v1::NOT_FOUND);
  SetState(1, v1::KeyVersion::DISABLED);
  EXPECT_EQ(RewrapCode(blob), v1::VERSION_DISABLED);
  SetState(1, v1::KeyVersion::ENABLED);
  SetState(2, v1::KeyVersion::DISABLED);
  EXPECT_EQ(RewrapCode(blob), v1::VERSION_DISABLED);
}

}  // namespace
}  // namespace kms::lifecycle

#include "kms/lifecycle/wrapping_key.h"

#include <string>

#include "gtest/gtest.h"
#include "kms/base/refusal.h"
#include "kms/crypto/hpke.h"
#include "kms/crypto/random.h"
#include "kms/lifecycle/wrapped_blob.h"

namespace kms::lifecycle {
namespace {

class WrappingKeyTest : public testing::Test {
 protected:
  WrappingKeyTest() {
    key_.set_cluster_id(std::string(16, 'c'));
    key_.set_namespace_("default");
    key_.set_name("publishers");
    key_.set_key_id(std::string(16, 'k'));
    key_.set_version(3);
    key_.set_kem_id(0x20);
    key_.set_public_key(pair_.public_key);
  }
  absl::StatusOr<v1::WrappingKey> Verify(
      const v1::SignedWrappingKey& signed_key) {
    return VerifyWrappingKey(signed_key, AsBytes(identity_.public_key()),
                             AsBytes(cluster_id_));
  }

  const std::string cluster_id_ = std::string(16, 'c');
  const crypto::Ed25519SigningKey identity_ =
      *crypto::Ed25519SigningKey::Generate();
  const crypto::HpkeKeyPair pair_ =
      *crypto::HpkeGenerateKeyPair(crypto::Kem::kX25519);
  v1::WrappingKey key_;
};

TEST_F(WrappingKeyTest, BlobsSealedToAVerifiedKeyOpen) {
  const auto verified = Verify(SignWrappingKey(key_, identity_));
  ASSERT_TRUE(verified.ok()) << verified.status();
  const Secret data_key = *crypto::RandomSecret(32);
  const std::string digest(32, 'a');
  const auto blob = SealBlobTo(*verified, AsBytes(digest), data_key);
  ASSERT_TRUE(blob.ok()) << blob.status();
  const WrappedBlob parsed = *ParseBlob(AsBytes(*blob));
  EXPECT_TRUE(parsed.header ==
              (BlobHeader{cluster_id_, "default", key_.key_id(), 3,
                          crypto::Kem::kX25519, digest}));
  EXPECT_TRUE(*OpenBlob(parsed, pair_.private_key) == data_key);
}

TEST_F(WrappingKeyTest, RefusesAKeyThatAnotherSignedOrThatWasChanged) {
  const auto other = *crypto::Ed25519SigningKey::Generate();
  EXPECT_EQ(Verify(SignWrappingKey(key_, other)).status().code(),
            absl::StatusCode::kUnauthenticated);
  const v1::SignedWrappingKey good = SignWrappingKey(key_, identity_);
  for (size_t i = 0; i < good.body().size(); ++i) {
    v1::SignedWrappingKey changed = good;
    (*changed.mutable_body())[i] = static_cast<char>(good.body()[i] ^ 1);
    EXPECT_EQ(Verify(changed).status().code(),
              absl::StatusCode::kUnauthenticated)
        << i;
  }
}

TEST_F(WrappingKeyTest, RefusesAnotherClustersKeyOfTheSameIdentity) {
  key_.set_cluster_id(std::string(16, 'x'));
  EXPECT_EQ(Verify(SignWrappingKey(key_, identity_)).status().code(),
            absl::StatusCode::kUnauthenticated);
}

TEST_F(WrappingKeyTest, RefusesWhatIsNoPublicKey) {
  key_.set_public_key(std::string(32, '\0'));
  EXPECT_EQ(RefusalOf(Verify(SignWrappingKey(key_, identity_)).status()),
            v1::RECIPIENT_KEY_INVALID);
  v1::SignedWrappingKey large;
  large.set_body(std::string(4097, 'b'));
  EXPECT_EQ(Verify(large).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(WrappingKeyTest, SealsForNoOtherArtifactThanTheVersions) {
  key_.set_artifact_digest(std::string(32, 'a'));
  const Secret data_key = *crypto::RandomSecret(32);
  EXPECT_TRUE(SealBlobTo(key_, AsBytes(std::string(32, 'a')), data_key).ok());
  for (const std::string& digest : {std::string(32, 'b'), std::string()}) {
    EXPECT_EQ(RefusalOf(SealBlobTo(key_, AsBytes(digest), data_key).status()),
              v1::ARTIFACT_MISMATCH);
  }
}

}  // namespace
}  // namespace kms::lifecycle

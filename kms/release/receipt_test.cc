#include "kms/release/receipt.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>

#include "kms/crypto/checkpoint.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/merkle.h"
#include "kms/crypto/note.h"
#include "kms/release/origin.h"

namespace kms::release {
namespace {

// A log of two leaves, of which the second is the release.
class ReceiptTest : public testing::Test {
 protected:
  ReceiptTest()
      : identity_(*crypto::Ed25519SigningKey::Generate()),
        checkpoint_key_(*crypto::Ed25519SigningKey::Generate()) {
    wrapped_.set_enc("enc");
    wrapped_.set_ciphertext("ciphertext");
    leaf_.set_salt("0123456789abcdef");
    leaf_.set_epoch(1);
    leaf_.set_index(7);
    leaf_.set_namespace_("default");
    v1::Released& released = *leaf_.mutable_released();
    released.set_key_id("key id of 16 byt");
    released.set_version(3);
    released.set_transcript_digest(transcript_);
    released.set_recipient_thumbprint(crypto::Sha256(AsBytes("recipient")));
    released.set_kem_id(0x20);

    body_.set_cluster_id(cluster_id_);
    body_.set_namespace_("default");
    body_.set_key_id(released.key_id());
    body_.set_key_version(3);
    body_.set_transcript_digest(transcript_);
    body_.set_recipient_thumbprint(released.recipient_thumbprint());
    body_.set_kem_id(0x20);
    body_.set_wrapped_key_digest(WrappedKeyDigest(wrapped_));
    body_.set_epoch(1);
    body_.set_index(7);
    body_.set_leaf_index(1);
    Prove();
  }

  // Makes leaf, proof and checkpoint agree with leaf_.
  void Prove() {
    leaf_.SerializeToString(body_.mutable_leaf());
    const std::string sibling = crypto::LeafHash(AsBytes("first leaf"));
    const std::string leaf_hash = crypto::LeafHash(AsBytes(body_.leaf()));
    body_.clear_inclusion_proof();
    body_.add_inclusion_proof(sibling);
    SignCheckpoint(CheckpointOrigin(AsBytes(cluster_id_), 1),
                   crypto::NodeHash(AsBytes(sibling), AsBytes(leaf_hash)));
  }

  void SignCheckpoint(const std::string& origin, const std::string& root) {
    body_.set_checkpoint(*crypto::SignNote(
        *crypto::FormatCheckpoint({origin, 2, root}), origin, checkpoint_key_));
    body_.set_checkpoint_public_key(checkpoint_key_.public_key());
  }

  absl::StatusOr<VerifiedReceipt> Verify() {
    return VerifyReceipt(SignReceipt(body_, identity_),
                         AsBytes(identity_.public_key()), AsBytes(cluster_id_));
  }

  ExpectedRelease Expected() {
    return {.transcript_digest = AsBytes(transcript_),
            .kem_id = 0x20,
            .recipient_public_key = AsBytes("recipient"),
            .key_version = 3};
  }

  const std::string cluster_id_ = "0123456789abcdef";
  const std::string transcript_ = std::string(64, 't');
  crypto::Ed25519SigningKey identity_;
  crypto::Ed25519SigningKey checkpoint_key_;
  v1::WrappedKey wrapped_;
  v1::AuditEntry leaf_;
  v1::ReceiptBody body_;
};

TEST_F(ReceiptTest, VerifiesOfflineAndSpeaksOfItsRelease) {
  const auto verified = Verify();
  ASSERT_TRUE(verified.ok()) << verified.status();
  EXPECT_EQ(verified->tree_size, 2u);
  EXPECT_TRUE(CheckReceiptFor(*verified, Expected(), wrapped_).ok());
}

// A false KMS signs with a key of its own: it cannot plant a key.
TEST_F(ReceiptTest, RefusesAnotherIdentityKey) {
  const auto other = *crypto::Ed25519SigningKey::Generate();
  EXPECT_EQ(VerifyReceipt(SignReceipt(body_, other),
                          AsBytes(identity_.public_key()), AsBytes(cluster_id_))
                .status()
                .code(),
            absl::StatusCode::kUnauthenticated);
}

TEST_F(ReceiptTest, RefusesEverySingleFlippedByte) {
  const v1::Receipt good = SignReceipt(body_, identity_);
  for (size_t i = 0; i < good.body().size(); i += 7) {
    v1::Receipt bad = good;
    (*bad.mutable_body())[i] ^= 1;
    EXPECT_EQ(VerifyReceipt(bad, AsBytes(identity_.public_key()),
                            AsBytes(cluster_id_))
                  .status()
                  .code(),
              absl::StatusCode::kUnauthenticated);
  }
}

TEST_F(ReceiptTest, RefusesAnotherCluster) {
  EXPECT_EQ(VerifyReceipt(SignReceipt(body_, identity_),
                          AsBytes(identity_.public_key()),
                          AsBytes("fedcba9876543210"))
                .status()
                .code(),
            absl::StatusCode::kUnauthenticated);
}

// Signed by the right key, yet not what the log says.
TEST_F(ReceiptTest, RefusesALeafThatTellsAnotherStory) {
  const std::function<void(v1::AuditEntry&)> changes[] = {
      [](auto& leaf) { leaf.set_index(8); },
      [](auto& leaf) { leaf.set_epoch(2); },
      [](auto& leaf) { leaf.set_namespace_("other"); },
      [](auto& leaf) { leaf.mutable_released()->set_version(4); },
      [](auto& leaf) { leaf.mutable_released()->set_key_id("another"); },
      [](auto& leaf) { leaf.mutable_released()->set_policy("p"); },
      [](auto& leaf) { leaf.mutable_released()->set_evidence_digest("e"); },
      [](auto& leaf) { leaf.mutable_released()->set_kem_id(0x10); },
      [](auto& leaf) { leaf.mutable_released()->set_blob_digest("b"); },
      [](auto& leaf) { leaf.mutable_released()->set_new_blob_digest("b"); },
      [](auto& leaf) { leaf.mutable_released()->set_artifact_digest("a"); },
      [](auto& leaf) { leaf.mutable_refused(); },
  };
  const v1::AuditEntry good = leaf_;
  for (const auto& change : changes) {
    leaf_ = good;
    change(leaf_);
    Prove();
    EXPECT_EQ(Verify().status().code(), absl::StatusCode::kUnauthenticated)
        << leaf_.ShortDebugString();
  }
}

TEST_F(ReceiptTest, RefusesALeafThatIsNotUnderTheCheckpoint) {
  body_.set_inclusion_proof(0, crypto::LeafHash(AsBytes("other leaf")));
  EXPECT_EQ(Verify().status().code(), absl::StatusCode::kUnauthenticated);
}

TEST_F(ReceiptTest, RefusesAProofWithExtraNodes) {
  body_.add_inclusion_proof(body_.inclusion_proof(0));
  EXPECT_EQ(Verify().status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ReceiptTest, RefusesAnotherLogsCheckpoint) {
  SignCheckpoint("kms.v1/other/1", std::string(32, 'r'));
  EXPECT_EQ(Verify().status().code(), absl::StatusCode::kUnauthenticated);
}

TEST_F(ReceiptTest, IsForOneRequestAndOneWrappedKeyOnly) {
  const VerifiedReceipt verified = *Verify();
  const std::string other = std::string(64, 'u');
  ExpectedRelease expected = Expected();
  expected.transcript_digest = AsBytes(other);
  EXPECT_EQ(CheckReceiptFor(verified, expected, wrapped_).code(),
            absl::StatusCode::kUnauthenticated);
  expected = Expected();
  expected.recipient_public_key = AsBytes("another");
  EXPECT_EQ(CheckReceiptFor(verified, expected, wrapped_).code(),
            absl::StatusCode::kUnauthenticated);
  expected = Expected();
  expected.key_version = 2;
  EXPECT_EQ(CheckReceiptFor(verified, expected, wrapped_).code(),
            absl::StatusCode::kUnauthenticated);
  const std::string bytes = "blob or digest";
  for (BytesView ExpectedRelease::*const field :
       {&ExpectedRelease::blob, &ExpectedRelease::new_blob,
        &ExpectedRelease::artifact_digest}) {
    expected = Expected();
    expected.*field = AsBytes(bytes);
    EXPECT_EQ(CheckReceiptFor(verified, expected, wrapped_).code(),
              absl::StatusCode::kUnauthenticated);
  }
  v1::WrappedKey planted = wrapped_;
  planted.set_ciphertext("planted");
  EXPECT_EQ(CheckReceiptFor(verified, Expected(), planted).code(),
            absl::StatusCode::kUnauthenticated);
}

}  // namespace
}  // namespace kms::release

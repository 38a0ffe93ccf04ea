// The seal file and the instance file: what they hold comes back, and nothing
// else does.
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "kms/base/refusal.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/random.h"
#include "kms/seal/ceremony.h"
#include "kms/seal/instance_file.h"
#include "kms/seal/limits.h"
#include "kms/seal/seal_file.h"

namespace kms::seal {
namespace {

const std::string kClusterId(16, 'c');

SealFile ExampleSeal(const Secret& root) {
  SealFile file;
  file.kind = SealKind::kShamir;
  file.commitments = MakeShares(root, kClusterId, 3, 2)->commitments;
  file.identity_public_key = std::string(32, 'i');
  file.verifier_key = "kms.v1/cluster/1+00000000+key";
  const storage::Keyring keyring = storage::Keyring::Generate().value();
  EXPECT_TRUE(SealKeyringInto(file, root, keyring).ok());
  return file;
}

std::string WithCheckMadeRight(std::string bytes) {
  bytes.resize(bytes.size() - 32);
  return bytes + crypto::Sha256(AsBytes(bytes));
}

template <typename T>
void ExpectDataLoss(const absl::StatusOr<T>& result) {
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(RefusalOf(result.status()), v1::DATA_LOSS) << result.status();
}

TEST(SealFileTest, ReadsBackWhatItWrote) {
  const Secret root = crypto::RandomSecret(kRootKeyBytes).value();
  const SealFile file = ExampleSeal(root);
  const std::string bytes = EncodeSealFile(file);
  const auto read = DecodeSealFile(AsBytes(bytes));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(EncodeSealFile(*read), bytes);
  EXPECT_EQ(read->commitments.cluster_id, kClusterId);
  EXPECT_EQ(read->commitments.threshold, 2);
  EXPECT_EQ(read->commitments.digests.size(), 3u);
  EXPECT_EQ(read->identity_public_key, file.identity_public_key);
  EXPECT_EQ(read->verifier_key, file.verifier_key);
  EXPECT_TRUE(OpenKeyringOf(*read, root).ok());
}

TEST(SealFileTest, ADevelopmentSealHasNoShares) {
  const Secret root = crypto::RandomSecret(kRootKeyBytes).value();
  SealFile file = ExampleSeal(root);
  file.kind = SealKind::kDevelopment;
  ExpectDataLoss(DecodeSealFile(AsBytes(EncodeSealFile(file))));
  file.commitments.digests.clear();
  file.commitments.threshold = 0;
  EXPECT_TRUE(DecodeSealFile(AsBytes(EncodeSealFile(file))).ok());
}

TEST(SealFileTest, ADevicesPartIsBoundedAndBoundToTheKeyring) {
  const Secret root = crypto::RandomSecret(kRootKeyBytes).value();
  const storage::Keyring keyring = storage::Keyring::Generate().value();
  SealFile file = ExampleSeal(root);
  file.kind = SealKind::kTpm;
  file.commitments.digests.clear();
  file.commitments.threshold = 0;
  ExpectDataLoss(DecodeSealFile(AsBytes(EncodeSealFile(file))));
  file.wrapped = std::string(kWrappedRootBytesMax + 1, 'w');
  ExpectDataLoss(DecodeSealFile(AsBytes(EncodeSealFile(file))));
  file.wrapped.pop_back();
  ASSERT_TRUE(SealKeyringInto(file, root, keyring).ok());
  auto read = DecodeSealFile(AsBytes(EncodeSealFile(file)));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->wrapped, file.wrapped);
  EXPECT_TRUE(OpenKeyringOf(*read, root).ok());
  read->kind = SealKind::kPkcs11;
  ExpectDataLoss(OpenKeyringOf(*read, root));
  read->kind = SealKind::kTpm;
  read->wrapped[0] = 'x';
  ExpectDataLoss(OpenKeyringOf(*read, root));
}

TEST(SealFileTest, EveryTruncationAndEveryFlippedByteIsDataLoss) {
  const Secret root = crypto::RandomSecret(kRootKeyBytes).value();
  const std::string bytes = EncodeSealFile(ExampleSeal(root));
  for (size_t size = 0; size < bytes.size(); ++size) {
    ExpectDataLoss(DecodeSealFile(AsBytes(bytes).subspan(0, size)));
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    ExpectDataLoss(DecodeSealFile(AsBytes(flipped)));
  }
}

// Whoever can write the disk can make the check right, not the keyring.
TEST(SealFileTest, NoForgedByteOpensTheKeyring) {
  const Secret root = crypto::RandomSecret(kRootKeyBytes).value();
  const std::string bytes = EncodeSealFile(ExampleSeal(root));
  for (size_t i = 0; i + 32 < bytes.size(); ++i) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    const auto file = DecodeSealFile(AsBytes(WithCheckMadeRight(flipped)));
    if (!file.ok()) {
      ExpectDataLoss(file);
      continue;
    }
    ExpectDataLoss(OpenKeyringOf(*file, root));
  }
}

TEST(SealFileTest, AnotherRootKeyIsDataLoss) {
  const Secret root = crypto::RandomSecret(kRootKeyBytes).value();
  const SealFile file = ExampleSeal(root);
  ExpectDataLoss(
      OpenKeyringOf(file, crypto::RandomSecret(kRootKeyBytes).value()));
}

TEST(InstanceFileTest, ReadsBackWhatItWrote) {
  const Secret root = crypto::RandomSecret(kRootKeyBytes).value();
  const auto key = crypto::Ed25519SigningKey::Generate();
  const auto file = MakeInstanceFile(AsBytes(kClusterId),
                                     AsBytes(std::string(16, 'n')), *key, root);
  ASSERT_TRUE(file.ok()) << file.status();
  const auto read = DecodeInstanceFile(AsBytes(EncodeInstanceFile(*file)));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->id, std::string(16, 'n'));
  const auto opened = OpenInstanceKey(*read, AsBytes(kClusterId), root);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->public_key(), key->public_key());
}

TEST(InstanceFileTest, AnotherRootClusterOrIdIsDataLoss) {
  const Secret root = crypto::RandomSecret(kRootKeyBytes).value();
  const auto key = crypto::Ed25519SigningKey::Generate();
  InstanceFile file =
      MakeInstanceFile(AsBytes(kClusterId), AsBytes(std::string(16, 'n')), *key,
                       root)
          .value();
  ExpectDataLoss(OpenInstanceKey(file, AsBytes(kClusterId),
                                 crypto::RandomSecret(kRootKeyBytes).value()));
  ExpectDataLoss(OpenInstanceKey(file, AsBytes(std::string(16, 'd')), root));
  file.id = std::string(16, 'm');
  ExpectDataLoss(OpenInstanceKey(file, AsBytes(kClusterId), root));
}

TEST(InstanceFileTest, EveryTruncationAndEveryFlippedByteIsDataLoss) {
  const Secret root = crypto::RandomSecret(kRootKeyBytes).value();
  const auto key = crypto::Ed25519SigningKey::Generate();
  const std::string bytes = EncodeInstanceFile(
      MakeInstanceFile(AsBytes(kClusterId), AsBytes(std::string(16, 'n')), *key,
                       root)
          .value());
  for (size_t size = 0; size < bytes.size(); ++size) {
    ExpectDataLoss(DecodeInstanceFile(AsBytes(bytes).subspan(0, size)));
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    ExpectDataLoss(DecodeInstanceFile(AsBytes(flipped)));
  }
}

}  // namespace
}  // namespace kms::seal

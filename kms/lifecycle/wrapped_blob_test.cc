#include "kms/lifecycle/wrapped_blob.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "kms/base/refusal.h"
#include "kms/crypto/random.h"

namespace kms::lifecycle {
namespace {

BlobHeader Header(crypto::Kem kem = crypto::Kem::kX25519) {
  return {.cluster_id = std::string(16, 'c'),
          .name_space = "default",
          .key_id = std::string(16, 'k'),
          .version = 7,
          .kem = kem,
          .artifact_digest = std::string(32, 'a')};
}

class WrappedBlobTest : public testing::TestWithParam<crypto::Kem> {
 protected:
  crypto::HpkeKeyPair pair_ = *crypto::HpkeGenerateKeyPair(GetParam());
  Secret data_key_ = *crypto::RandomSecret(32);
  std::string blob_ =
      *SealBlob(Header(GetParam()), AsBytes(pair_.public_key), data_key_);

  absl::StatusOr<Secret> Open(const std::string& blob) {
    const absl::StatusOr<WrappedBlob> parsed = ParseBlob(AsBytes(blob));
    if (!parsed.ok()) return parsed.status();
    return OpenBlob(*parsed, pair_.private_key);
  }
};

INSTANTIATE_TEST_SUITE_P(Kems, WrappedBlobTest,
                         testing::Values(crypto::Kem::kX25519,
                                         crypto::Kem::kP256));

TEST_P(WrappedBlobTest, OpensAsWhatItWasSealedAs) {
  const auto parsed = ParseBlob(AsBytes(blob_));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_TRUE(parsed->header == Header(GetParam()));
  EXPECT_EQ(EncodeBlob(*parsed), blob_);
  const auto opened = OpenBlob(*parsed, pair_.private_key);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(*opened == data_key_);
}

TEST_P(WrappedBlobTest, RefusesEveryChangedByte) {
  for (size_t i = 0; i < blob_.size(); ++i) {
    std::string changed = blob_;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    const v1::RefusalCode code = RefusalOf(Open(changed).status());
    EXPECT_TRUE(code == v1::BLOB_REJECTED || code == v1::BLOB_MALFORMED)
        << i << ": " << RefusalName(code);
  }
}

TEST_P(WrappedBlobTest, RefusesEveryTruncation) {
  for (size_t size = 0; size < blob_.size(); ++size) {
    const v1::RefusalCode code =
        RefusalOf(Open(blob_.substr(0, size)).status());
    // A shorter ciphertext may still be one, of a shorter key.
    EXPECT_EQ(code, blob_.size() - size <= 16 ? v1::BLOB_REJECTED
                                              : v1::BLOB_MALFORMED)
        << size;
  }
}

TEST_P(WrappedBlobTest, OpensUnderNoOtherKeyAndNoOtherHeader) {
  WrappedBlob parsed = *ParseBlob(AsBytes(blob_));
  for (const crypto::Kem kem : {crypto::Kem::kX25519, crypto::Kem::kP256}) {
    EXPECT_EQ(RefusalOf(OpenBlob(parsed,
                                 crypto::HpkeGenerateKeyPair(kem)->private_key)
                            .status()),
              v1::BLOB_REJECTED);
  }
  std::vector<BlobHeader> others(6, parsed.header);
  others[0].cluster_id[0] = 'x';
  others[1].name_space = "tenant";
  others[2].key_id[0] = 'x';
  others[3].version = 8;
  others[4].artifact_digest[31] = 'x';
  others[5].artifact_digest.clear();
  for (const BlobHeader& other : others) {
    parsed.header = other;
    EXPECT_EQ(RefusalOf(OpenBlob(parsed, pair_.private_key).status()),
              v1::BLOB_REJECTED);
  }
}

TEST_P(WrappedBlobTest, SealsNoKeyThatIsTooShortOrTooLong) {
  for (const size_t size : {kDataKeySizeMin - 1, kDataKeySizeMin,
                            kDataKeySizeMax, kDataKeySizeMax + 1}) {
    const auto sealed = SealBlob(Header(GetParam()), AsBytes(pair_.public_key),
                                 *crypto::RandomSecret(size));
    if (size >= kDataKeySizeMin && size <= kDataKeySizeMax) {
      ASSERT_TRUE(sealed.ok()) << sealed.status();
      EXPECT_TRUE(Open(*sealed).ok());
      EXPECT_LE(sealed->size(), kBlobSizeMax);
    } else {
      EXPECT_EQ(RefusalOf(sealed.status()), v1::BLOB_MALFORMED) << size;
    }
  }
}

TEST_P(WrappedBlobTest, SealsForNoIllFormedHeader) {
  const auto seal = [this](const BlobHeader& header) {
    return RefusalOf(
        SealBlob(header, AsBytes(pair_.public_key), data_key_).status());
  };
  std::vector<BlobHeader> bad(8, Header(GetParam()));
  bad[0].cluster_id.pop_back();
  bad[1].name_space.clear();
  bad[2].name_space = "Upper";
  bad[3].name_space = std::string(65, 'n');
  bad[4].key_id += 'k';
  bad[5].version = 0;
  bad[6].kem = static_cast<crypto::Kem>(0x21);
  bad[7].artifact_digest = "short";
  for (size_t i = 0; i < bad.size(); ++i) {
    EXPECT_EQ(seal(bad[i]), v1::BLOB_MALFORMED) << i;
  }
  EXPECT_EQ(
      RefusalOf(SealBlob(Header(GetParam()), AsBytes("not a key"), data_key_)
                    .status()),
      v1::RECIPIENT_KEY_INVALID);
}

TEST(WrappedBlobFormatTest, IsBoundToNoArtifactOnlyIfItSaysSo) {
  const auto pair = *crypto::HpkeGenerateKeyPair(crypto::Kem::kX25519);
  BlobHeader header = Header();
  header.artifact_digest.clear();
  const std::string blob =
      *SealBlob(header, AsBytes(pair.public_key), *crypto::RandomSecret(32));
  EXPECT_EQ(ParseBlob(AsBytes(blob))->header.artifact_digest, "");
  EXPECT_TRUE(OpenBlob(*ParseBlob(AsBytes(blob)), pair.private_key).ok());
}

TEST(WrappedBlobFormatTest, NamesFormatsItDoesNotKnow) {
  const auto pair = *crypto::HpkeGenerateKeyPair(crypto::Kem::kX25519);
  std::string blob =
      *SealBlob(Header(), AsBytes(pair.public_key), *crypto::RandomSecret(32));
  blob[8] = 2;
  const auto parsed = ParseBlob(AsBytes(blob));
  EXPECT_EQ(RefusalOf(parsed.status()), v1::BLOB_MALFORMED);
  EXPECT_EQ(parsed.status().message(), "wrapped blob: format 2, want 1");
}

}  // namespace
}  // namespace kms::lifecycle

#include "storage/envelope/keyring.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kms/base/refusal.h"
#include "kms/base/secret_access.h"

namespace kms::storage {
namespace {

constexpr absl::string_view kPlace = "cluster 1";

Keyring MakeKeyring() {
  auto keyring = Keyring::Generate();
  EXPECT_TRUE(keyring.ok()) << keyring.status();
  return *std::move(keyring);
}

Secret MakeSecret(uint8_t fill, size_t size = kKeyBytes) {
  return *Secret::CopyOf(std::vector<uint8_t>(size, fill), GrantSecretAccess());
}

// Plaintext keyrings of the test's own; never a real one's way to a string.
Secret Encoded(absl::string_view bytes) {
  return *Secret::CopyOf(AsBytes(bytes), GrantSecretAccess());
}
std::string EncodedBytes(const Keyring& keyring) {
  return ToString(EncodeKeyring(keyring)->Expose(GrantSecretAccess()));
}

absl::StatusCode DecodeCode(absl::string_view bytes) {
  return DecodeKeyring(Encoded(bytes)).status().code();
}

TEST(Keyring, HasOneDistinctKeyOfEveryKind) {
  const Keyring keyring = MakeKeyring();
  std::vector<const Secret*> keys;
  for (const KeyKind kind : kKeyKinds) {
    EXPECT_EQ(keyring.primary(kind), 1u);
    const auto key = keyring.Get(kind, 1);
    ASSERT_TRUE(key.ok());
    EXPECT_EQ((*key)->size(), kKeyBytes);
    for (const Secret* other : keys) EXPECT_FALSE(**key == *other);
    keys.push_back(*key);
  }
}

TEST(Keyring, TwoAreNeverAlike) {
  EXPECT_FALSE(MakeKeyring().Contains(MakeKeyring()));
}

TEST(Keyring, RefusesVersionsItLacks) {
  const Keyring keyring = MakeKeyring();
  for (const uint32_t version : {0u, 2u, 0xffffffffu}) {
    EXPECT_EQ(keyring.Get(KeyKind::kLog, version).status().code(),
              absl::StatusCode::kFailedPrecondition);
  }
}

TEST(Keyring, RotationKeepsOldVersionsAndOtherKinds) {
  Keyring keyring = MakeKeyring();
  const Keyring before = *keyring.Clone();
  ASSERT_EQ(*keyring.Rotate(KeyKind::kLog), 2u);
  EXPECT_EQ(keyring.primary(KeyKind::kLog), 2u);
  EXPECT_EQ(keyring.primary(KeyKind::kStorage), 1u);
  EXPECT_TRUE(keyring.Contains(before));
  EXPECT_FALSE(before.Contains(keyring));
  EXPECT_FALSE(**keyring.Get(KeyKind::kLog, 1) ==
               **keyring.Get(KeyKind::kLog, 2));
}

TEST(Keyring, AddsOnlyTheNextVersionOfTheRightSize) {
  Keyring keyring = MakeKeyring();
  for (const uint32_t version : {0u, 1u, 3u}) {
    EXPECT_EQ(keyring.Add(KeyKind::kLog, version, MakeSecret(7)).code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(keyring.Add(KeyKind::kLog, 2, MakeSecret(7, 31)).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(keyring.primary(KeyKind::kLog), 1u);
  ASSERT_TRUE(keyring.Add(KeyKind::kLog, 2, MakeSecret(7)).ok());
  EXPECT_TRUE(**keyring.Get(KeyKind::kLog, 2) == MakeSecret(7));
}

TEST(Keyring, LargestOneStillEncodes) {
  Keyring keyring = MakeKeyring();
  for (const KeyKind kind : kKeyKinds) {
    while (keyring.primary(kind) < kKeyVersionsMax) {
      ASSERT_TRUE(keyring.Rotate(kind).ok());
    }
    EXPECT_EQ(keyring.Rotate(kind).status().code(),
              absl::StatusCode::kResourceExhausted);
  }
  const auto encoded = EncodeKeyring(keyring);
  ASSERT_TRUE(encoded.ok()) << encoded.status();
  const auto decoded = DecodeKeyring(*encoded);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_TRUE(decoded->Contains(keyring));
}

TEST(KeyringFormat, HoldsEveryKindInOrderWithCountsLittleEndian) {
  Keyring keyring = MakeKeyring();
  ASSERT_TRUE(keyring.Rotate(KeyKind::kStorage).ok());
  const std::string bytes = EncodedBytes(keyring);
  ASSERT_EQ(bytes.size(), 1 + 7 * 3 + 8 * kKeyBytes);
  EXPECT_EQ(Hex(bytes.substr(0, 4)), "01010200");
  EXPECT_EQ(Hex(bytes.substr(4 + 2 * kKeyBytes, 3)), "020100");
}

TEST(KeyringFormat, RoundTrips) {
  Keyring keyring = MakeKeyring();
  ASSERT_TRUE(keyring.Rotate(KeyKind::kCheckpoint).ok());
  const auto decoded = DecodeKeyring(*EncodeKeyring(keyring));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_TRUE(decoded->Contains(keyring));
  EXPECT_TRUE(keyring.Contains(*decoded));
}

TEST(KeyringFormat, RejectsEveryTruncation) {
  const std::string bytes = EncodedBytes(MakeKeyring());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(DecodeCode(bytes.substr(0, size)), absl::StatusCode::kDataLoss)
        << size;
  }
}

TEST(KeyringFormat, RejectsBytesLeftOver) {
  EXPECT_EQ(DecodeCode(EncodedBytes(MakeKeyring()) + '\0'),
            absl::StatusCode::kDataLoss);
}

TEST(KeyringFormat, RejectsOtherFormatsKindsAndCounts) {
  const std::string good = EncodedBytes(MakeKeyring());
  const auto with = [&](size_t at, char byte) {
    std::string bad = good;
    bad[at] = byte;
    return DecodeCode(bad);
  };
  EXPECT_EQ(with(0, 2), absl::StatusCode::kDataLoss);  // Format.
  EXPECT_EQ(with(1, 2), absl::StatusCode::kDataLoss);  // Kind out of order.
  EXPECT_EQ(with(2, 0), absl::StatusCode::kDataLoss);  // No version.
  EXPECT_EQ(with(3, 2), absl::StatusCode::kDataLoss);  // 513 versions.
}

TEST(SealedKeyring, OpensUnderItsRootAndPlace) {
  const Keyring keyring = MakeKeyring();
  const auto sealed = SealKeyring(MakeSecret(1), keyring, AsBytes(kPlace));
  ASSERT_TRUE(sealed.ok()) << sealed.status();
  const auto opened =
      OpenKeyring(MakeSecret(1), AsBytes(*sealed), AsBytes(kPlace));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(opened->Contains(keyring));
}

TEST(SealedKeyring, ShowsNoKey) {
  const Keyring keyring = MakeKeyring();
  const std::string sealed =
      *SealKeyring(MakeSecret(1), keyring, AsBytes(kPlace));
  for (const KeyKind kind : kKeyKinds) {
    const BytesView key = (*keyring.Get(kind, 1))->Expose(GrantSecretAccess());
    EXPECT_EQ(sealed.find(ToString(key)), std::string::npos);
  }
}

TEST(SealedKeyring, RefusesAnotherRootPlaceOrSize) {
  const std::string sealed =
      *SealKeyring(MakeSecret(1), MakeKeyring(), AsBytes(kPlace));
  const auto other_root =
      OpenKeyring(MakeSecret(2), AsBytes(sealed), AsBytes(kPlace));
  EXPECT_EQ(other_root.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(RefusalOf(other_root.status()), v1::DATA_LOSS);
  EXPECT_EQ(OpenKeyring(MakeSecret(1), AsBytes(sealed), AsBytes("cluster 2"))
                .status()
                .code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(OpenKeyring(MakeSecret(1, 16), AsBytes(sealed), AsBytes(kPlace))
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(SealedKeyring, RefusesEveryFlippedByteAndTruncation) {
  const Secret root = MakeSecret(1);
  const std::string sealed = *SealKeyring(root, MakeKeyring(), AsBytes(kPlace));
  for (size_t i = 0; i < sealed.size(); ++i) {
    std::string bad = sealed;
    bad[i] = static_cast<char>(bad[i] ^ 0x40);
    EXPECT_EQ(OpenKeyring(root, AsBytes(bad), AsBytes(kPlace)).status().code(),
              absl::StatusCode::kDataLoss)
        << i;
    EXPECT_EQ(OpenKeyring(root, AsBytes(sealed.substr(0, i)), AsBytes(kPlace))
                  .status()
                  .code(),
              absl::StatusCode::kDataLoss)
        << i;
  }
}

}  // namespace
}  // namespace kms::storage

#include "storage/envelope/envelope.h"

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kms/base/refusal.h"
#include "kms/base/secret_access.h"

namespace kms::storage {
namespace {

constexpr absl::string_view kPlaintext = "a row";
constexpr absl::string_view kPlace = "default/key/1";

class EnvelopeTest : public testing::Test {
 protected:
  std::string Seal(KeyKind kind = KeyKind::kStorage) {
    auto sealed = envelope_->Seal(kind, AsBytes(kPlaintext), AsBytes(kPlace));
    EXPECT_TRUE(sealed.ok()) << sealed.status();
    return *sealed;
  }

  absl::StatusOr<std::string> Open(absl::string_view sealed,
                                   KeyKind kind = KeyKind::kStorage,
                                   absl::string_view place = kPlace) {
    return envelope_->Open(kind, AsBytes(sealed), AsBytes(place));
  }

  // The keyring in use with one more version of `kind`.
  std::shared_ptr<const Keyring> Rotated(KeyKind kind) {
    Keyring keyring = *envelope_->keyring()->Clone();
    EXPECT_TRUE(keyring.Rotate(kind).ok());
    return std::make_shared<const Keyring>(std::move(keyring));
  }

  std::unique_ptr<Envelope> envelope_ =
      *Envelope::Create(std::make_shared<const Keyring>(*Keyring::Generate()));
};

TEST_F(EnvelopeTest, OpensWhatItSealed) {
  for (const KeyKind kind : {KeyKind::kStorage, KeyKind::kLog}) {
    EXPECT_EQ(*Open(Seal(kind), kind), kPlaintext);
  }
}

TEST_F(EnvelopeTest, HasTheDocumentedLayout) {
  const std::string sealed = Seal();
  EXPECT_EQ(sealed.size(), kPlaintext.size() + kEnvelopeOverhead);
  EXPECT_EQ(Hex(sealed.substr(0, 5)), "0101000000");
  EXPECT_EQ(sealed.find(std::string(kPlaintext)), std::string::npos);
}

TEST_F(EnvelopeTest, SealsAnEmptyPlaintext) {
  const auto sealed = envelope_->Seal(KeyKind::kLog, {}, {});
  ASSERT_TRUE(sealed.ok());
  const auto opened = envelope_->Open(KeyKind::kLog, AsBytes(*sealed), {});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(*opened, "");
}

TEST_F(EnvelopeTest, NeverMakesTheSameBytesTwice) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(seen.insert(Seal()).second);
}

TEST_F(EnvelopeTest, KeepsSecretsInSecrets) {
  const Secret secret =
      *Secret::CopyOf(AsBytes("marked key bytes"), GrantSecretAccess());
  const auto sealed =
      envelope_->SealSecret(KeyKind::kStorage, secret, AsBytes(kPlace));
  ASSERT_TRUE(sealed.ok());
  EXPECT_EQ(sealed->find("marked"), std::string::npos);
  const auto opened = envelope_->OpenSecret(KeyKind::kStorage, AsBytes(*sealed),
                                            AsBytes(kPlace));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(*opened == secret);
  EXPECT_EQ(envelope_->OpenSecret(KeyKind::kStorage, AsBytes(*sealed), {})
                .status()
                .code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(EnvelopeTest, RefusesAnotherPlaceOrKind) {
  const std::string sealed = Seal();
  const auto moved = Open(sealed, KeyKind::kStorage, "default/key/2");
  EXPECT_EQ(moved.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(RefusalOf(moved.status()), v1::DATA_LOSS);
  EXPECT_EQ(Open(sealed, KeyKind::kLog).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(EnvelopeTest, RefusesEveryTruncation) {
  const std::string sealed = Seal();
  for (size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_EQ(Open(sealed.substr(0, size)).status().code(),
              absl::StatusCode::kDataLoss)
        << size;
  }
}

TEST_F(EnvelopeTest, RefusesEveryFlippedByte) {
  const std::string sealed = Seal();
  for (size_t i = 0; i < sealed.size(); ++i) {
    std::string bad = sealed;
    bad[i] = static_cast<char>(bad[i] ^ 0x80);
    // A changed version is one we do not have; all else is damage.
    const bool version = i >= 1 && i < 5;
    EXPECT_EQ(Open(bad).status().code(),
              version ? absl::StatusCode::kFailedPrecondition
                      : absl::StatusCode::kDataLoss)
        << i;
  }
}

TEST_F(EnvelopeTest, RefusesVersionZero) {
  std::string sealed = Seal();
  sealed[1] = 0;
  EXPECT_EQ(Open(sealed).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(EnvelopeTest, BindsTheVersionEvenWhenBothAreHere) {
  const std::string old = Seal();
  ASSERT_TRUE(envelope_->Update(Rotated(KeyKind::kStorage)).ok());
  std::string relabelled = old;
  relabelled[1] = 2;
  EXPECT_EQ(Open(relabelled).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(EnvelopeTest, RefusesKindsThatDoNotEncrypt) {
  for (const KeyKind kind :
       {KeyKind::kChallenge, KeyKind::kNameIndex, KeyKind::kRowSum,
        KeyKind::kClusterIdentity, KeyKind::kCheckpoint}) {
    EXPECT_EQ(envelope_->Seal(kind, {}, {}).status().code(),
              absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(Open(Seal(), kind).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST_F(EnvelopeTest, SealsUnderTheNewestVersionAndOpensTheOld) {
  const std::string old = Seal();
  ASSERT_TRUE(envelope_->Update(Rotated(KeyKind::kStorage)).ok());
  const std::string fresh = Seal();
  EXPECT_EQ(*EnvelopeKeyVersion(AsBytes(old)), 1u);
  EXPECT_EQ(*EnvelopeKeyVersion(AsBytes(fresh)), 2u);
  EXPECT_EQ(*Open(old), kPlaintext);
  EXPECT_EQ(*Open(fresh), kPlaintext);
}

TEST_F(EnvelopeTest, TellsAVersionItLacksFromDamage) {
  const std::shared_ptr<const Keyring> rotated = Rotated(KeyKind::kLog);
  const auto ahead = Envelope::Create(rotated);
  ASSERT_TRUE(ahead.ok());
  const std::string sealed =
      *(*ahead)->Seal(KeyKind::kLog, AsBytes(kPlaintext), AsBytes(kPlace));
  EXPECT_EQ(Open(sealed, KeyKind::kLog).status().code(),
            absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(envelope_->Update(rotated).ok());
  EXPECT_EQ(*Open(sealed, KeyKind::kLog), kPlaintext);
}

TEST_F(EnvelopeTest, KeepsItsKeyringRatherThanLoseAKey) {
  const std::string sealed = Seal();
  const auto foreign = std::make_shared<const Keyring>(*Keyring::Generate());
  EXPECT_EQ(envelope_->Update(foreign).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(*Open(sealed), kPlaintext);
}

TEST_F(EnvelopeTest, OpensWhileTheKeyringChanges) {
  const std::string sealed = Seal();
  std::atomic<bool> stop = false;
  std::atomic<int> failures = 0;
  std::thread reader([&] {
    do {
      if (!Open(sealed).ok() || !Open(Seal()).ok()) ++failures;
    } while (!stop);
  });
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(envelope_->Update(Rotated(KeyKind::kStorage)).ok());
  }
  stop = true;
  reader.join();
  EXPECT_EQ(failures, 0);
}

TEST(RowAad, TellsFieldsApart) {
  EXPECT_NE(RowAad("ab", "c", "d"), RowAad("a", "bc", "d"));
  EXPECT_NE(RowAad("a", "bc", "d"), RowAad("a", "b", "cd"));
  EXPECT_EQ(Hex(RowAad("n", "f", "i")),
            "0000000a6b6d732e763120726f77"
            "000000016e0000000166"
            "0000000169");
}

}  // namespace
}  // namespace kms::storage

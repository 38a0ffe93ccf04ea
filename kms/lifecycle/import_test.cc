// Imported key material, through CreateKey and RotateKey.
#include <cstddef>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/secret.h"
#include "kms/crypto/hpke.h"
#include "kms/crypto/random.h"
#include "kms/instance/testing.h"
#include "kms/lifecycle/import_aad.h"
#include "kms/lifecycle/key_handlers.h"
#include "kms/lifecycle/key_material.h"
#include "kms/lifecycle/signed_import_key.h"

namespace kms::lifecycle {
namespace {

class ImportTest : public testing::Test {
 protected:
  v1::ImportKey GetImportKey() {
    const auto import_key = handlers_.GetImportKey(admin_, {});
    EXPECT_TRUE(import_key.ok()) << import_key.status();
    return *import_key;
  }

  // As an administrator's tool seals.
  v1::NewMaterial SealTo(const v1::ImportKey& import_key, const Secret& secret,
                         absl::string_view name,
                         absl::string_view info = kImportInfo,
                         absl::string_view name_space = "default") {
    const std::string aad =
        ImportAad(import_key.import_key_id(), name_space, name);
    const auto sealed = crypto::HpkeSeal(
        *crypto::KemFromId(import_key.kem_id()),
        AsBytes(import_key.public_key()), AsBytes(info), AsBytes(aad), secret);
    EXPECT_TRUE(sealed.ok()) << sealed.status();
    v1::NewMaterial material;
    material.mutable_sealed()->set_import_key_id(import_key.import_key_id());
    material.mutable_sealed()->set_enc(sealed->enc);
    material.mutable_sealed()->set_ciphertext(sealed->ciphertext);
    return material;
  }

  absl::StatusOr<v1::Key> Create(const std::string& name,
                                 const v1::NewMaterial& material) {
    v1::CreateKeyRequest request;
    request.set_name(name);
    *request.mutable_material() = material;
    return handlers_.CreateKey(admin_, request);
  }

  v1::RefusalCode Refusal(const std::string& name,
                          const v1::NewMaterial& material) {
    return RefusalOf(Create(name, material).status());
  }

  // The stored material of a key's version, opened.
  Secret Stored(const v1::Key& key, uint32_t version) {
    const auto material =
        test_->View().GetKeyMaterial("default", key.key_id(), version);
    EXPECT_TRUE(material.ok()) << material.status();
    auto opened = OpenKeyMaterial(*test_->get()->envelope,
                                  {"default", key.key_id(), version},
                                  AsBytes(material->wrapped()));
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  }

  const std::unique_ptr<TestInstance> test_ = MakeTestInstance();
  const Caller admin_ = TestAdministrator();
  KeyHandlers handlers_{test_->holder};
  const Secret secret_ = *crypto::RandomSecret(48);
};

TEST_F(ImportTest, StoresWhatWasSealed) {
  const auto key = Create("k", SealTo(GetImportKey(), secret_, "k"));
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_TRUE(Stored(*key, 1) == secret_);

  const Secret next = *crypto::RandomSecret(16);
  v1::RotateKeyRequest rotate;
  rotate.set_name("k");
  *rotate.mutable_material() = SealTo(GetImportKey(), next, "k");
  const auto rotated = handlers_.RotateKey(admin_, rotate);
  ASSERT_TRUE(rotated.ok()) << rotated.status();
  EXPECT_TRUE(Stored(*rotated, 2) == next);
  EXPECT_TRUE(Stored(*rotated, 1) == secret_);
}

TEST_F(ImportTest, AnImportKeyIsTheClustersOwn) {
  const v1::ImportKey import_key = GetImportKey();
  const std::string cluster_id = test_->get()->cluster_id;
  const auto verify = [&](const v1::ImportKey& key,
                          const std::string& cluster) {
    return VerifyImportKey(key,
                           AsBytes(test_->get()->identity_key.public_key()),
                           AsBytes(cluster))
        .code();
  };
  EXPECT_EQ(verify(import_key, cluster_id), absl::StatusCode::kOk);
  EXPECT_EQ(verify(import_key, std::string(16, 'x')),
            absl::StatusCode::kUnauthenticated);
  v1::ImportKey other = import_key;
  other.set_public_key(
      crypto::HpkeGenerateKeyPair(crypto::Kem::kX25519)->public_key);
  EXPECT_EQ(verify(other, cluster_id), absl::StatusCode::kUnauthenticated);
  other = import_key;
  other.set_import_key_id(std::string(kImportKeyIdSize, 'x'));
  EXPECT_EQ(verify(other, cluster_id), absl::StatusCode::kUnauthenticated);
  other = import_key;
  other.set_kem_id(0x10);
  EXPECT_EQ(verify(other, cluster_id), absl::StatusCode::kUnauthenticated);
  other = import_key;
  other.clear_signature();
  EXPECT_EQ(verify(other, cluster_id), absl::StatusCode::kUnauthenticated);
}

TEST_F(ImportTest, AnImportKeyOpensOneMessage) {
  const v1::ImportKey import_key = GetImportKey();
  ASSERT_TRUE(Create("k", SealTo(import_key, secret_, "k")).ok());
  EXPECT_EQ(Refusal("l", SealTo(import_key, secret_, "l")), v1::NOT_FOUND);
}

TEST_F(ImportTest, AFailedOpenUsesTheImportKeyUp) {
  const v1::ImportKey import_key = GetImportKey();
  v1::NewMaterial changed = SealTo(import_key, secret_, "k");
  std::string& ciphertext = *changed.mutable_sealed()->mutable_ciphertext();
  ciphertext[0] = static_cast<char>(ciphertext[0] ^ 1);
  EXPECT_EQ(Refusal("k", changed), v1::REQUEST_MALFORMED);
  EXPECT_EQ(Refusal("k", SealTo(import_key, secret_, "k")), v1::NOT_FOUND);
}

TEST_F(ImportTest, ARefusalBeforeTheOpenKeepsTheImportKey) {
  ASSERT_TRUE(Create("taken", {}).ok());
  const v1::ImportKey import_key = GetImportKey();
  EXPECT_EQ(Refusal("taken", SealTo(import_key, secret_, "taken")),
            v1::ALREADY_EXISTS);
  EXPECT_TRUE(Create("k", SealTo(import_key, secret_, "k")).ok());
}

TEST_F(ImportTest, OpensOnlyForItsPurposeNamespaceAndName) {
  EXPECT_EQ(Refusal("k", SealTo(GetImportKey(), secret_, "l")),
            v1::REQUEST_MALFORMED);
  EXPECT_EQ(
      Refusal("k", SealTo(GetImportKey(), secret_, "k", kImportInfo, "tenant")),
      v1::REQUEST_MALFORMED);
  EXPECT_EQ(
      Refusal("k", SealTo(GetImportKey(), secret_, "k", "kms.v1 release")),
      v1::REQUEST_MALFORMED);
  // Sealed to one import key and sent under another's id.
  v1::NewMaterial crossed = SealTo(GetImportKey(), secret_, "k");
  crossed.mutable_sealed()->set_import_key_id(GetImportKey().import_key_id());
  EXPECT_EQ(Refusal("k", crossed), v1::REQUEST_MALFORMED);
}

TEST_F(ImportTest, AnImportKeyLivesTenMinutes) {
  v1::NewMaterial sealed = SealTo(GetImportKey(), secret_, "k");
  test_->clock.Advance(absl::Minutes(10) - absl::Microseconds(1));
  EXPECT_TRUE(Create("k", sealed).ok());
  sealed = SealTo(GetImportKey(), secret_, "l");
  test_->clock.Advance(absl::Minutes(10));
  EXPECT_EQ(Refusal("l", sealed), v1::NOT_FOUND);
}

TEST_F(ImportTest, ASetBackClockDoesNotKeepImportKeysAlive) {
  const v1::NewMaterial sealed = SealTo(GetImportKey(), secret_, "k");
  test_->clock.Advance(-absl::Seconds(1));
  EXPECT_EQ(Refusal("k", sealed), v1::NOT_FOUND);
}

TEST_F(ImportTest, AnotherInstancesImportKeyIsUnknown) {
  const std::unique_ptr<TestInstance> other = MakeTestInstance();
  KeyHandlers others(other->holder);
  const auto import_key = others.GetImportKey(admin_, {});
  ASSERT_TRUE(import_key.ok()) << import_key.status();
  EXPECT_EQ(Refusal("k", SealTo(*import_key, secret_, "k")), v1::NOT_FOUND);
}

TEST_F(ImportTest, ImportKeysEndWithTheUnsealing) {
  const std::unique_ptr<TestInstance> other = MakeTestInstance();
  const v1::NewMaterial sealed = SealTo(GetImportKey(), secret_, "k");
  // The same handlers, after a seal and another unseal.
  const std::shared_ptr<const Instance> next = other->get();
  test_->holder.Set(next);
  EXPECT_EQ(Refusal("k", sealed), v1::NOT_FOUND);
  test_->Seal();
}

TEST_F(ImportTest, TheNumberOfUnusedImportKeysIsBounded) {
  const v1::ImportKey first = GetImportKey();
  for (size_t i = 1; i < kImportKeysMax; ++i) GetImportKey();
  EXPECT_EQ(RefusalOf(handlers_.GetImportKey(admin_, {}).status()),
            v1::LIMIT_REACHED);
  // None was pushed out, and a used one makes room.
  EXPECT_TRUE(Create("k", SealTo(first, secret_, "k")).ok());
  GetImportKey();
  EXPECT_EQ(RefusalOf(handlers_.GetImportKey(admin_, {}).status()),
            v1::LIMIT_REACHED);
  test_->clock.Advance(absl::Minutes(10));
  GetImportKey();
}

TEST_F(ImportTest, RefusesFieldsThatAreNotOfTheirSize) {
  const v1::ImportKey import_key = GetImportKey();
  const v1::NewMaterial good = SealTo(import_key, secret_, "k");
  for (const size_t size : {size_t{0}, size_t{15}, size_t{17}}) {
    v1::NewMaterial bad = good;
    bad.mutable_sealed()->set_import_key_id(std::string(size, 'i'));
    EXPECT_EQ(Refusal("k", bad), v1::REQUEST_MALFORMED);
  }
  for (const size_t size : {size_t{0}, size_t{31}, size_t{33}, size_t{65}}) {
    v1::NewMaterial bad = good;
    bad.mutable_sealed()->set_enc(std::string(size, 'e'));
    EXPECT_EQ(Refusal("k", bad), v1::REQUEST_MALFORMED);
  }
  for (const size_t size : {size_t{0}, size_t{16}, size_t{31}}) {
    v1::NewMaterial bad = good;
    bad.mutable_sealed()->set_ciphertext(std::string(size, 'c'));
    EXPECT_EQ(Refusal("k", bad), v1::REQUEST_MALFORMED);
  }
  v1::NewMaterial bad = good;
  bad.mutable_sealed()->set_ciphertext(std::string((64 << 10) + 17, 'c'));
  EXPECT_EQ(Refusal("k", bad), v1::REQUEST_TOO_LARGE);
  bad = good;
  bad.set_random_bytes(32);
  EXPECT_EQ(Refusal("k", bad), v1::REQUEST_MALFORMED);
  // None of it used the import key up.
  EXPECT_TRUE(Create("k", good).ok());
}

TEST_F(ImportTest, RefusesOneByteRepeated) {
  const Secret zeros = *Secret::Allocate(32);
  EXPECT_EQ(Refusal("k", SealTo(GetImportKey(), zeros, "k")),
            v1::REQUEST_MALFORMED);
}

}  // namespace
}  // namespace kms::lifecycle

#include "kms/crypto/hpke.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/secret_access.h"
#include "kms/base/shared_data.h"
#include "kms/crypto/aead.h"
#include "kms/crypto/hpke_steps.h"

namespace kms::crypto {
namespace {

using Json = nlohmann::json;

Secret SecretOf(absl::string_view bytes) {
  return Secret::CopyOf(AsBytes(bytes), GrantSecretAccess()).value();
}

std::string Shown(const Secret& secret) {
  return ToString(secret.Expose(GrantSecretAccess()));
}

std::string Bytes(const Json& object, const char* field) {
  return Unhex(object.at(field).get<std::string>()).value();
}

// Section 5.2, ComputeNonce: every message has another nonce.
std::string NonceOf(std::string base, uint64_t sequence) {
  for (size_t i = 0; i < 8; ++i) {
    base[base.size() - 1 - i] =
        static_cast<char>(base[base.size() - 1 - i] ^ (sequence >> 8 * i));
  }
  return base;
}

void CheckVector(const Json& vector) {
  const Kem kem = KemFromId(vector.at("kem_id").get<uint32_t>()).value();
  const auto recipient =
      HpkeDeriveKeyPair(kem, SecretOf(Bytes(vector, "ikmR"))).value();
  const auto ephemeral =
      HpkeDeriveKeyPair(kem, SecretOf(Bytes(vector, "ikmE"))).value();
  EXPECT_EQ(Shown(recipient.private_key.scalar()), Bytes(vector, "skRm"));
  EXPECT_EQ(recipient.public_key, Bytes(vector, "pkRm"));
  EXPECT_EQ(Shown(ephemeral.private_key.scalar()), Bytes(vector, "skEm"));
  EXPECT_EQ(ephemeral.public_key, Bytes(vector, "enc"));

  // Both ends come to the same Diffie-Hellman secret.
  const BytesView enc = AsBytes(ephemeral.public_key);
  const BytesView pk_r = AsBytes(recipient.public_key);
  const Secret dh =
      hpke::Dh(kem, ephemeral.private_key.scalar(), enc, pk_r).value();
  EXPECT_EQ(dh,
            hpke::Dh(kem, recipient.private_key.scalar(), pk_r, enc).value());
  const Secret shared = hpke::SharedSecret(kem, dh, enc, pk_r).value();
  EXPECT_EQ(Shown(shared), Bytes(vector, "shared_secret"));

  const std::string info = Bytes(vector, "info");
  const auto schedule = hpke::KeySchedule(kem, shared, AsBytes(info)).value();
  EXPECT_EQ(Shown(schedule.key), Bytes(vector, "key"));
  EXPECT_EQ(Shown(schedule.base_nonce), Bytes(vector, "base_nonce"));

  const auto aead = Aes256Gcm::Create(schedule.key).value();
  uint64_t sequence = 0;
  for (const Json& each : vector.at("encryptions")) {
    const std::string nonce = NonceOf(Shown(schedule.base_nonce), sequence++);
    EXPECT_EQ(nonce, Bytes(each, "nonce"));
    EXPECT_EQ(*aead.Seal(AsBytes(nonce), AsBytes(Bytes(each, "pt")),
                         AsBytes(Bytes(each, "aad"))),
              Bytes(each, "ct"));
  }
  // The whole of HpkeOpen, on the message that it is for: the first.
  const Json& first = vector.at("encryptions").at(0);
  const auto opened =
      HpkeOpen(recipient.private_key, enc, AsBytes(info),
               AsBytes(Bytes(first, "aad")), AsBytes(Bytes(first, "ct")));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(Shown(*opened), Bytes(first, "pt"));
  std::printf("hpke kem %u: %u encryptions\n",
              static_cast<unsigned>(vector.at("kem_id")),
              static_cast<unsigned>(sequence));
}

TEST(Hpke, AgreesWithTheRfcVectors) {
  const auto text = ReadShared("vectors/hpke/rfc9180_vectors.json");
  if (!text.has_value()) return;
  int ran = 0;
  for (const Json& vector : Json::parse(*text)) {
    const bool ours =
        vector.at("mode") == 0 && vector.at("kdf_id") == 1 &&
        vector.at("aead_id") == 2 &&
        (vector.at("kem_id") == 0x10 || vector.at("kem_id") == 0x20);
    if (!ours) continue;
    CheckVector(vector);
    ++ran;
  }
  EXPECT_EQ(ran, 2);
}

class HpkeKem : public testing::TestWithParam<Kem> {};

TEST_P(HpkeKem, OpensWhatItSealed) {
  const auto pair = HpkeGenerateKeyPair(GetParam()).value();
  const auto sealed =
      HpkeSeal(GetParam(), AsBytes(pair.public_key), AsBytes("info"),
               AsBytes("aad"), SecretOf("marked-secret"));
  ASSERT_TRUE(sealed.ok()) << sealed.status();
  EXPECT_EQ(sealed->ciphertext.size(), 13u + 16u);
  const auto opened =
      HpkeOpen(pair.private_key, AsBytes(sealed->enc), AsBytes("info"),
               AsBytes("aad"), AsBytes(sealed->ciphertext));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(Shown(*opened), "marked-secret");
}

TEST_P(HpkeKem, RefusesAnythingElse) {
  const auto pair = HpkeGenerateKeyPair(GetParam()).value();
  const auto other = HpkeGenerateKeyPair(GetParam()).value();
  const auto sealed =
      HpkeSeal(GetParam(), AsBytes(pair.public_key), AsBytes("info"),
               AsBytes("aad"), SecretOf("marked-secret"))
          .value();
  const auto code = [&](const HpkePrivateKey& key, const std::string& enc,
                        absl::string_view info, absl::string_view aad,
                        const std::string& ciphertext) {
    return HpkeOpen(key, AsBytes(enc), AsBytes(info), AsBytes(aad),
                    AsBytes(ciphertext))
        .status()
        .code();
  };
  const auto kUnauthenticated = absl::StatusCode::kUnauthenticated;
  const std::string& enc = sealed.enc;
  const std::string& ct = sealed.ciphertext;
  EXPECT_EQ(code(other.private_key, enc, "info", "aad", ct), kUnauthenticated);
  EXPECT_EQ(code(pair.private_key, enc, "inf", "aad", ct), kUnauthenticated);
  EXPECT_EQ(code(pair.private_key, enc, "info", "aae", ct), kUnauthenticated);
  EXPECT_EQ(code(pair.private_key, other.public_key, "info", "aad", ct),
            kUnauthenticated);
  for (size_t i = 0; i < enc.size(); ++i) {
    std::string bad = enc;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_EQ(code(pair.private_key, bad, "info", "aad", ct), kUnauthenticated);
    EXPECT_EQ(code(pair.private_key, enc.substr(0, i), "info", "aad", ct),
              kUnauthenticated);
  }
  for (size_t i = 0; i < ct.size(); ++i) {
    std::string bad = ct;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_EQ(code(pair.private_key, enc, "info", "aad", bad),
              kUnauthenticated);
    EXPECT_EQ(code(pair.private_key, enc, "info", "aad", ct.substr(0, i)),
              kUnauthenticated);
  }
}

TEST_P(HpkeKem, NamesABadRecipientKey) {
  const std::string good = HpkeGenerateKeyPair(GetParam())->public_key;
  EXPECT_TRUE(HpkeCheckPublicKey(GetParam(), AsBytes(good)).ok());
  std::string off_curve = good;
  off_curve.back() = static_cast<char>(off_curve.back() ^ 1);
  for (const std::string& bad :
       {std::string(), good.substr(1), good + "x",
        std::string(good.size(), '\0'),
        // Every X25519 string is a point; P-256 has to be on the curve.
        GetParam() == Kem::kP256 ? off_curve : std::string(31, 'x')}) {
    EXPECT_EQ(RefusalOf(HpkeCheckPublicKey(GetParam(), AsBytes(bad))),
              v1::RECIPIENT_KEY_INVALID);
    EXPECT_EQ(
        RefusalOf(
            HpkeSeal(GetParam(), AsBytes(bad), {}, {}, Secret()).status()),
        v1::RECIPIENT_KEY_INVALID);
  }
}

TEST(HpkeX25519, RefusesEveryLowOrderKey) {
  const std::string p_less_one =
      "ec" + std::string(60, 'f') + "7f";  // Little-endian, as all of these.
  for (const std::string& hex :
       {std::string(64, '0'), "01" + std::string(62, '0'),
        std::string("e0eb7a7c3b41b8ae1656e3faf19fc46a"
                    "da098deb9c32b1fd866205165f49b800"),
        std::string("5f9c95bca3508c24b1d0b1559c83ef5b"
                    "04445cc4581c8e86d8224eddd09f1157"),
        p_less_one, "ed" + p_less_one.substr(2), "ee" + p_less_one.substr(2)}) {
    std::string key = Unhex(hex).value();
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(RefusalOf(HpkeCheckPublicKey(Kem::kX25519, AsBytes(key))),
                v1::RECIPIENT_KEY_INVALID);
      EXPECT_EQ(
          RefusalOf(
              HpkeSeal(Kem::kX25519, AsBytes(key), {}, {}, Secret()).status()),
          v1::RECIPIENT_KEY_INVALID)
          << hex;
      key.back() = static_cast<char>(key.back() ^ 0x80);  // An ignored bit.
    }
  }
  const std::string p_plus_two = "ef" + p_less_one.substr(2);
  EXPECT_TRUE(
      HpkeCheckPublicKey(Kem::kX25519, AsBytes(*Unhex(p_plus_two))).ok());
}

TEST_P(HpkeKem, KeepsItsScalar) {
  const auto pair = HpkeGenerateKeyPair(GetParam()).value();
  const auto again =
      HpkePrivateKey::FromScalar(GetParam(), pair.private_key.scalar());
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->public_key(), pair.public_key);
  EXPECT_EQ(
      HpkePrivateKey::FromScalar(GetParam(), SecretOf("short")).status().code(),
      absl::StatusCode::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(All, HpkeKem,
                         testing::Values(Kem::kP256, Kem::kX25519));

TEST(KemFromId, RefusesUnknownOnes) {
  EXPECT_EQ(*KemFromId(0x10), Kem::kP256);
  EXPECT_EQ(*KemFromId(0x20), Kem::kX25519);
  for (const uint32_t id : {0u, 0x11u, 0x12u, 0x21u, 0x10020u}) {
    EXPECT_EQ(RefusalOf(KemFromId(id).status()), v1::RECIPIENT_KEY_INVALID);
  }
}

}  // namespace
}  // namespace kms::crypto

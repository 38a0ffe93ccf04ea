#include "kms/crypto/public_key.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "kms/base/secret_access.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/ecdsa_signature.h"
#include "kms/crypto/hmac.h"
#include "kms/crypto/random.h"
#include "kms/crypto/signing_key.h"

namespace kms::crypto {
namespace {

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kUnauthenticated = absl::StatusCode::kUnauthenticated;

Secret SecretOf(absl::string_view bytes) {
  return Secret::CopyOf(AsBytes(bytes), GrantSecretAccess()).value();
}

// A DER element of up to 65535 bytes.
std::string Der(uint8_t tag, const std::string& contents) {
  std::string out(1, static_cast<char>(tag));
  const size_t size = contents.size();
  if (size >= 256) {
    out += '\x82';
    out += static_cast<char>(size >> 8);
  } else if (size >= 128) {
    out += '\x81';
  }
  out += static_cast<char>(size);
  return out + contents;
}

std::string FromHex(absl::string_view hex) { return Unhex(hex).value(); }

const char kRsaOid[] = "06092a864886f70d010101";
const char kPssOid[] = "06092a864886f70d01010a";

std::string RsaSpki(const std::string& algorithm, const std::string& modulus,
                    const std::string& exponent) {
  const std::string key = Der(0x30, Der(0x02, modulus) + Der(0x02, exponent));
  return Der(0x30, Der(0x30, algorithm) + Der(0x03, '\0' + key));
}

// An odd number of `bits` bits, with its sign byte; nobody factors it here.
std::string Modulus(size_t bits) {
  std::string number((bits + 7) / 8, '\x5b');
  number[0] = static_cast<char>(1 << ((bits - 1) % 8));
  return (number[0] & 0x80) != 0 ? '\0' + number : number;
}

const std::string kExponent("\x01\x00\x01", 3);

absl::StatusCode SpkiCode(const std::string& der) {
  return PublicKey::FromSpki(AsBytes(der)).status().code();
}

TEST(RsaKeyTest, MakesTheSpkiOfModulusAndExponent) {
  for (size_t bits : {2048, 2056, 3072, 4095, 4096}) {
    const std::string signed_modulus = Modulus(bits);
    const std::string modulus =
        signed_modulus[0] == 0 ? signed_modulus.substr(1) : signed_modulus;
    const auto key = PublicKey::FromRsa(AsBytes(modulus), AsBytes(kExponent));
    ASSERT_TRUE(key.ok()) << key.status();
    EXPECT_EQ(key->spki(), RsaSpki(FromHex(std::string(kRsaOid) + "0500"),
                                   signed_modulus, kExponent));
  }
}

TEST(RsaKeyTest, RejectsNumbersThatAreNotMinimalOrNoKey) {
  const std::string modulus = Modulus(2047);
  const auto code = [](const std::string& n, const std::string& e) {
    return PublicKey::FromRsa(AsBytes(n), AsBytes(e)).status().code();
  };
  EXPECT_EQ(code('\0' + modulus, kExponent), kInvalid);
  EXPECT_EQ(code(modulus, '\0' + kExponent), kInvalid);
  EXPECT_EQ(code("", kExponent), kInvalid);
  EXPECT_EQ(code(modulus, ""), kInvalid);
  EXPECT_EQ(code(modulus, kExponent), kInvalid);  // A bit too short.
  EXPECT_EQ(code(std::string(1025, '\1'), kExponent), kInvalid);
}

TEST(FromSpki, ReadsEveryKindAndWritesItBack) {
  const std::string point = EcdsaSigningKey::Generate(Curve::kP384)->spki();
  const auto key = PublicKey::FromSpki(AsBytes(point)).value();
  EXPECT_EQ(key.kind(), KeyKind::kP384);
  EXPECT_EQ(key.spki(), point);
  EXPECT_EQ(key.spki_sha256(), Sha256(AsBytes(point)));
  EXPECT_EQ(PublicKey::FromPoint(Curve::kP384, key.key_bytes()).value(), key);
  const auto ed = Ed25519SigningKey::Generate().value();
  const auto ed_key = PublicKey::Ed25519(AsBytes(ed.public_key())).value();
  EXPECT_EQ(ed_key.kind(), KeyKind::kEd25519);
  EXPECT_EQ(AsStringView(ed_key.key_bytes()), ed.public_key());
  const std::string rsa =
      RsaSpki(FromHex(kRsaOid) + FromHex("0500"), Modulus(2048), kExponent);
  EXPECT_EQ(PublicKey::FromSpki(AsBytes(rsa))->kind(), KeyKind::kRsa);
}

TEST(FromSpki, HoldsTheBoundsOfRsa) {
  const std::string algorithm = FromHex(kRsaOid) + FromHex("0500");
  const auto code = [&](const std::string& n, const std::string& e) {
    return SpkiCode(RsaSpki(algorithm, n, e));
  };
  EXPECT_EQ(code(Modulus(2048), kExponent), absl::StatusCode::kOk);
  EXPECT_EQ(code(Modulus(4096), kExponent), absl::StatusCode::kOk);
  EXPECT_EQ(code(Modulus(2047), kExponent), kInvalid);
  EXPECT_EQ(code(Modulus(4097), kExponent), kInvalid);
  std::string even = Modulus(2048);
  even.back() = '\x5a';
  EXPECT_EQ(code(even, kExponent), kInvalid);
  for (const absl::string_view e :
       {"01", "03", "7fff", "00ffff", "010000", "010000000000000001", "00"}) {
    EXPECT_EQ(code(Modulus(2048), FromHex(e)), kInvalid) << e;
  }
  EXPECT_EQ(code(Modulus(2048), FromHex("0100000001")), absl::StatusCode::kOk);
  EXPECT_EQ(SpkiCode(RsaSpki(FromHex(kRsaOid), Modulus(2048), kExponent)),
            kInvalid);  // NULL is missing.
}

// SEQUENCE { [0] SHA-n, [1] MGF1 of SHA-m, [2] salt }
std::string PssParameters(char n, char m, const std::string& salt) {
  const std::string arc = FromHex("6086480165030402");
  const std::string hash = Der(0x30, Der(0x06, arc + n) + FromHex("0500"));
  const std::string mgf_hash = Der(0x30, Der(0x06, arc + m) + FromHex("0500"));
  const std::string mgf =
      Der(0x30, FromHex("06092a864886f70d010108") + mgf_hash);
  return Der(0x30, Der(0xa0, hash) + Der(0xa1, mgf) +
                       (salt.empty() ? salt : Der(0xa2, Der(0x02, salt))));
}

TEST(FromSpki, ReadsPssRestrictions) {
  const auto code = [](const std::string& parameters) {
    return SpkiCode(
        RsaSpki(FromHex(kPssOid) + parameters, Modulus(2048), kExponent));
  };
  EXPECT_EQ(code(""), absl::StatusCode::kOk);
  EXPECT_EQ(code(PssParameters(1, 1, " ")), absl::StatusCode::kOk);
  EXPECT_EQ(code(PssParameters(3, 3, "")), absl::StatusCode::kOk);
  EXPECT_EQ(code(PssParameters(1, 2, " ")), kInvalid);
  EXPECT_EQ(code(PssParameters(4, 4, " ")), kInvalid);
  EXPECT_EQ(code(PssParameters(1, 1, "\x14")), kInvalid);  // The default.
  EXPECT_EQ(code(FromHex("3000")), kInvalid);              // SHA-1.
  EXPECT_EQ(code(FromHex("0500")), kInvalid);
  // Restricted keys verify nothing under other parameters, nor PKCS #1.
  const auto key = PublicKey::FromSpki(AsBytes(RsaSpki(
      FromHex(kPssOid) + PssParameters(2, 2, "0"), Modulus(2048), kExponent)));
  EXPECT_EQ(key->kind(), KeyKind::kRsaPss);
  const std::string signature(256, '\1');
  for (const absl::Status& status :
       {key->VerifyRsaPss(Hash::kSha256, 48, {}, AsBytes(signature)),
        key->VerifyRsaPss(Hash::kSha384, 47, {}, AsBytes(signature)),
        key->VerifyRsaPkcs1(Hash::kSha384, {}, AsBytes(signature))}) {
    EXPECT_EQ(status.code(), kUnauthenticated);
    EXPECT_EQ(status.message(),
              "signature: key is not for this algorithm and its parameters");
  }
}

TEST(FromSpki, RefusesOtherEncodingsOfAKey) {
  const std::string good = EcdsaSigningKey::Generate(Curve::kP256)->spki();
  EXPECT_EQ(SpkiCode(good), absl::StatusCode::kOk);
  for (size_t i = 0; i < good.size(); ++i) {
    EXPECT_EQ(SpkiCode(good.substr(0, i)), kInvalid);
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_EQ(SpkiCode(bad), kInvalid) << i;
  }
  EXPECT_EQ(SpkiCode(good + '\0'), kInvalid);
  // A long-form length, BER only.
  EXPECT_EQ(SpkiCode("\x30\x81" + good.substr(1)), kInvalid);
}

TEST(FromSpki, RefusesOtherCurvesAndForms) {
  const std::string ec = FromHex("06072a8648ce3d0201");
  const auto spki = [&](const std::string& curve, const std::string& point) {
    return Der(0x30, Der(0x30, ec + curve) + Der(0x03, '\0' + point));
  };
  const std::string p256 = FromHex("06082a8648ce3d030107");
  const auto key = EcdsaSigningKey::Generate(Curve::kP256).value();
  const std::string point = ToString(key.public_key().key_bytes());
  EXPECT_EQ(SpkiCode(spki(p256, point)), absl::StatusCode::kOk);
  std::string compressed = point.substr(0, 33);
  compressed[0] = static_cast<char>(2 + (point.back() & 1));
  std::string hybrid = point;
  hybrid[0] = static_cast<char>(6 + (point.back() & 1));
  for (const std::string& bad :
       {compressed, hybrid, std::string(1, '\0'), std::string(),
        '\4' + std::string(64, '\0'), '\4' + std::string(64, '\xff')}) {
    EXPECT_EQ(SpkiCode(spki(p256, bad)), kInvalid);
  }
  // P-521, secp256k1, explicit parameters, none.
  for (const absl::string_view curve :
       {"06052b81040023", "06052b8104000a", "3000", "3003020101", "", "0500"}) {
    EXPECT_EQ(SpkiCode(spki(FromHex(curve), point)), kInvalid);
  }
}

TEST(EcdsaSigningKey, SignsBothEncodings) {
  for (const Curve curve : {Curve::kP256, Curve::kP384}) {
    for (const Hash hash : {Hash::kSha256, Hash::kSha384, Hash::kSha512}) {
      const auto key = EcdsaSigningKey::Generate(curve).value();
      const std::string der = key.SignDer(hash, AsBytes("message"));
      const std::string raw = key.SignRaw(hash, AsBytes("message"));
      const BytesView r = AsBytes(raw).first(raw.size() / 2);
      const BytesView s = AsBytes(raw).subspan(raw.size() / 2);
      const PublicKey& public_key = key.public_key();
      EXPECT_TRUE(
          public_key.VerifyEcdsa(hash, AsBytes("message"), AsBytes(der)).ok());
      EXPECT_TRUE(
          public_key.VerifyEcdsaRaw(hash, AsBytes("message"), r, s).ok());
      EXPECT_EQ(
          public_key.VerifyEcdsa(hash, AsBytes("massage"), AsBytes(der)).code(),
          kUnauthenticated);
      EXPECT_EQ(
          public_key.VerifyEcdsaRaw(hash, AsBytes("message"), s, r).code(),
          kUnauthenticated);
      EXPECT_EQ(
          public_key.VerifyEd25519(AsBytes("message"), AsBytes(raw)).code(),
          kUnauthenticated);
    }
  }
}

// Order of P-256; SP 800-186, section 3.2.1.3.
const char kP256Order[] =
    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

TEST(EcdsaSigningKey, RefusesScalarsOutOfRange) {
  std::string order = FromHex(kP256Order);
  const auto code = [](const std::string& scalar) {
    return EcdsaSigningKey::FromScalar(Curve::kP256, SecretOf(scalar))
        .status()
        .code();
  };
  EXPECT_EQ(code(order), kInvalid);
  EXPECT_EQ(code(std::string(32, '\0')), kInvalid);
  EXPECT_EQ(code(std::string(32, '\xff')), kInvalid);
  EXPECT_EQ(code(std::string(31, '\1')), kInvalid);
  order.back() = static_cast<char>(order.back() - 1);
  EXPECT_EQ(code(order), absl::StatusCode::kOk);
}

TEST(EcdsaSigningKey, ReadsSec1AndPkcs8) {
  for (const Curve curve : {Curve::kP256, Curve::kP384}) {
    const auto key = EcdsaSigningKey::Generate(curve).value();
    const std::string scalar =
        ToString(key.scalar()->Expose(GrantSecretAccess()));
    const std::string point = ToString(key.public_key().key_bytes());
    const std::string oid = FromHex(
        curve == Curve::kP256 ? "06082a8648ce3d030107" : "06052b81040022");
    const std::string head = FromHex("020101") + Der(0x04, scalar);
    const std::string parameters = Der(0xa0, oid);
    const std::string tail = Der(0xa1, Der(0x03, '\0' + point));
    const auto spki_of = [](absl::StatusOr<EcdsaSigningKey> read) {
      return read.ok() ? read->spki() : std::string(read.status().message());
    };
    for (const std::string& sec1 :
         {Der(0x30, head + parameters + tail), Der(0x30, head + parameters)}) {
      EXPECT_EQ(spki_of(EcdsaSigningKey::FromSec1(SecretOf(sec1))), key.spki());
    }
    const std::string pkcs8 =
        Der(0x30, FromHex("020100") +
                      Der(0x30, FromHex("06072a8648ce3d0201") + oid) +
                      Der(0x04, Der(0x30, head + tail)));
    EXPECT_EQ(spki_of(EcdsaSigningKey::FromPkcs8(SecretOf(pkcs8))), key.spki());
    // No curve, another's public key, leftovers.
    std::string foreign = tail;
    foreign.back() = static_cast<char>(foreign.back() ^ 1);
    for (const std::string& bad :
         {Der(0x30, head + tail), Der(0x30, head + parameters + foreign),
          Der(0x30, head + parameters) + '\0',
          Der(0x30, head + parameters + FromHex("0500")), pkcs8}) {
      EXPECT_EQ(EcdsaSigningKey::FromSec1(SecretOf(bad)).status().code(),
                kInvalid);
    }
    for (size_t i = 0; i < pkcs8.size(); ++i) {
      EXPECT_EQ(EcdsaSigningKey::FromPkcs8(SecretOf(pkcs8.substr(0, i)))
                    .status()
                    .code(),
                kInvalid);
    }
  }
}

TEST(EcdsaSignature, RefusesOtherSpellings) {
  const auto code = [](absl::string_view hex) {
    return EcdsaDerToRaw(Curve::kP256, AsBytes(FromHex(hex))).status().code();
  };
  EXPECT_EQ(code("3006020101020101"), absl::StatusCode::kOk);
  for (const absl::string_view bad :
       {"3006020100020101", "3006020101020181", "300702020001020101",
        "300602010102010100", "30070201010201010500", "30060201010201",
        "308106020101020101", "3080020101020101", "30050200020101", ""}) {
    EXPECT_EQ(code(bad), kInvalid) << bad;
  }
}

// RFC 8032, section 7.1, TEST 2.
TEST(Ed25519SigningKey, AgreesWithTheRfc) {
  const auto key = Ed25519SigningKey::FromSeed(SecretOf(FromHex(
      "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")));
  EXPECT_EQ(Hex(key->public_key()),
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  const std::string signature = key->Sign("\x72");
  EXPECT_EQ(Hex(signature),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
  const auto public_key = PublicKey::Ed25519(AsBytes(key->public_key()));
  EXPECT_TRUE(
      public_key->VerifyEd25519(AsBytes("\x72"), AsBytes(signature)).ok());
  EXPECT_EQ(
      public_key->VerifyEd25519(AsBytes("\x73"), AsBytes(signature)).code(),
      kUnauthenticated);
  EXPECT_EQ(Ed25519SigningKey::FromSeed(*key->seed())->public_key(),
            key->public_key());
  EXPECT_EQ(Ed25519SigningKey::FromSeed(SecretOf("short")).status().code(),
            kInvalid);
}

// FIPS 180-4's example message.
TEST(Digest, AgreesWithFips180) {
  EXPECT_EQ(Hex(Sha256(AsBytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Hex(Sha384(AsBytes("abc"))).substr(0, 16), "cb00753f45a35e8b");
  EXPECT_EQ(Hex(Sha512(AsBytes("abc"))).substr(0, 16), "ddaf35a193617aba");
  Sha256Hasher hasher;
  EXPECT_EQ(hasher.Update("a").Update("bc").Finish(), Sha256(AsBytes("abc")));
  EXPECT_EQ(hasher.Finish(), Sha256({}));
}

TEST(HmacSha256Key, MacsPartsAsTheirJoin) {
  const auto key = HmacSha256Key::Create(SecretOf("key")).value();
  EXPECT_EQ(key.Mac({AsBytes("mes"), {}, AsBytes("sage")}),
            key.Mac(AsBytes("message")));
  EXPECT_TRUE(key.Verify(AsBytes("m"), AsBytes(key.Mac(AsBytes("m")))).ok());
  EXPECT_EQ(key.Verify(AsBytes("m"), AsBytes(key.Mac(AsBytes("n")))).code(),
            kUnauthenticated);
  EXPECT_EQ(
      key.Verify(AsBytes("m"), AsBytes(key.Mac(AsBytes("m"))).first(31)).code(),
      kUnauthenticated);
}

}  // namespace
}  // namespace kms::crypto

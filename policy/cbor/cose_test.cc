#include "policy/cbor/cose.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "kms/base/refusal.h"
#include "kms/crypto/signing_key.h"
#include "policy/cbor/writer.h"

namespace kms::cbor {
namespace {

const crypto::EcdsaSigningKey& Key(crypto::Curve curve) {
  static const auto* const kP256 = new crypto::EcdsaSigningKey(
      *crypto::EcdsaSigningKey::Generate(crypto::Curve::kP256));
  static const auto* const kP384 = new crypto::EcdsaSigningKey(
      *crypto::EcdsaSigningKey::Generate(crypto::Curve::kP384));
  return curve == crypto::Curve::kP256 ? *kP256 : *kP384;
}

// A message, part by part; each part is an encoded item.
struct Parts {
  std::string tag = "\xd2";
  std::string array = "\x84";
  std::string headers = *Unhex("a1013822");  // Content of the byte string.
  std::string unprotected = "\xa0";
  std::string payload = Writer().Bytes("content").str();
  std::string signature = Writer().Bytes(std::string(96, '\1')).str();

  std::string Encode() const {
    return tag + array + Writer().Bytes(headers).str() + unprotected + payload +
           signature;
  }
};

v1::RefusalCode Judge(const Parts& parts,
                      Tagging tagging = Tagging::kRequired) {
  return RefusalOf(
      ParseSign1(AsBytes(parts.Encode()), tagging, "test").status());
}

std::string Unhexed(const char* hex) { return *Unhex(hex); }

TEST(CoseTest, VerifiesWhatTheKeySignedAndNothingElse) {
  for (const Algorithm algorithm : {Algorithm::kEs256, Algorithm::kEs384}) {
    const crypto::EcdsaSigningKey& key = Key(CurveOf(algorithm));
    Parts parts;
    parts.headers =
        Writer().Map(1).Integer(1).Integer(CoseNumber(algorithm)).str();
    const auto sign = [&](const std::string& payload) {
      return Writer()
          .Bytes(key.SignRaw(
              algorithm == Algorithm::kEs256 ? crypto::Hash::kSha256
                                             : crypto::Hash::kSha384,
              AsBytes(SignedBytes(AsBytes(parts.headers), AsBytes(payload)))))
          .str();
    };
    parts.signature = sign("content");
    std::string bytes = parts.Encode();
    auto message = ParseSign1(AsBytes(bytes), Tagging::kRequired, "test");
    ASSERT_TRUE(message.ok()) << message.status();
    EXPECT_EQ(message->algorithm, algorithm);
    EXPECT_EQ(ToString(message->payload), "content");
    EXPECT_FALSE(message->has_unprotected);
    EXPECT_TRUE(VerifySign1(*message, key.public_key()).ok());
    const auto other = CurveOf(algorithm) == crypto::Curve::kP256
                           ? crypto::Curve::kP384
                           : crypto::Curve::kP256;
    EXPECT_FALSE(VerifySign1(*message, Key(other).public_key()).ok());

    parts.signature = sign("Content");
    bytes = parts.Encode();
    message = ParseSign1(AsBytes(bytes), Tagging::kRequired, "test");
    EXPECT_FALSE(VerifySign1(*message, key.public_key()).ok());
  }
}

// RFC 9052, section 4.4.
TEST(CoseTest, SignsTheSigStructure) {
  EXPECT_EQ(Hex(SignedBytes(AsBytes(Unhexed("a10126")), AsBytes("hi"))),
            "846a5369676e617475726531"
            "43a10126"
            "40"
            "426869");
}

TEST(CoseTest, TakesNoTagOnlyWhereItIsOptional) {
  Parts parts;
  EXPECT_EQ(Judge(parts, Tagging::kRequired), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(Judge(parts, Tagging::kOptional), v1::REFUSAL_CODE_UNSPECIFIED);
  parts.tag = "";
  EXPECT_EQ(Judge(parts, Tagging::kRequired), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(Judge(parts, Tagging::kOptional), v1::REFUSAL_CODE_UNSPECIFIED);
  for (const char* tag : {"d1", "d3", "d862", "d2d2", "d9d9f7d2"}) {
    parts.tag = Unhexed(tag);
    EXPECT_EQ(Judge(parts, Tagging::kOptional), v1::EVIDENCE_MALFORMED) << tag;
  }
}

TEST(CoseTest, TakesTheAlgorithmFromTheProtectedHeaderAlone) {
  Parts parts;
  parts.headers = "";
  EXPECT_EQ(Judge(parts), v1::EVIDENCE_MALFORMED);
  parts.headers = "\xa0";
  EXPECT_EQ(Judge(parts), v1::EVIDENCE_MALFORMED);
  parts.unprotected = Unhexed("a1013822");
  EXPECT_EQ(Judge(parts), v1::EVIDENCE_MALFORMED);
  parts.headers = Unhexed("a1013822");
  EXPECT_EQ(Judge(parts), v1::EVIDENCE_MALFORMED);  // In both.
}

TEST(CoseTest, RejectsOtherAlgorithms) {
  // ES512, EdDSA, PS256, HMAC, none, ES256K, a text, an array.
  for (const char* alg : {"3823", "27", "3824", "05", "00", "382e",
                          "654553333834", "80", "613a"}) {
    Parts parts;
    parts.headers = Unhexed("a101") + Unhexed(alg);
    EXPECT_EQ(Judge(parts), v1::EVIDENCE_UNSUPPORTED) << alg;
  }
}

TEST(CoseTest, RejectsCriticalHeaders) {
  Parts parts;
  parts.headers = Unhexed("a2013822028103");
  EXPECT_EQ(Judge(parts), v1::EVIDENCE_UNSUPPORTED);
  parts.headers = Unhexed("a1013822");
  parts.unprotected = Unhexed("a1028103");
  EXPECT_EQ(Judge(parts), v1::EVIDENCE_MALFORMED);
}

TEST(CoseTest, RejectsAHeaderInBothMaps) {
  Parts parts;
  parts.headers = Unhexed("a3013822044101616101");
  EXPECT_EQ(Judge(parts), v1::REFUSAL_CODE_UNSPECIFIED);
  parts.unprotected = Unhexed("a1044102");
  EXPECT_EQ(Judge(parts), v1::EVIDENCE_MALFORMED);
  parts.unprotected = Unhexed("a1616102");
  EXPECT_EQ(Judge(parts), v1::EVIDENCE_MALFORMED);
  parts.unprotected = Unhexed("a1056102");
  EXPECT_EQ(Judge(parts), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_TRUE(ParseSign1(AsBytes(parts.Encode()), Tagging::kRequired, "test")
                  ->has_unprotected);
}

TEST(CoseTest, RejectsEmptyAndDetachedPayloads) {
  for (const char* payload : {"40", "f6", "a0", "6161"}) {
    Parts parts;
    parts.payload = Unhexed(payload);
    EXPECT_EQ(Judge(parts), v1::EVIDENCE_MALFORMED) << payload;
  }
}

TEST(CoseTest, RejectsSignaturesOfAnotherLength) {
  for (const size_t size : {0u, 64u, 95u, 97u, 132u}) {
    Parts parts;
    parts.signature = Writer().Bytes(std::string(size, '\1')).str();
    EXPECT_EQ(Judge(parts), v1::EVIDENCE_MALFORMED) << size;
  }
}

TEST(CoseTest, RejectsOtherShapes) {
  const auto judge = [](auto change) {
    Parts parts;
    change(parts);
    return Judge(parts);
  };
  EXPECT_EQ(judge([](Parts& p) { p.array = "\x83", p.payload = ""; }),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge([](Parts& p) { p.array = "\x85", p.payload += "\x40"; }),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge([](Parts& p) { p.array = "\xa2"; }), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge([](Parts& p) { p.array = "\x9f", p.signature += "\xff"; }),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge([](Parts& p) { p.unprotected = "\x80"; }),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge([](Parts& p) { p.headers = "\x80"; }),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge([](Parts& p) { p.headers += '\0'; }), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge([](Parts& p) { p.signature += '\0'; }),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge([](Parts& p) { p.signature = Writer().Text("x").str(); }),
            v1::EVIDENCE_MALFORMED);
  // The protected header as a text, and as the map itself.
  const Parts good;
  for (const std::string& header :
       {Writer().Text(good.headers.substr(0, 2)).str(), good.headers}) {
    const std::string bytes = good.tag + good.array + header +
                              good.unprotected + good.payload + good.signature;
    EXPECT_EQ(
        RefusalOf(
            ParseSign1(AsBytes(bytes), Tagging::kRequired, "test").status()),
        v1::EVIDENCE_MALFORMED);
  }
}

}  // namespace
}  // namespace kms::cbor

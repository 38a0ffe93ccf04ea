#include <functional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/base/refusal.h"
#include "kms/crypto/signing_key.h"
#include "kms/crypto/x509/issue.h"
#include "policy/cbor/cose.h"
#include "policy/cbor/writer.h"
#include "policy/reference_values/corim.h"
#include "policy/reference_values/json.h"
#include "policy/reference_values/limits.h"

namespace kms::reference_values {
namespace {

using cbor::Writer;
using ::testing::ElementsAre;

const x509::IssuerKey& Key(crypto::Curve curve) {
  static const auto* const kP256 =
      new x509::IssuerKey(x509::IssuerKey::GenerateEc(crypto::Curve::kP256));
  static const auto* const kP384 =
      new x509::IssuerKey(x509::IssuerKey::GenerateEc(crypto::Curve::kP384));
  return curve == crypto::Curve::kP256 ? *kP256 : *kP384;
}
crypto::PublicKey PublicHalf(const x509::IssuerKey& key) {
  return *crypto::PublicKey::FromSpki(AsBytes(key.Spki()));
}

std::string Digest(char fill, size_t size = 48) {
  return std::string(size, fill);
}
std::string Time(int64_t seconds) {
  return Writer().Tag(1).Unsigned(static_cast<uint64_t>(seconds)).Take();
}

// A CoRIM, part by part; each part is an encoded item but where it says bytes.
struct Corim {
  std::string content_type = "application/rim+cbor";
  std::string meta;          // Bytes of corim-meta, if any.
  std::string claims;        // CWT claims, if any.
  std::string measurements;  // Of the one reference triple.
  std::string validity;      // rim-validity, if any.
  std::string more_tags;     // Beside the CoMID.
  int more_tags_count = 0;
  std::string dependents;  // Key 2, if any.

  std::string Header() const {
    Writer writer;
    writer.Map(2 + !meta.empty() + !claims.empty());
    writer.Integer(1).Integer(-35).Integer(3).Text(content_type);
    if (!meta.empty()) writer.Integer(8).Bytes(meta);
    if (!claims.empty()) writer.Integer(15).Raw(claims);
    return writer.Take();
  }
  std::string Payload() const {
    const std::string environment =
        Writer().Map(1).Integer(0).Map(1).Integer(1).Text("ACME").Take();
    const std::string triple =
        Writer().Array(2).Raw(environment).Raw(measurements).Take();
    const std::string comid = Writer()
                                  .Map(2)
                                  .Integer(1)
                                  .Map(1)
                                  .Integer(0)
                                  .Text("comid-1")
                                  .Integer(4)
                                  .Map(1)
                                  .Integer(0)
                                  .Array(1)
                                  .Raw(triple)
                                  .Take();
    Writer writer;
    writer.Tag(501).Map(2 + !validity.empty() + !dependents.empty());
    writer.Integer(0).Text("images\x1b of May");
    writer.Integer(1).Array(static_cast<uint64_t>(1 + more_tags_count));
    writer.Tag(506).Bytes(comid).Raw(more_tags);
    if (!dependents.empty()) writer.Integer(2).Raw(dependents);
    if (!validity.empty()) writer.Integer(4).Raw(validity);
    return writer.Take();
  }
};

std::string Digests(const std::vector<std::string>& digests) {
  Writer writer;
  writer.Array(digests.size());
  for (const std::string& digest : digests) {
    writer.Array(2).Integer(7).Bytes(digest);
  }
  return writer.Take();
}
std::string Measurement(const std::string& key, const std::string& digests) {
  Writer writer;
  writer.Map(key.empty() ? 1 : 2);
  if (!key.empty()) writer.Integer(0).Raw(key);
  return writer.Integer(1).Map(1).Integer(2).Raw(digests).Take();
}
Corim OneDigest() {
  Corim corim;
  corim.measurements =
      Writer().Array(1).Raw(Measurement("", Digests({Digest('a')}))).Take();
  return corim;
}

absl::StatusOr<ReferenceFile> Read(const Corim& corim,
                                   absl::string_view key = "") {
  return ReadVerifiedCorim(AsBytes(corim.Header()), AsBytes(corim.Payload()),
                           key);
}
v1::RefusalCode Judge(const Corim& corim) {
  return RefusalOf(Read(corim).status());
}

std::string Sign(const Corim& corim, const crypto::EcdsaSigningKey& key) {
  const std::string message =
      cbor::SignedBytes(AsBytes(corim.Header()), AsBytes(corim.Payload()));
  return Writer()
      .Tag(18)
      .Array(4)
      .Bytes(corim.Header())
      .Map(0)
      .Bytes(corim.Payload())
      .Bytes(key.SignRaw(crypto::Hash::kSha384, AsBytes(message)))
      .Take();
}

TEST(CorimTest, IsReadOnlyIfTheSignerSignedIt) {
  const auto key = crypto::EcdsaSigningKey::Generate(crypto::Curve::kP384);
  const auto other = crypto::EcdsaSigningKey::Generate(crypto::Curve::kP384);
  const std::string file = Sign(OneDigest(), *key);
  const auto read = ReadCorim(AsBytes(file), key->public_key(), "");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT(read->values, ElementsAre(Digest('a')));
  EXPECT_EQ(read->title, "images of May");
  EXPECT_FALSE(read->valid_from.has_value());
  EXPECT_FALSE(read->signed_at.has_value());
  EXPECT_EQ(
      RefusalOf(ReadCorim(AsBytes(file), other->public_key(), "").status()),
      v1::SIGNATURE_INVALID);
  for (size_t i = 0; i < file.size(); ++i) {
    std::string flipped = file;
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    const auto code =
        RefusalOf(ReadCorim(AsBytes(flipped), key->public_key(), "").status());
    EXPECT_TRUE(code == v1::SIGNATURE_INVALID ||
                code == v1::ENDORSEMENT_MALFORMED)
        << i << ": " << code;
    EXPECT_NE(
        RefusalOf(ReadCorim(AsBytes(file.substr(0, i)), key->public_key(), "")
                      .status()),
        v1::REFUSAL_CODE_UNSPECIFIED);
  }
}

TEST(CorimTest, TakesDigestsRegistersAndRawValuesOnceEach) {
  const std::string registers = Writer()
                                    .Map(1)
                                    .Integer(1)
                                    .Map(1)
                                    .Integer(14)
                                    .Map(2)
                                    .Integer(0)
                                    .Raw(Digests({Digest('c')}))
                                    .Text("rtmr1")
                                    .Raw(Digests({Digest('b'), Digest('a')}))
                                    .Take();
  const std::string raw =
      Writer().Map(1).Integer(1).Map(1).Integer(4).Tag(560).Bytes("raw").Take();
  Corim corim;
  corim.measurements = Writer()
                           .Array(3)
                           .Raw(Measurement("", Digests({Digest('a')})))
                           .Raw(registers)
                           .Raw(raw)
                           .Take();
  const auto read = Read(corim);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT(read->values,
              ElementsAre(Digest('a'), Digest('b'), Digest('c'), "raw"));
}

TEST(CorimTest, AKeyChoosesItsMeasurements) {
  Corim corim;
  corim.measurements =
      Writer()
          .Array(3)
          .Raw(Measurement(Writer().Text("kernel").Take(),
                           Digests({Digest('k')})))
          .Raw(Measurement(Writer().Unsigned(7).Take(), Digests({Digest('7')})))
          .Raw(Measurement("", Digests({Digest('x')})))
          .Take();
  EXPECT_THAT(Read(corim, "kernel")->values, ElementsAre(Digest('k')));
  EXPECT_THAT(Read(corim, "7")->values, ElementsAre(Digest('7')));
  EXPECT_EQ(Read(corim)->values.size(), 3u);
  EXPECT_EQ(RefusalOf(Read(corim, "initrd").status()),
            v1::ENDORSEMENT_MALFORMED);
}

TEST(CorimTest, TheNarrowerValidityCounts) {
  Corim corim = OneDigest();
  corim.meta = Writer()
                   .Map(2)
                   .Integer(0)
                   .Map(1)
                   .Integer(0)
                   .Text("ACME")
                   .Integer(1)
                   .Map(2)
                   .Integer(0)
                   .Raw(Time(1000))
                   .Integer(1)
                   .Raw(Time(5000))
                   .Take();
  EXPECT_EQ(Read(corim)->valid_from, absl::FromUnixSeconds(1000));
  EXPECT_EQ(Read(corim)->valid_until, absl::FromUnixSeconds(5000));
  EXPECT_EQ(Read(corim)->signed_at, absl::FromUnixSeconds(1000));
  corim.validity = Writer()
                       .Map(2)
                       .Integer(0)
                       .Raw(Time(900))
                       .Integer(1)
                       .Raw(Time(4000))
                       .Take();
  corim.claims = Writer().Map(1).Integer(6).Unsigned(950).Take();
  EXPECT_EQ(Read(corim)->valid_from, absl::FromUnixSeconds(1000));
  EXPECT_EQ(Read(corim)->valid_until, absl::FromUnixSeconds(4000));
  EXPECT_EQ(Read(corim)->signed_at, absl::FromUnixSeconds(950));
  corim.claims = Writer()
                     .Map(2)
                     .Integer(4)
                     .Unsigned(3000)
                     .Integer(5)
                     .Unsigned(1500)
                     .Take();
  EXPECT_EQ(Read(corim)->valid_from, absl::FromUnixSeconds(1500));
  EXPECT_EQ(Read(corim)->valid_until, absl::FromUnixSeconds(3000));
  corim.claims = Writer().Map(1).Integer(4).Text("never").Take();
  EXPECT_EQ(Judge(corim), v1::ENDORSEMENT_MALFORMED);
  corim.claims = "";
  corim.validity = Writer().Map(1).Integer(1).Raw(Time(1000)).Take();
  EXPECT_EQ(Judge(corim), v1::ENDORSEMENT_MALFORMED);
  corim.validity = Writer().Map(1).Integer(1).Unsigned(9000).Take();
  EXPECT_EQ(Judge(corim), v1::ENDORSEMENT_MALFORMED);
}

TEST(CorimTest, RefusesWhatItDoesNotRead) {
  const auto with = [](const std::function<void(Corim&)>& change) {
    Corim corim = OneDigest();
    change(corim);
    return Judge(corim);
  };
  EXPECT_EQ(with([](Corim&) {}), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(with([](Corim& c) {
              c.content_type = "application/corim-unsigned+cbor";
            }),
            v1::REFUSAL_CODE_UNSPECIFIED);
  const auto faults = std::vector<std::function<void(Corim&)>>{
      [](Corim& c) { c.content_type = "application/cbor"; },
      [](Corim& c) { c.meta = "\xff"; }, [](Corim& c) { c.validity = "\x01"; },
      [](Corim& c) { c.dependents = Writer().Array(0).Take(); },
      [](Corim& c) {
        c.more_tags = Writer().Tag(505).Bytes("swid").Take();
        c.more_tags_count = 1;
      },
      [](Corim& c) { c.measurements = Writer().Array(0).Take(); },
      [](Corim& c) { c.measurements = Writer().Array(1).Unsigned(1).Take(); },
      // A digest of another length than its algorithm's, or of an unknown one.
      [](Corim& c) {
        c.measurements = Writer()
                             .Array(1)
                             .Raw(Measurement("", Digests({Digest('a', 32)})))
                             .Take();
      },
      [](Corim& c) {
        c.measurements =
            Writer()
                .Array(1)
                .Raw(Measurement("", Writer()
                                         .Array(1)
                                         .Array(2)
                                         .Text("sha-1")
                                         .Bytes(std::string(20, 'a'))
                                         .Take()))
                .Take();
      },
      // Any of several values: a mask tells which bits count.
      [](Corim& c) {
        c.measurements = Writer()
                             .Array(1)
                             .Map(1)
                             .Integer(1)
                             .Map(2)
                             .Integer(4)
                             .Tag(560)
                             .Bytes("raw")
                             .Integer(5)
                             .Bytes("\xff\xff\x0f")
                             .Take();
      },
      // Nothing that is a value: a security version number alone.
      [](Corim& c) {
        c.measurements = Writer()
                             .Array(1)
                             .Map(1)
                             .Integer(1)
                             .Map(1)
                             .Integer(1)
                             .Tag(552)
                             .Unsigned(3)
                             .Take();
      }};
  for (size_t i = 0; i < faults.size(); ++i) {
    EXPECT_EQ(with(faults[i]), v1::ENDORSEMENT_MALFORMED) << i;
  }
}

TEST(CorimTest, ValuesAreBounded) {
  std::vector<std::string> digests;
  for (size_t i = 0; i <= kValuesMax; ++i) {
    std::string digest = Digest('a');
    digest.replace(0, 8, absl::StrCat(10'000'000 + i));
    digests.push_back(digest);
  }
  Corim corim;
  corim.measurements =
      Writer().Array(1).Raw(Measurement("", Digests(digests))).Take();
  EXPECT_EQ(Judge(corim), v1::ENDORSEMENT_MALFORMED);
  digests.pop_back();
  corim.measurements =
      Writer().Array(1).Raw(Measurement("", Digests(digests))).Take();
  EXPECT_EQ(Read(corim)->values.size(), kValuesMax);
}

constexpr char kJson[] =
    R"({"title": "images", "values": ["0b0c", "0A", "0b0c"],)"
    R"( "valid_from": "2025-05-01T00:00:00Z",)"
    R"( "valid_until": "2025-09-01T00:00:00+02:00",)"
    R"( "issued": "2025-04-28T09:00:00Z"})";

v1::RefusalCode JudgeJson(absl::string_view from, absl::string_view to) {
  return RefusalOf(ReadJson(absl::StrReplaceAll(kJson, {{from, to}})).status());
}

TEST(JsonTest, ReadsEveryKey) {
  const auto file = ReadJson(kJson);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->title, "images");
  EXPECT_THAT(file->values, ElementsAre("\x0a", "\x0b\x0c"));
  EXPECT_EQ(file->valid_from, absl::FromUnixSeconds(1746057600));
  EXPECT_EQ(file->valid_until, absl::FromUnixSeconds(1756677600));
  EXPECT_EQ(file->signed_at, absl::FromUnixSeconds(1745830800));
}

TEST(JsonTest, RefusesWhatIsNotOfTheForm) {
  EXPECT_EQ(JudgeJson("title", "title"), v1::REFUSAL_CODE_UNSPECIFIED);
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{
           {"title", "titel"},
           {"\"images\"", "1"},
           {"images", "im\\u0007ages"},
           {"0b0c", "0b0"},
           {"0A", ""},
           {"[\"0b0c\", \"0A\", \"0b0c\"]", "[]"},
           {"[\"0b0c\", \"0A\", \"0b0c\"]", "{}"},
           {"\"0A\"", "10"},
           {"2025-05-01T00:00:00Z", "2025-05-01"},
           {"2025-05-01T00:00:00Z", "infinite-past"},
           {"2025-05-01T00:00:00Z", "2025-05-01T00:00:00.5Z"},
           {"2025-05-01T00:00:00Z", "2026-05-01T00:00:00Z"},
           {"\"issued\"", "\"title\""}}) {
    EXPECT_EQ(JudgeJson(from, to), v1::ENDORSEMENT_MALFORMED) << to;
  }
  EXPECT_EQ(RefusalOf(ReadJson("").status()), v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(RefusalOf(ReadJson("{}").status()), v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(RefusalOf(ReadJson(std::string(kFileBytesMax + 1, ' ')).status()),
            v1::ENDORSEMENT_MALFORMED);
}

std::string Envelope(const x509::IssuerKey& key, x509::SignatureScheme scheme,
                     absl::string_view type = kPayloadType) {
  const std::string signature =
      key.Sign(scheme, AsBytes(DsseSignedBytes(type, kJson)));
  return absl::StrCat(R"({"payloadType": ")", type, R"(", "payload": ")",
                      absl::Base64Escape(kJson),
                      R"(", "signatures": [{"keyid": "x", "sig": ")",
                      absl::Base64Escape(signature), "\"}]}");
}

TEST(JsonTest, AnEnvelopeIsReadOnlyIfTheSignerSignedIt) {
  EXPECT_EQ(DsseSignedBytes("http://example.com/HelloWorld", "hello world"),
            "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
  for (const auto& [curve, scheme] :
       {std::pair(crypto::Curve::kP256, x509::SignatureScheme::kEcdsaSha256),
        std::pair(crypto::Curve::kP384, x509::SignatureScheme::kEcdsaSha384)}) {
    const crypto::PublicKey key = PublicHalf(Key(curve));
    const std::string file = Envelope(Key(curve), scheme);
    const auto read = ReadSignedJson(file, key);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->values.size(), 2u);
    const crypto::PublicKey other =
        PublicHalf(x509::IssuerKey::GenerateEc(curve));
    EXPECT_EQ(RefusalOf(ReadSignedJson(file, other).status()),
              v1::SIGNATURE_INVALID);
    const std::string changed = absl::StrReplaceAll(
        file,
        {{absl::Base64Escape(kJson),
          absl::Base64Escape(absl::StrReplaceAll(kJson, {{"0A", "0D"}}))}});
    EXPECT_EQ(RefusalOf(ReadSignedJson(changed, key).status()),
              v1::SIGNATURE_INVALID);
    EXPECT_EQ(RefusalOf(ReadSignedJson(
                            Envelope(Key(curve), scheme, "text/plain"), key)
                            .status()),
              v1::ENDORSEMENT_MALFORMED);
    EXPECT_EQ(RefusalOf(ReadSignedJson(kJson, key).status()),
              v1::ENDORSEMENT_MALFORMED);
    EXPECT_EQ(
        RefusalOf(ReadSignedJson(absl::StrReplaceAll(
                                     file, {{"\"signatures\": [{",
                                             "\"signatures\": [], \"x\": [{"}}),
                                 key)
                      .status()),
        v1::SIGNATURE_INVALID);
  }
}

}  // namespace
}  // namespace kms::reference_values

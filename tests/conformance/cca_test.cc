// What Arm CCA Evidence may lie about. Each row is otherwise valid and signed
// anew, differs in the named way only, and has one code.
#include "tools/simtee/cca.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/signing_key.h"
#include "policy/cbor/item.h"
#include "policy/cbor/writer.h"
#include "policy/cca/platform.h"
#include "policy/cca/realm.h"
#include "policy/cca/token.h"
#include "policy/cca/verify.h"
#include "policy/verifier/verified_cache.h"
#include "policy/verifier/verifier.h"

namespace kms::cca {
namespace {

using cbor::Writer;
using crypto::Curve;
using crypto::EcdsaSigningKey;
using simtee::SimulatedCca;

const std::string kChallenge(64, '\x42');

const SimulatedCca& Machine() {
  static const auto* const kMachine = new SimulatedCca(SimulatedCca::Create());
  return *kMachine;
}

policy::TrustAnchors Anchors(const std::vector<policy::TrustAnchor>& more) {
  std::vector<policy::TrustAnchor> anchors = policy::TrustAnchors::BuiltIn();
  anchors.insert(anchors.end(), more.begin(), more.end());
  return *policy::TrustAnchors::Create(anchors);
}

absl::StatusOr<v1::Claims> Verify(const v1::Evidence& evidence,
                                  const policy::TrustAnchors& anchors,
                                  policy::VerifiedCache* cache = nullptr) {
  v1::EvidenceBundle bundle;
  *bundle.add_evidence() = evidence;
  return policy::VerifyBundle(
      bundle, {.now = absl::UnixEpoch(), .anchors = anchors, .cache = cache});
}

absl::StatusOr<v1::Claims> Verify(const v1::Evidence& evidence,
                                  policy::VerifiedCache* cache = nullptr) {
  static const auto* const kAnchors =
      new policy::TrustAnchors(Anchors({Machine().Anchor()}));
  return Verify(evidence, *kAnchors, cache);
}

v1::RefusalCode JudgeFile(const std::string& file) {
  return RefusalOf(Verify(SimulatedCca::Wrap(file)).status());
}

std::string GoodPlatform() {
  return Machine().SignPlatform(EncodePlatform(Machine().MakePlatform()));
}
std::string GoodRealm() {
  return Machine().SignRealm(EncodeRealm(Machine().MakeRealm(kChallenge)));
}

// The verdict after a change of what one token says, signed anew.
v1::RefusalCode JudgePlatform(
    const std::function<void(UnverifiedPlatform&)>& change) {
  UnverifiedPlatform platform = Machine().MakePlatform();
  change(platform);
  return JudgeFile(SimulatedCca::Collect(
      Machine().SignPlatform(EncodePlatform(platform)), GoodRealm()));
}
v1::RefusalCode JudgeRealm(
    const std::function<void(UnverifiedRealm&)>& change) {
  UnverifiedRealm realm = Machine().MakeRealm(kChallenge);
  change(realm);
  return JudgeFile(SimulatedCca::Collect(
      GoodPlatform(), Machine().SignRealm(EncodeRealm(realm))));
}

// The same where one claim is replaced by an encoded item, or, if that is
// empty, left out.
std::string Replace(const std::string& claims, int64_t key,
                    const std::string& item) {
  const auto map = cbor::Parse(AsBytes(claims), {}, "test");
  EXPECT_NE(map->Find(key), nullptr) << key;
  Writer out;
  out.Map(map->items().size() / 2 - (item.empty() ? 1 : 0));
  for (size_t i = 0; i < map->items().size(); i += 2) {
    if (map->items()[i].Integer() == key) {
      if (!item.empty()) out.Integer(key).Raw(item);
      continue;
    }
    std::string pair;
    map->items()[i].AppendTo(pair);
    map->items()[i + 1].AppendTo(pair);
    out.Raw(pair);
  }
  return out.Take();
}
v1::RefusalCode JudgePlatformClaim(int64_t key, const std::string& item) {
  return JudgeFile(SimulatedCca::Collect(
      Machine().SignPlatform(
          Replace(EncodePlatform(Machine().MakePlatform()), key, item)),
      GoodRealm()));
}
v1::RefusalCode JudgeRealmClaim(int64_t key, const std::string& item) {
  return JudgeFile(SimulatedCca::Collect(
      GoodPlatform(),
      Machine().SignRealm(
          Replace(EncodeRealm(Machine().MakeRealm(kChallenge)), key, item))));
}

// The verdict on a realm token that `signer` signs and whose key claim is
// `key`, by a platform that vouches for exactly that claim.
v1::RefusalCode JudgeRealmKey(const std::string& key,
                              const EcdsaSigningKey& signer,
                              bool legacy = false) {
  UnverifiedPlatform platform = Machine().MakePlatform();
  UnverifiedRealm realm = Machine().MakeRealm(kChallenge);
  if (legacy) {
    platform.profile = std::string(kPlatformProfileLegacy);
    realm.profile = "";
  }
  realm.public_key = key;
  platform.challenge = crypto::Sha256(AsBytes(key));
  return JudgeFile(
      SimulatedCca::Collect(Machine().SignPlatform(EncodePlatform(platform)),
                            SimulatedCca::Sign(signer, EncodeRealm(realm))));
}

TEST(CcaTest, AcceptsATokenAndSaysSimulated) {
  for (const Curve curve : {Curve::kP256, Curve::kP384}) {
    const SimulatedCca machine = SimulatedCca::Create(curve);
    const auto claims =
        Verify(machine.Attest(kChallenge), Anchors({machine.Anchor()}));
    ASSERT_TRUE(claims.ok()) << claims.status();
    const v1::CpuClaims& cpu = claims->cpu();
    EXPECT_EQ(cpu.type(), v1::ARM_CCA);
    EXPECT_TRUE(cpu.simulated());
    EXPECT_EQ(cpu.anchor(), "simulated-cca-cpak");
    EXPECT_EQ(cpu.report_data(), kChallenge);
    EXPECT_EQ(cpu.measurement(), std::string(64, '\x5a'));
    EXPECT_EQ(cpu.host_data(), std::string(64, '\x2b'));
    EXPECT_EQ(cpu.chip_id(), InstanceIdOf(machine.platform_key().public_key()));
    EXPECT_FALSE(cpu.debug());
    EXPECT_EQ(cpu.cca().lifecycle_state(), "secured");
    ASSERT_EQ(cpu.cca().software_components_size(), 2);
    EXPECT_EQ(cpu.cca().software_components(1).type(), "RMM");
    EXPECT_TRUE(policy::CheckReportData(*claims, AsBytes(kChallenge)).ok());
  }
}

TEST(CcaTest, AcceptsEachProfile) {
  UnverifiedPlatform platform = Machine().MakePlatform();
  UnverifiedRealm realm = Machine().MakeRealm(kChallenge);
  const auto verify = [&] {
    return Verify(SimulatedCca::Wrap(
        SimulatedCca::Collect(Machine().SignPlatform(EncodePlatform(platform)),
                              Machine().SignRealm(EncodeRealm(realm)))));
  };
  // Of RMM 2.0.
  platform.profile = std::string(kPlatformProfile2);
  platform.client_id = kClientRealmManagement;
  realm.profile = std::string(kRealmProfile2);
  realm.instance_id = "\x01" + std::string(32, '\x77');
  realm.mec_policy = 1;
  realm.lfa_policy = 0;
  realm.devices_digest = std::string(32, '\x78');
  auto claims = verify();
  ASSERT_TRUE(claims.ok()) << claims.status();
  const v1::CcaClaims& cca = claims->cpu().cca();
  EXPECT_EQ(cca.realm_instance_id(), realm.instance_id);
  EXPECT_EQ(cca.realm_mec_policy(), "private");
  EXPECT_EQ(cca.realm_lfa_policy(), "disallow");
  EXPECT_EQ(cca.realm_devices_digest(), realm.devices_digest);
  realm.mec_policy = 0;
  realm.lfa_policy = 1;
  claims = verify();
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->cpu().cca().realm_mec_policy(), "shared");
  EXPECT_EQ(claims->cpu().cca().realm_lfa_policy(), "allow");

  // Before 1.0, with a bare point; then the new realm on the old platform.
  platform = Machine().MakePlatform();
  realm = Machine().MakeRealm(kChallenge);
  platform.profile = std::string(kPlatformProfileLegacy);
  EXPECT_TRUE(verify().ok());
  realm.profile = "";
  realm.public_key = ToString(Machine().realm_key().public_key().key_bytes());
  platform.challenge = crypto::Sha256(AsBytes(realm.public_key));
  claims = verify();
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->cpu().cca().realm_public_key(), realm.public_key);
  EXPECT_EQ(claims->cpu().cca().realm_mec_policy(), "");
}

TEST(CcaTest, AcceptsBothCollections) {
  const auto entry = [](const std::string& token, bool typed) {
    return (typed ? Writer().Array(2).Unsigned(263) : Writer())
        .Bytes(token)
        .Take();
  };
  for (const uint64_t tag : {kTagCollection1, kTagCollection2}) {
    for (const bool typed : {false, true}) {
      EXPECT_EQ(JudgeFile(Writer()
                              .Tag(tag)
                              .Map(2)
                              .Integer(kRealmEntry)
                              .Raw(entry(GoodRealm(), typed))
                              .Integer(kPlatformEntry)
                              .Raw(entry(GoodPlatform(), typed))
                              .Take()),
                v1::REFUSAL_CODE_UNSPECIFIED);
    }
  }
}

// The profile wants a decoder that takes longer heads than needed, and claims
// that it does not know.
TEST(CcaTest, AcceptsVariantsInsideWhatIsSigned) {
  const std::string item = "\x1a" + std::string("\0\0\x30\x03", 4);
  EXPECT_EQ(JudgePlatformClaim(2395, item), v1::REFUSAL_CODE_UNSPECIFIED);
  const std::string claims = EncodeRealm(Machine().MakeRealm(kChallenge));
  const std::string more =
      Writer().Map(9).Raw(claims.substr(1)).Integer(-70000).Text("x").Take();
  EXPECT_EQ(JudgeFile(SimulatedCca::Collect(GoodPlatform(),
                                            Machine().SignRealm(more))),
            v1::REFUSAL_CODE_UNSPECIFIED);
}

// A1. The platform's signature is remembered, as in a service.
TEST(CcaTest, RejectsEveryFlippedBit) {
  policy::VerifiedCache cache(1 << 20);
  const v1::Evidence good = Machine().Attest(kChallenge);
  ASSERT_TRUE(Verify(good, &cache).ok());
  for (size_t bit = 0; bit < 8 * good.files(0).content().size(); ++bit) {
    v1::Evidence evidence = good;
    std::string& file = *evidence.mutable_files(0)->mutable_content();
    file[bit / 8] = static_cast<char>(file[bit / 8] ^ (1 << bit % 8));
    const auto claims = Verify(evidence, &cache);
    ASSERT_FALSE(claims.ok()) << "bit " << bit;
    ASSERT_NE(RefusalOf(claims.status()), v1::INTERNAL_ERROR) << "bit " << bit;
  }
}

// A2.
TEST(CcaTest, RejectsEveryOtherLength) {
  const std::string good = Machine().Attest(kChallenge).files(0).content();
  for (size_t size = 0; size <= good.size() + 64; ++size) {
    if (size == good.size()) continue;
    std::string changed = good;
    changed.resize(size, '\0');
    ASSERT_EQ(JudgeFile(changed), v1::EVIDENCE_MALFORMED) << size;
  }
  EXPECT_EQ(JudgeFile(good + good), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeFile(std::string(64 * 1024 + 1, '\0')), v1::REQUEST_TOO_LARGE);
}

TEST(CcaTest, RejectsFilesItHasNoUseFor) {
  for (const char* role : {"crl", "cert_chain", "event_log"}) {
    v1::Evidence evidence = Machine().Attest(kChallenge);
    evidence.add_files()->set_role(role);
    EXPECT_EQ(RefusalOf(Verify(evidence).status()), v1::EVIDENCE_MALFORMED);
  }
  v1::Evidence none = Machine().Attest(kChallenge);
  none.clear_files();
  EXPECT_EQ(RefusalOf(Verify(none).status()), v1::EVIDENCE_MALFORMED);
}

// A number is no tag, whatever number it is.
TEST(CcaTest, RejectsWhatIsNoCollection) {
  for (const int64_t tag : {kTagCollection1, kTagCollection2}) {
    EXPECT_EQ(JudgeFile(Writer().Integer(tag).Take()), v1::EVIDENCE_MALFORMED);
    EXPECT_EQ(
        JudgeFile(Writer().Tag(static_cast<uint64_t>(tag)).Array(0).Take()),
        v1::EVIDENCE_MALFORMED);
  }
}

// E14.
TEST(CcaTest, RejectsOneTokenAlone) {
  const auto alone = [](int64_t key, const std::string& token) {
    return JudgeFile(
        Writer().Tag(kTagCollection1).Map(1).Integer(key).Bytes(token).Take());
  };
  EXPECT_EQ(alone(kPlatformEntry, GoodPlatform()), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(alone(kRealmEntry, GoodRealm()), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeFile(GoodPlatform()), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeFile(GoodRealm()), v1::EVIDENCE_MALFORMED);
}

// E14: each in the other's place, or in both.
TEST(CcaTest, RejectsTokensInEachOthersPlace) {
  EXPECT_EQ(JudgeFile(SimulatedCca::Collect(GoodRealm(), GoodPlatform())),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeFile(SimulatedCca::Collect(GoodPlatform(), GoodPlatform())),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeFile(SimulatedCca::Collect(GoodRealm(), GoodRealm())),
            v1::EVIDENCE_MALFORMED);
}

TEST(CcaTest, RejectsOtherCollections) {
  const std::string platform = GoodPlatform();
  const std::string realm = GoodRealm();
  const std::string good = SimulatedCca::Collect(platform, realm);
  const std::string untagged = good.substr(3);
  EXPECT_EQ(JudgeFile(untagged), v1::EVIDENCE_MALFORMED);
  for (const uint64_t tag : {18u, 61u, 398u, 600u}) {
    EXPECT_EQ(JudgeFile(Writer().Tag(tag).Raw(untagged).Take()),
              v1::EVIDENCE_MALFORMED);
  }
  EXPECT_EQ(JudgeFile(Writer().Tag(kTagCollection1).Raw(good).Take()),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeFile(Writer().Tag(kTagCollection1).Null().Take()),
            v1::EVIDENCE_MALFORMED);
  const auto with = [&](const std::string& entry) {
    return JudgeFile(Writer()
                         .Tag(kTagCollection2)
                         .Map(2)
                         .Integer(kPlatformEntry)
                         .Raw(entry)
                         .Integer(kRealmEntry)
                         .Bytes(realm)
                         .Take());
  };
  EXPECT_EQ(with(Writer().Bytes(platform).Take()),
            v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(with(Writer().Text("platform").Take()), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(with(Writer().Array(1).Bytes(platform).Take()),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(with(Writer().Array(2).Unsigned(61).Bytes(platform).Take()),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(with(Writer().Array(3).Unsigned(263).Bytes(platform).Null().Take()),
            v1::EVIDENCE_MALFORMED);
  // Device evidence, which we do not verify.
  EXPECT_EQ(JudgeFile(Writer()
                          .Tag(kTagCollection2)
                          .Map(3)
                          .Raw(untagged.substr(1))
                          .Integer(44258)
                          .Null()
                          .Take()),
            v1::EVIDENCE_UNSUPPORTED);
}

// E14: by the algorithm, by the key, or by both.
TEST(CcaTest, RejectsARealmKeyThatThePlatformDoesNotVouchFor) {
  EXPECT_EQ(JudgePlatform([](UnverifiedPlatform& p) { p.challenge[0] ^= 1; }),
            v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(JudgePlatform([](UnverifiedPlatform& p) {
              p.challenge += std::string(16, '\0');
            }),
            v1::EVIDENCE_INCONSISTENT);
  for (const char* name : {"sha-384", "sha-512"}) {
    EXPECT_EQ(JudgeRealm([&](UnverifiedRealm& r) {
                r.public_key_hash_algorithm = name;
              }),
              v1::EVIDENCE_INCONSISTENT);
  }
  // Another realm manager's key, with that key's signature.
  const auto other = *EcdsaSigningKey::Generate(Curve::kP384);
  UnverifiedRealm realm = Machine().MakeRealm(kChallenge);
  realm.public_key = SimulatedCca::CoseKey(other.public_key());
  EXPECT_EQ(JudgeFile(SimulatedCca::Collect(
                GoodPlatform(), SimulatedCca::Sign(other, EncodeRealm(realm)))),
            v1::EVIDENCE_INCONSISTENT);
}

TEST(CcaTest, HashesTheRealmKeyWithTheAlgorithmNamed) {
  for (const auto& [name, hash] :
       {std::pair("sha-384", crypto::Hash::kSha384),
        std::pair("sha-512", crypto::Hash::kSha512)}) {
    UnverifiedPlatform platform = Machine().MakePlatform();
    UnverifiedRealm realm = Machine().MakeRealm(kChallenge);
    realm.public_key_hash_algorithm = name;
    platform.challenge = crypto::Digest(hash, AsBytes(realm.public_key));
    EXPECT_EQ(JudgeFile(SimulatedCca::Collect(
                  Machine().SignPlatform(EncodePlatform(platform)),
                  Machine().SignRealm(EncodeRealm(realm)))),
              v1::REFUSAL_CODE_UNSPECIFIED);
  }
}

TEST(CcaTest, RejectsARealmTokenThatItsKeyDidNotSign) {
  const auto other = *EcdsaSigningKey::Generate(Curve::kP384);
  EXPECT_EQ(JudgeFile(SimulatedCca::Collect(
                GoodPlatform(),
                SimulatedCca::Sign(
                    other, EncodeRealm(Machine().MakeRealm(kChallenge))))),
            v1::SIGNATURE_INVALID);
}

// E14. Each key is the one that the platform vouches for.
TEST(CcaTest, RejectsRealmKeysThatAreNone) {
  const EcdsaSigningKey& p384 = Machine().realm_key();
  const auto p256 = *EcdsaSigningKey::Generate(Curve::kP256);
  const std::string good = SimulatedCca::CoseKey(p384.public_key());
  EXPECT_EQ(JudgeRealmKey(good, p384), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(JudgeRealmKey(SimulatedCca::CoseKey(p256.public_key()), p256),
            v1::REFUSAL_CODE_UNSPECIFIED);
  // A good key on another curve than the signature's.
  EXPECT_EQ(JudgeRealmKey(good, p256), v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(JudgeRealmKey(SimulatedCca::CoseKey(p256.public_key()), p384),
            v1::EVIDENCE_INCONSISTENT);

  const BytesView point = p384.public_key().key_bytes();
  const std::string x = Writer().Bytes(point.subspan(1, 48)).Take();
  const std::string y = Writer().Bytes(point.subspan(49)).Take();
  const auto key = [&](const std::string& kty, const std::string& crv,
                       const std::string& px, const std::string& py,
                       const std::string& more = "", uint64_t count = 4) {
    return JudgeRealmKey(Writer()
                             .Map(count)
                             .Integer(1)
                             .Raw(kty)
                             .Integer(-1)
                             .Raw(crv)
                             .Integer(-2)
                             .Raw(px)
                             .Integer(-3)
                             .Raw(py)
                             .Raw(more)
                             .Take(),
                         p384);
  };
  EXPECT_EQ(key("\2", "\2", x, y), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(key("\1", "\2", x, y), v1::EVIDENCE_UNSUPPORTED);
  EXPECT_EQ(key("\4", "\2", x, y), v1::EVIDENCE_UNSUPPORTED);
  EXPECT_EQ(key("\2", "\1", x, y), v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(key("\2", "\3", x, y), v1::EVIDENCE_UNSUPPORTED);
  EXPECT_EQ(key("\2", "\2", x, "\xf5"), v1::EVIDENCE_UNSUPPORTED);
  EXPECT_EQ(key("\2", "\2", y, x), v1::EVIDENCE_MALFORMED);  // Off the curve.
  EXPECT_EQ(key("\2", "\2", x, Writer().Bytes(point.subspan(50)).Take()),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(key("\2", "\2", "\x40", y), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(key("\2", "\2", "\x01", y), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(key("\2", "\2", x, Writer().Text("y").Take()),
            v1::EVIDENCE_MALFORMED);
  // Each of the four is needed, and all labels are numbers.
  const std::vector<std::pair<int64_t, std::string>> parts = {
      {1, "\2"}, {-1, "\2"}, {-2, x}, {-3, y}};
  for (const auto& absent : parts) {
    Writer rest;
    rest.Map(3);
    for (const auto& [label, value] : parts) {
      if (label != absent.first) rest.Integer(label).Raw(value);
    }
    EXPECT_EQ(JudgeRealmKey(rest.Take(), p384), v1::EVIDENCE_MALFORMED)
        << absent.first;
  }
  EXPECT_EQ(key("\2", "\2", x, y, *Unhex("617801"), 5),
            v1::EVIDENCE_UNSUPPORTED);
  // kid and key_ops; ES384, ES256; to sign alone; a private key beside it.
  EXPECT_EQ(key("\2", "\2", x, y, *Unhex("024101048102"), 6),
            v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(key("\2", "\2", x, y, *Unhex("033822"), 5),
            v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(key("\2", "\2", x, y, *Unhex("0326"), 5),
            v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(key("\2", "\2", x, y, *Unhex("048101"), 5),
            v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(key("\2", "\2", x, y, *Unhex("234101"), 5),
            v1::EVIDENCE_UNSUPPORTED);
  EXPECT_EQ(key("\2", "\2", x, y, *Unhex("2001"), 5), v1::EVIDENCE_MALFORMED);
  for (const char* hex : {"a0", "80", "a10102", "ff"}) {
    EXPECT_EQ(JudgeRealmKey(*Unhex(hex), p384), v1::EVIDENCE_MALFORMED) << hex;
  }
  EXPECT_EQ(JudgeRealmKey(std::string(257, '\1'), p384),
            v1::EVIDENCE_MALFORMED);
}

// E14: the point of the old profile, and only there.
TEST(CcaTest, RejectsBarePointsThatAreNone) {
  const EcdsaSigningKey& key = Machine().realm_key();
  const std::string point = ToString(key.public_key().key_bytes());
  EXPECT_EQ(JudgeRealmKey(point, key, true), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(JudgeRealmKey(point, key, false), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeRealmKey(SimulatedCca::CoseKey(key.public_key()), key, true),
            v1::EVIDENCE_MALFORMED);
  std::string bad = point;
  bad.back() = static_cast<char>(bad.back() ^ 1);
  EXPECT_EQ(JudgeRealmKey(bad, key, true), v1::EVIDENCE_MALFORMED);
  bad = point;
  bad[0] = '\6';
  EXPECT_EQ(JudgeRealmKey(bad, key, true), v1::EVIDENCE_MALFORMED);
  const auto p256 = *EcdsaSigningKey::Generate(Curve::kP256);
  const std::string short_point = ToString(p256.public_key().key_bytes());
  EXPECT_EQ(JudgeRealmKey(short_point, p256, true),
            v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(JudgeRealmKey(short_point, key, true), v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(JudgeRealmKey(point, p256, true), v1::EVIDENCE_INCONSISTENT);
}

// E14: a platform key that is none of ours.
TEST(CcaTest, RejectsAnotherPlatform) {
  const SimulatedCca other = SimulatedCca::Create();
  EXPECT_EQ(RefusalOf(Verify(other.Attest(kChallenge)).status()),
            v1::CHAIN_UNTRUSTED);
  // That says it is ours.
  UnverifiedPlatform platform = other.MakePlatform();
  platform.instance_id = Machine().MakePlatform().instance_id;
  const std::string realm =
      other.SignRealm(EncodeRealm(other.MakeRealm(kChallenge)));
  EXPECT_EQ(JudgeFile(SimulatedCca::Collect(
                other.SignPlatform(EncodePlatform(platform)), realm)),
            v1::SIGNATURE_INVALID);
  // One platform's token with another's realm.
  EXPECT_EQ(JudgeFile(SimulatedCca::Collect(GoodPlatform(), realm)),
            v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(
      RefusalOf(Verify(Machine().Attest(kChallenge), Anchors({})).status()),
      v1::CHAIN_UNTRUSTED);
}

// B2.
TEST(CcaTest, RejectsAnAnchorOfAnotherTypeOrUse) {
  policy::TrustAnchor anchor = Machine().Anchor();
  anchor.type = v1::TPM;
  const v1::Evidence good = Machine().Attest(kChallenge);
  EXPECT_EQ(RefusalOf(Verify(good, Anchors({anchor})).status()),
            v1::CHAIN_UNTRUSTED);
  anchor = Machine().Anchor();
  anchor.use = policy::AnchorUse::kReferenceValues;
  EXPECT_EQ(RefusalOf(Verify(good, Anchors({anchor})).status()),
            v1::CHAIN_UNTRUSTED);
  anchor = Machine().Anchor();
  anchor.key.reset();  // A pin has no key to verify with.
  EXPECT_EQ(RefusalOf(Verify(good, Anchors({anchor})).status()),
            v1::CHAIN_UNTRUSTED);
}

// A platform is found by its instance id among any number of anchors; without
// one that is derived from the key, among sixteen.
TEST(CcaTest, FindsThePlatformsKeyWithinBounds) {
  std::vector<policy::TrustAnchor> anchors;
  for (int i = 0; i < 16; ++i) {
    anchors.push_back(policy::AnchorFromKey(
        "platform-" + std::to_string(i), v1::ARM_CCA,
        EcdsaSigningKey::Generate(Curve::kP384)->public_key(), false));
  }
  UnverifiedPlatform platform = Machine().MakePlatform();
  platform.instance_id = "\x01" + std::string(32, '\2');
  const v1::Evidence unnamed = SimulatedCca::Wrap(SimulatedCca::Collect(
      Machine().SignPlatform(EncodePlatform(platform)), GoodRealm()));
  std::vector<policy::TrustAnchor> last = anchors;
  last.push_back(Machine().Anchor());
  const auto named = Verify(Machine().Attest(kChallenge), Anchors(last));
  ASSERT_TRUE(named.ok()) << named.status();
  EXPECT_EQ(named->cpu().anchor(), "simulated-cca-cpak");
  EXPECT_EQ(RefusalOf(Verify(unnamed, Anchors(last)).status()),
            v1::CHAIN_UNTRUSTED);
  last.erase(last.begin());
  const auto claims = Verify(unnamed, Anchors(last));
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->cpu().anchor(), "simulated-cca-cpak");
}

// E14.
TEST(CcaTest, RejectsChallengesOfAnotherSize) {
  for (const size_t size : {0u, 32u, 63u, 65u}) {
    EXPECT_EQ(JudgeRealm([&](UnverifiedRealm& r) {
                r.challenge = std::string(size, '\x42');
              }),
              v1::EVIDENCE_MALFORMED);
  }
  EXPECT_EQ(JudgeRealmClaim(10, Writer().Array(1).Bytes(kChallenge).Take()),
            v1::EVIDENCE_MALFORMED);
}

// E14.
TEST(CcaTest, BindsTheWholeChallenge) {
  const auto claims = Verify(Machine().Attest(kChallenge));
  ASSERT_TRUE(claims.ok());
  for (const size_t at : {0u, 31u, 32u, 63u}) {
    std::string want = kChallenge;
    want[at] = '\1';
    EXPECT_EQ(RefusalOf(policy::CheckReportData(*claims, AsBytes(want))),
              v1::EVIDENCE_NOT_BOUND);
  }
  v1::Evidence evidence = Machine().Attest(kChallenge);
  v1::EvidenceFile* nonce = evidence.add_files();
  nonce->set_role("nonce");
  nonce->set_content(kChallenge);
  EXPECT_TRUE(Verify(evidence).ok());
  nonce->set_content(kChallenge.substr(0, 32));
  EXPECT_EQ(RefusalOf(Verify(evidence).status()), v1::EVIDENCE_NOT_BOUND);
}

// E14: verification shows debug; policies refuse it.
TEST(CcaTest, ShowsOrRejectsLifecyclesThatAreNotSecured) {
  const auto verify = [](int lifecycle) {
    UnverifiedPlatform platform = Machine().MakePlatform();
    platform.lifecycle = static_cast<uint16_t>(lifecycle);
    return Verify(SimulatedCca::Wrap(SimulatedCca::Collect(
        Machine().SignPlatform(EncodePlatform(platform)), GoodRealm())));
  };
  for (const int lifecycle : {0x3000, 0x30ff}) {
    const auto claims = verify(lifecycle);
    ASSERT_TRUE(claims.ok()) << claims.status();
    EXPECT_FALSE(claims->cpu().debug());
    EXPECT_EQ(claims->cpu().cca().lifecycle(),
              static_cast<uint32_t>(lifecycle));
  }
  for (const auto& [lifecycle, name] :
       {std::pair(0x4000, "non-cca-platform-rot-debug"),
        std::pair(0x40ff, "non-cca-platform-rot-debug"),
        std::pair(0x5000, "recoverable-cca-platform-rot-debug"),
        std::pair(0x50ff, "recoverable-cca-platform-rot-debug")}) {
    const auto claims = verify(lifecycle);
    ASSERT_TRUE(claims.ok()) << claims.status();
    EXPECT_TRUE(claims->cpu().debug());
    EXPECT_EQ(claims->cpu().cca().lifecycle_state(), name);
  }
  for (const int lifecycle :
       {0x0000, 0x00ff, 0x1000, 0x2000, 0x20ff, 0x6000, 0x60ff}) {
    EXPECT_EQ(RefusalOf(verify(lifecycle).status()), v1::EVIDENCE_UNSUPPORTED)
        << lifecycle;
  }
  for (const int lifecycle :
       {0x0100, 0x2fff, 0x3100, 0x41ff, 0x5100, 0x7000, 0xffff}) {
    EXPECT_EQ(RefusalOf(verify(lifecycle).status()), v1::EVIDENCE_MALFORMED)
        << lifecycle;
  }
  EXPECT_EQ(JudgePlatformClaim(2395, *Unhex("1a00013003")),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgePlatformClaim(2395, *Unhex("392fff")), v1::EVIDENCE_MALFORMED);
}

// E14.
TEST(CcaTest, RejectsOtherProfiles) {
  for (const char* profile :
       {"tag:arm.com,2023:realm#1.0.0", "tag:arm.com,2026:cca_platform#2.0.0",
        "http://arm.com/CCA-SSD/1.0.1", "http://arm.com/psa/2.0.0", "x"}) {
    EXPECT_EQ(
        JudgePlatform([&](UnverifiedPlatform& p) { p.profile = profile; }),
        v1::EVIDENCE_UNSUPPORTED)
        << profile;
  }
  for (const char* profile :
       {"tag:arm.com,2023:cca_platform#1.0.0", "tag:arm.com,2026:realm#2.0.0",
        "http://arm.com/CCA-SSD/1.0.0", "x"}) {
    EXPECT_EQ(JudgeRealm([&](UnverifiedRealm& r) { r.profile = profile; }),
              v1::EVIDENCE_UNSUPPORTED)
        << profile;
  }
}

// A platform token made for another security domain may vouch for any key.
TEST(CcaTest, RejectsATokenMadeForAnotherClient) {
  EXPECT_EQ(JudgePlatform([](UnverifiedPlatform& p) { p.client_id = 1; }),
            v1::REFUSAL_CODE_UNSPECIFIED);
  for (const uint64_t client : {0u, 2u}) {
    EXPECT_EQ(
        JudgePlatform([&](UnverifiedPlatform& p) { p.client_id = client; }),
        v1::EVIDENCE_INCONSISTENT);
  }
  EXPECT_EQ(JudgePlatform([](UnverifiedPlatform& p) {
              p.profile = std::string(kPlatformProfile2);
            }),
            v1::EVIDENCE_MALFORMED);  // Which must say.
}

TEST(CcaTest, RejectsPlatformClaimsThatAreMissingOrIllFormed) {
  for (const int64_t key : {10, 256, 265, 2395, 2396, 2399, 2401, 2402}) {
    EXPECT_EQ(JudgePlatformClaim(key, ""), v1::EVIDENCE_MALFORMED) << key;
    EXPECT_EQ(JudgePlatformClaim(key, "\xf6"), v1::EVIDENCE_MALFORMED) << key;
  }
  const auto bytes = [](size_t size) {
    return Writer().Bytes(std::string(size, '\1')).Take();
  };
  for (const size_t size : {31u, 33u, 65u}) {
    EXPECT_EQ(JudgePlatformClaim(10, bytes(size)), v1::EVIDENCE_MALFORMED);
    EXPECT_EQ(JudgePlatformClaim(2396, bytes(size)), v1::EVIDENCE_MALFORMED);
  }
  EXPECT_EQ(JudgePlatformClaim(256, bytes(32)), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(
      JudgePlatformClaim(256, Writer().Bytes(std::string(33, '\2')).Take()),
      v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgePlatformClaim(2401, bytes(1025)), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgePlatformClaim(2400, "\x60"), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(
      JudgePlatformClaim(2400, Writer().Text(std::string(257, 'x')).Take()),
      v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgePlatformClaim(2402, Writer().Text("sha-1").Take()),
            v1::EVIDENCE_UNSUPPORTED);
  EXPECT_EQ(JudgePlatformClaim(2402, Writer().Text("SHA-256").Take()),
            v1::EVIDENCE_UNSUPPORTED);
}

TEST(CcaTest, RejectsSoftwareComponentsThatAreNone) {
  const auto component = [](const std::string& item) {
    return JudgePlatformClaim(2399, Writer().Array(1).Raw(item).Take());
  };
  const std::string hash = Writer().Bytes(std::string(48, '\1')).Take();
  EXPECT_EQ(component("\xa2\x02" + hash + "\x05" + hash),
            v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(component("\xa1\x02" + hash), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(component("\xa1\x05" + hash), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(component("\xa2\x02\x41\x01\x05" + hash), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(component("\xa2\x02" + hash + "\x05\x41\x01"),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(component("\xa3\x01\x01\x02" + hash + "\x05" + hash),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(component("\x80"), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgePlatformClaim(2399, "\x80"), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgePlatform([](UnverifiedPlatform& p) {
              p.software_components.resize(65, p.software_components[0]);
            }),
            v1::EVIDENCE_MALFORMED);
}

TEST(CcaTest, RejectsRealmClaimsThatAreMissingOrIllFormed) {
  for (const int64_t key : {10, 44235, 44236, 44237, 44238, 44239, 44240}) {
    EXPECT_EQ(JudgeRealmClaim(key, ""), v1::EVIDENCE_MALFORMED) << key;
    EXPECT_EQ(JudgeRealmClaim(key, "\xf6"), v1::EVIDENCE_MALFORMED) << key;
  }
  EXPECT_EQ(JudgeRealmClaim(265, "\x01"), v1::EVIDENCE_MALFORMED);
  for (const size_t size : {0u, 32u, 63u, 65u}) {
    EXPECT_EQ(JudgeRealm([&](UnverifiedRealm& r) {
                r.personalization = std::string(size, '\1');
              }),
              v1::EVIDENCE_MALFORMED);
  }
  for (const char* name : {"sha-1", "sha256", "SHA-256"}) {
    EXPECT_EQ(JudgeRealm([&](UnverifiedRealm& r) { r.hash_algorithm = name; }),
              v1::EVIDENCE_UNSUPPORTED);
    EXPECT_EQ(JudgeRealm([&](UnverifiedRealm& r) {
                r.public_key_hash_algorithm = name;
              }),
              v1::EVIDENCE_UNSUPPORTED);
  }
  const auto two = [](const std::function<void(UnverifiedRealm&)>& change) {
    return JudgeRealm([&](UnverifiedRealm& r) {
      r.profile = std::string(kRealmProfile2);
      r.instance_id = "\x01" + std::string(32, '\1');
      r.mec_policy = 0;
      change(r);
    });
  };
  EXPECT_EQ(two([](UnverifiedRealm&) {}), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(two([](UnverifiedRealm& r) { r.instance_id.pop_back(); }),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(two([](UnverifiedRealm& r) { r.instance_id[0] = '\2'; }),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(two([](UnverifiedRealm& r) { r.mec_policy = 2; }),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(two([](UnverifiedRealm& r) { r.lfa_policy = 2; }),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(two([](UnverifiedRealm& r) { r.devices_digest = "x"; }),
            v1::EVIDENCE_MALFORMED);
}

// E14.
TEST(CcaTest, RejectsMeasurementsOfOtherSizes) {
  const auto judge = [](size_t rim, size_t rem, const char* hash) {
    return JudgeRealm([&](UnverifiedRealm& r) {
      r.hash_algorithm = hash;
      r.initial_measurement = std::string(rim, '\1');
      for (std::string& m : r.extensible_measurements) {
        m = std::string(rim, '\1');
      }
      r.extensible_measurements[3] = std::string(rem, '\1');
    });
  };
  EXPECT_EQ(judge(32, 32, "sha-256"), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(judge(48, 48, "sha-384"), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(judge(64, 64, "sha-256"), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(judge(31, 31, "sha-256"), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge(0, 0, "sha-256"), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge(32, 32, "sha-384"), v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(judge(48, 48, "sha-512"), v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(judge(32, 31, "sha-256"), v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(judge(64, 32, "sha-256"), v1::EVIDENCE_INCONSISTENT);
  const std::string rem = Writer().Bytes(std::string(64, '\1')).Take();
  EXPECT_EQ(JudgeRealmClaim(44239, "\x83" + rem + rem + rem),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeRealmClaim(44239, "\x85" + rem + rem + rem + rem + rem),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeRealmClaim(44239, "\x84" + rem + rem + rem + "\x01"),
            v1::EVIDENCE_MALFORMED);
}

// E1 of both tokens, E2.
TEST(CcaTest, RejectsEnvelopesThatAreNone) {
  const std::string platform = GoodPlatform();
  const std::string realm = GoodRealm();
  const auto change = [](const std::string& token,
                         const std::function<void(std::string&)>& f) {
    std::string changed = token;
    f(changed);
    return changed;
  };
  const struct {
    std::function<void(std::string&)> lie;
    v1::RefusalCode code;
  } kLies[] = {
      {[](std::string& t) { t.erase(0, 1); }, v1::EVIDENCE_MALFORMED},
      {[](std::string& t) { t[0] = '\xd1'; }, v1::EVIDENCE_MALFORMED},
      {[](std::string& t) { t += '\0'; }, v1::EVIDENCE_MALFORMED},
      {[](std::string& t) { t[6] = '\x23'; }, v1::EVIDENCE_UNSUPPORTED},
  };
  EXPECT_EQ(JudgeFile(SimulatedCca::Collect(platform, realm)),
            v1::REFUSAL_CODE_UNSPECIFIED);
  for (const auto& [lie, code] : kLies) {
    EXPECT_EQ(JudgeFile(SimulatedCca::Collect(change(platform, lie), realm)),
              code);
    EXPECT_EQ(JudgeFile(SimulatedCca::Collect(platform, change(realm, lie))),
              code);
  }
  // A claim twice, and an indefinite length, which the profile forbids.
  const std::string claims = EncodeRealm(Machine().MakeRealm(kChallenge));
  const auto judge = [](const std::string& payload) {
    return JudgeFile(
        SimulatedCca::Collect(GoodPlatform(), Machine().SignRealm(payload)));
  };
  EXPECT_EQ(judge(Writer()
                      .Map(9)
                      .Raw(claims.substr(1))
                      .Integer(10)
                      .Bytes(kChallenge)
                      .Take()),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge("\xbf" + claims.substr(1) + "\xff"), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge(claims + claims), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge("\x80"), v1::EVIDENCE_MALFORMED);
}

// One signature is remembered: the platform's, of a token that verified.
TEST(CcaTest, RemembersVerifiedPlatformTokensOnly) {
  policy::VerifiedCache cache(1 << 20);
  const auto other = *EcdsaSigningKey::Generate(Curve::kP384);
  const std::string claims = EncodeRealm(Machine().MakeRealm(kChallenge));
  const std::string platform = GoodPlatform();
  const v1::Evidence bad = SimulatedCca::Wrap(
      SimulatedCca::Collect(platform, SimulatedCca::Sign(other, claims)));
  EXPECT_EQ(RefusalOf(Verify(bad, &cache).status()), v1::SIGNATURE_INVALID);
  EXPECT_EQ(cache.size(), 0u);
  for (const char fill : {'\1', '\2'}) {
    const std::string challenge(64, fill);
    const auto verified = Verify(
        SimulatedCca::Wrap(SimulatedCca::Collect(
            platform,
            Machine().SignRealm(EncodeRealm(Machine().MakeRealm(challenge))))),
        &cache);
    ASSERT_TRUE(verified.ok()) << verified.status();
    EXPECT_EQ(verified->cpu().report_data(), challenge);
    EXPECT_EQ(verified->cpu().anchor(), "simulated-cca-cpak");
  }
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_EQ(RefusalOf(Verify(bad, &cache).status()), v1::SIGNATURE_INVALID);
  // Remembered under other anchors, it would outlive its own.
  EXPECT_EQ(RefusalOf(Verify(SimulatedCca::Wrap(
                                 SimulatedCca::Collect(platform, GoodRealm())),
                             Anchors({}), &cache)
                          .status()),
            v1::CHAIN_UNTRUSTED);
}

}  // namespace
}  // namespace kms::cca

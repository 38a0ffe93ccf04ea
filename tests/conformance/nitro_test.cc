// What AWS Nitro Evidence may lie about. Each row is otherwise valid and
// signed anew, differs in the named way only, and has one code.
#include "tools/simtee/nitro.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/x509/issue.h"
#include "policy/cbor/writer.h"
#include "policy/nitro/document.h"
#include "policy/verifier/collateral.h"
#include "policy/verifier/crls.h"
#include "policy/verifier/verified_cache.h"
#include "policy/verifier/verifier.h"

namespace kms::nitro {
namespace {

using cbor::Writer;
using simtee::SimulatedNitro;

const absl::Time kLaunch =
    absl::FromCivil(absl::CivilHour(2025, 1, 1, 12), absl::UTCTimeZone());
const absl::Time kMade = kLaunch + absl::Hours(1);
const absl::Time kNow = kMade + absl::Minutes(1);
const std::string kNonce(64, '\x42');

const SimulatedNitro& Machine() {
  static const auto* const kMachine =
      new SimulatedNitro(SimulatedNitro::Create(kLaunch));
  return *kMachine;
}

policy::TrustAnchors Anchors(const policy::TrustAnchor& anchor) {
  std::vector<policy::TrustAnchor> anchors = policy::TrustAnchors::BuiltIn();
  anchors.push_back(anchor);
  return *policy::TrustAnchors::Create(anchors);
}

absl::StatusOr<v1::Claims> Verify(
    const v1::Evidence& evidence, absl::Time now = kNow,
    policy::VerifiedCache* cache = nullptr,
    const policy::Collateral* collateral = nullptr) {
  static const auto* const kAnchors =
      new policy::TrustAnchors(Anchors(Machine().Anchor()));
  v1::EvidenceBundle bundle;
  *bundle.add_evidence() = evidence;
  return policy::VerifyBundle(bundle, {.now = now,
                                       .anchors = *kAnchors,
                                       .collateral = collateral,
                                       .cache = cache});
}

v1::RefusalCode JudgeFile(const std::string& file, absl::Time now = kNow) {
  return RefusalOf(Verify(SimulatedNitro::Wrap(file), now).status());
}

// The verdict on a payload of a test's own making, signed.
v1::RefusalCode JudgePayload(const std::string& payload) {
  return JudgeFile(Machine().Sign(payload));
}

// The verdict on a document after `change` and a new signature.
v1::RefusalCode Judge(const std::function<void(UnverifiedDocument&)>& change,
                      absl::Time now = kNow) {
  UnverifiedDocument document = Machine().MakeDocument(kNonce);
  change(document);
  return JudgeFile(Machine().Sign(EncodeDocument(document)), now);
}

// The fields of a document by name, each an encoded item, for a change that
// EncodeDocument cannot write.
using Fields = std::vector<std::pair<std::string, std::string>>;

Fields GoodFields() {
  const UnverifiedDocument document = Machine().MakeDocument(kNonce);
  Writer pcrs;
  pcrs.Map(document.pcrs.size());
  for (const auto& [index, value] : document.pcrs) {
    pcrs.Unsigned(index).Bytes(value);
  }
  Writer cabundle;
  cabundle.Array(document.cabundle.size());
  for (const std::string& der : document.cabundle) cabundle.Bytes(der);
  return {
      {"module_id", Writer().Text(document.module_id).Take()},
      {"digest", Writer().Text("SHA384").Take()},
      {"timestamp", Writer().Integer(document.timestamp_ms).Take()},
      {"pcrs", pcrs.Take()},
      {"certificate", Writer().Bytes(document.certificate).Take()},
      {"cabundle", cabundle.Take()},
      {"public_key", Writer().Null().Take()},
      {"user_data", Writer().Null().Take()},
      {"nonce", Writer().Bytes(document.nonce).Take()},
  };
}

std::string Content(const Fields& fields) {
  Writer out;
  for (const auto& [name, value] : fields) out.Text(name).Raw(value);
  return out.Take();
}
std::string Encode(const Fields& fields) {
  return Writer().Map(fields.size()).Raw(Content(fields)).Take();
}

v1::RefusalCode JudgeField(const std::string& name, const std::string& value) {
  Fields fields = GoodFields();
  for (auto& [key, item] : fields) {
    if (key == name) item = value;
  }
  return JudgePayload(Encode(fields));
}

// An envelope with one part changed, over the good payload.
struct Envelope {
  std::string tag;
  std::string headers = "\xa1\x01\x38\x22";
  std::string unprotected = "\xa0";
  std::string payload =
      Writer().Bytes(EncodeDocument(Machine().MakeDocument(kNonce))).Take();
  std::string signature;  // Of these headers and that payload, if empty.

  std::string Encode() const {
    std::string signed_by = signature;
    if (signed_by.empty()) {
      signed_by = Machine().Signature(
          headers, EncodeDocument(Machine().MakeDocument(kNonce)));
    }
    return Writer()
        .Raw(tag)
        .Array(4)
        .Bytes(headers)
        .Raw(unprotected)
        .Raw(payload)
        .Bytes(signed_by)
        .Take();
  }
};

v1::RefusalCode JudgeEnvelope(const std::function<void(Envelope&)>& change) {
  Envelope envelope;
  change(envelope);
  return JudgeFile(envelope.Encode());
}

TEST(NitroTest, AcceptsADocumentAndSaysSimulated) {
  const auto claims = Verify(Machine().Attest(kNonce));
  ASSERT_TRUE(claims.ok()) << claims.status();
  const v1::CpuClaims& cpu = claims->cpu();
  EXPECT_EQ(cpu.type(), v1::NITRO);
  EXPECT_TRUE(cpu.simulated());
  EXPECT_EQ(cpu.anchor(), "simulated-nitro-root");
  EXPECT_EQ(cpu.report_data(), kNonce);
  EXPECT_EQ(cpu.measurement(), std::string(48, '\x50'));
  EXPECT_FALSE(cpu.debug());
  EXPECT_EQ(cpu.nitro().module_id(), "i-00000000000000001-enc0000000000000001");
  EXPECT_EQ(cpu.nitro().pcrs().size(), 16u);
  EXPECT_EQ(cpu.nitro().timestamp_ms(), absl::ToUnixMillis(kMade));
}

// The tests' own encoders are right: all that follows differs in one thing.
TEST(NitroTest, AcceptsWhatTheLiesStartFrom) {
  EXPECT_EQ(Judge([](UnverifiedDocument&) {}), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(JudgePayload(Encode(GoodFields())), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(JudgeEnvelope([](Envelope&) {}), v1::REFUSAL_CODE_UNSPECIFIED);
}

// As hypervisors write since 2025, and AWS's page has it (tag 18).
TEST(NitroTest, AcceptsTheFormsThatHypervisorsWrite) {
  const Fields fields = GoodFields();
  EXPECT_EQ(JudgePayload("\xbf" + Content(fields) + "\xff"),
            v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(JudgeEnvelope([](Envelope& e) { e.tag = "\xd2"; }),
            v1::REFUSAL_CODE_UNSPECIFIED);
  Fields absent = fields;
  absent.resize(6);
  EXPECT_EQ(JudgePayload(Encode(absent)), v1::REFUSAL_CODE_UNSPECIFIED);
}

// A1. The chain is remembered, as in a service.
TEST(NitroTest, RejectsEveryFlippedBit) {
  policy::VerifiedCache cache(1 << 20);
  const v1::Evidence good = Machine().Attest(kNonce);
  ASSERT_TRUE(Verify(good, kNow, &cache).ok());
  for (size_t bit = 0; bit < 8 * good.files(0).content().size(); ++bit) {
    v1::Evidence evidence = good;
    std::string& file = *evidence.mutable_files(0)->mutable_content();
    file[bit / 8] = static_cast<char>(file[bit / 8] ^ (1 << bit % 8));
    const auto claims = Verify(evidence, kNow, &cache);
    ASSERT_FALSE(claims.ok()) << "bit " << bit;
    ASSERT_NE(RefusalOf(claims.status()), v1::INTERNAL_ERROR) << "bit " << bit;
  }
}

// A2, A3.
TEST(NitroTest, RejectsEveryOtherLength) {
  const std::string good = Machine().Attest(kNonce).files(0).content();
  for (size_t size = 0; size <= good.size() + 64; ++size) {
    if (size == good.size()) continue;
    std::string changed = good;
    changed.resize(size, '\0');
    ASSERT_EQ(JudgeFile(changed), v1::EVIDENCE_MALFORMED) << size;
  }
  EXPECT_EQ(JudgeFile(good + good), v1::EVIDENCE_MALFORMED);
  const std::string payload = EncodeDocument(Machine().MakeDocument(kNonce));
  EXPECT_EQ(JudgePayload(payload + '\0'), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgePayload(payload + payload), v1::EVIDENCE_MALFORMED);
}

// A7.
TEST(NitroTest, RejectsAnotherTypesLabel) {
  v1::Evidence evidence = Machine().Attest(kNonce);
  evidence.set_type(v1::ARM_CCA);
  EXPECT_EQ(RefusalOf(Verify(evidence).status()), v1::EVIDENCE_MALFORMED);
  evidence.set_type(v1::SEV_SNP);
  EXPECT_EQ(RefusalOf(Verify(evidence).status()), v1::EVIDENCE_MALFORMED);
}

TEST(NitroTest, RejectsFilesItHasNoUseForAndTooLargeOnes) {
  for (const char* role : {"cert_chain", "event_log", "pcrs"}) {
    v1::Evidence evidence = Machine().Attest(kNonce);
    evidence.add_files()->set_role(role);
    EXPECT_EQ(RefusalOf(Verify(evidence).status()), v1::EVIDENCE_MALFORMED);
  }
  v1::Evidence evidence = Machine().Attest(kNonce);
  evidence.clear_files();
  EXPECT_EQ(RefusalOf(Verify(evidence).status()), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeFile(std::string(256 * 1024 + 1, '\0')),
            v1::REQUEST_TOO_LARGE);
}

// E1.
TEST(NitroTest, RejectsAnotherAlgorithmThanEs384) {
  for (const char* alg : {"26", "3823", "27", "3824", "05", "00"}) {
    EXPECT_EQ(JudgeEnvelope([&](Envelope& e) {
                e.headers = "\xa1\x01" + *Unhex(alg);
                e.signature =
                    std::string(alg == std::string("26") ? 64 : 96, '\1');
              }),
              v1::EVIDENCE_UNSUPPORTED)
        << alg;
  }
}

// E1.
TEST(NitroTest, RejectsTheAlgorithmOutsideTheProtectedHeader) {
  const std::string alg = "\xa1\x01\x38\x22";
  for (const std::string& headers : {std::string(), std::string("\xa0")}) {
    EXPECT_EQ(JudgeEnvelope([&](Envelope& e) {
                e.headers = headers;
                e.unprotected = alg;
              }),
              v1::EVIDENCE_MALFORMED);
  }
  EXPECT_EQ(JudgeEnvelope([&](Envelope& e) { e.unprotected = alg; }),
            v1::EVIDENCE_MALFORMED);
}

// E1. AWS has nothing among the unprotected headers.
TEST(NitroTest, RejectsHeadersThatAreCriticalOrUnsigned) {
  EXPECT_EQ(JudgeEnvelope(
                [](Envelope& e) { e.headers = *Unhex("a20138220281183f"); }),
            v1::EVIDENCE_UNSUPPORTED);
  EXPECT_EQ(JudgeEnvelope([](Envelope& e) { e.unprotected = "\xa1\x04\x40"; }),
            v1::EVIDENCE_MALFORMED);
}

// E1.
TEST(NitroTest, RejectsEmptyAndDetachedPayloads) {
  for (const char* payload : {"40", "f6"}) {
    EXPECT_EQ(JudgeEnvelope([&](Envelope& e) { e.payload = *Unhex(payload); }),
              v1::EVIDENCE_MALFORMED);
  }
}

// E1.
TEST(NitroTest, RejectsOtherTagsAndOtherSignatureLengths) {
  for (const char* tag : {"d1", "d862", "d9018f", "d2d2", "d9d9f7d2"}) {
    EXPECT_EQ(JudgeEnvelope([&](Envelope& e) { e.tag = *Unhex(tag); }),
              v1::EVIDENCE_MALFORMED)
        << tag;
  }
  for (const size_t size : {1u, 64u, 95u, 97u}) {
    EXPECT_EQ(JudgeEnvelope(
                  [&](Envelope& e) { e.signature = std::string(size, '\1'); }),
              v1::EVIDENCE_MALFORMED);
  }
}

// B9.
TEST(NitroTest, RejectsSignaturesThatAreNone) {
  const std::string payload = EncodeDocument(Machine().MakeDocument(kNonce));
  const std::string good = Machine().Signature("\xa1\x01\x38\x22", payload);
  const std::string zero(48, '\0');
  for (const std::string& bad :
       {zero + zero, good.substr(0, 48) + zero, zero + good.substr(48),
        good.substr(48) + good.substr(0, 48), std::string(96, '\xff'),
        Machine().Signature("\xa1\x01\x38\x22", payload + " ")}) {
    EXPECT_EQ(JudgeEnvelope([&](Envelope& e) { e.signature = bad; }),
              v1::SIGNATURE_INVALID);
  }
}

// E2.
TEST(NitroTest, RejectsCborWithTwoReadings) {
  const Fields good = GoodFields();
  Fields twice = good;
  twice.push_back(twice[0]);
  EXPECT_EQ(JudgePayload(Encode(twice)), v1::EVIDENCE_MALFORMED);
  // A register twice; a register's index in a longer head; a string in
  // chunks; a float for a key; a tag around a text; nested beyond reason.
  const std::string pcr = Writer().Bytes(std::string(48, '\1')).Take();
  EXPECT_EQ(JudgeField("pcrs", "\xa4" + ("\1" + pcr) + "\1" + pcr + "\2" + pcr +
                                   std::string("\0", 1) + pcr),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeField("pcrs", "\xa3" + std::string("\x18\0", 2) + pcr + "\1" +
                                   pcr + "\2" + pcr),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeField("nonce", "\x5f\x41\x01\xff"), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgePayload("\xa1" + std::string("\xf9\0\0\0", 4)),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeField("digest", "\xc1" + Writer().Text("SHA384").Take()),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeField("timestamp", std::string("\xfb\x42\x77\0\0\0\0\0\0", 9)),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgePayload(std::string(10000, '\x81') + '\0'),
            v1::EVIDENCE_MALFORMED);
}

// E3: verification shows it; policies refuse it.
TEST(NitroTest, ShowsDebugMode) {
  const auto debug = [](std::vector<uint32_t> zeros) {
    UnverifiedDocument document = Machine().MakeDocument(kNonce);
    for (const uint32_t index : zeros) {
      document.pcrs[index] = std::string(48, '\0');
    }
    const auto claims =
        Verify(SimulatedNitro::Wrap(Machine().Sign(EncodeDocument(document))));
    EXPECT_TRUE(claims.ok()) << claims.status();
    return claims.ok() && claims->cpu().debug();
  };
  EXPECT_TRUE(debug({0, 1, 2}));
  EXPECT_FALSE(debug({0, 1}));
  EXPECT_FALSE(debug({2}));
}

// E4.
TEST(NitroTest, RejectsAnotherDigest) {
  for (const char* digest : {"SHA256", "SHA512", "sha384", "SHA384 ", ""}) {
    EXPECT_EQ(JudgeField("digest", Writer().Text(digest).Take()),
              v1::EVIDENCE_UNSUPPORTED)
        << digest;
  }
  EXPECT_EQ(JudgeField("digest", Writer().Bytes("SHA384").Take()),
            v1::EVIDENCE_MALFORMED);
}

// E4.
TEST(NitroTest, RejectsRegistersOfOtherSizesAndIndices) {
  for (const size_t size : {0u, 32u, 47u, 49u, 64u}) {
    EXPECT_EQ(Judge([&](UnverifiedDocument& d) {
                d.pcrs[7] = std::string(size, '\1');
              }),
              v1::EVIDENCE_MALFORMED);
  }
  EXPECT_EQ(Judge([](UnverifiedDocument& d) { d.pcrs[31] = d.pcrs[0]; }),
            v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(Judge([](UnverifiedDocument& d) { d.pcrs[32] = d.pcrs[0]; }),
            v1::EVIDENCE_MALFORMED);
  const std::string pcr = Writer().Bytes(std::string(48, '\1')).Take();
  for (const char* index : {"20", "6130", "1b0000000100000000"}) {
    EXPECT_EQ(JudgeField("pcrs", "\xa1" + *Unhex(index) + pcr),
              v1::EVIDENCE_MALFORMED);
  }
  EXPECT_EQ(JudgeField("pcrs", "\xa0"), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeField("pcrs", "\x80"), v1::EVIDENCE_MALFORMED);
  // As a map's, one after the other, in a list.
  EXPECT_EQ(JudgeField("pcrs", "\x86" + (std::string(1, '\0') + pcr) + "\1" +
                                   pcr + "\2" + pcr),
            v1::EVIDENCE_MALFORMED);
}

// E4: absent is not equal, and not "no debug" either.
TEST(NitroTest, RejectsADocumentWithoutTheImagesRegisters) {
  for (const uint32_t index : {0u, 1u, 2u}) {
    EXPECT_EQ(Judge([&](UnverifiedDocument& d) { d.pcrs.erase(index); }),
              v1::EVIDENCE_MALFORMED);
  }
  EXPECT_EQ(Judge([](UnverifiedDocument& d) { d.pcrs.erase(3); }),
            v1::REFUSAL_CODE_UNSPECIFIED);
}

TEST(NitroTest, RejectsFieldsThatAreMissingOrNotKnown) {
  const Fields good = GoodFields();
  for (size_t i = 0; i < 6; ++i) {
    Fields fields = good;
    fields.erase(fields.begin() + static_cast<ptrdiff_t>(i));
    EXPECT_EQ(JudgePayload(Encode(fields)), v1::EVIDENCE_MALFORMED)
        << good[i].first;
    EXPECT_EQ(JudgeField(good[i].first, "\xf6"), v1::EVIDENCE_MALFORMED)
        << good[i].first;
  }
  Fields more = good;
  more.emplace_back("nitrotpm_pcrs", "\xa0");
  EXPECT_EQ(JudgePayload(Encode(more)), v1::EVIDENCE_UNSUPPORTED);
  EXPECT_EQ(JudgePayload("\xaa" + Content(good) + "\x01\x01"),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgePayload("\x80"), v1::EVIDENCE_MALFORMED);
}

TEST(NitroTest, RejectsFieldsOverTheirBounds) {
  EXPECT_EQ(Judge([](UnverifiedDocument& d) { d.module_id = ""; }),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(
      Judge([](UnverifiedDocument& d) { d.module_id = std::string(129, 'i'); }),
      v1::EVIDENCE_MALFORMED);
  for (const int64_t made : {int64_t{0}, int64_t{-1}}) {
    EXPECT_EQ(Judge([&](UnverifiedDocument& d) { d.timestamp_ms = made; }),
              v1::EVIDENCE_MALFORMED);
  }
  EXPECT_EQ(JudgeField("timestamp", *Unhex("1bffffffffffffffff")),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(Judge([](UnverifiedDocument& d) { d.cabundle.clear(); }),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(
      Judge([](UnverifiedDocument& d) { d.cabundle.resize(8, d.cabundle[0]); }),
      v1::EVIDENCE_MALFORMED);
  for (const size_t size : {0u, 1025u}) {
    const std::string bytes(size, '\1');
    EXPECT_EQ(Judge([&](UnverifiedDocument& d) { d.certificate = bytes; }),
              v1::EVIDENCE_MALFORMED);
    EXPECT_EQ(Judge([&](UnverifiedDocument& d) { d.cabundle[1] = bytes; }),
              v1::EVIDENCE_MALFORMED);
    EXPECT_EQ(JudgeField("public_key", Writer().Bytes(bytes).Take()),
              v1::EVIDENCE_MALFORMED);
  }
  std::string payload;
  payload.resize(16385, '\1');
  EXPECT_EQ(JudgePayload(payload), v1::EVIDENCE_MALFORMED);
}

// E6: only the nonce binds, and what is not there is not bound.
TEST(NitroTest, BindsTheNonceAlone) {
  const auto bound = [](const UnverifiedDocument& document) {
    const auto claims =
        Verify(SimulatedNitro::Wrap(Machine().Sign(EncodeDocument(document))));
    EXPECT_TRUE(claims.ok()) << claims.status();
    return RefusalOf(policy::CheckReportData(*claims, AsBytes(kNonce)));
  };
  const UnverifiedDocument good = Machine().MakeDocument(kNonce);
  EXPECT_EQ(bound(good), v1::REFUSAL_CODE_UNSPECIFIED);
  UnverifiedDocument document = good;
  document.nonce = kNonce + std::string(448, '\0');
  EXPECT_EQ(bound(document), v1::REFUSAL_CODE_UNSPECIFIED);
  document.nonce.back() = '\1';
  EXPECT_EQ(bound(document), v1::EVIDENCE_NOT_BOUND);
  for (const std::string& nonce :
       {std::string(), kNonce.substr(0, 32), kNonce.substr(1) + '\0'}) {
    document = good;
    document.nonce = nonce;
    document.user_data = kNonce;
    document.public_key = kNonce;
    EXPECT_EQ(bound(document), v1::EVIDENCE_NOT_BOUND);
  }
}

// E6.
TEST(NitroTest, BoundsWhatTheEnclaveAdds) {
  EXPECT_EQ(Judge([](UnverifiedDocument& d) {
              d.public_key = std::string(1024, '\1');
              d.user_data = std::string(512, '\1');
              d.nonce = std::string(512, '\1');
            }),
            v1::REFUSAL_CODE_UNSPECIFIED);
  for (const char* name : {"user_data", "nonce"}) {
    EXPECT_EQ(JudgeField(name, Writer().Bytes("").Take()),
              v1::REFUSAL_CODE_UNSPECIFIED);
    EXPECT_EQ(JudgeField(name, Writer().Bytes(std::string(513, '\1')).Take()),
              v1::EVIDENCE_MALFORMED);
    EXPECT_EQ(JudgeField(name, Writer().Text("text").Take()),
              v1::EVIDENCE_MALFORMED);
  }
}

TEST(NitroTest, ComparesANonceThatIsGiven) {
  v1::Evidence evidence = Machine().Attest(kNonce);
  v1::EvidenceFile* nonce = evidence.add_files();
  nonce->set_role("nonce");
  nonce->set_content(kNonce);
  EXPECT_TRUE(Verify(evidence).ok());
  for (const std::string& other :
       {std::string(), kNonce.substr(1), kNonce + '\0'}) {
    nonce->set_content(other);
    EXPECT_EQ(RefusalOf(Verify(evidence).status()), v1::EVIDENCE_NOT_BOUND);
  }
}

// A9, E5: the leaf lives three hours; both boundary seconds are inside.
TEST(NitroTest, HoldsCertificatesToTheirTime) {
  const v1::Evidence evidence = Machine().Attest(kNonce);
  policy::VerifiedCache cache(1 << 20);
  const absl::Time end = kLaunch + absl::Hours(3);
  EXPECT_TRUE(Verify(evidence, end, &cache).ok());
  EXPECT_TRUE(Verify(evidence, kMade, &cache).ok());
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_EQ(
      RefusalOf(Verify(evidence, end + absl::Seconds(1), &cache).status()),
      v1::CERTIFICATE_EXPIRED);
  EXPECT_EQ(
      RefusalOf(Verify(evidence, kLaunch - absl::Seconds(1), &cache).status()),
      v1::CERTIFICATE_NOT_YET_VALID);
}

// E5.
TEST(NitroTest, RejectsTimestampsThatCannotBe) {
  const auto judge = [](absl::Time made, absl::Time now = kNow) {
    return Judge(
        [&](UnverifiedDocument& d) {
          d.timestamp_ms = absl::ToUnixMillis(made);
        },
        now);
  };
  const absl::Duration ms = absl::Milliseconds(1);
  const absl::Time end = kLaunch + absl::Hours(3);
  EXPECT_EQ(judge(kLaunch), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(judge(kLaunch - ms), v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(judge(end, end), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(judge(end + ms, end), v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(judge(kNow + absl::Minutes(5)), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(judge(kNow + absl::Minutes(5) + ms), v1::EVIDENCE_INCONSISTENT);
}

// E5.
TEST(NitroTest, RejectsABundleThatIsNotTheChain) {
  const auto judge = [](std::vector<std::string> cabundle) {
    return Judge([&](UnverifiedDocument& d) { d.cabundle = cabundle; });
  };
  const std::string& root = Machine().root().der;
  const std::string& instance = Machine().instance().der;
  EXPECT_EQ(judge({root, instance}), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(judge({instance, root}), v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(judge({root, instance, instance}), v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(judge({root, root, instance}), v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(judge({root, instance, Machine().leaf().der}),
            v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(judge({root}), v1::ENDORSEMENT_MISSING);
  // The anchor's own certificate stands in, but AWS's order has the root.
  EXPECT_EQ(judge({instance}), v1::ENDORSEMENT_MISMATCH);
}

// E5: another module's certificate, though it is a good one.
TEST(NitroTest, RejectsAnotherModulesDocument) {
  for (const char* id :
       {"i-00000000000000002-enc0000000000000001",
        "i-00000000000000001-enc000000000000000",
        "i-00000000000000001-enc0000000000000001.nowhere-1.simulated", "i"}) {
    EXPECT_EQ(Judge([&](UnverifiedDocument& d) { d.module_id = id; }),
              v1::ENDORSEMENT_MISMATCH)
        << id;
  }
}

// B1, E5.
TEST(NitroTest, RejectsARootOfTheSameNameWithAnotherKey) {
  const SimulatedNitro evil = SimulatedNitro::Create(kLaunch);
  EXPECT_EQ(RefusalOf(Verify(evil.Attest(kNonce)).status()),
            v1::CHAIN_UNTRUSTED);
  UnverifiedDocument mixed = evil.MakeDocument(kNonce);
  mixed.cabundle[0] = Machine().root().der;
  EXPECT_EQ(JudgeFile(evil.Sign(EncodeDocument(mixed))), v1::CHAIN_UNTRUSTED);
}

// B2.
TEST(NitroTest, RejectsAnAnchorOfAnotherType) {
  policy::TrustAnchor anchor = Machine().Anchor();
  anchor.type = v1::SEV_SNP;
  const policy::TrustAnchors anchors = Anchors(anchor);
  v1::EvidenceBundle bundle;
  *bundle.add_evidence() = Machine().Attest(kNonce);
  EXPECT_EQ(
      RefusalOf(policy::VerifyBundle(bundle, {.now = kNow, .anchors = anchors})
                    .status()),
      v1::CHAIN_UNTRUSTED);
}

// The verdict where `node`'s certificate was issued anew after `change`.
v1::RefusalCode JudgeCertificate(
    bool leaf, const std::function<void(x509::CertificateSpec&)>& change) {
  const SimulatedNitro::Node& node =
      leaf ? Machine().leaf() : Machine().instance();
  const SimulatedNitro::Node& issuer =
      leaf ? Machine().instance() : Machine().root();
  x509::CertificateSpec spec = node.spec;
  change(spec);
  const std::string der = x509::IssueCertificate(spec, issuer.key);
  return Judge([&](UnverifiedDocument& d) {
    (leaf ? d.certificate : d.cabundle[1]) = der;
  });
}

// B3.
TEST(NitroTest, HoldsCertificatesToTheirRoles) {
  const auto nothing = [](x509::CertificateSpec&) {};
  EXPECT_EQ(JudgeCertificate(true, nothing), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(JudgeCertificate(false, nothing), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(JudgeCertificate(true,
                             [](x509::CertificateSpec& spec) {
                               spec.extensions[0] =
                                   x509::MakeBasicConstraints(true, 0);
                             }),
            v1::CHAIN_UNTRUSTED);
  EXPECT_EQ(JudgeCertificate(true,
                             [](x509::CertificateSpec& spec) {
                               spec.extensions[1] =
                                   x509::MakeKeyUsage(x509::kKeyUsageCertSign);
                             }),
            v1::CHAIN_UNTRUSTED);
  EXPECT_EQ(JudgeCertificate(false,
                             [](x509::CertificateSpec& spec) {
                               spec.extensions[0] = x509::MakeBasicConstraints(
                                   false, std::nullopt);
                             }),
            v1::CHAIN_UNTRUSTED);
  EXPECT_EQ(JudgeCertificate(false,
                             [](x509::CertificateSpec& spec) {
                               spec.extensions[1] = x509::MakeKeyUsage(
                                   x509::kKeyUsageDigitalSignature);
                             }),
            v1::CHAIN_UNTRUSTED);
  EXPECT_EQ(JudgeCertificate(false,
                             [](x509::CertificateSpec& spec) {
                               spec.extensions.push_back(
                                   {"1.2.3.4", true, std::string("\5\0", 2)});
                             }),
            v1::CHAIN_UNTRUSTED);
  EXPECT_EQ(JudgeCertificate(
                false, [](x509::CertificateSpec& spec) { spec.version = 0; }),
            v1::ENDORSEMENT_MALFORMED);
}

// B10: AWS signs certificates with ECDSA and SHA-384 only.
TEST(NitroTest, RejectsCertificatesSignedOtherwise) {
  for (const bool leaf : {true, false}) {
    EXPECT_EQ(JudgeCertificate(leaf,
                               [](x509::CertificateSpec& spec) {
                                 spec.scheme =
                                     x509::SignatureScheme::kEcdsaSha256;
                               }),
              v1::CHAIN_UNTRUSTED);
  }
}

// B8: with ES384 goes a key on P-384.
TEST(NitroTest, RejectsALeafOnAnotherCurve) {
  const auto key = x509::IssuerKey::GenerateEc(crypto::Curve::kP256);
  EXPECT_EQ(
      JudgeCertificate(
          true, [&](x509::CertificateSpec& spec) { spec.spki = key.Spki(); }),
      v1::ENDORSEMENT_MISMATCH);
}

TEST(NitroTest, RejectsCertificatesThatAreNone) {
  EXPECT_EQ(Judge([](UnverifiedDocument& d) { d.certificate = "no DER"; }),
            v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(Judge([](UnverifiedDocument& d) { d.certificate += '\0'; }),
            v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(Judge([](UnverifiedDocument& d) { d.cabundle[0] += '\0'; }),
            v1::ENDORSEMENT_MALFORMED);
}

std::string MakeCrl(const SimulatedNitro::Node& issuer, char serial,
                    absl::Time issued = kLaunch - absl::Hours(1)) {
  x509::CrlSpec spec;
  spec.issuer = issuer.spec.subject;
  spec.this_update = issued;
  spec.next_update = issued + absl::Hours(24);
  spec.revoked = {std::string(1, serial)};
  spec.scheme = x509::SignatureScheme::kEcdsaSha384;
  return x509::IssueCrl(spec, issuer.key);
}

policy::Collateral Keep(const SimulatedNitro::Node& issuer,
                        const std::string& crl) {
  return policy::Collateral(
      {{.role = "crl",
        .subject =
            policy::CrlSubject(*x509::Certificate::Parse(AsBytes(issuer.der))),
        .content = crl,
        .digest = crypto::Sha256(AsBytes(crl))}});
}

void AddCrl(v1::Evidence& evidence, const std::string& crl) {
  v1::EvidenceFile* file = evidence.add_files();
  file->set_role("crl");
  file->set_content(crl);
}

// B5, B6: no CRL is asked for, but one that is there counts.
TEST(NitroTest, HonoursCrlsThatAreGivenOrKept) {
  const auto judge = [](const std::string& given,
                        const policy::Collateral* kept = nullptr) {
    v1::Evidence evidence = Machine().Attest(kNonce);
    if (!given.empty()) AddCrl(evidence, given);
    return RefusalOf(Verify(evidence, kNow, nullptr, kept).status());
  };
  const auto kept = [&](const SimulatedNitro::Node& issuer, char serial) {
    const policy::Collateral store = Keep(issuer, MakeCrl(issuer, serial));
    return judge("", &store);
  };
  const SimulatedNitro::Node& root = Machine().root();
  const SimulatedNitro::Node& instance = Machine().instance();
  const SimulatedNitro stranger = SimulatedNitro::Create(kLaunch);
  EXPECT_EQ(judge(MakeCrl(root, 9)), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(kept(root, 9), v1::REFUSAL_CODE_UNSPECIFIED);
  // The instance's serial number is 2, the leaf's 3.
  EXPECT_EQ(judge(MakeCrl(root, 2)), v1::CERTIFICATE_REVOKED);
  EXPECT_EQ(judge(MakeCrl(instance, 3)), v1::CERTIFICATE_REVOKED);
  EXPECT_EQ(kept(root, 2), v1::CERTIFICATE_REVOKED);
  EXPECT_EQ(kept(instance, 3), v1::CERTIFICATE_REVOKED);
  EXPECT_EQ(judge(MakeCrl(stranger.root(), 9)), v1::CRL_INVALID);
  EXPECT_EQ(judge(MakeCrl(root, 9, kNow - absl::Hours(25))), v1::CRL_EXPIRED);
  EXPECT_EQ(judge(MakeCrl(root, 9, kNow + absl::Seconds(1))), v1::CRL_EXPIRED);
  EXPECT_EQ(judge("no CRL"), v1::ENDORSEMENT_MALFORMED);
  // The kept one is used in place of the sender's, which is expired.
  const policy::Collateral good = Keep(root, MakeCrl(root, 9));
  EXPECT_EQ(judge(MakeCrl(root, 2, kNow - absl::Hours(25)), &good),
            v1::REFUSAL_CODE_UNSPECIFIED);
  // Another CA of the same name does not speak of this one's certificates, in
  // whatever form its list is.
  EXPECT_EQ(kept(stranger.root(), 2), v1::REFUSAL_CODE_UNSPECIFIED);
  const policy::Collateral others = Keep(stranger.root(), "no CRL");
  EXPECT_EQ(judge("", &others), v1::REFUSAL_CODE_UNSPECIFIED);
  // What is kept for this one is not passed over.
  const policy::Collateral rotten = Keep(root, "no CRL");
  EXPECT_EQ(judge("", &rotten), v1::ENDORSEMENT_MALFORMED);
  const policy::Collateral forged = Keep(root, MakeCrl(stranger.root(), 9));
  EXPECT_EQ(judge("", &forged), v1::CRL_INVALID);
}

TEST(NitroTest, NamesTheCrlsThatItStoodOn) {
  const std::string given = MakeCrl(Machine().instance(), 9);
  const std::string kept = MakeCrl(Machine().root(), 9);
  const policy::Collateral collateral = Keep(Machine().root(), kept);
  v1::Evidence evidence = Machine().Attest(kNonce);
  EXPECT_EQ(Verify(evidence)->collateral_size(), 0);
  AddCrl(evidence, given);
  policy::VerifiedCache cache(1 << 20);
  for (const bool cached : {false, true}) {
    SCOPED_TRACE(cached);
    const auto claims = Verify(evidence, kNow, &cache, &collateral);
    ASSERT_TRUE(claims.ok()) << claims.status();
    ASSERT_EQ(claims->collateral_size(), 2);
    for (const v1::CollateralClaims& used : claims->collateral()) {
      EXPECT_EQ(used.kind(), "crl");
      EXPECT_EQ(used.digest(),
                crypto::Sha256(AsBytes(used.stored() ? kept : given)));
      EXPECT_EQ(used.issued_us(), absl::ToUnixMicros(kLaunch - absl::Hours(1)));
      EXPECT_EQ(used.next_update_us(),
                absl::ToUnixMicros(kLaunch + absl::Hours(23)));
    }
    EXPECT_NE(claims->collateral(0).stored(), claims->collateral(1).stored());
  }
}

// A chain takes a place among those remembered only with a document that was
// signed under it, and is another with another CRL.
TEST(NitroTest, RemembersChainsOfVerifiedDocumentsOnly) {
  policy::VerifiedCache cache(1 << 20);
  Envelope bad;
  bad.signature = std::string(96, '\1');
  EXPECT_FALSE(Verify(SimulatedNitro::Wrap(bad.Encode()), kNow, &cache).ok());
  EXPECT_EQ(cache.size(), 0u);
  ASSERT_TRUE(Verify(Machine().Attest(kNonce), kNow, &cache).ok());
  ASSERT_TRUE(
      Verify(Machine().Attest(std::string(64, '\1')), kNow, &cache).ok());
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_EQ(
      RefusalOf(
          Verify(SimulatedNitro::Wrap(bad.Encode()), kNow, &cache).status()),
      v1::SIGNATURE_INVALID);
  v1::Evidence evidence = Machine().Attest(kNonce);
  AddCrl(evidence, "no CRL");
  EXPECT_EQ(RefusalOf(Verify(evidence, kNow, &cache).status()),
            v1::ENDORSEMENT_MALFORMED);
}

}  // namespace
}  // namespace kms::nitro

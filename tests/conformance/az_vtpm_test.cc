// What an Azure vTPM's Evidence may lie about. Each row is otherwise valid and
// signed anew, differs in the named way only, and has one code. The lies of
// its halves are sev_snp_test's, dcap_test's and tpm_test's.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/x509/der_writer.h"
#include "kms/crypto/x509/issue.h"
#include "policy/az_vtpm/hcl_report.h"
#include "policy/az_vtpm/runtime_data.h"
#include "policy/az_vtpm/td_report.h"
#include "policy/verifier/verified_cache.h"
#include "policy/verifier/verifier.h"
#include "tools/simtee/snp.h"
#include "tools/simtee/tdx.h"
#include "tools/simtee/tpm.h"

namespace kms::az_vtpm {
namespace {

using simtee::SetFile;
using simtee::SimulatedSnp;
using simtee::SimulatedTdx;
using simtee::SimulatedTpm;

const absl::Time kStart =
    absl::FromCivil(absl::CivilDay(2025, 1, 1), absl::UTCTimeZone());
const absl::Time kEnd =
    absl::FromCivil(absl::CivilDay(2032, 1, 1), absl::UTCTimeZone());
const absl::Time kNow = kStart + absl::Hours(24);
constexpr v1::RefusalCode kAccepted = v1::REFUSAL_CODE_UNSPECIFIED;
const std::string kNonce(32, '\x42');

const SimulatedSnp& Snp() {
  static const auto* const kMachine = new SimulatedSnp(SimulatedSnp::Create(
      {.rsa_bits = 2048, .not_before = kStart, .not_after = kEnd}));
  return *kMachine;
}
const SimulatedTdx& Tdx() {
  static const auto* const kMachine = new SimulatedTdx(
      SimulatedTdx::Create({.not_before = kStart, .not_after = kEnd}));
  return *kMachine;
}

simtee::TpmOptions TpmOptions(v1::EvidenceType type) {
  simtee::TpmOptions options;
  options.scheme = tpm::Scheme::kRsaSsa;
  options.type = type;
  options.not_before = kStart;
  options.not_after = kEnd;
  return options;
}
const SimulatedTpm& SnpTpm() {
  static const auto* const kTpm =
      new SimulatedTpm(SimulatedTpm::Create(TpmOptions(v1::AZ_SNP_VTPM)));
  return *kTpm;
}
const SimulatedTpm& TdxTpm() {
  static const auto* const kTpm =
      new SimulatedTpm(SimulatedTpm::Create(TpmOptions(v1::AZ_TDX_VTPM)));
  return *kTpm;
}

std::string Base64Url(const std::string& bytes) {
  return absl::WebSafeBase64Escape(bytes);
}

// The runtime data of `tpm`'s paravisor.
std::string RuntimeJson(const SimulatedTpm& tpm) {
  return absl::StrCat(
      R"({"keys":[{"kid":"HCLAkPub","key_ops":["sign"],"kty":"RSA","e":"AQAB",)",
      R"("n":")", Base64Url(tpm.area().modulus),
      R"("},{"kid":"HCLEkPub","key_ops":["encrypt"],"kty":"RSA","e":"AQAB",)",
      R"("n":"AQAB"}],"vm-configuration":{"secure-boot":true,)",
      R"("tpm-enabled":true,"console-enabled":false,"later":7,)",
      R"("vmUniqueId":"911B0EF8"},"user-data":")", std::string(128, '5'),
      "\"}");
}

std::string ReportData(const std::string& runtime_data) {
  return crypto::Sha256(AsBytes(runtime_data)) + std::string(32, '\0');
}

// The parts of one guest's Evidence, each of which a row may change.
struct Parts {
  std::string runtime_data = RuntimeJson(SnpTpm());
  std::string report_data = ReportData(runtime_data);
  simtee::SnpGuest guest;
  std::function<void(UnverifiedHclReport&)> change_hcl = [](auto&) {};
};

v1::Evidence SnpEvidence(const Parts& parts = {}) {
  const std::string report =
      Snp().Sign(Snp().MakeReport(AsBytes(parts.report_data), parts.guest));
  UnverifiedHclReport hcl;
  hcl.hardware_report = report;
  hcl.runtime_data = parts.runtime_data;
  hcl.padding = 100;
  parts.change_hcl(hcl);
  v1::Evidence evidence = SnpTpm().Attest(kNonce);
  SetFile(evidence, "evidence", SerializeHclReport(hcl));
  const v1::Evidence hardware = Snp().Wrap(report);
  for (const v1::EvidenceFile& file : hardware.files()) {
    if (file.role() != "evidence") *evidence.add_files() = file;
  }
  return evidence;
}

absl::StatusOr<v1::Claims> Verify(
    const v1::Evidence& evidence,
    std::vector<policy::TrustAnchor> more_anchors = {},
    policy::VerifiedCache* cache = nullptr) {
  v1::EvidenceBundle bundle;
  *bundle.add_evidence() = evidence;
  std::vector<policy::TrustAnchor> anchors = policy::TrustAnchors::BuiltIn();
  anchors.push_back(Snp().Anchor());
  anchors.push_back(Tdx().Anchor());
  anchors.insert(anchors.end(), more_anchors.begin(), more_anchors.end());
  const auto created = policy::TrustAnchors::Create(anchors);
  EXPECT_TRUE(created.ok()) << created.status();
  return policy::VerifyBundle(
      bundle, {.now = kNow, .anchors = *created, .cache = cache});
}

v1::RefusalCode Judge(const v1::Evidence& evidence) {
  return RefusalOf(Verify(evidence).status());
}

TEST(AzVtpmTest, AcceptsAndSaysWhoVouches) {
  const auto claims = Verify(SnpEvidence());
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->cpu().type(), v1::AZ_SNP_VTPM);
  EXPECT_EQ(claims->cpu().anchor(), "simulated-snp-ark");
  EXPECT_TRUE(claims->cpu().simulated());
  EXPECT_TRUE(claims->cpu().has_snp());
  EXPECT_EQ(claims->tpm().type(), v1::AZ_SNP_VTPM);
  EXPECT_EQ(claims->tpm().anchor(), "");
  EXPECT_TRUE(claims->tpm().simulated());
  EXPECT_EQ(claims->tpm().nonce(), kNonce);
  EXPECT_EQ(claims->tpm().ak_name(), tpm::NameOf(SnpTpm().area()));
  const v1::AzureClaims& azure = claims->cpu().azure();
  EXPECT_EQ(azure.hcl_version(), 2u);
  EXPECT_EQ(azure.runtime_data_digest(),
            crypto::Sha256(AsBytes(RuntimeJson(SnpTpm()))));
  EXPECT_EQ(azure.user_data(), std::string(64, '\x55'));
  EXPECT_TRUE(azure.secure_boot());
  EXPECT_TRUE(azure.tpm_enabled());
  EXPECT_FALSE(azure.tpm_persisted());
  EXPECT_FALSE(azure.console_enabled());
  EXPECT_EQ(azure.vm_unique_id(), "911B0EF8");
}

// The quote is what is bound; the report names the vTPM.
TEST(AzVtpmTest, BindsTheQuote) {
  const auto claims = Verify(SnpEvidence());
  ASSERT_TRUE(claims.ok());
  EXPECT_TRUE(
      policy::CheckReportData(*claims, AsBytes(kNonce + std::string(32, 'x')))
          .ok());
  EXPECT_EQ(RefusalOf(policy::CheckReportData(
                *claims, AsBytes(claims->cpu().report_data()))),
            v1::EVIDENCE_NOT_BOUND);
  v1::Evidence evidence = SnpEvidence();
  SetFile(evidence, "nonce", "another");
  EXPECT_EQ(Judge(evidence), v1::EVIDENCE_NOT_BOUND);
}

// E12: the hardware vouches for the runtime data by all of its report data.
TEST(AzVtpmTest, RejectsRuntimeDataThatTheHardwareDoesNotVouchFor) {
  Parts parts;
  parts.runtime_data += " ";
  EXPECT_EQ(Judge(SnpEvidence(parts)), v1::EVIDENCE_INCONSISTENT);
  for (size_t at : {0, 31, 32, 63}) {
    Parts changed;
    changed.report_data[at] ^= 1;
    EXPECT_EQ(Judge(SnpEvidence(changed)), v1::EVIDENCE_INCONSISTENT) << at;
  }
  Parts none;
  none.report_data = std::string(64, '\0');
  EXPECT_EQ(Judge(SnpEvidence(none)), v1::EVIDENCE_INCONSISTENT);
}

// E12: only the paravisor asks from VMPL 0.
TEST(AzVtpmTest, RejectsAReportFromOutsideTheParavisor) {
  for (uint32_t vmpl : {1u, 2u, 3u, 0xffffffffu}) {
    Parts parts;
    parts.guest.vmpl = vmpl;
    EXPECT_EQ(Judge(SnpEvidence(parts)), v1::EVIDENCE_INCONSISTENT) << vmpl;
  }
}

// E13: each half is genuine, but they are of two machines.
TEST(AzVtpmTest, RejectsTheQuoteOfAnotherVtpm) {
  const SimulatedTpm other = SimulatedTpm::Create(TpmOptions(v1::AZ_SNP_VTPM));
  v1::Evidence evidence = SnpEvidence();
  const v1::Evidence others = other.Attest(kNonce);
  for (const v1::EvidenceFile& file : others.files()) {
    if (file.role() != "ak_public") {
      SetFile(evidence, file.role(), file.content());
    }
  }
  EXPECT_EQ(Judge(evidence), v1::SIGNATURE_INVALID);
  SetFile(evidence, "ak_public", other.spki());
  EXPECT_EQ(Judge(evidence), v1::ENDORSEMENT_MISMATCH);
  // A pinned key does not stand in for the paravisor's.
  EXPECT_EQ(RefusalOf(Verify(evidence, {other.PinnedAnchor()}).status()),
            v1::ENDORSEMENT_MISMATCH);
}

// The verdict on runtime data that the hardware does vouch for.
v1::RefusalCode JudgeRuntime(const std::string& runtime_data) {
  Parts parts;
  parts.runtime_data = runtime_data;
  parts.report_data = ReportData(runtime_data);
  return Judge(SnpEvidence(parts));
}
v1::RefusalCode JudgeReplaced(const std::string& from, const std::string& to) {
  const std::string json = RuntimeJson(SnpTpm());
  EXPECT_NE(json.find(from), std::string::npos) << from;
  return JudgeRuntime(absl::StrReplaceAll(json, {{from, to}}));
}

// E12: the attestation key.
TEST(AzVtpmTest, RejectsRuntimeDataWithoutAnAttestationKey) {
  EXPECT_EQ(JudgeReplaced("HCLAkPub", "HCLSomePub"), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeReplaced("HCLEkPub", "HCLAkPub"), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeReplaced("\"keys\"", "\"kyes\""), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeRuntime("{\"keys\":[7]}"), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeRuntime("{\"keys\":{}}"), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeReplaced("\"keys\":[", "\"keys\":[7,"),
            v1::EVIDENCE_MALFORMED);
}

TEST(AzVtpmTest, RejectsAnAttestationKeyForOtherUses) {
  for (const char* operations :
       {"[\"encrypt\"]", "[\"sign\",\"encrypt\"]", "[]", "\"sign\"", "7"}) {
    EXPECT_EQ(JudgeReplaced("[\"sign\"]", operations), v1::ENDORSEMENT_MISMATCH)
        << operations;
  }
  EXPECT_EQ(JudgeReplaced("\"key_ops\":[\"sign\"],", ""),
            v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(JudgeReplaced("[\"sign\"]", "[\"sign\"],\"use\":\"sig\""),
            kAccepted);
  EXPECT_EQ(JudgeReplaced("[\"sign\"]", "[\"sign\"],\"use\":\"enc\""),
            v1::ENDORSEMENT_MISMATCH);
}

// B8.
TEST(AzVtpmTest, RejectsAnAttestationKeyThatIsWeak) {
  const std::string ak = Base64Url(SnpTpm().area().modulus);
  EXPECT_EQ(JudgeReplaced("\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"" + ak,
                          "\"kty\":\"EC\",\"e\":\"AQAB\",\"n\":\"" + ak),
            v1::EVIDENCE_UNSUPPORTED);
  for (const std::string& n :
       {std::string(), Base64Url(std::string(128, '\xff')),
        Base64Url('\0' + SnpTpm().area().modulus), ak + "=",
        ak.substr(0, ak.size() - 1) + "*"}) {
    EXPECT_EQ(JudgeReplaced(ak, n), v1::EVIDENCE_MALFORMED) << n;
  }
  // The same number in another spelling: its last digit has four bits to spare.
  EXPECT_EQ(JudgeReplaced(ak, ak.substr(0, ak.size() - 1) +
                                  static_cast<char>(ak.back() + 1)),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeReplaced("\"e\":\"AQAB\",\"n\":\"" + ak,
                          "\"e\":\"Aw\",\"n\":\"" + ak),
            v1::EVIDENCE_MALFORMED);
}

// G2.
TEST(AzVtpmTest, RejectsIllFormedRuntimeData) {
  EXPECT_EQ(JudgeReplaced("\"later\":7", "\"later\":{}"), kAccepted);
  for (const char* replaced :
       {"\"later\":7x", "\"later\":\"\\u0061\"", "\"secure-boot\":false",
        "\"later\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}"}) {
    EXPECT_EQ(JudgeReplaced("\"later\":7", replaced), v1::EVIDENCE_MALFORMED)
        << replaced;
  }
  EXPECT_EQ(
      JudgeReplaced("\"vm-configuration\":", "\"vm-configuration\":7,\"x\":"),
      v1::EVIDENCE_MALFORMED);
  for (const char* name : {"secure-boot", "tpm-enabled", "console-enabled"}) {
    const std::string flag = absl::StrCat("\"", name, "\":");
    EXPECT_EQ(JudgeReplaced(flag, flag + "0,\"x\":"), v1::EVIDENCE_MALFORMED)
        << name;
  }
  EXPECT_EQ(JudgeReplaced("\"later\":7", "\"tpm-persisted\":\"yes\""),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeReplaced("\"911B0EF8\"", "7"), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeReplaced("911B0EF8", std::string(65, 'x')),
            v1::EVIDENCE_MALFORMED);
  const std::string user_data(128, '5');
  EXPECT_EQ(JudgeReplaced(user_data, user_data + "55"), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeReplaced(user_data, user_data.substr(2)),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeReplaced(user_data, "g" + user_data.substr(1)),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeReplaced("\"" + user_data + "\"", "null"),
            v1::EVIDENCE_MALFORMED);
  for (const char* json : {"", "[]", "{}", "{} {}", "nonsense"}) {
    EXPECT_EQ(JudgeRuntime(json), v1::EVIDENCE_MALFORMED) << json;
  }
}

TEST(AzVtpmTest, ShowsWhatTheRuntimeDataDoesNotSay) {
  std::string json = RuntimeJson(SnpTpm());
  json = json.substr(0, json.find(",\"vm-configuration\"")) + "}";
  Parts parts;
  parts.runtime_data = json;
  parts.report_data = ReportData(json);
  const auto claims = Verify(SnpEvidence(parts));
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_FALSE(claims->cpu().azure().has_vm_configuration());
  EXPECT_EQ(claims->cpu().azure().user_data(), "");
}

// A3, A8: the header and the padding, which nothing signs.
TEST(AzVtpmTest, RejectsEveryOtherHeader) {
  const auto judge = [](size_t at, uint32_t value) {
    v1::Evidence evidence = SnpEvidence();
    for (v1::EvidenceFile& file : *evidence.mutable_files()) {
      if (file.role() != "evidence") continue;
      file.mutable_content()->replace(at, 4, ByteWriter().U32Le(value).Take());
    }
    return Judge(evidence);
  };
  EXPECT_EQ(judge(0x00, 0x414c4349), v1::EVIDENCE_MALFORMED);
  for (uint32_t version : {0u, 3u, 0x10001u, 0xffffffffu}) {
    EXPECT_EQ(judge(0x04, version), v1::EVIDENCE_UNSUPPORTED) << version;
  }
  EXPECT_EQ(judge(0x04, 1), kAccepted);
  EXPECT_EQ(judge(0x08, 0), v1::EVIDENCE_MALFORMED);
  for (uint32_t request : {0u, 1u, 3u}) {
    EXPECT_EQ(judge(0x0c, request), v1::EVIDENCE_UNSUPPORTED);
  }
  for (size_t at = 0x10; at < 0x20; at += 4) {
    EXPECT_EQ(judge(at, 1), v1::EVIDENCE_MALFORMED) << at;
  }
  EXPECT_EQ(judge(0x4c0, 20), v1::EVIDENCE_MALFORMED);
  for (uint32_t value : {0u, 2u, 3u}) {
    EXPECT_EQ(judge(0x4c4, value), v1::EVIDENCE_UNSUPPORTED);  // Version.
    EXPECT_EQ(judge(0x4cc, value), v1::EVIDENCE_UNSUPPORTED);  // Hash.
  }
  for (uint32_t type : {0u, 1u, 3u, 5u}) {
    EXPECT_EQ(judge(0x4c8, type), v1::EVIDENCE_UNSUPPORTED) << type;
  }
  for (uint32_t size : {0u, 1u, 0x7fffffffu, 0xfffffff0u, 0xffffffffu}) {
    EXPECT_EQ(judge(0x4d0, size), v1::EVIDENCE_MALFORMED) << size;
  }
  // Both sizes agree with each other, and with nothing else; what follows is
  // not zero; more of it than there may be.
  const auto changed = [](const std::function<void(std::string&)>& change) {
    v1::Evidence evidence = SnpEvidence();
    for (v1::EvidenceFile& file : *evidence.mutable_files()) {
      if (file.role() == "evidence") change(*file.mutable_content());
    }
    return Judge(evidence);
  };
  EXPECT_EQ(changed([](std::string& f) {
              for (const size_t at : {size_t{0x08}, size_t{0x4c0}}) {
                ByteReader reader(AsBytes(f).subspan(at));
                const uint32_t more = reader.U32Le() + 4;
                f.replace(at, 4, ByteWriter().U32Le(more).Take());
              }
            }),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(changed([](std::string& f) { f.back() = '\1'; }),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(changed([](std::string& f) { f += std::string(100, '\0'); }),
            kAccepted);
  EXPECT_EQ(changed([](std::string& f) { f += std::string(16 * 1024, '\0'); }),
            v1::EVIDENCE_MALFORMED);
}

// A1, A2 of the report's own format; every other bit is the hardware's or the
// hash's.
TEST(AzVtpmTest, RejectsEveryByteFlipAndLength) {
  policy::VerifiedCache cache(1 << 20);
  v1::Evidence good = SnpEvidence();
  ASSERT_TRUE(Verify(good, {}, &cache).ok());
  std::string* file = nullptr;
  for (v1::EvidenceFile& candidate : *good.mutable_files()) {
    if (candidate.role() == "evidence") file = candidate.mutable_content();
  }
  const std::string bytes = *file;
  for (size_t at = 0; at < bytes.size(); ++at) {
    *file = bytes;
    (*file)[at] = static_cast<char>((*file)[at] ^ (1 << at % 8));
    // Versions 1 and 2 are both known.
    ASSERT_FALSE(Verify(good, {}, &cache).ok()) << at;
  }
  for (size_t size = 0; size < bytes.size() - 100; size += 11) {
    *file = bytes.substr(0, size);
    ASSERT_EQ(RefusalOf(Verify(good, {}, &cache).status()),
              v1::EVIDENCE_MALFORMED)
        << size;
  }
  *file = bytes + "\x01";
  EXPECT_EQ(Judge(good), v1::EVIDENCE_MALFORMED);
  *file = bytes + std::string(kHclReportBytesMax, '\0');
  EXPECT_EQ(Judge(good), v1::EVIDENCE_MALFORMED);
}

// A7.
TEST(AzVtpmTest, RejectsOtherLabelsRolesAndAbsentFiles) {
  v1::Evidence labelled = SnpEvidence();
  labelled.set_type(v1::AZ_TDX_VTPM);
  EXPECT_EQ(Judge(labelled), v1::EVIDENCE_MALFORMED);  // The VCEK's role.
  v1::Evidence bare;
  bare.set_type(v1::AZ_TDX_VTPM);
  const v1::Evidence snp = SnpEvidence();
  for (const v1::EvidenceFile& file : snp.files()) {
    if (file.role() != "vcek" && file.role() != "cert_chain") {
      *bare.add_files() = file;
    }
  }
  EXPECT_EQ(Judge(bare), v1::EVIDENCE_INCONSISTENT);
  v1::Evidence quoted = SnpEvidence();
  SetFile(quoted, "evidence_hw", "x");
  EXPECT_EQ(Judge(quoted), v1::EVIDENCE_MALFORMED);
  for (const auto& [role, code] :
       {std::pair{"evidence", v1::EVIDENCE_MALFORMED},
        std::pair{"quote_attest", v1::EVIDENCE_MALFORMED},
        std::pair{"quote_signature", v1::EVIDENCE_MALFORMED},
        std::pair{"pcrs", v1::EVIDENCE_MALFORMED},
        std::pair{"vcek", v1::ENDORSEMENT_MISSING},
        std::pair{"ak_public", kAccepted}}) {
    v1::Evidence without = SnpEvidence();
    for (int i = 0; i < without.files_size(); ++i) {
      if (without.files(i).role() == role) {
        without.mutable_files()->DeleteSubrange(i, 1);
        break;
      }
    }
    EXPECT_EQ(Judge(without), code) << role;
  }
}

// B2: neither an anchor of the vTPM's nor one of SEV-SNP's does both.
TEST(AzVtpmTest, RejectsHardwareThatAnAnchorOfTheVtpmVouchesFor) {
  const SimulatedSnp evil = SimulatedSnp::Create(
      {.rsa_bits = 2048, .not_before = kStart, .not_after = kEnd});
  policy::TrustAnchor anchor = evil.Anchor();
  anchor.name = "evil";
  anchor.type = v1::AZ_SNP_VTPM;
  const std::string report = evil.Sign(evil.MakeReport(
      AsBytes(ReportData(RuntimeJson(SnpTpm()))), simtee::SnpGuest()));
  Parts parts;
  parts.change_hcl = [&](auto& hcl) { hcl.hardware_report = report; };
  v1::Evidence evidence = SnpEvidence(parts);
  const v1::Evidence evils = evil.Wrap(report);
  for (const v1::EvidenceFile& file : evils.files()) {
    if (file.role() != "evidence") {
      SetFile(evidence, file.role(), file.content());
    }
  }
  EXPECT_EQ(RefusalOf(Verify(evidence, {anchor}).status()),
            v1::CHAIN_UNTRUSTED);
}

// --- The AK's certificate, which Azure may add. ---

TEST(AzVtpmTest, VerifiesTheAksCertificateIfItCame) {
  v1::Evidence evidence = SnpEvidence();
  SnpTpm().AddCertificates(evidence);
  const auto claims = Verify(evidence, {SnpTpm().CaAnchor()});
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_TRUE(claims->tpm().ak_certified());
  EXPECT_EQ(claims->tpm().anchor(), "simulated-tpm-ca");
  EXPECT_EQ(claims->cpu().anchor(), "simulated-snp-ark");
  EXPECT_EQ(claims->collateral(0).kind(), "ak_cert");
  EXPECT_EQ(Judge(evidence), v1::CHAIN_UNTRUSTED);

  v1::Evidence chain_only = SnpEvidence();
  SetFile(chain_only, "ak_cert_chain", SnpTpm().ca().der());
  EXPECT_EQ(Judge(chain_only), v1::ENDORSEMENT_MISSING);

  const SimulatedTpm other = SimulatedTpm::Create(TpmOptions(v1::AZ_SNP_VTPM));
  SetFile(evidence, "ak_cert", other.ak_certificate().der());
  SetFile(evidence, "ak_cert_chain", other.ca().der());
  EXPECT_EQ(RefusalOf(Verify(evidence, {other.CaAnchor()}).status()),
            v1::ENDORSEMENT_MISMATCH);
}

TEST(AzVtpmTest, RejectsACertificateThatDoesNotSayItIsForAnAk) {
  for (const char* purpose : {"", "2.23.133.8.1", "1.3.6.1.5.5.7.3.2"}) {
    x509::CertificateSpec spec =
        SimulatedTpm::AkSpec(TpmOptions(v1::AZ_SNP_VTPM), SnpTpm().ak());
    if (*purpose == '\0') {
      spec.extensions.erase(spec.extensions.begin() + 2);
    } else {
      spec.extensions[2].value =
          x509::DerEncode(x509::kDerSequence, x509::DerOid(purpose));
    }
    v1::Evidence evidence = SnpEvidence();
    SnpTpm().AddCertificates(evidence);
    SetFile(evidence, "ak_cert",
            x509::IssueCertificate(spec, SnpTpm().ca_key()));
    EXPECT_EQ(RefusalOf(Verify(evidence, {SnpTpm().CaAnchor()}).status()),
              v1::ENDORSEMENT_MISMATCH)
        << purpose;
  }
}

// Each CRL goes to the chain whose CA issued it.
TEST(AzVtpmTest, HonoursTheRevocationsOfBothChains) {
  const auto judge = [](const std::vector<std::string>& vtpm,
                        const std::vector<std::string>& amd) {
    x509::CrlSpec spec;
    spec.this_update = kStart;
    spec.next_update = kEnd;
    v1::Evidence evidence = SnpEvidence();
    SnpTpm().AddCertificates(evidence);
    const auto add = [&evidence](const std::string& crl) {
      v1::EvidenceFile* file = evidence.add_files();
      file->set_role("crl");
      file->set_content(crl);
    };
    spec.issuer = SnpTpm().ca().subject_der();
    spec.revoked = vtpm;
    spec.scheme = x509::SignatureScheme::kEcdsaSha256;
    add(x509::IssueCrl(spec, SnpTpm().ca_key()));
    spec.issuer = Snp().ark().subject_der();
    spec.revoked = amd;
    spec.scheme = x509::SignatureScheme::kRsaPssSha384;
    add(x509::IssueCrl(spec, Snp().ark_key()));
    return RefusalOf(Verify(evidence, {SnpTpm().CaAnchor()}).status());
  };
  EXPECT_EQ(judge({"\x07"}, {"\x07"}), kAccepted);
  EXPECT_EQ(judge({"\x02"}, {"\x07"}), v1::CERTIFICATE_REVOKED);
  EXPECT_EQ(judge({"\x07"}, {Snp().ask().serial()}), v1::CERTIFICATE_REVOKED);
}

// --- TDX. ---

// A TDREPORT of what `claims` says, which has no meaning of its own.
std::string TdReport(const v1::CpuClaims& claims) {
  const v1::TdxClaims& tdx = claims.tdx();
  ByteWriter tcb;
  tcb.U64Le(0x301ff).Bytes(tdx.tee_tcb_svn()).Bytes(tdx.mrseam());
  tcb.Bytes(tdx.mrsignerseam()).U64Le(tdx.seam_attributes());
  tcb.Bytes(std::string(111, '\0'));
  ByteWriter info;
  info.U64Le(tdx.attributes()).U64Le(tdx.xfam()).Bytes(tdx.mrtd());
  info.Bytes(tdx.mrconfigid()).Bytes(tdx.mrowner()).Bytes(tdx.mrownerconfig());
  info.Bytes(tdx.rtmr0()).Bytes(tdx.rtmr1()).Bytes(tdx.rtmr2());
  info.Bytes(tdx.rtmr3());
  info.Bytes(tdx.mrservicetd().empty() ? std::string(48, '\0')
                                       : tdx.mrservicetd());
  info.Bytes(std::string(64, '\0'));
  ByteWriter report;
  report.U32Le(0x81).Bytes(std::string(12, '\0')).Bytes(std::string(16, 'c'));
  report.Bytes(crypto::Sha384(AsBytes(tcb.str())));
  report.Bytes(crypto::Sha384(AsBytes(info.str())));
  report.Bytes(claims.report_data()).Bytes(std::string(32, '\0'));
  report.Bytes(std::string(32, 'm')).Bytes(tcb.str());
  report.Bytes(std::string(17, '\0')).Bytes(info.str());
  return report.Take();
}

// The same with digests made anew after `change`.
std::string Resealed(std::string report,
                     const std::function<void(std::string&)>& change) {
  change(report);
  report.replace(0x20, 48, crypto::Sha384(AsBytes(report.substr(0x100, 239))));
  report.replace(0x50, 48, crypto::Sha384(AsBytes(report.substr(0x200, 512))));
  return report;
}

v1::CpuClaims TdClaims(const v1::Evidence& tdx) {
  const auto claims = Verify(tdx);
  EXPECT_TRUE(claims.ok()) << claims.status();
  return claims->cpu();
}

v1::Evidence TdxEvidence(
    const simtee::TdxGuest& guest = {},
    const std::function<void(std::string&)>& change = [](std::string&) {}) {
  const std::string runtime_data = RuntimeJson(TdxTpm());
  const v1::Evidence tdx =
      Tdx().Attest(AsBytes(ReportData(runtime_data)), guest);
  UnverifiedHclReport hcl;
  hcl.hardware = Hardware::kTdx;
  hcl.hardware_report = Resealed(TdReport(TdClaims(tdx)), change);
  hcl.runtime_data = runtime_data;
  v1::Evidence evidence = TdxTpm().Attest(kNonce);
  SetFile(evidence, "evidence", SerializeHclReport(hcl));
  for (const v1::EvidenceFile& file : tdx.files()) {
    SetFile(evidence, file.role() == "evidence" ? "evidence_hw" : file.role(),
            file.content());
  }
  return evidence;
}

TEST(AzVtpmTdxTest, AcceptsQuotesOfBothVersions) {
  for (const uint16_t version : {uint16_t{4}, uint16_t{5}}) {
    simtee::TdxGuest guest;
    guest.version = version;
    guest.is_15 = version == 5;
    const auto claims = Verify(TdxEvidence(guest));
    ASSERT_TRUE(claims.ok()) << claims.status();
    EXPECT_EQ(claims->cpu().type(), v1::AZ_TDX_VTPM);
    EXPECT_EQ(claims->tpm().type(), v1::AZ_TDX_VTPM);
    EXPECT_EQ(claims->cpu().tdx().quote_version(), version);
    EXPECT_EQ(claims->cpu().tcb_status(), "UpToDate");
    EXPECT_GE(claims->collateral_size(), 4);
  }
}

// E12, E13: a genuine quote, but of another TDREPORT than the vTPM's.
TEST(AzVtpmTdxTest, RejectsTheQuoteOfAnotherTdReport) {
  // The fields of TEE_TCB_INFO and TDINFO that a quote repeats.
  for (size_t at : {0x108, 0x118, 0x148, 0x178, 0x200, 0x208, 0x210, 0x240,
                    0x270, 0x2a0, 0x2d0, 0x300, 0x330, 0x360, 0x390, 0x80}) {
    EXPECT_EQ(Judge(TdxEvidence({}, [at](std::string& r) { r[at] ^= 1; })),
              v1::EVIDENCE_INCONSISTENT)
        << at;
  }
  // Of what no quote repeats the vTPM's word is not asked.
  for (size_t at : {0x10, 0xe0, 0x100}) {
    EXPECT_EQ(Judge(TdxEvidence({}, [at](std::string& r) { r[at] ^= 1; })),
              kAccepted)
        << at;
  }
}

TEST(AzVtpmTdxTest, RejectsAnIllFormedTdReport) {
  const auto judge = [](size_t at, char value) {
    return Judge(TdxEvidence({}, [&](std::string& r) { r[at] = value; }));
  };
  for (size_t at :
       {0x01, 0x03, 0x04, 0x0f, 0xc0, 0xdf, 0x1ef, 0x1ff, 0x3c0, 0x3ff}) {
    EXPECT_EQ(judge(at, 1), v1::EVIDENCE_MALFORMED) << at;
  }
  EXPECT_EQ(judge(0x00, 0), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge(0x02, 1), kAccepted);
  EXPECT_EQ(judge(0x02, 2), v1::EVIDENCE_MALFORMED);
  const std::string good = TdReport(
      TdClaims(Tdx().Attest(AsBytes(ReportData("")), simtee::TdxGuest())));
  ASSERT_TRUE(ParseTdReport(AsBytes(good)).ok());
  for (size_t at : {0x20, 0x4f, 0x50, 0x7f, 0x100, 0x1ee, 0x200, 0x3bf}) {
    std::string changed = good;
    changed[at] ^= 1;
    EXPECT_EQ(RefusalOf(ParseTdReport(AsBytes(changed)).status()),
              v1::EVIDENCE_MALFORMED)
        << at;
  }
  for (size_t size : {0, 1023, 1025, 1184}) {
    std::string changed = good;
    changed.resize(size, '\0');
    EXPECT_EQ(RefusalOf(ParseTdReport(AsBytes(changed)).status()),
              v1::EVIDENCE_MALFORMED);
  }
}

TEST(AzVtpmTdxTest, RejectsRuntimeDataThatTheQuoteDoesNotVouchFor) {
  v1::Evidence evidence = TdxEvidence();
  for (v1::EvidenceFile& file : *evidence.mutable_files()) {
    if (file.role() != "evidence") continue;
    auto hcl = ParseHclReport(AsBytes(file.content()));
    ASSERT_TRUE(hcl.ok());
    hcl->runtime_data += " ";
    file.set_content(SerializeHclReport(*hcl));
  }
  EXPECT_EQ(Judge(evidence), v1::EVIDENCE_INCONSISTENT);
}

// The area is an SNP report's, which is longer.
TEST(AzVtpmTdxTest, RejectsWhatStandsBehindATdReport) {
  for (const size_t at : {0x420, 0x4bf}) {
    v1::Evidence evidence = TdxEvidence();
    for (v1::EvidenceFile& file : *evidence.mutable_files()) {
      if (file.role() == "evidence") (*file.mutable_content())[at] = '\1';
    }
    EXPECT_EQ(Judge(evidence), v1::EVIDENCE_MALFORMED) << at;
  }
}

TEST(AzVtpmTdxTest, NeedsAQuoteAndItsCollateral) {
  for (const auto& [role, code] :
       {std::pair{"evidence_hw", v1::EVIDENCE_MALFORMED},
        std::pair{"tcb_info", v1::ENDORSEMENT_MISSING}}) {
    v1::Evidence evidence = TdxEvidence();
    for (int i = 0; i < evidence.files_size(); ++i) {
      if (evidence.files(i).role() == role) {
        evidence.mutable_files()->DeleteSubrange(i, 1);
        break;
      }
    }
    EXPECT_EQ(Judge(evidence), code) << role;
  }
}

}  // namespace
}  // namespace kms::az_vtpm

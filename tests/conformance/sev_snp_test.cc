// What SEV-SNP Evidence may lie about. Each row is otherwise valid and signed
// anew, differs in the named way only, and has one code.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "kms/base/refusal.h"
#include "kms/crypto/x509/der_writer.h"
#include "kms/crypto/x509/issue.h"
#include "kms/crypto/x509/pem.h"
#include "policy/sev_snp/cert_table.h"
#include "policy/verifier/collateral.h"
#include "policy/verifier/crls.h"
#include "policy/verifier/verified_cache.h"
#include "policy/verifier/verifier.h"
#include "tools/simtee/snp.h"

namespace kms::sev_snp {
namespace {

using simtee::SimulatedSnp;
using simtee::SnpGuest;
using simtee::SnpOptions;

const absl::Time kStart =
    absl::FromCivil(absl::CivilDay(2025, 1, 1), absl::UTCTimeZone());
const absl::Time kEnd =
    absl::FromCivil(absl::CivilDay(2032, 1, 1), absl::UTCTimeZone());
const absl::Time kNow = kStart + absl::Hours(24);

SnpOptions Options(Product product = Product::kGenoa,
                   SigningKey kind = SigningKey::kVcek) {
  SnpOptions options;
  options.product = product;
  options.kind = kind;
  options.tcb = {
      .fmc = static_cast<uint8_t>(product == Product::kTurin ? 3 : 0),
      .bootloader = 10,
      .tee = 1,
      .snp = 27,
      .microcode = 84};
  options.rsa_bits = 2048;  // To save seconds; AMD's are 4096.
  options.not_before = kStart;
  options.not_after = kEnd;
  return options;
}

const SimulatedSnp& Genoa() {
  static const auto* const kMachine =
      new SimulatedSnp(SimulatedSnp::Create(Options()));
  return *kMachine;
}
const SimulatedSnp& GenoaVlek() {
  static const auto* const kMachine = new SimulatedSnp(
      SimulatedSnp::Create(Options(Product::kGenoa, SigningKey::kVlek)));
  return *kMachine;
}
const SimulatedSnp& Turin() {
  static const auto* const kMachine =
      new SimulatedSnp(SimulatedSnp::Create(Options(Product::kTurin)));
  return *kMachine;
}

policy::TrustAnchors Anchors(const policy::TrustAnchor& anchor) {
  std::vector<policy::TrustAnchor> anchors = policy::TrustAnchors::BuiltIn();
  anchors.push_back(anchor);
  return *policy::TrustAnchors::Create(anchors);
}

absl::StatusOr<v1::Claims> Verify(const v1::Evidence& evidence,
                                  const policy::TrustAnchor& anchor,
                                  absl::Time now = kNow,
                                  policy::VerifiedCache* cache = nullptr) {
  v1::EvidenceBundle bundle;
  *bundle.add_evidence() = evidence;
  const policy::TrustAnchors anchors = Anchors(anchor);
  return policy::VerifyBundle(bundle,
                              {.now = now, .anchors = anchors, .cache = cache});
}

const std::string kReportData(64, '\x42');

UnverifiedReport Report(const SimulatedSnp& machine) {
  return machine.MakeReport(AsBytes(kReportData), SnpGuest());
}

// The verdict on `machine`'s report after `change` and a new signature.
v1::RefusalCode Judge(const SimulatedSnp& machine,
                      const std::function<void(UnverifiedReport&)>& change) {
  UnverifiedReport report = Report(machine);
  change(report);
  return RefusalOf(
      Verify(machine.Wrap(machine.Sign(report)), machine.Anchor()).status());
}

// The same for a change of bytes that no report may hold.
v1::RefusalCode JudgeBytes(const SimulatedSnp& machine, size_t offset,
                           const std::string& bytes) {
  std::string signed_bytes =
      SerializeReport(Report(machine)).substr(0, kSignedBytes);
  signed_bytes.replace(offset, bytes.size(), bytes);
  return RefusalOf(
      Verify(machine.Wrap(machine.SignBytes(signed_bytes)), machine.Anchor())
          .status());
}

std::string U32(uint32_t value) {
  std::string bytes;
  for (int i = 0; i < 4; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}
std::string U64(uint64_t value) {
  return U32(static_cast<uint32_t>(value)) +
         U32(static_cast<uint32_t>(value >> 32));
}

void SetFile(v1::Evidence& evidence, const std::string& role,
             const std::string& content) {
  for (v1::EvidenceFile& file : *evidence.mutable_files()) {
    if (file.role() == role) {
      file.set_content(content);
      return;
    }
  }
  v1::EvidenceFile* file = evidence.add_files();
  file->set_role(role);
  file->set_content(content);
}

v1::Evidence Good(const SimulatedSnp& machine) {
  return machine.Attest(AsBytes(kReportData), SnpGuest());
}

TEST(SevSnpTest, AcceptsEachProductAndKindAndSaysSimulated) {
  for (const SimulatedSnp* machine : {&Genoa(), &GenoaVlek(), &Turin()}) {
    const auto claims = Verify(Good(*machine), machine->Anchor());
    ASSERT_TRUE(claims.ok()) << claims.status();
    EXPECT_TRUE(claims->cpu().simulated());
    EXPECT_EQ(claims->cpu().anchor(), "simulated-snp-ark");
    EXPECT_EQ(claims->cpu().product(), ProductName(machine->product()));
    EXPECT_EQ(claims->cpu().report_data(), kReportData);
    EXPECT_FALSE(claims->cpu().debug());
    EXPECT_EQ(claims->cpu().chip_id().empty(), machine->vlek());
  }
}

TEST(SevSnpTest, AcceptsEveryVersion) {
  for (uint32_t version : {2, 3, 4, 5}) {
    SnpGuest guest;
    guest.version = version;
    const auto claims =
        Verify(Genoa().Attest(AsBytes(kReportData), guest), Genoa().Anchor());
    ASSERT_TRUE(claims.ok()) << claims.status();
    EXPECT_EQ(claims->cpu().snp().version(), version);
  }
}

// C1, C2: verification shows them; policies refuse them.
TEST(SevSnpTest, ShowsDebugAndMigration) {
  SnpGuest guest;
  guest.policy |= kPolicyDebug | kPolicyMigrateMa;
  const auto claims =
      Verify(Genoa().Attest(AsBytes(kReportData), guest), Genoa().Anchor());
  ASSERT_TRUE(claims.ok());
  EXPECT_TRUE(claims->cpu().debug());
  EXPECT_TRUE(claims->cpu().migratable());
}

// A1: no bit of the report is a don't-care.
TEST(SevSnpTest, RejectsEveryBitFlip) {
  policy::VerifiedCache cache(1 << 20);
  const v1::Evidence good = Good(Genoa());
  ASSERT_TRUE(Verify(good, Genoa().Anchor(), kNow, &cache).ok());
  for (size_t bit = 0; bit < 8 * kReportBytes; ++bit) {
    v1::Evidence evidence = good;
    std::string& report = *evidence.mutable_files(0)->mutable_content();
    report[bit / 8] = static_cast<char>(report[bit / 8] ^ (1 << bit % 8));
    const auto claims = Verify(evidence, Genoa().Anchor(), kNow, &cache);
    ASSERT_FALSE(claims.ok()) << "bit " << bit;
    ASSERT_NE(RefusalOf(claims.status()), v1::INTERNAL_ERROR) << "bit " << bit;
  }
}

// A1 for the certificate: one bit in each byte.
TEST(SevSnpTest, RejectsAFlipInEachByteOfTheLeaf) {
  const v1::Evidence good = Good(Genoa());
  for (size_t at = 0; at < Genoa().leaf().der().size(); ++at) {
    std::string der = Genoa().leaf().der();
    der[at] = static_cast<char>(der[at] ^ (1 << at % 8));
    v1::Evidence evidence = good;
    SetFile(evidence, "vcek", der);
    ASSERT_FALSE(Verify(evidence, Genoa().Anchor()).ok()) << "byte " << at;
  }
}

// A2.
TEST(SevSnpTest, RejectsEveryOtherLength) {
  const std::string report = Genoa().Sign(Report(Genoa()));
  for (size_t size = 0; size <= report.size() + 64; ++size) {
    if (size == report.size()) continue;
    std::string changed = report;
    changed.resize(size, '\0');
    EXPECT_EQ(RefusalOf(ParseReport(AsBytes(changed)).status()),
              v1::EVIDENCE_MALFORMED);
  }
  EXPECT_EQ(RefusalOf(ParseReport(AsBytes(report + report)).status()),
            v1::EVIDENCE_MALFORMED);
}

// A7.
TEST(SevSnpTest, RejectsAnotherTypesLabel) {
  v1::Evidence evidence = Good(Genoa());
  evidence.set_type(v1::TDX);
  EXPECT_EQ(RefusalOf(Verify(evidence, Genoa().Anchor()).status()),
            v1::EVIDENCE_MALFORMED);
}

// A8.
TEST(SevSnpTest, RejectsOtherVersions) {
  for (uint32_t version : {0u, 1u, 6u, 0xffffu, 0x10002u, 0xffffffffu}) {
    EXPECT_EQ(JudgeBytes(Genoa(), 0, U32(version)), v1::EVIDENCE_UNSUPPORTED);
  }
}

TEST(SevSnpTest, RejectsReservedBytes) {
  for (size_t at : {0x4c, 0x4f, 0x18b, 0x19f, 0x1eb, 0x1ef, 0x208, 0x29f}) {
    EXPECT_EQ(JudgeBytes(Genoa(), at, "\1"), v1::EVIDENCE_MALFORMED) << at;
  }
  EXPECT_EQ(JudgeBytes(Genoa(), 0x48, U32(1u << 5)), v1::EVIDENCE_MALFORMED);
  // In no version before the field exists.
  EXPECT_EQ(Judge(Genoa(),
                  [](UnverifiedReport& r) {
                    r.version = 4;
                    r.launch_mit_vector = 1;
                  }),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(Judge(Genoa(), [](UnverifiedReport& r) { r.version = 2; }),
            v1::EVIDENCE_MALFORMED);  // With CPUID.
}

TEST(SevSnpTest, RejectsUnknownFlagBits) {
  for (int bit = 26; bit < 64; ++bit) {
    EXPECT_EQ(JudgeBytes(Genoa(), 8, U64(kPolicyMustBeOne | 1ull << bit)),
              v1::EVIDENCE_UNSUPPORTED);
  }
  for (int bit = 8; bit < 64; ++bit) {
    EXPECT_EQ(JudgeBytes(Genoa(), 0x40, U64(1ull << bit)),
              v1::EVIDENCE_UNSUPPORTED);
  }
}

// A9: both boundary seconds are inside.
TEST(SevSnpTest, HoldsCertificatesToTheirTime) {
  const v1::Evidence evidence = Good(Genoa());
  const policy::TrustAnchor anchor = Genoa().Anchor();
  policy::VerifiedCache cache(1 << 20);
  EXPECT_TRUE(Verify(evidence, anchor, kStart, &cache).ok());
  EXPECT_TRUE(Verify(evidence, anchor, kEnd, &cache).ok());
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_EQ(
      RefusalOf(
          Verify(evidence, anchor, kStart - absl::Seconds(1), &cache).status()),
      v1::CERTIFICATE_NOT_YET_VALID);
  EXPECT_EQ(
      RefusalOf(
          Verify(evidence, anchor, kEnd + absl::Seconds(1), &cache).status()),
      v1::CERTIFICATE_EXPIRED);
}

// B1.
TEST(SevSnpTest, RejectsARootOfTheSameNameWithAnotherKey) {
  const SimulatedSnp evil = SimulatedSnp::Create(Options());
  EXPECT_EQ(RefusalOf(Verify(Good(evil), Genoa().Anchor()).status()),
            v1::CHAIN_UNTRUSTED);
  v1::Evidence mixed = Good(evil);  // The true ARK beside the false ASK.
  SetFile(mixed, "cert_chain",
          x509::ToPem(AsBytes(evil.ask().der()), "CERTIFICATE") +
              x509::ToPem(AsBytes(Genoa().ark().der()), "CERTIFICATE"));
  EXPECT_EQ(RefusalOf(Verify(mixed, Genoa().Anchor()).status()),
            v1::CHAIN_UNTRUSTED);
}

// B2.
TEST(SevSnpTest, RejectsAnAnchorOfAnotherType) {
  policy::TrustAnchor anchor = Genoa().Anchor();
  anchor.type = v1::TDX;
  EXPECT_EQ(RefusalOf(Verify(Good(Genoa()), anchor).status()),
            v1::CHAIN_UNTRUSTED);
}

// B13: the leaf issued anew with one extension changed.
v1::RefusalCode JudgeLeaf(
    const std::function<void(x509::CertificateSpec&)>& change) {
  x509::CertificateSpec spec =
      SimulatedSnp::LeafSpec(Options(), Genoa().leaf_key());
  change(spec);
  v1::Evidence evidence = Good(Genoa());
  SetFile(evidence, "vcek", x509::IssueCertificate(spec, Genoa().ask_key()));
  return RefusalOf(Verify(evidence, Genoa().Anchor()).status());
}

x509::Extension& Find(x509::CertificateSpec& spec, const std::string& arc) {
  for (x509::Extension& extension : spec.extensions) {
    if (extension.oid == "1.3.6.1.4.1.3704.1." + arc) return extension;
  }
  std::abort();
}

TEST(SevSnpTest, RejectsIllFormedKeyCertificateExtensions) {
  for (const std::string arc : {"1", "3.1", "3.2", "3.3", "3.4", "3.8"}) {
    for (const std::string& value :
         {std::string("\x02\x02\x01\x00", 4), std::string("\x0a\x01\x01", 3),
          std::string("\x02\x01\x81", 3), std::string("\x02\x02\x00\x01", 4),
          std::string("\x02\x01\x01\x00", 4), std::string()}) {
      EXPECT_EQ(JudgeLeaf([&](x509::CertificateSpec& spec) {
                  Find(spec, arc).value = value;
                }),
                v1::ENDORSEMENT_MALFORMED)
          << arc;
    }
    EXPECT_EQ(JudgeLeaf([&](x509::CertificateSpec& spec) {
                Find(spec, arc).oid = "1.2.3.4";
              }),
              v1::ENDORSEMENT_MALFORMED);
  }
  EXPECT_EQ(JudgeLeaf([](x509::CertificateSpec& spec) {
              Find(spec, "4").value.pop_back();
            }),
            v1::ENDORSEMENT_MALFORMED);
  for (const std::string arc : {"3.4", "3.5", "3.6", "3.7"}) {  // Reserved.
    EXPECT_EQ(JudgeLeaf([&](x509::CertificateSpec& spec) {
                Find(spec, arc).value = x509::DerU32(1);
              }),
              v1::ENDORSEMENT_MALFORMED);
  }
  for (const std::string name : {"Rome", "genoa", "Genoa2", ""}) {
    EXPECT_EQ(JudgeLeaf([&](x509::CertificateSpec& spec) {
                Find(spec, "2").value =
                    x509::DerEncode(x509::kDerIa5String, name);
              }),
              v1::ENDORSEMENT_MALFORMED);
  }
  EXPECT_EQ(JudgeLeaf([](x509::CertificateSpec& spec) {  // B12.
              spec.extensions.push_back(Find(spec, "3.3"));
            }),
            v1::ENDORSEMENT_MALFORMED);
}

TEST(SevSnpTest, RejectsReservedTcbBytes) {
  using Field = RawTcb UnverifiedReport::*;
  for (Field field :
       {&UnverifiedReport::current_tcb, &UnverifiedReport::reported_tcb,
        &UnverifiedReport::committed_tcb, &UnverifiedReport::launch_tcb}) {
    for (size_t at : {2, 5}) {
      EXPECT_EQ(
          Judge(Genoa(), [&](UnverifiedReport& r) { (r.*field)[at] = 1; }),
          v1::EVIDENCE_MALFORMED);
    }
    for (size_t at : {4, 6}) {
      EXPECT_EQ(
          Judge(Turin(), [&](UnverifiedReport& r) { (r.*field)[at] = 1; }),
          v1::EVIDENCE_MALFORMED);
    }
  }
}

// C4, C5.
TEST(SevSnpTest, RejectsImpossibleFields) {
  EXPECT_EQ(Judge(Genoa(),
                  [](UnverifiedReport& r) { r.policy &= ~kPolicyMustBeOne; }),
            v1::EVIDENCE_MALFORMED);
  for (uint32_t vmpl : {4u, 0x80000000u, 0xfffffffeu}) {
    EXPECT_EQ(Judge(Genoa(), [&](UnverifiedReport& r) { r.vmpl = vmpl; }),
              v1::EVIDENCE_MALFORMED);
  }
}

// C6, C7.
TEST(SevSnpTest, RejectsReportsThatNobodySigned) {
  for (uint32_t algorithm : {0u, 2u, 0x101u}) {
    EXPECT_EQ(JudgeBytes(Genoa(), 0x34, U32(algorithm)),
              v1::EVIDENCE_UNSUPPORTED);
  }
  for (uint32_t key = 2; key < 7; ++key) {
    EXPECT_EQ(JudgeBytes(Genoa(), 0x48, U32(key << kFlagSigningKeyShift)),
              v1::EVIDENCE_UNSUPPORTED);
  }
  EXPECT_EQ(
      JudgeBytes(Genoa(), 0x48, U32(kSigningKeyNone << kFlagSigningKeyShift)),
      v1::EVIDENCE_UNSIGNED);
  EXPECT_EQ(JudgeBytes(Genoa(), 0x48, U32(kFlagMaskChipKey)),
            v1::EVIDENCE_UNSIGNED);
  EXPECT_EQ(RefusalOf(Verify(Genoa().Wrap(SerializeReport(Report(Genoa()))),
                             Genoa().Anchor())
                          .status()),
            v1::EVIDENCE_UNSIGNED);
}

// B9: one half of the signature.
TEST(SevSnpTest, RejectsASignatureWithAZeroHalf) {
  for (size_t at : {kSignedBytes, kSignedBytes + 72}) {
    std::string report = Genoa().Sign(Report(Genoa()));
    report.replace(at, 48, std::string(48, '\0'));
    EXPECT_EQ(
        RefusalOf(Verify(Genoa().Wrap(report), Genoa().Anchor()).status()),
        v1::EVIDENCE_UNSIGNED);
  }
}

// B9: R and S in the other byte order.
TEST(SevSnpTest, RejectsABigEndianSignature) {
  std::string report = Genoa().Sign(Report(Genoa()));
  for (size_t at : {kSignedBytes, kSignedBytes + 72}) {
    std::reverse(report.begin() + static_cast<ptrdiff_t>(at),
                 report.begin() + static_cast<ptrdiff_t>(at) + 48);
  }
  EXPECT_EQ(RefusalOf(Verify(Genoa().Wrap(report), Genoa().Anchor()).status()),
            v1::SIGNATURE_INVALID);
}

// C8.
TEST(SevSnpTest, RejectsAnotherChip) {
  EXPECT_EQ(Judge(Genoa(), [](UnverifiedReport& r) { r.chip_id.fill(0); }),
            v1::CHIP_ID_MISMATCH);
  EXPECT_EQ(Judge(Genoa(), [](UnverifiedReport& r) { r.chip_id[63] ^= 1; }),
            v1::CHIP_ID_MISMATCH);
  EXPECT_EQ(Judge(Turin(), [](UnverifiedReport& r) { r.chip_id[8] = 1; }),
            v1::CHIP_ID_MISMATCH);
  EXPECT_EQ(Judge(GenoaVlek(), [](UnverifiedReport& r) { r.chip_id[0] = 1; }),
            v1::CHIP_ID_MISMATCH);
}

// A masked chip id is nobody's, even where a certificate says the same.
TEST(SevSnpTest, RejectsAMaskedChipIdUnderAMaskedCertificate) {
  x509::CertificateSpec spec =
      SimulatedSnp::LeafSpec(Options(), Genoa().leaf_key());
  Find(spec, "4").value = std::string(64, '\0');
  UnverifiedReport report = Report(Genoa());
  report.chip_id.fill(0);
  v1::Evidence evidence = Genoa().Wrap(Genoa().Sign(report));
  SetFile(evidence, "vcek", x509::IssueCertificate(spec, Genoa().ask_key()));
  EXPECT_EQ(RefusalOf(Verify(evidence, Genoa().Anchor()).status()),
            v1::CHIP_ID_MISMATCH);
}

TEST(SevSnpTest, RejectsKeyCertificatesThatSayWhatTheirKindDoesNot) {
  const auto extension = [](const std::string& arc, std::string value) {
    return x509::Extension{"1.3.6.1.4.1.3704.1." + arc, false,
                           std::move(value)};
  };
  EXPECT_EQ(JudgeLeaf([&](x509::CertificateSpec& spec) {  // A provider's id.
              spec.extensions.push_back(extension(
                  "5", x509::DerEncode(x509::kDerIa5String, "cloud")));
            }),
            v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(JudgeLeaf([](x509::CertificateSpec& spec) {
              spec.subject = x509::MakeName({{"2.5.4.3", "SEV-VCEK2"}});
            }),
            v1::ENDORSEMENT_MISMATCH);
  // A VLEK with a chip id.
  x509::CertificateSpec spec = SimulatedSnp::LeafSpec(
      Options(Product::kGenoa, SigningKey::kVlek), GenoaVlek().leaf_key());
  spec.extensions.push_back(extension("4", std::string(64, '\x07')));
  v1::Evidence evidence = Good(GenoaVlek());
  SetFile(evidence, "vlek",
          x509::IssueCertificate(spec, GenoaVlek().ask_key()));
  EXPECT_EQ(RefusalOf(Verify(evidence, GenoaVlek().Anchor()).status()),
            v1::ENDORSEMENT_MISMATCH);
}

// Genoa()'s evidence with its CAs issued anew: the ASK by the last of
// `above_ask`, each of which the one before it issued, the first the ARK key.
struct Ca {
  x509::IssuerKey key;
  std::string name;
};
v1::RefusalCode JudgePath(const std::string& ark_name,
                          const std::vector<Ca>& above_ask) {
  x509::CertificateSpec ark =
      SimulatedSnp::ArkSpec(Options(), Genoa().ark_key());
  ark.subject = ark.issuer = x509::MakeName({{"2.5.4.3", ark_name}});
  std::string pem = x509::ToPem(
      AsBytes(x509::IssueCertificate(ark, Genoa().ark_key())), "CERTIFICATE");
  x509::IssuerKey issuer = Genoa().ark_key();
  std::string issuer_name = ark.subject;
  for (const Ca& ca : above_ask) {
    x509::CertificateSpec spec = SimulatedSnp::ArkSpec(Options(), ca.key);
    spec.issuer = issuer_name;
    spec.subject = x509::MakeName({{"2.5.4.3", ca.name}});
    pem += x509::ToPem(AsBytes(x509::IssueCertificate(spec, issuer)),
                       "CERTIFICATE");
    issuer = ca.key;
    issuer_name = spec.subject;
  }
  x509::CertificateSpec ask =
      SimulatedSnp::AskSpec(Options(), Genoa().ask_key());
  ask.issuer = issuer_name;
  pem +=
      x509::ToPem(AsBytes(x509::IssueCertificate(ask, issuer)), "CERTIFICATE");
  v1::Evidence evidence = Good(Genoa());
  SetFile(evidence, "cert_chain", pem);
  return RefusalOf(Verify(evidence, Genoa().Anchor()).status());
}

// C9, C13: leaf, ASK and ARK of one product, and nothing between them.
TEST(SevSnpTest, RejectsOtherPathsToTheAnchor) {
  EXPECT_EQ(JudgePath("ARK-Genoa", {}), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(JudgePath("ARK-Milan", {}), v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(JudgePath("ARK-Root",
                      {{x509::IssuerKey::GenerateRsa(2048), "ARK-Genoa"}}),
            v1::ENDORSEMENT_MISMATCH);
  // The leaf straight under the ARK.
  x509::CertificateSpec spec =
      SimulatedSnp::LeafSpec(Options(), Genoa().leaf_key());
  spec.issuer = Genoa().ark().subject_der();
  v1::Evidence evidence = Good(Genoa());
  SetFile(evidence, "vcek", x509::IssueCertificate(spec, Genoa().ark_key()));
  EXPECT_EQ(RefusalOf(Verify(evidence, Genoa().Anchor()).status()),
            v1::ENDORSEMENT_MISMATCH);
}

// G7: what was verified under one set of anchors says nothing under another.
TEST(SevSnpTest, DoesNotRememberAChainUnderOtherAnchors) {
  policy::VerifiedCache cache(1 << 20);
  const v1::Evidence good = Good(Genoa());
  ASSERT_TRUE(Verify(good, Genoa().Anchor(), kNow, &cache).ok());
  EXPECT_EQ(RefusalOf(Verify(good, Turin().Anchor(), kNow, &cache).status()),
            v1::CHAIN_UNTRUSTED);
  policy::TrustAnchor renamed = Genoa().Anchor();
  renamed.name = "another-name";
  const auto claims = Verify(good, renamed, kNow, &cache);
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->cpu().anchor(), "another-name");
}

// Chains are public: nobody fills the cache without a report of his own.
TEST(SevSnpTest, RemembersOnlyChainsOfReportsThatVerify) {
  policy::VerifiedCache cache(1 << 20);
  v1::Evidence evidence = Good(Genoa());
  std::string& report = *evidence.mutable_files(0)->mutable_content();
  report[0x50] = static_cast<char>(report[0x50] ^ 1);
  EXPECT_EQ(
      RefusalOf(Verify(evidence, Genoa().Anchor(), kNow, &cache).status()),
      v1::SIGNATURE_INVALID);
  EXPECT_EQ(cache.size(), 0u);
}

TEST(SevSnpTest, RejectsMoreThanAReportNeeds) {
  v1::Evidence evidence = Good(Genoa());
  v1::EvidenceFile* file = evidence.add_files();
  file->set_role("cert_chain");
  // White space after a PEM block is allowed, so size alone is wrong.
  file->set_content(Genoa().CertChainPem() + std::string(128 * 1024, '\n'));
  EXPECT_EQ(RefusalOf(Verify(evidence, Genoa().Anchor()).status()),
            v1::REQUEST_TOO_LARGE);
}

// C9.
TEST(SevSnpTest, RejectsMixedHierarchies) {
  const auto other_kind = [](SigningKey kind) {
    return [kind](UnverifiedReport& r) { r.signing_key = kind; };
  };
  EXPECT_EQ(Judge(Genoa(), other_kind(SigningKey::kVlek)),
            v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(Judge(GenoaVlek(), other_kind(SigningKey::kVcek)),
            v1::ENDORSEMENT_MISMATCH);
  // A VLEK under the ASK, and a VCEK in the VLEK's place.
  SnpOptions options = Options(Product::kGenoa, SigningKey::kVlek);
  x509::CertificateSpec spec =
      SimulatedSnp::LeafSpec(options, Genoa().leaf_key());
  spec.issuer = Genoa().ask().subject_der();
  UnverifiedReport report = Report(Genoa());
  report.signing_key = SigningKey::kVlek;
  report.chip_id.fill(0);
  v1::Evidence evidence = Genoa().Wrap(Genoa().Sign(report));
  evidence.mutable_files(1)->set_role("vlek");
  SetFile(evidence, "vlek", x509::IssueCertificate(spec, Genoa().ask_key()));
  EXPECT_EQ(RefusalOf(Verify(evidence, Genoa().Anchor()).status()),
            v1::ENDORSEMENT_MISMATCH);
  SetFile(evidence, "vlek", Genoa().leaf().der());
  EXPECT_EQ(RefusalOf(Verify(evidence, Genoa().Anchor()).status()),
            v1::ENDORSEMENT_MISMATCH);
}

// C10, C11: each component of the reported TCB by itself, up and down. The
// current TCB rises with it, so that nothing else is wrong.
TEST(SevSnpTest, RejectsAReportedTcbOtherThanTheCertificates) {
  for (const SimulatedSnp* machine : {&Genoa(), &Turin()}) {
    for (size_t at = 0; at < 8; ++at) {
      const RawTcb tcb = Report(*machine).reported_tcb;
      if (tcb[at] == 0) continue;
      for (int step : {-1, 1}) {
        EXPECT_EQ(Judge(*machine,
                        [&](UnverifiedReport& r) {
                          r.reported_tcb[at] =
                              static_cast<uint8_t>(r.reported_tcb[at] + step);
                          r.current_tcb[at] = 255;
                        }),
                  v1::TCB_MISMATCH);
      }
    }
  }
  const RawTcb as_milan = EncodeTcb(Options().tcb, Product::kMilan);
  EXPECT_EQ(
      Judge(Turin(), [&](UnverifiedReport& r) { r.reported_tcb = as_milan; }),
      v1::EVIDENCE_MALFORMED);
}

// C12, C2, C14.
TEST(SevSnpTest, RejectsFieldsThatContradictEachOther) {
  for (size_t at : {0, 1, 6, 7}) {
    EXPECT_EQ(Judge(Genoa(),
                    [&](UnverifiedReport& r) {
                      ++r.committed_tcb[at];  // Above current in one part only.
                      r.current_tcb[7 - at] = 255;
                    }),
              v1::EVIDENCE_INCONSISTENT)
        << at;
    EXPECT_EQ(Judge(Genoa(),
                    [&](UnverifiedReport& r) {
                      --r.current_tcb[at];
                      r.committed_tcb.fill(0);
                    }),
              v1::EVIDENCE_INCONSISTENT)
        << at;
  }
  EXPECT_EQ(
      Judge(Genoa(), [](UnverifiedReport& r) { ++r.committed_firmware.build; }),
      v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(Judge(Genoa(), [](UnverifiedReport& r) { r.report_id_ma[5] = 0; }),
            v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(
      Judge(Genoa(), [](UnverifiedReport& r) { r.author_key_digest[0] = 1; }),
      v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(Judge(Genoa(),
                  [](UnverifiedReport& r) {
                    r.author_key_en = true;
                    r.author_key_digest[0] = 1;
                    r.policy |= kPolicyMigrateMa;
                    r.report_id_ma[5] = 0;
                  }),
            v1::REFUSAL_CODE_UNSPECIFIED);
}

// C13.
TEST(SevSnpTest, RejectsAnotherProduct) {
  EXPECT_EQ(Judge(Genoa(), [](UnverifiedReport& r) { r.cpuid[1] = 0x01; }),
            v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(Judge(Genoa(), [](UnverifiedReport& r) { r.cpuid[0] = 0x17; }),
            v1::EVIDENCE_UNSUPPORTED);
  EXPECT_EQ(JudgeLeaf([](x509::CertificateSpec& spec) {
              Find(spec, "2").value =
                  x509::DerEncode(x509::kDerIa5String, "Milan-B0");
            }),
            v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(JudgeLeaf([](x509::CertificateSpec& spec) {
              Find(spec, "1").value = x509::DerU32(1);
            }),
            v1::ENDORSEMENT_MISMATCH);
}

TEST(SevSnpTest, RejectsAKeyOfAnotherCurve) {
  EXPECT_EQ(JudgeLeaf([](x509::CertificateSpec& spec) {
              spec.spki =
                  x509::IssuerKey::GenerateEc(crypto::Curve::kP256).Spki();
            }),
            v1::ENDORSEMENT_MISMATCH);
}

// B10: PKCS #1 v1.5 where AMD signs with PSS.
TEST(SevSnpTest, RejectsAnotherSignatureAlgorithmInTheChain) {
  EXPECT_EQ(JudgeLeaf([](x509::CertificateSpec& spec) {
              spec.scheme = x509::SignatureScheme::kRsaPkcs1Sha384;
            }),
            v1::CHAIN_UNTRUSTED);
  EXPECT_EQ(JudgeLeaf([](x509::CertificateSpec& spec) {
              spec.scheme = x509::SignatureScheme::kRsaPssSha256;
            }),
            v1::CHAIN_UNTRUSTED);
}

CertTable Table(std::string vcek, std::string ask, std::string ark) {
  CertTable table;
  table.vcek = std::move(vcek);
  table.ask = std::move(ask);
  table.ark = std::move(ark);
  return table;
}

// C16 and what else the host may fill its table with.
TEST(SevSnpTest, TakesEndorsementsFromTheHostsTableButNoTrust) {
  const auto judge = [](const SimulatedSnp& machine, const std::string& table) {
    v1::Evidence evidence = Good(machine);
    evidence.mutable_files()->DeleteSubrange(1, 2);
    SetFile(evidence, "cert_table", table);
    return RefusalOf(Verify(evidence, Genoa().Anchor()).status());
  };
  const CertTable good =
      Table(Genoa().leaf().der(), Genoa().ask().der(),
            x509::ToPem(AsBytes(Genoa().ark().der()), "CERTIFICATE"));
  EXPECT_EQ(judge(Genoa(), SerializeCertTable(good)),
            v1::REFUSAL_CODE_UNSPECIFIED);
  CertTable swapped = good;
  std::swap(swapped.vcek, swapped.ask);
  EXPECT_NE(judge(Genoa(), SerializeCertTable(swapped)),
            v1::REFUSAL_CODE_UNSPECIFIED);
  CertTable none = good;
  none.vcek.clear();
  EXPECT_EQ(judge(Genoa(), SerializeCertTable(none)), v1::ENDORSEMENT_MISSING);
  const SimulatedSnp evil = SimulatedSnp::Create(Options());
  EXPECT_EQ(
      judge(evil, SerializeCertTable(Table(evil.leaf().der(), evil.ask().der(),
                                           evil.ark().der()))),
      v1::CHAIN_UNTRUSTED);
}

TEST(CertTableTest, RejectsIllFormedTables) {
  const std::string good = SerializeCertTable(Table("aaaa", "bb", ""));
  ASSERT_TRUE(ParseCertTable(AsBytes(good)).ok());
  const auto judge = [&](size_t at, uint32_t value) {
    std::string table = good;
    table.replace(at, 4, U32(value));
    return RefusalOf(ParseCertTable(AsBytes(table)).status());
  };
  // Offsets at 16 and 40, lengths at 20 and 44; data from 72.
  EXPECT_EQ(judge(16, 0), v1::ENDORSEMENT_MALFORMED);   // In the header.
  EXPECT_EQ(judge(16, 75), v1::ENDORSEMENT_MALFORMED);  // Overlaps the other.
  for (uint32_t value : {79u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
    EXPECT_EQ(judge(16, value), v1::ENDORSEMENT_MALFORMED) << value;
    EXPECT_EQ(judge(20, value), v1::ENDORSEMENT_MALFORMED) << value;
    EXPECT_EQ(judge(44, value), v1::ENDORSEMENT_MALFORMED) << value;
  }
  EXPECT_EQ(judge(20, 0), v1::ENDORSEMENT_MALFORMED);
  std::string twice = good;
  twice.replace(24, 16, good.substr(0, 16));
  EXPECT_EQ(RefusalOf(ParseCertTable(AsBytes(twice)).status()),
            v1::ENDORSEMENT_MALFORMED);
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(RefusalOf(ParseCertTable(AsBytes(good.substr(0, size))).status()),
              v1::ENDORSEMENT_MALFORMED)
        << size;
  }
}

// B5, B6: the ARK's list, which covers the ASK.
v1::RefusalCode JudgeCrl(const std::function<void(x509::CrlSpec&)>& change,
                         const x509::IssuerKey& key, absl::Time now = kNow) {
  x509::CrlSpec spec;
  spec.issuer = Genoa().ark().subject_der();
  spec.this_update = kStart;
  spec.next_update = kStart + absl::Hours(48);
  change(spec);
  v1::Evidence evidence = Good(Genoa());
  SetFile(evidence, "crl", x509::IssueCrl(spec, key));
  return RefusalOf(Verify(evidence, Genoa().Anchor(), now).status());
}

TEST(SevSnpTest, HonoursRevocation) {
  const x509::IssuerKey& ark = Genoa().ark_key();
  const auto same = [](x509::CrlSpec&) {};
  EXPECT_EQ(JudgeCrl(same, ark), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(JudgeCrl(
                [](x509::CrlSpec& c) {
                  c.revoked = {"\3", "\2"};
                },
                ark),
            v1::CERTIFICATE_REVOKED);
  EXPECT_EQ(JudgeCrl(same, Genoa().ask_key()), v1::CRL_INVALID);
  EXPECT_EQ(
      JudgeCrl([](x509::CrlSpec& c) { c.issuer = Genoa().ask().subject_der(); },
               Genoa().ask_key()),
      v1::CRL_INVALID);  // The ASK may not sign CRLs.
  EXPECT_EQ(JudgeCrl([](x509::CrlSpec& c) { c.next_update.reset(); }, ark),
            v1::CRL_INVALID);
  EXPECT_EQ(JudgeCrl(same, ark, kStart + absl::Hours(49)), v1::CRL_EXPIRED);
  EXPECT_EQ(
      JudgeCrl(
          [](x509::CrlSpec& c) { c.this_update = kNow + absl::Seconds(1); },
          ark),
      v1::CRL_EXPIRED);
  EXPECT_EQ(JudgeCrl(
                [](x509::CrlSpec& c) {  // A delta list.
                  c.extensions = {{"2.5.29.27", true, x509::DerU32(1)}};
                },
                ark),
            v1::CRL_INVALID);
}

TEST(SevSnpTest, CollateralRevokesWhatTheSenderOffers) {
  x509::CrlSpec spec;
  spec.issuer = Genoa().ark().subject_der();
  spec.this_update = kStart;
  spec.next_update = kEnd;
  spec.revoked = {"\2"};
  const policy::Collateral collateral(
      {{.role = "crl",
        .subject = policy::CrlSubject(Genoa().ark()),
        .content = x509::IssueCrl(spec, Genoa().ark_key()),
        .digest = std::string(32, 'd')}});
  v1::EvidenceBundle bundle;
  *bundle.add_evidence() = Good(Genoa());
  const policy::TrustAnchors anchors = Anchors(Genoa().Anchor());
  policy::VerifiedCache cache(1 << 20);
  policy::VerifyInputs inputs = {
      .now = kNow, .anchors = anchors, .cache = &cache};
  EXPECT_TRUE(policy::VerifyBundle(bundle, inputs).ok());
  inputs.collateral = &collateral;
  EXPECT_EQ(RefusalOf(policy::VerifyBundle(bundle, inputs).status()),
            v1::CERTIFICATE_REVOKED);
}

// The list of a root that the sender leaves out, because an anchor holds it.
TEST(SevSnpTest, AStoredListCountsThoughNobodyOffersTheRoot) {
  x509::CrlSpec spec;
  spec.issuer = Genoa().ark().subject_der();
  spec.this_update = kStart;
  spec.next_update = kEnd;
  spec.revoked = {"\2"};
  const policy::Collateral collateral(
      {{.role = "crl",
        .subject = policy::CrlSubject(Genoa().ark()),
        .content = x509::IssueCrl(spec, Genoa().ark_key()),
        .digest = std::string(32, 'd')}});
  v1::EvidenceBundle bundle;
  *bundle.add_evidence() = Good(Genoa());
  SetFile(*bundle.mutable_evidence(0), "cert_chain",
          x509::ToPem(AsBytes(Genoa().ask().der()), "CERTIFICATE"));
  const policy::TrustAnchors anchors = Anchors(Genoa().Anchor());
  policy::VerifyInputs inputs = {.now = kNow, .anchors = anchors};
  EXPECT_TRUE(policy::VerifyBundle(bundle, inputs).ok());
  inputs.collateral = &collateral;
  EXPECT_EQ(RefusalOf(policy::VerifyBundle(bundle, inputs).status()),
            v1::CERTIFICATE_REVOKED);
}

TEST(SevSnpTest, RejectsAnAbsentAsk) {
  v1::Evidence evidence = Good(Genoa());
  SetFile(evidence, "cert_chain",
          x509::ToPem(AsBytes(Genoa().ark().der()), "CERTIFICATE"));
  EXPECT_EQ(RefusalOf(Verify(evidence, Genoa().Anchor()).status()),
            v1::ENDORSEMENT_MISSING);
}

// C15: all 64 bytes count.
TEST(SevSnpTest, BindsTheWholeReportData) {
  const auto claims = Verify(Good(Genoa()), Genoa().Anchor());
  ASSERT_TRUE(claims.ok());
  EXPECT_TRUE(policy::CheckReportData(*claims, AsBytes(kReportData)).ok());
  for (size_t at : {0, 31, 32, 63}) {
    std::string want = kReportData;
    want[at] = '\0';
    EXPECT_EQ(RefusalOf(policy::CheckReportData(*claims, AsBytes(want))),
              v1::EVIDENCE_NOT_BOUND);
  }
  EXPECT_EQ(RefusalOf(policy::CheckReportData(
                *claims, AsBytes(kReportData.substr(0, 32)))),
            v1::EVIDENCE_NOT_BOUND);
}

}  // namespace
}  // namespace kms::sev_snp

// What NVIDIA's Evidence may lie about: rows F1 to F7 of the catalogue, B14
// and what of A and B applies. Each row is otherwise valid and signed anew,
// differs in the named way only, and has one code. What manifests may lie
// about as XML is in nvidia_rim_test. F8, verdicts of NVIDIA's own service,
// does not apply: we take none.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "kms/base/refusal.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/x509/der_writer.h"
#include "kms/crypto/x509/issue.h"
#include "kms/crypto/x509/issue_ocsp.h"
#include "kms/crypto/x509/pem.h"
#include "policy/nvidia/limits.h"
#include "policy/nvidia/rim.h"
#include "policy/verifier/collateral.h"
#include "policy/verifier/crls.h"
#include "policy/verifier/evidence_files.h"
#include "policy/verifier/verified_cache.h"
#include "policy/verifier/verifier.h"
#include "tools/simtee/gpu.h"

namespace kms::nvidia {
namespace {

using simtee::GpuOptions;
using simtee::RimSpec;
using simtee::SimulatedGpu;
using Hierarchy = SimulatedGpu::Hierarchy;

const absl::Time kStart =
    absl::FromCivil(absl::CivilDay(2025, 1, 1), absl::UTCTimeZone());
const absl::Time kEnd =
    absl::FromCivil(absl::CivilDay(2032, 1, 1), absl::UTCTimeZone());
const absl::Time kNow = kStart + absl::Hours(24);
const std::string kNonce(32, '\x42');

GpuOptions Options(const std::string& chip, bool debug = false) {
  GpuOptions options;
  options.chip = chip;
  options.debug = debug;
  options.not_before = kStart;
  options.not_after = kEnd;
  return options;
}

const SimulatedGpu& Hopper() {
  static const auto* const kGpu =
      new SimulatedGpu(SimulatedGpu::Create(Options("GH100")));
  return *kGpu;
}
const SimulatedGpu& Blackwell() {
  static const auto* const kGpu =
      new SimulatedGpu(SimulatedGpu::Create(Options("GB100")));
  return *kGpu;
}
const SimulatedGpu& Switch() {
  static const auto* const kGpu =
      new SimulatedGpu(SimulatedGpu::Create(Options("LS10")));
  return *kGpu;
}

policy::TrustAnchors Anchors(const SimulatedGpu& gpu) {
  std::vector<policy::TrustAnchor> anchors = policy::TrustAnchors::BuiltIn();
  for (policy::TrustAnchor& anchor : gpu.Anchors()) {
    anchors.push_back(std::move(anchor));
  }
  return *policy::TrustAnchors::Create(anchors);
}

struct Extra {
  absl::Time now = kNow;
  policy::VerifiedCache* cache = nullptr;
  const policy::Collateral* collateral = nullptr;
};

absl::StatusOr<v1::Claims> Verify(const v1::Evidence& evidence,
                                  const SimulatedGpu& gpu,
                                  const Extra& extra = {}) {
  v1::EvidenceBundle bundle;
  *bundle.add_evidence() = evidence;
  const policy::TrustAnchors anchors = Anchors(gpu);
  return policy::VerifyBundle(bundle, {.now = extra.now,
                                       .anchors = anchors,
                                       .collateral = extra.collateral,
                                       .cache = extra.cache});
}

v1::RefusalCode Judge(const v1::Evidence& evidence, const SimulatedGpu& gpu,
                      const Extra& extra = {}) {
  return RefusalOf(Verify(evidence, gpu, extra).status());
}

v1::Evidence Good(const SimulatedGpu& gpu = Hopper()) {
  return gpu.Attest(AsBytes(kNonce));
}

UnverifiedReport Report(const SimulatedGpu& gpu = Hopper()) {
  return gpu.MakeReport(AsBytes(kNonce));
}

// The verdict on a report after `change` and a new signature.
v1::RefusalCode JudgeReport(
    const std::function<void(UnverifiedReport&)>& change,
    const SimulatedGpu& gpu = Hopper()) {
  UnverifiedReport report = Report(gpu);
  change(report);
  return Judge(gpu.Wrap(gpu.Sign(report)), gpu);
}

// The same for a change of bytes that SerializeReport would not make.
v1::RefusalCode JudgeBytes(const std::function<void(std::string&)>& change) {
  std::string bytes = SerializeReport(Report());
  bytes.resize(bytes.size() - kSignatureBytes);
  change(bytes);
  return Judge(Hopper().Wrap(Hopper().SignBytes(bytes)), Hopper());
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

v1::Evidence Without(v1::Evidence evidence, const std::string& role) {
  auto* files = evidence.mutable_files();
  for (int i = files->size() - 1; i >= 0; --i) {
    if (files->Get(i).role() == role) files->DeleteSubrange(i, 1);
  }
  return evidence;
}

OpaqueField& Field(UnverifiedReport& report, OpaqueType type) {
  for (OpaqueField& field : report.opaque) {
    if (field.type == type) return field;
  }
  report.opaque.push_back({type, ""});
  return report.opaque.back();
}

TEST(NvidiaTest, AcceptsEachChipAndSaysSimulated) {
  for (const SimulatedGpu* gpu : {&Hopper(), &Blackwell(), &Switch()}) {
    const auto claims = Verify(Good(*gpu), *gpu);
    ASSERT_TRUE(claims.ok()) << claims.status();
    const v1::GpuClaims& have = claims->gpus(0);
    EXPECT_TRUE(have.simulated());
    EXPECT_EQ(have.anchor(), "simulated-gpu-root");
    EXPECT_EQ(have.rim_anchor(), "simulated-gpu-rim-root");
    EXPECT_EQ(have.nonce(), kNonce);
    EXPECT_EQ(have.kind(), gpu->is_switch() ? "nvswitch" : "gpu");
    EXPECT_TRUE(have.measurements_match());
    EXPECT_TRUE(have.secure_boot());
    EXPECT_FALSE(have.debug());
    EXPECT_EQ(have.cc_mode(), gpu->is_switch() ? "" : "on");
    EXPECT_FALSE(have.ocsp_checked());
    EXPECT_EQ(claims->collateral_size(), gpu->is_switch() ? 1 : 2);
    EXPECT_EQ(have.pdi().empty(), !gpu->is_switch());
    EXPECT_EQ(have.peer_pdis_size(), 1);
    EXPECT_EQ(have.chip_id(), gpu->path(Hierarchy::kDevice)[0].serial());
    // The boot ROM's, which no change of firmware changes.
    EXPECT_EQ(have.device_id(), gpu->path(Hierarchy::kDevice)[1].serial());
  }
}

// A1: no bit of a report is a don't-care. A signature check each.
TEST(NvidiaTest, RejectsEveryBitFlip) {
  // All bits of the shortest, by turns one of each byte of the others.
  const std::vector<std::pair<const SimulatedGpu*, size_t>> kSteps = {
      {&Switch(), 1}, {&Hopper(), 9}, {&Blackwell(), 9}};
  for (const auto& [gpu, step] : kSteps) {
    policy::VerifiedCache cache(1 << 20);
    const policy::TrustAnchors anchors = Anchors(*gpu);
    const policy::VerifyInputs inputs = {
        .now = kNow, .anchors = anchors, .cache = &cache};
    v1::EvidenceBundle bundle;
    *bundle.add_evidence() = Good(*gpu);
    ASSERT_TRUE(policy::VerifyBundle(bundle, inputs).ok());
    std::string& report =
        *bundle.mutable_evidence(0)->mutable_files(0)->mutable_content();
    for (size_t bit = 0; bit < 8 * report.size(); bit += step) {
      const char kept = report[bit / 8];
      report[bit / 8] = static_cast<char>(kept ^ 1 << bit % 8);
      const auto claims = policy::VerifyBundle(bundle, inputs);
      ASSERT_FALSE(claims.ok()) << "bit " << bit;
      ASSERT_NE(RefusalOf(claims.status()), v1::INTERNAL_ERROR) << bit;
      report[bit / 8] = kept;
    }
  }
}

TEST(NvidiaTest, RejectsEveryOtherLength) {
  for (const SimulatedGpu* gpu : {&Hopper(), &Blackwell(), &Switch()}) {
    const std::string report = gpu->Sign(Report(*gpu));
    for (size_t size = 0; size <= report.size() + 64; ++size) {
      if (size == report.size()) continue;
      std::string changed = report;
      changed.resize(size, '\0');
      EXPECT_EQ(RefusalOf(ParseReport(AsBytes(changed)).status()),
                v1::EVIDENCE_MALFORMED)
          << size;
    }
    EXPECT_EQ(RefusalOf(ParseReport(AsBytes(report + report)).status()),
              v1::EVIDENCE_MALFORMED);
  }
}

// A1 for certificates: one bit in each byte of each but the root, whose pin
// vouches for its key whatever the rest of it says.
TEST(NvidiaTest, RejectsAFlipInEachByteOfTheChain) {
  const std::vector<x509::Certificate>& path =
      Hopper().path(Hierarchy::kDevice);
  for (size_t i = 0; i + 1 < path.size(); ++i) {
    std::string rest;
    for (size_t j = 0; j < path.size(); ++j) {
      if (j != i) rest += x509::ToPem(AsBytes(path[j].der()), "CERTIFICATE");
    }
    for (size_t at = 0; at < path[i].der().size(); ++at) {
      std::string der = path[i].der();
      der[at] = static_cast<char>(der[at] ^ 1 << at % 8);
      v1::Evidence evidence =
          Without(Without(Good(), "rim_driver"), "rim_vbios");
      SetFile(evidence, "cert_chain",
              rest + x509::ToPem(AsBytes(der), "CERTIFICATE"));
      ASSERT_FALSE(Verify(evidence, Hopper()).ok()) << i << " byte " << at;
    }
  }
}

TEST(NvidiaTest, RejectsOtherLabelsRolesAndSizes) {
  v1::Evidence evidence = Good();
  evidence.set_type(v1::SEV_SNP);
  EXPECT_EQ(Judge(evidence, Hopper()), v1::EVIDENCE_MALFORMED);  // A7.
  evidence = Good();
  SetFile(evidence, "vcek", "x");
  EXPECT_EQ(Judge(evidence, Hopper()), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(Judge(Without(Good(), "evidence"), Hopper()),
            v1::EVIDENCE_MALFORMED);
  evidence = Good();
  SetFile(evidence, "crl", std::string(kEvidenceBytesMax, 'x'));
  EXPECT_EQ(Judge(evidence, Hopper()), v1::REQUEST_TOO_LARGE);
  evidence = Good();
  for (size_t i = 0; i < kRimsMax; ++i) {
    v1::EvidenceFile* file = evidence.add_files();
    file->set_role("rim_vbios");
    file->set_content(Hopper().SignRim(Hopper().MakeRim(RimKind::kVbios)));
  }
  EXPECT_EQ(Judge(evidence, Hopper()), v1::REQUEST_TOO_LARGE);
}

// A8.
TEST(NvidiaTest, RejectsOtherVersionsAndReservedBits) {
  const auto at = [](size_t offset, char value) {
    return JudgeBytes([=](std::string& bytes) { bytes[offset] = value; });
  };
  for (char version : {'\x00', '\x10', '\x12', '\x13', '\xff'}) {
    EXPECT_EQ(at(0, version), v1::EVIDENCE_UNSUPPORTED);
    EXPECT_EQ(at(kRequestBytes, version), v1::EVIDENCE_UNSUPPORTED);
  }
  EXPECT_EQ(at(1, '\xe1'), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(at(2, '\x00'), v1::EVIDENCE_UNSIGNED);
  EXPECT_EQ(at(2, '\x03'), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(at(3, '\x01'), v1::EVIDENCE_UNSUPPORTED);
  EXPECT_EQ(at(3, '\x00'), v1::EVIDENCE_UNSUPPORTED);
  EXPECT_EQ(at(36, '\x10'), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(at(36, '\x01'), v1::EVIDENCE_MALFORMED);  // Another slot.
  EXPECT_EQ(at(kRequestBytes + 1, '\x7f'), v1::EVIDENCE_MALFORMED);  // ERROR.
  EXPECT_EQ(at(kRequestBytes + 2, '\x01'), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(at(kRequestBytes + 3, '\x01'), v1::EVIDENCE_MALFORMED);
}

// F2.
constexpr size_t kRecord = kRequestBytes + 8;  // Blocks of 55 bytes follow.

TEST(NvidiaTest, RejectsMeasurementsMissingTwiceOrUnordered) {
  const auto at = [](size_t offset, char value) {
    return JudgeBytes([=](std::string& bytes) { bytes[offset] = value; });
  };
  EXPECT_EQ(at(kRecord, '\x02'), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(at(kRecord, '\x00'), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(at(kRecord + 55, '\x01'), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeBytes([](std::string& bytes) {
              std::swap_ranges(bytes.begin() + kRecord,
                               bytes.begin() + kRecord + 55,
                               bytes.begin() + kRecord + 55);
            }),
            v1::EVIDENCE_MALFORMED);
  // The count says one less, one more, none.
  EXPECT_EQ(at(kRequestBytes + 4, '\x3f'), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(at(kRequestBytes + 4, '\x41'), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(at(kRequestBytes + 4, '\x00'), v1::EVIDENCE_MALFORMED);
  // A3, A4: two lengths of one value.
  EXPECT_EQ(at(kRecord + 2, '\x32'), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(at(kRecord + 5, '\x2f'), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(at(kRecord + 6, '\xff'), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(at(kRequestBytes + 7, '\xff'), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(at(kRequestBytes + 5, '\xbf'), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(
      JudgeReport([](UnverifiedReport& r) { r.measurements[3].value = ""; }),
      v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeReport([](UnverifiedReport& r) {
              r.measurements[3].value =
                  std::string(kMeasurementBytesMax + 1, 'x');
            }),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeReport([](UnverifiedReport& r) { r.measurements.clear(); }),
            v1::EVIDENCE_MALFORMED);
  // Of another specification, or of a type that SPDM 1.1 does not have.
  EXPECT_EQ(at(kRecord + 1, '\x02'), v1::EVIDENCE_UNSUPPORTED);
  EXPECT_EQ(at(kRecord + 4, '\x05'), v1::EVIDENCE_UNSUPPORTED);
}

TEST(NvidiaTest, RejectsNoncesAndSplicedTranscripts) {
  EXPECT_EQ(JudgeReport([](UnverifiedReport& r) { r.nonce.fill(0); }),
            v1::EVIDENCE_NOT_BOUND);
  v1::Evidence evidence = Good();
  SetFile(evidence, "nonce", kNonce);
  EXPECT_TRUE(Verify(evidence, Hopper()).ok());
  for (const std::string& other : {std::string(32, '\x43'), kNonce + "x",
                                   kNonce.substr(0, 31), std::string()}) {
    SetFile(evidence, "nonce", other);
    EXPECT_EQ(Judge(evidence, Hopper()), v1::EVIDENCE_NOT_BOUND);
  }
  // One session's response to another session's request.
  const std::string other =
      Hopper().Sign(Hopper().MakeReport(AsBytes(std::string(32, 'x'))));
  const std::string mine = Hopper().Sign(Report());
  EXPECT_EQ(Judge(Hopper().Wrap(mine.substr(0, kRequestBytes) +
                                other.substr(kRequestBytes)),
                  Hopper()),
            v1::SIGNATURE_INVALID);
}

// B9: r and s swapped, zero, or the order of their bytes turned.
TEST(NvidiaTest, RejectsOtherSignatures) {
  const std::string report = Hopper().Sign(Report());
  const std::string body = report.substr(0, report.size() - kSignatureBytes);
  const std::string r = report.substr(body.size(), 48);
  const std::string s = report.substr(body.size() + 48);
  const std::string zero(48, '\0');
  const std::string ones(48, '\xff');
  for (const std::string& lie :
       {s + r, zero + s, r + zero, zero + zero, ones + s, r + ones,
        std::string(r.rbegin(), r.rend()) +
            std::string(s.rbegin(), s.rend())}) {
    EXPECT_EQ(Judge(Hopper().Wrap(body + lie), Hopper()),
              v1::SIGNATURE_INVALID);
  }
  // Another device's signature.
  const SimulatedGpu sibling = Hopper().Sibling();
  EXPECT_EQ(Judge(Hopper().Wrap(sibling.Sign(Report())), Hopper()),
            v1::SIGNATURE_INVALID);
}

// F3, B1 to B4: the device's chain.
v1::RefusalCode JudgeChain(
    size_t depth, const std::function<void(x509::CertificateSpec&)>& change,
    const SimulatedGpu& gpu = Hopper()) {
  return Judge(Good(gpu.Reissued(Hierarchy::kDevice, depth, change)), gpu);
}

TEST(NvidiaTest, RejectsBrokenChains) {
  const SimulatedGpu evil = SimulatedGpu::Create(Options("GH100"));
  EXPECT_EQ(Judge(Good(evil), Hopper()), v1::CHAIN_UNTRUSTED);
  const auto file = [](std::vector<x509::Certificate> path) {
    std::string pem;
    for (const x509::Certificate& c : path) {
      pem += x509::ToPem(AsBytes(c.der()), "CERTIFICATE");
    }
    v1::Evidence evidence = Good();
    SetFile(evidence, "cert_chain", pem);
    return evidence;
  };
  std::vector<x509::Certificate> path = Hopper().path(Hierarchy::kDevice);
  std::vector<x509::Certificate> reversed(path.rbegin(), path.rend());
  reversed.push_back(path[0]);
  EXPECT_TRUE(Verify(file(reversed), Hopper()).ok());  // Order proves nothing.
  std::vector<x509::Certificate> gap = path;
  gap.erase(gap.begin() + 2);
  EXPECT_EQ(Judge(file(gap), Hopper()), v1::ENDORSEMENT_MISSING);
  std::vector<x509::Certificate> headless(path.begin() + 1, path.end());
  EXPECT_EQ(Judge(file(headless), Hopper()), v1::ENDORSEMENT_MISSING);
  std::vector<x509::Certificate> two = path;
  two.push_back(Hopper().Sibling().path(Hierarchy::kDevice)[0]);
  EXPECT_EQ(Judge(file(two), Hopper()), v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(Judge(Without(Good(), "cert_chain"), Hopper()),
            v1::ENDORSEMENT_MISSING);
  v1::Evidence evidence = Good();
  SetFile(evidence, "cert_chain", "no certificate");
  EXPECT_EQ(Judge(evidence, Hopper()), v1::ENDORSEMENT_MALFORMED);
  // B3, at each CA.
  for (size_t depth = 1; depth < 4; ++depth) {
    EXPECT_EQ(JudgeChain(depth,
                         [](x509::CertificateSpec& s) {
                           s.extensions[1] = x509::MakeKeyUsage(
                               x509::kKeyUsageDigitalSignature);
                         }),
              v1::CHAIN_UNTRUSTED);
    EXPECT_EQ(JudgeChain(depth,
                         [](x509::CertificateSpec& s) {
                           s.extensions.push_back({"1.2.3.4", true, "\5"});
                         }),
              v1::CHAIN_UNTRUSTED);
  }
  EXPECT_EQ(JudgeChain(0,
                       [](x509::CertificateSpec& s) {
                         s.scheme = x509::SignatureScheme::kEcdsaSha256;
                       }),
            v1::CHAIN_UNTRUSTED);
}

TEST(NvidiaTest, RejectsAnchorsOfOtherUses) {
  // B2: the manifests' root vouches for no device, and the reverse.
  std::vector<policy::TrustAnchor> anchors = Hopper().Anchors();
  std::swap(anchors[0].use, anchors[1].use);
  const auto swapped = policy::TrustAnchors::Create(anchors);
  v1::EvidenceBundle bundle;
  *bundle.add_evidence() = Good();
  const auto judge = [&](const policy::TrustAnchors& with) {
    return RefusalOf(
        policy::VerifyBundle(bundle, {.now = kNow, .anchors = with}).status());
  };
  EXPECT_EQ(judge(*swapped), v1::CHAIN_UNTRUSTED);
  anchors = Hopper().Anchors();
  anchors.pop_back();  // The device's alone.
  EXPECT_EQ(judge(*policy::TrustAnchors::Create(anchors)), v1::CHAIN_UNTRUSTED);
  anchors = Hopper().Anchors();
  anchors[0].type = v1::TDX;
  EXPECT_EQ(judge(*policy::TrustAnchors::Create(anchors)), v1::CHAIN_UNTRUSTED);
}

// A9: both boundary seconds are inside, cached or not.
TEST(NvidiaTest, HoldsCertificatesToTheirTime) {
  policy::VerifiedCache cache(1 << 20);
  const v1::Evidence evidence = Good();
  for (int round = 0; round < 2; ++round) {
    for (absl::Time now : {kStart, kNow, kEnd}) {
      EXPECT_TRUE(
          Verify(evidence, Hopper(), {.now = now, .cache = &cache}).ok());
    }
    EXPECT_EQ(cache.size(), 4u);  // Chain, two manifests, revocation.
    EXPECT_EQ(Judge(evidence, Hopper(),
                    {.now = kStart - absl::Seconds(1), .cache = &cache}),
              v1::CERTIFICATE_NOT_YET_VALID);
    EXPECT_EQ(Judge(evidence, Hopper(),
                    {.now = kEnd + absl::Seconds(1), .cache = &cache}),
              v1::CERTIFICATE_EXPIRED);
  }
  // A manifest's signer that expired before the device: F4.
  const SimulatedGpu expired = Hopper().Reissued(
      Hierarchy::kManifest, 0,
      [](x509::CertificateSpec& s) { s.not_after = kNow - absl::Seconds(1); });
  EXPECT_EQ(Judge(Good(expired), Hopper()), v1::CERTIFICATE_EXPIRED);
}

TEST(NvidiaTest, CachesNothingThatDidNotVerify) {
  policy::VerifiedCache cache(1 << 20);
  std::string report = Hopper().Sign(Report());
  report.back() = static_cast<char>(report.back() ^ 1);
  EXPECT_FALSE(Verify(Hopper().Wrap(report), Hopper(), {.cache = &cache}).ok());
  UnverifiedReport other = Report();
  other.measurements[0].value = std::string(48, 'x');
  EXPECT_EQ(
      Judge(Hopper().Wrap(Hopper().Sign(other)), Hopper(), {.cache = &cache}),
      v1::MEASUREMENT_MISMATCH);
  EXPECT_EQ(cache.size(), 0u);
}

TEST(NvidiaTest, RejectsOtherFirmwareThanTheCertificates) {
  for (const SimulatedGpu* gpu : {&Hopper(), &Blackwell()}) {
    EXPECT_EQ(
        JudgeReport(
            [](UnverifiedReport& r) { Field(r, kOpaqueFwid).data[0] ^= 1; },
            *gpu),
        v1::TCB_MISMATCH);
    EXPECT_EQ(
        JudgeChain(
            0, [](x509::CertificateSpec& s) { s.extensions.pop_back(); }, *gpu),
        v1::TCB_MISMATCH);
    EXPECT_EQ(JudgeChain(
                  0,
                  [](x509::CertificateSpec& s) {
                    s.extensions.back().value.pop_back();
                  },
                  *gpu),
              v1::ENDORSEMENT_MALFORMED);
  }
  EXPECT_EQ(JudgeChain(0,
                       [](x509::CertificateSpec& s) {
                         s.extensions.push_back(s.extensions.back());
                         s.extensions.back().oid = "2.23.133.5.4.1.1";
                       }),
            v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(JudgeReport([](UnverifiedReport& r) {
              Field(r, kOpaqueFwid).data.pop_back();
            }),
            v1::EVIDENCE_MALFORMED);
}

TEST(NvidiaTest, RejectsOtherChipsAndKeys) {
  const auto named = [](const std::string& name) {
    return [name](x509::CertificateSpec& s) {
      s.subject = x509::MakeName({{"2.5.4.3", name}});
    };
  };
  EXPECT_EQ(JudgeChain(0, named("GB100 A01 GSP FMC LF")),
            v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(JudgeChain(0, named("GH100")), v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(JudgeReport(
                [](UnverifiedReport& r) {
                  Field(r, kOpaqueChipInfo).data = std::string("GH100\0", 6);
                },
                Blackwell()),
            v1::EVIDENCE_INCONSISTENT);
  for (const std::string chip : {"GA100", "TU102", "GH", "GHx", "LS20"}) {
    const SimulatedGpu unknown = SimulatedGpu::Create(Options(chip));
    EXPECT_EQ(Judge(Good(unknown), unknown), v1::EVIDENCE_UNSUPPORTED) << chip;
  }
  // B8: a key on another curve.
  const x509::IssuerKey p256 =
      x509::IssuerKey::GenerateEc(crypto::Curve::kP256);
  EXPECT_EQ(
      JudgeChain(0, [&](x509::CertificateSpec& s) { s.spki = p256.Spki(); }),
      v1::ENDORSEMENT_MISMATCH);
}

// F5: what the Evidence says is shown; a policy denies it by default. Where it
// says nothing, only matching measurements do.
TEST(NvidiaTest, ShowsDebugAndStandsOnMeasurements) {
  const SimulatedGpu debug = SimulatedGpu::Create(Options("GB100", true));
  auto claims = Verify(Good(debug), debug);
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_TRUE(claims->gpus(0).debug());
  EXPECT_TRUE(claims->gpus(0).has_secure_boot());
  EXPECT_FALSE(claims->gpus(0).secure_boot());
  EXPECT_EQ(claims->gpus(0).cc_mode(), "");
  for (const std::string role : {"rim_driver", "rim_vbios"}) {
    claims = Verify(Without(Good(), role), Hopper());
    ASSERT_TRUE(claims.ok()) << claims.status();
    EXPECT_FALSE(claims->gpus(0).measurements_match());
    EXPECT_FALSE(claims->gpus(0).has_secure_boot());
    EXPECT_FALSE(claims->gpus(0).secure_boot());
    EXPECT_EQ(claims->gpus(0).cc_mode(), "");
    EXPECT_EQ(claims->gpus(0).driver_rim_verified(), role != "rim_driver");
    EXPECT_EQ(claims->gpus(0).vbios_rim_verified(), role != "rim_vbios");
  }
  UnverifiedReport report = Report();
  Field(report, kOpaqueFeatureFlag).data = std::string("\2\0", 2);
  Field(report, kOpaqueProtectedPcie).data = "\xaa";
  claims = Verify(Hopper().Wrap(Hopper().Sign(report)), Hopper());
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->gpus(0).mode(), "ppcie");
  EXPECT_TRUE(claims->gpus(0).protected_pcie());
  EXPECT_EQ(claims->gpus(0).cc_mode(), "");
}

// F4: measurements and manifests.
v1::RefusalCode JudgeRim(RimKind kind,
                         const std::function<void(RimSpec&)>& change,
                         const SimulatedGpu& gpu = Hopper()) {
  RimSpec spec = gpu.MakeRim(kind);
  change(spec);
  v1::Evidence evidence = Good(gpu);
  SetFile(evidence, std::string(RimRole(kind)), gpu.SignRim(spec));
  return Judge(evidence, gpu);
}

TEST(NvidiaTest, RejectsEachMeasurementThatIsNotTheManifests) {
  for (size_t i = 0; i < 64; ++i) {
    const v1::RefusalCode code = JudgeReport(
        [&](UnverifiedReport& r) { r.measurements[i].value[47] ^= 1; });
    // The one that no manifest claims.
    EXPECT_EQ(code,
              i == 40 ? v1::REFUSAL_CODE_UNSPECIFIED : v1::MEASUREMENT_MISMATCH)
        << i;
  }
  // Longer, shorter, or the raw thing instead of its digest.
  EXPECT_EQ(
      JudgeReport([](UnverifiedReport& r) { r.measurements[3].value += "x"; }),
      v1::MEASUREMENT_MISMATCH);
  EXPECT_EQ(JudgeReport([](UnverifiedReport& r) {
              r.measurements[3].value.pop_back();
            }),
            v1::MEASUREMENT_MISMATCH);
  EXPECT_EQ(
      JudgeReport([](UnverifiedReport& r) { r.measurements[3].type |= 0x80; }),
      v1::MEASUREMENT_MISMATCH);
  // Fewer than the manifests claim.
  EXPECT_EQ(JudgeReport([](UnverifiedReport& r) { r.measurements.resize(63); }),
            v1::MEASUREMENT_MISMATCH);
}

TEST(NvidiaTest, SkipsTheVideoDecoderOnlyWhileItIsOff) {
  const auto judge = [](const std::string& status, size_t index) {
    return JudgeReport([&](UnverifiedReport& r) {
      Field(r, kOpaqueNvdec0Status).data = status;
      r.measurements[index].value[0] ^= 1;
    });
  };
  EXPECT_EQ(judge("\x55", 35), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(judge("\x55", 34), v1::MEASUREMENT_MISMATCH);
  EXPECT_EQ(judge("\x55", 36), v1::MEASUREMENT_MISMATCH);
  EXPECT_EQ(judge("\xaa", 35), v1::MEASUREMENT_MISMATCH);
  EXPECT_EQ(judge("\x54", 35), v1::MEASUREMENT_MISMATCH);
}

// F4, F6: the manifest is chosen by what the device says of itself.
TEST(NvidiaTest, RejectsManifestsOfOtherDevices) {
  for (RimKind kind : {RimKind::kDriver, RimKind::kVbios}) {
    EXPECT_EQ(JudgeRim(kind, [](RimSpec&) {}), v1::REFUSAL_CODE_UNSPECIFIED);
    EXPECT_EQ(JudgeRim(kind, [](RimSpec& s) { s.product = "GB100"; }),
              v1::ENDORSEMENT_MISMATCH);
    EXPECT_EQ(JudgeRim(kind, [](RimSpec& s) { s.version.back() ^= 1; }),
              v1::ENDORSEMENT_MISMATCH);
  }
  EXPECT_EQ(JudgeReport([](UnverifiedReport& r) {
              Field(r, kOpaqueDriverVersion).data = "550.90.08";
            }),
            v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(JudgeReport([](UnverifiedReport& r) {
              Field(r, kOpaqueVbiosVersion).data[4] ^= 1;
            }),
            v1::ENDORSEMENT_MISMATCH);
  // A manifest in the other's place.
  v1::Evidence evidence = Good();
  SetFile(evidence, "rim_driver",
          Hopper().SignRim(Hopper().MakeRim(RimKind::kVbios)));
  EXPECT_EQ(Judge(evidence, Hopper()), v1::ENDORSEMENT_MISMATCH);
  // A driver's manifest for a switch, which has no driver.
  evidence = Good(Switch());
  RimSpec driver = Switch().MakeRim(RimKind::kVbios);
  driver.version = "550.90.07";
  SetFile(evidence, "rim_driver", Switch().SignRim(driver));
  EXPECT_EQ(Judge(evidence, Switch()), v1::ENDORSEMENT_MISMATCH);
  // Two manifests that claim one measurement.
  EXPECT_EQ(JudgeRim(RimKind::kDriver,
                     [](RimSpec& s) {
                       s.active[0] =
                           Hopper().MakeRim(RimKind::kVbios).active.at(0);
                     }),
            v1::ENDORSEMENT_MISMATCH);
}

TEST(NvidiaTest, EveryOfferedManifestMustMatch) {
  // A second edition of the same manifest with other values.
  RimSpec other = Hopper().MakeRim(RimKind::kVbios);
  other.active[0] = {std::string(48, 'x')};
  v1::Evidence evidence = Good();
  v1::EvidenceFile* file = evidence.add_files();
  file->set_role("rim_vbios");
  file->set_content(Hopper().SignRim(other));
  EXPECT_EQ(Judge(evidence, Hopper()), v1::MEASUREMENT_MISMATCH);
  file->set_content(Hopper().SignRim(Hopper().MakeRim(RimKind::kVbios)));
  EXPECT_TRUE(Verify(evidence, Hopper()).ok());
}

TEST(NvidiaTest, RejectsManifestsUnderAnotherAnchor) {
  // Both are configured, but Claims can name one only.
  const SimulatedGpu other = SimulatedGpu::Create(Options("GH100"));
  v1::EvidenceBundle bundle;
  *bundle.add_evidence() = Good();
  SetFile(*bundle.mutable_evidence(0), "rim_vbios",
          other.SignRim(other.MakeRim(RimKind::kVbios)));
  std::vector<policy::TrustAnchor> anchors = Hopper().Anchors();
  anchors.push_back(other.Anchors()[1]);
  anchors.back().name = "another";
  const auto both = policy::TrustAnchors::Create(anchors);
  EXPECT_EQ(
      RefusalOf(policy::VerifyBundle(bundle, {.now = kNow, .anchors = *both})
                    .status()),
      v1::CHAIN_UNTRUSTED);
  EXPECT_EQ(Judge(bundle.evidence(0), Hopper()), v1::CHAIN_UNTRUSTED);
}

// F6: opaque data.
TEST(NvidiaTest, RejectsIllFormedOpaqueData) {
  const auto judge = [](const std::function<void(UnverifiedReport&)>& change) {
    return JudgeReport(change);
  };
  const auto field = [&](OpaqueType type, const std::string& data) {
    return judge([&](UnverifiedReport& r) { Field(r, type).data = data; });
  };
  EXPECT_EQ(judge([](UnverifiedReport& r) { r.opaque.push_back(r.opaque[0]); }),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge([](UnverifiedReport& r) {
              r.opaque.push_back({99, std::string(kOpaqueBytesMax, 'x')});
            }),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge([](UnverifiedReport& r) {
              for (uint16_t i = 0; i < kOpaqueFieldsMax; ++i) {
                r.opaque.push_back({static_cast<uint16_t>(1000 + i), ""});
              }
            }),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge([](UnverifiedReport& r) {
              r.opaque.push_back({99, "new"});
            }),
            v1::REFUSAL_CODE_UNSPECIFIED);
  // The last field's length: one more than there is, and the largest.
  for (const std::string& lie :
       {std::string("\3\0", 2), std::string("\xff\xff", 2)}) {
    EXPECT_EQ(JudgeBytes([&](std::string& bytes) {
                bytes.replace(bytes.size() - 4, 2, lie);
              }),
              v1::EVIDENCE_MALFORMED);
  }
  EXPECT_EQ(judge([](UnverifiedReport& r) { r.opaque.clear(); }),
            v1::EVIDENCE_MALFORMED);
  for (const std::string& text :
       {std::string(), std::string(3, '\0'), std::string("5\0005", 3),
        std::string("550 90"), std::string("\xff"),
        std::string(kRimTextBytesMax + 1, '5')}) {
    EXPECT_EQ(field(kOpaqueDriverVersion, text), v1::EVIDENCE_MALFORMED);
    EXPECT_EQ(field(kOpaqueProject, text), v1::EVIDENCE_MALFORMED);
  }
  EXPECT_EQ(field(kOpaqueVbiosVersion, "96.00"), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(field(kOpaqueVbiosVersion, std::string("\0\x9f\0\x96\1\0\0\1", 8)),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(field(kOpaqueProtectedPcie, "\x54"), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(field(kOpaquePdi, "1234567"), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(field(kOpaqueDataVersion, std::string(9, '\0')),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(field(kOpaqueDataVersion, "\2"), v1::EVIDENCE_UNSUPPORTED);
  EXPECT_EQ(field(kOpaqueFeatureFlag, "\3"), v1::EVIDENCE_UNSUPPORTED);
  EXPECT_EQ(
      JudgeReport([](UnverifiedReport& r) { Field(r, kOpaquePdi).data = "1"; },
                  Switch()),
      v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeReport(
                [](UnverifiedReport& r) {
                  Field(r, kOpaqueSwitchGpuPdis).data = "1";
                },
                Switch()),
            v1::EVIDENCE_MALFORMED);
}

// F7: sets of devices.
TEST(NvidiaTest, CountsDevicesOfOneSession) {
  const SimulatedGpu sibling = Hopper().Sibling();
  v1::EvidenceBundle bundle;
  *bundle.add_evidence() = Good();
  *bundle.add_evidence() = Good();
  SetFile(*bundle.mutable_evidence(1), "evidence",
          sibling.Sign(Report(sibling)));
  SetFile(*bundle.mutable_evidence(1), "cert_chain", sibling.CertChainPem());
  for (const std::string role : {"rim_driver", "rim_vbios"}) {
    SetFile(*bundle.mutable_evidence(1), role,
            *policy::FindFile(bundle.evidence(0), role));
  }
  const policy::TrustAnchors anchors = Anchors(Hopper());
  const policy::VerifyInputs inputs = {.now = kNow, .anchors = anchors};
  const auto claims = policy::VerifyBundle(bundle, inputs);
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->gpus_size(), 2);
  EXPECT_NE(claims->gpus(0).chip_id(), claims->gpus(1).chip_id());
  EXPECT_EQ(claims->collateral_size(), 2);  // The manifests they share.
  // One device twice, even with another nonce.
  *bundle.add_evidence() = Hopper().Attest(AsBytes(std::string(32, 'x')));
  EXPECT_EQ(RefusalOf(policy::VerifyBundle(bundle, inputs).status()),
            v1::EVIDENCE_INCONSISTENT);
}

TEST(NvidiaTest, BindsEachDeviceToItsSession) {
  const std::string transcript(64, 't');
  v1::Claims claims = *Verify(Good(), Hopper());
  claims.mutable_cpu()->set_type(v1::SEV_SNP);
  claims.mutable_cpu()->set_report_data(transcript);
  EXPECT_TRUE(
      policy::CheckBinding(claims, {AsBytes(transcript), AsBytes(kNonce)})
          .ok());
  const std::string other(32, 'o');
  EXPECT_EQ(RefusalOf(policy::CheckBinding(
                claims, {AsBytes(transcript), AsBytes(other)})),
            v1::EVIDENCE_NOT_BOUND);
  // A second device of another session.
  claims.MergeFrom(*Verify(Hopper().Attest(AsBytes(other)), Hopper()));
  EXPECT_EQ(RefusalOf(policy::CheckBinding(
                claims, {AsBytes(transcript), AsBytes(kNonce)})),
            v1::EVIDENCE_NOT_BOUND);
}

// The service's own manifests go before the sender's.
TEST(NvidiaTest, PrefersStoredManifests) {
  const auto item = [](const std::string& role, const std::string& subject,
                       const std::string& content) {
    return policy::CollateralItem{role, subject, content,
                                  crypto::Sha256(AsBytes(content))};
  };
  const std::string driver =
      Hopper().SignRim(Hopper().MakeRim(RimKind::kDriver));
  const std::string vbios = Hopper().SignRim(Hopper().MakeRim(RimKind::kVbios));
  const std::string driver_id = "driver/GH100/550.90.07";
  const std::string vbios_id = "vbios/GH100/96.00.9F.00.01";
  const policy::Collateral good({item("rim_driver", driver_id, driver),
                                 item("rim_vbios", vbios_id, vbios)});
  // With nothing from the sender, and with rubbish.
  const v1::Evidence bare = Without(Without(Good(), "rim_driver"), "rim_vbios");
  auto claims = Verify(bare, Hopper(), {.collateral = &good});
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_TRUE(claims->gpus(0).measurements_match());
  ASSERT_EQ(claims->collateral_size(), 2);
  EXPECT_EQ(claims->collateral(0).kind(), "rim_driver");
  EXPECT_EQ(claims->collateral(0).subject(), driver_id);
  EXPECT_EQ(claims->collateral(0).digest(), crypto::Sha256(AsBytes(driver)));
  EXPECT_EQ(claims->collateral(0).issued_us(), absl::ToUnixMicros(kStart));
  EXPECT_EQ(claims->collateral(0).next_update_us(), absl::ToUnixMicros(kEnd));
  EXPECT_TRUE(claims->collateral(0).stored());
  v1::Evidence rubbish = Good();
  SetFile(rubbish, "rim_vbios", "rubbish");
  EXPECT_TRUE(Verify(rubbish, Hopper(), {.collateral = &good}).ok());
  // The stored one counts even where it is worse.
  RimSpec spec = Hopper().MakeRim(RimKind::kVbios);
  spec.active[0] = {std::string(48, 'x')};
  const policy::Collateral other(
      {item("rim_vbios", vbios_id, Hopper().SignRim(spec))});
  EXPECT_EQ(Judge(Good(), Hopper(), {.collateral = &other}),
            v1::MEASUREMENT_MISMATCH);
  // Under a subject that it does not speak of.
  const policy::Collateral misplaced({item("rim_vbios", vbios_id, driver)});
  EXPECT_EQ(Judge(Good(), Hopper(), {.collateral = &misplaced}),
            v1::ENDORSEMENT_MISMATCH);
  // Of another device: not asked for.
  const policy::Collateral unrelated(
      {item("rim_vbios", "vbios/GH100/96.00.9F.00.02", "rubbish")});
  claims = Verify(Good(), Hopper(), {.collateral = &unrelated});
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_FALSE(claims->collateral(0).stored());
}

// B14: see ocsp_test for what a response itself may lie about.
class Responder {
 public:
  // The answer about the certificate at `depth` of a path of `gpu`.
  static std::string Answer(
      const SimulatedGpu& gpu, Hierarchy hierarchy, size_t depth,
      const std::function<void(x509::OcspSpec&)>& change = [](x509::OcspSpec&) {
      }) {
    const auto& path = gpu.path(hierarchy);
    x509::OcspSpec spec = {.issuer = path[depth + 1],
                           .serial = path[depth].serial(),
                           .this_update = kNow - absl::Hours(1),
                           .next_update = kNow + absl::Hours(1),
                           .responder = path[depth + 1]};
    change(spec);
    return x509::IssueOcspResponse(spec, gpu.key(hierarchy, depth + 1));
  }

  // Evidence with a good answer about everything that can have one.
  static v1::Evidence All(const SimulatedGpu& gpu) {
    v1::Evidence evidence = Good(gpu);
    for (size_t i = 1; i + 1 < gpu.path(Hierarchy::kDevice).size(); ++i) {
      Add(evidence, Answer(gpu, Hierarchy::kDevice, i));
    }
    for (size_t i = 0; i + 1 < gpu.path(Hierarchy::kManifest).size(); ++i) {
      Add(evidence, Answer(gpu, Hierarchy::kManifest, i));
    }
    return evidence;
  }

  static void Add(v1::Evidence& evidence, const std::string& response) {
    v1::EvidenceFile* file = evidence.add_files();
    file->set_role("ocsp_response");
    file->set_content(response);
  }
};

TEST(NvidiaTest, SaysOcspCheckedOnlyWhenEveryCertificateIsGood) {
  const v1::Evidence all = Responder::All(Hopper());
  policy::VerifiedCache cache(1 << 20);
  for (int round = 0; round < 2; ++round) {
    const auto claims = Verify(all, Hopper(), {.cache = &cache});
    ASSERT_TRUE(claims.ok()) << claims.status();
    EXPECT_TRUE(claims->gpus(0).ocsp_checked());
    EXPECT_EQ(claims->collateral_size(), 2 + 6);
    // An hour later they are old, in the cache too: no answer at all.
    const auto late =
        Verify(all, Hopper(), {.now = kNow + absl::Hours(2), .cache = &cache});
    ASSERT_TRUE(late.ok()) << late.status();
    EXPECT_FALSE(late->gpus(0).ocsp_checked());
    EXPECT_EQ(late->collateral_size(), 2);
  }
  int responses = 0;
  for (int i = all.files_size() - 1; i >= 0; --i) {
    if (all.files(i).role() != "ocsp_response") continue;
    v1::Evidence less = all;
    less.mutable_files()->DeleteSubrange(i, 1);
    const auto claims = Verify(less, Hopper());
    ASSERT_TRUE(claims.ok()) << claims.status();
    EXPECT_FALSE(claims->gpus(0).ocsp_checked());
    ++responses;
  }
  EXPECT_EQ(responses, 6);
}

TEST(NvidiaTest, RejectsRevokedUnknownAndIllSignedAnswers) {
  for (const auto& [hierarchy, depth] :
       std::vector<std::pair<Hierarchy, size_t>>{{Hierarchy::kDevice, 0},
                                                 {Hierarchy::kDevice, 1},
                                                 {Hierarchy::kDevice, 3},
                                                 {Hierarchy::kManifest, 0},
                                                 {Hierarchy::kManifest, 2}}) {
    const auto judge = [&](const std::function<void(x509::OcspSpec&)>& change) {
      v1::Evidence evidence = Responder::All(Hopper());
      Responder::Add(evidence,
                     Responder::Answer(Hopper(), hierarchy, depth, change));
      return Judge(evidence, Hopper());
    };
    for (const uint8_t reason : std::vector<uint8_t>{0, 1, 6}) {
      EXPECT_EQ(judge([&](x509::OcspSpec& s) {
                  s.status = x509::OcspRevoked(kStart, reason);
                }),
                v1::CERTIFICATE_REVOKED);
    }
    EXPECT_EQ(judge([](x509::OcspSpec& s) { s.status = x509::OcspUnknown(); }),
              v1::CERTIFICATE_REVOKED);
    EXPECT_EQ(judge([](x509::OcspSpec& s) { s.next_update.reset(); }),
              v1::CRL_INVALID);
    EXPECT_EQ(judge([](x509::OcspSpec& s) {
                s.responder = Hopper().path(Hierarchy::kDevice)[0];
              }),
              v1::CRL_INVALID);
    // Of another serial number: counts for nothing.
    EXPECT_EQ(judge([](x509::OcspSpec& s) {
                s.serial = "another";
                s.status = x509::OcspUnknown();
              }),
              v1::REFUSAL_CODE_UNSPECIFIED);
  }
  v1::Evidence evidence = Good();
  Responder::Add(evidence, "rubbish");
  EXPECT_EQ(Judge(evidence, Hopper()), v1::ENDORSEMENT_MALFORMED);
}

// B5, B6: lists, of the sender and of the store.
TEST(NvidiaTest, HonoursRevocationLists) {
  const auto list = [](Hierarchy hierarchy, size_t depth,
                       const std::function<void(x509::CrlSpec&)>& change) {
    x509::CrlSpec spec;
    spec.issuer = Hopper().path(hierarchy)[depth + 1].subject_der();
    spec.this_update = kNow - absl::Hours(1);
    spec.next_update = kNow + absl::Hours(1);
    spec.scheme = x509::SignatureScheme::kEcdsaSha384;
    change(spec);
    return x509::IssueCrl(spec, Hopper().key(hierarchy, depth + 1));
  };
  const auto good = [](x509::CrlSpec& s) { s.revoked = {"x"}; };
  for (const auto& [hierarchy, depth] :
       std::vector<std::pair<Hierarchy, size_t>>{{Hierarchy::kDevice, 1},
                                                 {Hierarchy::kDevice, 3},
                                                 {Hierarchy::kManifest, 0}}) {
    const auto judge = [&, h = hierarchy, d = depth](
                           const std::function<void(x509::CrlSpec&)>& change) {
      v1::Evidence evidence = Good();
      SetFile(evidence, "crl", list(h, d, change));
      return Judge(evidence, Hopper());
    };
    const std::string serial = Hopper().path(hierarchy)[depth].serial();
    const auto revoking = [&](x509::CrlSpec& s) { s.revoked = {serial}; };
    EXPECT_EQ(judge(good), v1::REFUSAL_CODE_UNSPECIFIED);
    EXPECT_EQ(judge(revoking), v1::CERTIFICATE_REVOKED);
    EXPECT_EQ(judge([](x509::CrlSpec& s) {
                s.next_update = kNow - absl::Seconds(1);
              }),
              v1::CRL_EXPIRED);
    EXPECT_EQ(judge([](x509::CrlSpec& s) {
                s.issuer = x509::MakeName({{"2.5.4.3", "somebody"}});
              }),
              v1::CRL_INVALID);
    // Only the store's list of an issuer counts where there is one.
    const std::string subject =
        policy::CrlSubject(Hopper().path(hierarchy)[depth + 1]);
    const std::string stored = list(hierarchy, depth, revoking);
    const policy::Collateral store(
        {{"crl", subject, stored, crypto::Sha256(AsBytes(stored))}});
    v1::Evidence evidence = Good();
    SetFile(evidence, "crl", list(hierarchy, depth, good));
    EXPECT_EQ(Judge(evidence, Hopper(), {.collateral = &store}),
              v1::CERTIFICATE_REVOKED);
    const std::string kind = list(hierarchy, depth, good);
    const policy::Collateral kinder(
        {{"crl", subject, kind, crypto::Sha256(AsBytes(kind))}});
    SetFile(evidence, "crl", stored);
    const auto claims = Verify(evidence, Hopper(), {.collateral = &kinder});
    ASSERT_TRUE(claims.ok()) << claims.status();
    EXPECT_EQ(claims->collateral(0).kind(), "crl");
    EXPECT_TRUE(claims->collateral(0).stored());
  }
}

}  // namespace
}  // namespace kms::nvidia

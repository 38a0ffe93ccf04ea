// What NVIDIA's Evidence may lie about: rows F1 to F3, F5 to F7 of the
// catalogue and what of A and B applies. Each row is otherwise valid and signed
// anew, differs in the named way only, and has one code. Manifests and
// revocation: nvidia_manifest_test. F8, verdicts of NVIDIA's own service, does
// not apply: we take none.
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
#include "policy/nvidia/limits.h"
#include "policy/nvidia/rim.h"
#include "policy/verifier/evidence_files.h"
#include "policy/verifier/verified_cache.h"
#include "policy/verifier/verifier.h"
#include "tests/conformance/nvidia_fixture.h"
#include "tools/simtee/gpu.h"

namespace kms::nvidia {
namespace {

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
  // DSP0274: a slot is 0 to 7, in request and response alike.
  EXPECT_EQ(JudgeReport([](UnverifiedReport& r) { r.slot = 1; }),
            v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(JudgeReport([](UnverifiedReport& r) { r.slot = 0x11; }),
            v1::EVIDENCE_MALFORMED);
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

// A CompositeDeviceID (Hopper) and a DiceTcbInfo (Blackwell), each of one other
// form.
TEST(NvidiaTest, RejectsIllFormedStatementsOfFirmware) {
  const auto judge = [](const SimulatedGpu& gpu, const std::string& value) {
    return JudgeChain(
        0, [&](x509::CertificateSpec& s) { s.extensions.back().value = value; },
        gpu);
  };
  const auto sequence = [](const std::string& content) {
    return x509::DerEncode(x509::kDerSequence, content);
  };
  const std::string sha384 = x509::DerOid("2.16.840.1.101.3.4.2.2");
  const auto octets = [](const std::string& bytes) {
    return x509::DerEncode(x509::kDerOctetString, bytes);
  };
  UnverifiedReport report = Report();
  const std::string digest = Field(report, kOpaqueFwid).data;
  const std::string fwid = sequence(sha384 + octets(digest));
  const std::string id = x509::DerU32(1) + sequence("");
  const std::vector<std::string> fwids = {
      sequence(sha384 + octets(digest.substr(1))),
      sequence(sha384 + octets(digest + "x")),
      sequence(sha384 + octets(digest) + octets("")),
      sequence(x509::DerOid("2.16.840.1.101.3.4.2.1") + octets(digest)),
      sequence(sha384),
      octets(digest)};
  EXPECT_EQ(judge(Hopper(), sequence(id + fwid)), v1::REFUSAL_CODE_UNSPECIFIED);
  std::vector<std::string> lies = {
      sequence(id + fwid) + fwid,
      sequence(id + fwid + fwid),
      sequence(x509::DerU32(2) + sequence("") + fwid),
      sequence(x509::DerU32(1) + fwid),
      sequence(id),
      ""};
  for (const std::string& lie : fwids) lies.push_back(sequence(id + lie));
  for (const std::string& lie : lies) {
    EXPECT_EQ(judge(Hopper(), lie), v1::ENDORSEMENT_MALFORMED) << Hex(lie);
  }

  const auto element = [](uint8_t number, const std::string& content) {
    return x509::DerEncode(
        number == 6 ? x509::DerContextConstructed(6) : x509::DerContext(number),
        content);
  };
  const std::string list = element(6, fwid);
  const std::string flags = element(7, std::string("\0\x80", 2));
  EXPECT_EQ(judge(Blackwell(), sequence(list + flags)),
            v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(judge(Blackwell(), sequence(element(6, fwid + fwid))),
            v1::REFUSAL_CODE_UNSPECIFIED);
  lies = {sequence(list) + list,
          sequence(octets("") + list),
          sequence(flags + list),
          sequence(list + list),
          sequence(list + element(7, "")),
          sequence(list + element(7, "\x01")),
          sequence(list + element(7, "\x08\x80")),
          ""};
  for (const std::string& lie : fwids) {
    lies.push_back(sequence(element(6, lie)));
    lies.push_back(sequence(element(6, fwid + lie)));
  }
  for (const std::string& lie : lies) {
    EXPECT_EQ(judge(Blackwell(), lie), v1::ENDORSEMENT_MALFORMED) << Hex(lie);
  }
  // Both, each right by itself.
  EXPECT_EQ(JudgeChain(0,
                       [&](x509::CertificateSpec& s) {
                         s.extensions.push_back({.oid = "2.23.133.5.4.1.1",
                                                 .critical = false,
                                                 .value = sequence(list)});
                       }),
            v1::ENDORSEMENT_MALFORMED);
}

TEST(NvidiaTest, RejectsOtherChipsAndKeys) {
  const auto named = [](const std::string& name) {
    return [name](x509::CertificateSpec& s) {
      s.subject = x509::MakeName({{"2.5.4.3", name}});
    };
  };
  EXPECT_EQ(JudgeChain(0, named("GB100 A01 GSP FMC LF")),
            v1::ENDORSEMENT_MISMATCH);
  // Also where no manifest would tell.
  EXPECT_EQ(
      Judge(Without(
                Without(Good(Hopper().Reissued(Hierarchy::kDevice, 0,
                                               named("GH200 A01 GSP FMC LF"))),
                        "rim_driver"),
                "rim_vbios"),
            Hopper()),
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
  report = Report();
  Field(report, kOpaqueProtectedPcie).data = "\x55";
  claims = Verify(Hopper().Wrap(Hopper().Sign(report)), Hopper());
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_TRUE(claims->gpus(0).has_protected_pcie());
  EXPECT_FALSE(claims->gpus(0).protected_pcie());
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
  // The same in a field that nobody reads.
  UnverifiedReport unknown = Report();
  unknown.opaque.push_back({99, "new"});
  std::string bytes = SerializeReport(unknown);
  bytes.resize(bytes.size() - kSignatureBytes);
  bytes.replace(bytes.size() - 5, 2, std::string("\4\0", 2));
  EXPECT_EQ(Judge(Hopper().Wrap(Hopper().SignBytes(bytes)), Hopper()),
            v1::EVIDENCE_MALFORMED);
  for (const OpaqueType needed : {kOpaqueDriverVersion, kOpaqueVbiosVersion}) {
    EXPECT_EQ(judge([&](UnverifiedReport& r) {
                r.opaque.erase(std::find_if(
                    r.opaque.begin(), r.opaque.end(),
                    [&](const OpaqueField& f) { return f.type == needed; }));
              }),
              v1::EVIDENCE_MALFORMED)
        << needed;
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
  EXPECT_EQ(field(kOpaqueFeatureFlag, ""), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(
      JudgeReport([](UnverifiedReport& r) { Field(r, kOpaquePdi).data = "1"; },
                  Switch()),
      v1::EVIDENCE_MALFORMED);
  for (const size_t size : {1, 8, 63}) {
    EXPECT_EQ(JudgeReport(
                  [&](UnverifiedReport& r) {
                    Field(r, kOpaqueSwitchGpuPdis).data =
                        std::string(size, '1');
                  },
                  Switch()),
              v1::EVIDENCE_MALFORMED);
  }
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

}  // namespace
}  // namespace kms::nvidia

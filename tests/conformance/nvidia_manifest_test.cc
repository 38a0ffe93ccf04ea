// Which manifests, answers and revocation lists count for a device (rows F4,
// F6, B5, B6 and B14). Each row is otherwise valid and signed anew, and has one
// code. What manifests may lie about as XML is in nvidia_rim_test.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "kms/base/refusal.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/x509/issue.h"
#include "kms/crypto/x509/issue_ocsp.h"
#include "policy/nvidia/limits.h"
#include "policy/nvidia/report.h"
#include "policy/nvidia/rim.h"
#include "policy/verifier/collateral.h"
#include "policy/verifier/crls.h"
#include "policy/verifier/verified_cache.h"
#include "policy/verifier/verifier.h"
#include "tests/conformance/nvidia_fixture.h"
#include "tools/simtee/gpu.h"

namespace kms::nvidia {
namespace {

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
  // As long as a VBIOS version, but a driver's.
  UnverifiedReport report = Report();
  driver = Hopper().MakeRim(RimKind::kDriver);
  for (const char* version : {"550.90.07-beta", "550.90.07.0001"}) {
    Field(report, kOpaqueDriverVersion).data = driver.version = version;
    evidence = Hopper().Wrap(Hopper().Sign(report));
    SetFile(evidence, "rim_driver", Hopper().SignRim(driver));
    EXPECT_EQ(Judge(evidence, Hopper()), v1::REFUSAL_CODE_UNSPECIFIED);
  }
  EXPECT_EQ(JudgeRim(RimKind::kDriver,
                     [](RimSpec& s) {
                       s.product = std::string(kRimTextBytesMax + 1, 'x');
                     }),
            v1::ENDORSEMENT_MALFORMED);
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

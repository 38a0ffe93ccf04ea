// Real reports and manifests of real devices, from the shared set: each must
// give the verdict and the values that its expect.json and MANIFEST.json state.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/shared_data.h"
#include "policy/bundle/bundle.h"
#include "policy/nvidia/rim.h"
#include "policy/verifier/verified_cache.h"
#include "policy/verifier/verifier.h"

namespace kms::nvidia {
namespace {

using nlohmann::json;

const policy::TrustAnchors& Anchors() {
  static const auto* const kAnchors = new policy::TrustAnchors(
      *policy::TrustAnchors::Create(policy::TrustAnchors::BuiltIn()));
  return *kAnchors;
}

absl::Time At(const std::string& text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, text, &time, &error));
  return time;
}

json Manifest() {
  const auto text = ReadShared("evidence/MANIFEST.json");
  return text.has_value() ? json::parse(*text) : json();
}

v1::EvidenceBundle Load(const std::string& folder) {
  const auto index =
      policy::ParseBundleIndex(ReadShared(folder + "/bundle.json").value());
  return *policy::LoadBundle(
      *index, [&](const std::string& name) -> absl::StatusOr<std::string> {
        return ReadShared(folder + "/" + name).value();
      });
}

absl::StatusOr<v1::Claims> Verify(const v1::EvidenceBundle& bundle,
                                  absl::Time now,
                                  policy::VerifiedCache* cache = nullptr) {
  return policy::VerifyBundle(
      bundle, {.now = now, .anchors = Anchors(), .cache = cache});
}

void ExpectValues(const json& want, const v1::GpuClaims& gpu) {
  EXPECT_EQ(want["spdm_version"], "0x11");
  EXPECT_EQ(gpu.spdm_version(), "1.1");
  EXPECT_EQ(want["request_nonce"], Hex(gpu.nonce()));
  EXPECT_EQ(want["measurement_blocks"], gpu.measurement_count());
  EXPECT_EQ(gpu.measurements().size(), gpu.measurement_count());
  EXPECT_EQ(want["vbios_version"], gpu.vbios_version());
  EXPECT_EQ(want.value("driver_version", ""), gpu.driver_version());
  EXPECT_EQ(want.value("project", ""), gpu.project());
  EXPECT_EQ(want.value("project_sku", ""), gpu.project_sku());
  EXPECT_EQ(want.value("chip_sku", ""), gpu.chip_sku());
  EXPECT_EQ(absl::AsciiStrToLower(want["arch"].get<std::string>()),
            gpu.architecture());
  EXPECT_EQ(want["leaf_serial"], Hex(gpu.chip_id()));
  // The manifest knows Hopper's extension only.
  EXPECT_EQ(want["fwid_extension_present"] || want["arch"] == "BLACKWELL",
            gpu.fwid().size() == 48);
}

TEST(RealEvidenceTest, EachCaseGivesItsVerdictAndValues) {
  const json manifest = Manifest();
  if (manifest.is_null()) return;
  int cases = 0;
  for (const json& item : manifest["cases"]) {
    const std::string id = item["id"];
    if (!absl::StartsWith(id, "nvidia/") ||
        !item.value("values", json::object()).contains("request_nonce")) {
      continue;
    }
    SCOPED_TRACE(id);
    ++cases;
    const std::string folder = "evidence/" + id;
    const v1::EvidenceBundle bundle = Load(folder);
    const auto claims = Verify(bundle, At(item["verify_at"]));
    ASSERT_TRUE(claims.ok()) << claims.status();
    ASSERT_EQ(claims->gpus_size(), 1);
    const v1::GpuClaims& gpu = claims->gpus(0);
    ExpectValues(item["values"], gpu);
    const json expect = json::parse(*ReadShared(folder + "/expect.json"));
    EXPECT_EQ(expect["claims"].value("driver", ""), gpu.driver_version());
    EXPECT_EQ(expect["claims"]["vbios"], gpu.vbios_version());
    EXPECT_FALSE(gpu.simulated());
    EXPECT_FALSE(gpu.debug());
    EXPECT_EQ(gpu.anchor(), "nvidia-device-identity-ca");
    const bool compared = item["values"].contains("rim_compare");
    const bool is_switch = gpu.kind() == "nvswitch";
    EXPECT_EQ(is_switch, gpu.architecture() == "ls10");
    EXPECT_EQ(gpu.measurements_match(), compared);
    EXPECT_EQ(gpu.secure_boot(), compared);
    EXPECT_EQ(gpu.vbios_rim_verified(), compared);
    EXPECT_EQ(gpu.driver_rim_verified(), compared && !is_switch);
    EXPECT_EQ(gpu.rim_anchor(), compared ? "nvidia-corim-signing-root-ca" : "");
    for (const json& other : item.value("at_other_times", json::array())) {
      EXPECT_EQ(RefusalOf(Verify(bundle, At(other["verify_at"])).status()),
                v1::CERTIFICATE_EXPIRED)
          << other["verify_at"];
    }
  }
  EXPECT_EQ(cases, 7);
}

TEST(RealEvidenceTest, TwoGpusOfOneSessionAreTwoAndNeverOneTwice) {
  if (Manifest().is_null()) return;
  v1::EvidenceBundle bundle = Load("evidence/nvidia/hopper-multi-gpu-0");
  bundle.MergeFrom(Load("evidence/nvidia/hopper-multi-gpu-1"));
  const absl::Time now = At("2025-10-24T12:00:00Z");
  const auto claims = Verify(bundle, now);
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->gpus_size(), 2);
  EXPECT_EQ(claims->gpus(0).nonce(), claims->gpus(1).nonce());
  EXPECT_EQ(claims->gpus(0).mode(), "ppcie");
  EXPECT_TRUE(claims->gpus(0).protected_pcie());
  EXPECT_EQ(claims->gpus(0).peer_pdis_size(), 4);
  *bundle.add_evidence() = bundle.evidence(0);
  EXPECT_EQ(RefusalOf(Verify(bundle, now).status()), v1::EVIDENCE_INCONSISTENT);
}

// The responses for the device are of August, those for the manifests of
// October: at no time are all in force.
TEST(RealEvidenceTest, OldOcspAnswersCountForNothing) {
  if (Manifest().is_null()) return;
  const v1::EvidenceBundle bundle =
      Load("evidence/nvidia/hopper-h100-550.90.07-full");
  const auto used = [&](const std::string& at) {
    const auto claims = Verify(bundle, At(at));
    EXPECT_TRUE(claims.ok()) << claims.status();
    EXPECT_FALSE(claims->gpus(0).ocsp_checked());
    int responses = 0;
    for (const v1::CollateralClaims& item : claims->collateral()) {
      responses += item.kind() == "ocsp_response" ? 1 : 0;
    }
    return responses;
  };
  EXPECT_EQ(used("2025-10-24T12:00:00Z"), 4);
  EXPECT_EQ(used("2025-08-21T12:00:00Z"), 3);
  EXPECT_EQ(used("2025-09-21T12:00:00Z"), 0);
  // Without manifests, the device's three certificates are all there are.
  v1::EvidenceBundle device = bundle;
  auto* files = device.mutable_evidence(0)->mutable_files();
  for (int i = files->size() - 1; i >= 0; --i) {
    if (absl::StartsWith(files->Get(i).role(), "rim_")) {
      files->DeleteSubrange(i, 1);
    }
  }
  const auto claims = Verify(device, At("2025-08-21T12:00:00Z"));
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_TRUE(claims->gpus(0).ocsp_checked());
  EXPECT_FALSE(claims->gpus(0).measurements_match());
}

TEST(RealEvidenceTest, NoBitOfAReportIsFree) {
  if (Manifest().is_null()) return;
  for (const std::string name :
       {"hopper-h100-550.90.07-full", "blackwell-gb100-590.48.01",
        "nvswitch-ls10-full"}) {
    SCOPED_TRACE(name);
    policy::VerifiedCache cache(1 << 20);
    const v1::EvidenceBundle good = Load("evidence/nvidia/" + name);
    const absl::Time now =
        At(absl::StrContains(name, "ls10") ? "2027-02-10T11:01:25Z"
                                           : "2025-10-24T12:00:00Z");
    ASSERT_TRUE(Verify(good, now, &cache).ok());
    const std::string report = good.evidence(0).files(0).content();
    ASSERT_EQ(good.evidence(0).files(0).role(), "evidence");
    v1::EvidenceBundle lie = good;
    std::string* bytes =
        lie.mutable_evidence(0)->mutable_files(0)->mutable_content();
    // A sample, because each costs a signature check: the simulated reports
    // of tests/conformance have every bit flipped.
    for (size_t at = 0; at < report.size(); at += 7) {
      *bytes = report;
      (*bytes)[at] = static_cast<char>(report[at] ^ 1 << at % 8);
      ASSERT_FALSE(Verify(lie, now, &cache).ok()) << "byte " << at;
    }
    for (size_t size = 0; size < report.size(); ++size) {
      *bytes = report.substr(0, size);
      ASSERT_FALSE(Verify(lie, now, &cache).ok()) << size << " bytes";
    }
  }
}

absl::StatusOr<VerifiedRim> VerifyRim(const std::string& name,
                                      const std::string& at) {
  const auto file = ReadShared("evidence/nvidia/" + name);
  if (!file.has_value()) return absl::NotFoundError(name);
  return ParseAndVerifyRim(AsBytes(*file), Anchors(), At(at));
}

TEST(RealRimTest, GenuineManifestsVerify) {
  const json manifest = Manifest();
  if (manifest.is_null()) return;
  const auto rim =
      VerifyRim("rim-driver-gh100-550.144.03/rim.xml", "2025-12-30T16:56:50Z");
  ASSERT_TRUE(rim.ok()) << rim.status();
  EXPECT_EQ(rim->id(), "driver/GH100/550.144.03");
  EXPECT_EQ(rim->measurements().size(), 21u);
  EXPECT_EQ(rim->issued(), At("2024-12-30T16:56:50Z"));
  EXPECT_EQ(rim->not_after(), At("2026-12-30T16:56:50Z"));
  int rims = 0;
  for (const json& item : manifest["cases"]) {
    if (item["id"] != "nvidia/rims-gh100-vbios") continue;
    for (const json& file : item["files"]) {
      const std::string path = file["file"];
      const auto vbios =
          VerifyRim(path.substr(strlen("nvidia/")), item["verify_at"]);
      ASSERT_TRUE(vbios.ok()) << path << ": " << vbios.status();
      EXPECT_EQ(vbios->kind(), RimKind::kVbios);
      EXPECT_EQ(vbios->measurements().size(), 12u);
      ++rims;
    }
  }
  EXPECT_EQ(rims, 12);
}

TEST(RealRimTest, AlteredManifestsDoNot) {
  if (Manifest().is_null()) return;
  EXPECT_EQ(RefusalOf(VerifyRim("rim-driver-bad-signature/rim.xml",
                                "2025-12-30T16:56:50Z")
                          .status()),
            v1::SIGNATURE_INVALID);
  EXPECT_EQ(
      RefusalOf(VerifyRim("rim-driver-expired/rim.xml", "2025-06-01T00:00:00Z")
                    .status()),
      v1::SIGNATURE_INVALID);
  EXPECT_EQ(RefusalOf(VerifyRim("rim-switch-invalid-signature/rim.xml",
                                "2025-05-20T17:59:06Z")
                          .status()),
            v1::SIGNATURE_INVALID);
  EXPECT_EQ(RefusalOf(VerifyRim("rim-driver-gh100-550.144.03/rim.xml",
                                "2027-01-01T00:00:00Z")
                          .status()),
            v1::CERTIFICATE_EXPIRED);
}

TEST(RealRimTest, MalformedManifestsAreRefused) {
  const json manifest = Manifest();
  if (manifest.is_null()) return;
  int files = 0;
  for (const json& item : manifest["cases"]) {
    if (item["id"] != "nvidia/rim-malformed") continue;
    for (const json& file : item["files"]) {
      const std::string path = file["file"];
      EXPECT_EQ(RefusalOf(VerifyRim(path.substr(strlen("nvidia/")),
                                    "2025-06-01T00:00:00Z")
                              .status()),
                v1::ENDORSEMENT_MALFORMED)
          << path;
      ++files;
    }
  }
  EXPECT_EQ(files, 9);
}

}  // namespace
}  // namespace kms::nvidia

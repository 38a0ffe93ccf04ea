// Real Evidence of Azure's confidential VMs, from the shared set: each must
// give the verdict and the values that expect.json and MANIFEST.json state.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/proto_json.h"
#include "kms/base/refusal.h"
#include "kms/base/shared_data.h"
#include "kms/crypto/x509/certificate.h"
#include "policy/az_vtpm/hcl_report.h"
#include "policy/bundle/bundle.h"
#include "policy/verifier/verifier.h"

namespace kms::az_vtpm {
namespace {

using nlohmann::json;

struct Case {
  v1::Evidence evidence;
  absl::Time verify_at;
};

std::optional<Case> LoadCase(const std::string& folder) {
  const auto text = ReadShared(folder + "/bundle.json");
  if (!text.has_value()) return std::nullopt;
  const auto index = policy::ParseBundleIndex(*text);
  EXPECT_TRUE(index.ok()) << index.status();
  const auto bundle = policy::LoadBundle(
      *index, [&](const std::string& name) -> absl::StatusOr<std::string> {
        const auto content = ReadShared(folder + "/" + name);
        if (!content.has_value()) return absl::NotFoundError(name);
        return *content;
      });
  EXPECT_TRUE(bundle.ok()) << bundle.status();
  if (!bundle.ok()) return std::nullopt;
  return Case{.evidence = bundle->evidence(0), .verify_at = *index->verify_at};
}

// The built-in anchors. Azure's chains come without their root, so its pin gets
// the certificate, as with kmsctl's --anchor.
policy::TrustAnchors Anchors() {
  std::vector<policy::TrustAnchor> anchors = policy::TrustAnchors::BuiltIn();
  const auto root = x509::ParseCertificates(
      AsBytes(*ReadShared("evidence/azure-vtpm/tdx-2026-full-ak-chain/"
                          "azure_vtpm_root_2023.pem")));
  EXPECT_TRUE(root.ok()) << root.status();
  for (policy::TrustAnchor& anchor : anchors) {
    if (anchor.name == "azure-vtpm-root-2023") {
      anchor.certificate = root->front();
      anchor.key = root->front().public_key();
    }
  }
  return *policy::TrustAnchors::Create(anchors);
}

absl::StatusOr<v1::Claims> Verify(const v1::Evidence& evidence, absl::Time at,
                                  policy::VerifiedCache* cache = nullptr) {
  static const auto* const kAnchors = new policy::TrustAnchors(Anchors());
  v1::EvidenceBundle bundle;
  *bundle.add_evidence() = evidence;
  return policy::VerifyBundle(
      bundle, {.now = at, .anchors = *kAnchors, .cache = cache});
}

std::string* File(v1::Evidence& evidence, const std::string& role) {
  for (v1::EvidenceFile& file : *evidence.mutable_files()) {
    if (file.role() == role) return file.mutable_content();
  }
  return nullptr;
}

std::string LittleEndianHex(uint64_t value) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(value >> (8 * i));
  return Hex(bytes);
}

// MANIFEST's `snp`, or `tdx.body`, by our Claims.
json Hardware(const v1::CpuClaims& claims) {
  const auto cpu = ProtoToJson(claims);
  json have = claims.has_snp() ? cpu["snp"] : cpu["tdx"];
  for (const char* name : {"report_data", "measurement", "host_data", "chip_id",
                           "product", "debug"}) {
    have[name] = cpu[name];
  }
  if (claims.has_snp()) {
    have["reported_tcb_parts"] = have["reported_tcb"];
    have["reported_tcb"] = have["reported_tcb_parts"]["raw"];
  } else {
    have["seamattributes"] = LittleEndianHex(claims.tdx().seam_attributes());
    have["tdattributes"] = LittleEndianHex(claims.tdx().attributes());
    have["xfam"] = LittleEndianHex(claims.tdx().xfam());
  }
  return have;
}

void ExpectHardware(const json& want, const json& have) {
  for (const auto& [name, value] : want.items()) {
    ASSERT_TRUE(have.contains(name)) << name;
    if (value.is_object()) {
      for (const auto& [part, number] : value.items()) {
        EXPECT_EQ(have[name][part], number) << name << "." << part;
      }
    } else {
      EXPECT_EQ(have[name], value) << name;
    }
  }
  EXPECT_GE(want.size(), 10u);
}

void ExpectQuote(const json& want, const v1::TpmClaims& tpm) {
  EXPECT_EQ(Hex(tpm.nonce()), want["extra_data"]);
  EXPECT_EQ(tpm.clock_ms(), want["clock"]);
  EXPECT_EQ(tpm.reset_count(), want["reset_count"]);
  EXPECT_EQ(tpm.restart_count(), want["restart_count"]);
  EXPECT_EQ(tpm.clock_safe() ? 1 : 0, want["safe"]);
  EXPECT_EQ(absl::StrCat("0x", absl::Hex(tpm.firmware_version())),
            want["firmware_version"]);
  EXPECT_EQ(tpm.pcr_bank(), "sha256");
  for (const json& index : want["pcr_select"][0][1]) {
    EXPECT_TRUE(tpm.pcrs().contains(index.get<uint32_t>()));
  }
  EXPECT_EQ(static_cast<size_t>(tpm.pcrs_size()),
            want["pcr_select"][0][1].size());
}

void ExpectAzure(const json& want, const v1::AzureClaims& azure) {
  EXPECT_EQ(azure.hcl_version(), want["hcl"]["header_version"]);
  EXPECT_EQ(Hex(azure.user_data()), want["user_data"]);
  const json& vm = want["vm_configuration"];
  EXPECT_TRUE(azure.has_vm_configuration());
  EXPECT_EQ(azure.vm_unique_id(), vm["vmUniqueId"]);
  EXPECT_EQ(azure.secure_boot(), vm["secure-boot"]);
  EXPECT_EQ(azure.tpm_enabled(), vm["tpm-enabled"]);
  EXPECT_EQ(azure.console_enabled(), vm["console-enabled"]);
  EXPECT_EQ(azure.tpm_persisted(), vm.value("tpm-persisted", false));
}

TEST(RealEvidenceTest, EachCaseGivesItsVerdictAndValues) {
  const auto text = ReadShared("evidence/MANIFEST.json");
  if (!text.has_value()) return;
  int cases = 0;
  const json manifest = json::parse(*text);
  for (const json& item : manifest["cases"]) {
    const std::string id = item["id"];
    if (item["tee"] != "azure-vtpm") continue;
    SCOPED_TRACE(id);
    const json expect =
        json::parse(*ReadShared("evidence/" + id + "/expect.json"));
    ASSERT_EQ(expect["must"], "accept");
    const std::optional<Case> real = LoadCase("evidence/" + id);
    ASSERT_TRUE(real.has_value());
    const auto claims = Verify(real->evidence, real->verify_at);
    ASSERT_TRUE(claims.ok()) << claims.status();
    ++cases;
    const json& values = item["values"];
    const bool snp = values.contains("snp");
    EXPECT_EQ(claims->cpu().type(), snp ? v1::AZ_SNP_VTPM : v1::AZ_TDX_VTPM);
    EXPECT_EQ(claims->tpm().type(), claims->cpu().type());
    EXPECT_FALSE(claims->cpu().simulated());
    EXPECT_FALSE(claims->tpm().simulated());
    ExpectHardware(snp ? values["snp"] : values["tdx"]["body"],
                   Hardware(claims->cpu()));
    ExpectQuote(values["quote"], claims->tpm());
    ExpectAzure(values, claims->cpu().azure());
    EXPECT_EQ(Hex(claims->tpm().pcrs().at(0)), values["pcr0"]);
    EXPECT_EQ(Hex(claims->tpm().pcrs().at(0)), expect["claims"]["az_pcr0"]);
    EXPECT_EQ(Hex(claims->cpu().measurement()),
              expect["claims"][snp ? "az_snp" : "az_tdx"]);
    EXPECT_EQ(claims->tpm().ak_certified(), values.contains("ak_cert"));
    if (values.contains("ak_cert")) {
      EXPECT_EQ(claims->tpm().anchor(), "azure-vtpm-root-2023");
      EXPECT_EQ(
          claims->tpm().ak_subject(),
          absl::StrCat("CN=", values["ak_cert"]["subject"].get<std::string>()));
    } else {
      EXPECT_EQ(claims->tpm().anchor(), "");
    }
    if (!snp) {
      EXPECT_EQ(claims->cpu().tcb_status(), expect["tcb_status"]);
      EXPECT_EQ(claims->cpu().dcap().module_tcb_status(),
                item["expected"]["tdx_module_status"]);
    }
  }
  EXPECT_EQ(cases, 5);
}

// The paravisor's NV index may be read with or without its padding, and so
// may the certificate's.
TEST(RealEvidenceTest, AllowsPadding) {
  auto real = LoadCase("evidence/azure-vtpm/tdx-2026-full-ak-chain");
  if (!real.has_value()) return;
  const auto hcl = ParseHclReport(AsBytes(*File(real->evidence, "evidence")));
  ASSERT_TRUE(hcl.ok());
  ASSERT_GT(hcl->padding, 0u);
  File(real->evidence, "evidence")
      ->resize(File(real->evidence, "evidence")->size() - hcl->padding);
  File(real->evidence, "ak_cert")->append(1000, '\0');
  EXPECT_TRUE(Verify(real->evidence, real->verify_at).ok());
  File(real->evidence, "ak_cert")->push_back('\1');
  EXPECT_EQ(RefusalOf(Verify(real->evidence, real->verify_at).status()),
            v1::ENDORSEMENT_MALFORMED);
}

// A1, A2, for a sample of each kind. Nothing survives: what is not signed is
// known and checked, but for the MAC of a TDREPORT, which only its own CPU can
// check, and its CPUSVN.
TEST(RealEvidenceTest, RejectsFlipsAndTruncations) {
  for (const std::string id : {"snp-genoa-v3", "snp-milan-v2", "tdx-2023"}) {
    const auto real = LoadCase("evidence/azure-vtpm/" + id);
    if (!real.has_value()) return;
    SCOPED_TRACE(id);
    const bool tdx = id == "tdx-2023";
    policy::VerifiedCache cache(1 << 20);
    v1::Evidence good = real->evidence;
    ASSERT_TRUE(Verify(good, real->verify_at, &cache).ok());
    const auto rejects = [&](const v1::Evidence& evidence) {
      const auto claims = Verify(evidence, real->verify_at, &cache);
      return !claims.ok() && RefusalOf(claims.status()) != v1::INTERNAL_ERROR;
    };
    for (const std::string role :
         {"evidence", "quote_attest", "quote_signature"}) {
      const std::string bytes = *File(good, role);
      for (size_t at = 0; at < bytes.size(); ++at) {
        v1::Evidence evidence = good;
        std::string& changed = *File(evidence, role);
        changed[at] = static_cast<char>(changed[at] ^ (1 << at % 8));
        const size_t in_report = at - 0x20;
        const bool unsigned_byte =
            tdx && role == "evidence" && at >= 0x20 &&
            ((in_report >= 0x10 && in_report < 0x20) ||  // CPUSVN.
             (in_report >= 0xe0 && in_report < 0x100));  // MAC.
        ASSERT_EQ(rejects(evidence), !unsigned_byte) << role << " byte " << at;
      }
      for (size_t size = 0; size < bytes.size(); size += 7) {
        v1::Evidence evidence = good;
        File(evidence, role)->resize(size);
        const auto hcl = ParseHclReport(AsBytes(*File(evidence, "evidence")));
        const bool only_padding = role == "evidence" && hcl.ok();
        ASSERT_EQ(rejects(evidence), !only_padding) << role << " of " << size;
      }
    }
  }
}

}  // namespace
}  // namespace kms::az_vtpm

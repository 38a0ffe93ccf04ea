// Real quotes of real platforms, from the shared set: each must give the
// verdict and the values that its expect.json and MANIFEST.json state.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kms/base/bytes.h"
#include "kms/base/proto_json.h"
#include "kms/base/refusal.h"
#include "kms/base/shared_data.h"
#include "policy/bundle/bundle.h"
#include "policy/dcap/collateral.h"
#include "policy/dcap/quote.h"
#include "policy/dcap/tcb_info.h"
#include "policy/verifier/verifier.h"

namespace kms::dcap {
namespace {

using nlohmann::json;

absl::Time ParseTime(const std::string& text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, text, &time, &error)) << text;
  return time;
}

struct Case {
  v1::EvidenceBundle bundle;
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
  return Case{.bundle = *bundle, .verify_at = *index->verify_at};
}

absl::StatusOr<v1::Claims> Verify(const v1::EvidenceBundle& bundle,
                                  absl::Time at,
                                  policy::VerifiedCache* cache = nullptr) {
  const auto anchors =
      policy::TrustAnchors::Create(policy::TrustAnchors::BuiltIn());
  return policy::VerifyBundle(bundle,
                              {.now = at, .anchors = *anchors, .cache = cache});
}

std::string LittleEndianHex(uint64_t value) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(value >> (8 * i));
  return Hex(bytes);
}

// MANIFEST's `body`, `pck`, `tcb` and `qe` by our Claims.
json Normalised(const v1::Claims& claims) {
  const auto cpu = ProtoToJson(claims.cpu());
  const bool tdx = claims.cpu().has_tdx();
  json body = tdx ? cpu["tdx"] : cpu["sgx"];
  body["report_data"] = cpu["report_data"];
  body["debug"] = cpu["debug"];
  if (tdx) {
    body["seamattributes"] =
        LittleEndianHex(claims.cpu().tdx().seam_attributes());
    body["tdattributes"] = LittleEndianHex(claims.cpu().tdx().attributes());
    body["xfam"] = LittleEndianHex(claims.cpu().tdx().xfam());
    body["tee_tcb_svn2"] = body["tee_tcb_svn_2"];
  } else {
    body["cpusvn"] = body["cpu_svn"];
    body["miscselect"] =
        LittleEndianHex(claims.cpu().sgx().misc_select()).substr(0, 8);
    body["attributes"] = LittleEndianHex(claims.cpu().sgx().attributes()) +
                         LittleEndianHex(claims.cpu().sgx().xfrm());
    body["isvprodid"] = body["isv_prod_id"];
    body["isvsvn"] = body["isv_svn"];
  }
  const auto& dcap = cpu["dcap"];
  json pck = {{"ppid", dcap["ppid"]},           {"fmspc", dcap["fmspc"]},
              {"pceid", dcap["pce_id"]},        {"pcesvn", dcap["pce_svn"]},
              {"cpusvn", dcap["cpu_svn"]},      {"comps", json::array()},
              {"platform_instance_id", nullptr}};
  for (char c : claims.cpu().dcap().sgx_components()) {
    pck["comps"].push_back(static_cast<uint8_t>(c));
  }
  if (dcap["platform_instance_id"] != "") {
    pck["platform_instance_id"] = dcap["platform_instance_id"];
  }
  pck["issuer"] = dcap["ca"] == "platform" ? "Intel SGX PCK Platform CA"
                                           : "Intel SGX PCK Processor CA";
  json tcb = {{"tcb_info_id", tdx ? "TDX" : "SGX"},
              {"evaluation_data_number", dcap["tcb_evaluation_data_number"]},
              {"matched_status", dcap["platform_tcb_status"]},
              {"advisory_ids", dcap["advisory_ids"]},
              {"tcb_date",
               absl::FormatTime("%Y-%m-%dT%H:%M:%SZ",
                                absl::FromUnixMicros(
                                    claims.cpu().dcap().platform_tcb_date_us()),
                                absl::UTCTimeZone())}};
  if (tdx && dcap["module_tcb_status"] != "") {
    const std::string& svn = claims.cpu().tdx().tee_tcb_svn();
    tcb["module"] = "TDX_" + Hex(svn.substr(1, 1));
    tcb["module_isvsvn"] = static_cast<uint8_t>(svn[0]);
    tcb["module_status"] = dcap["module_tcb_status"];
  }
  json qe = {{"identity_id", tdx ? "TD_QE" : "QE"},
             {"identity_match", true},
             {"status", dcap["qe_tcb_status"]},
             {"evaluation_data_number", dcap["qe_tcb_evaluation_data_number"]}};
  return {
      {"body", body},
      {"pck", pck},
      {"tcb", tcb},
      {"qe", qe},
      {"quote_version", body["quote_version"]},
      {"qe_report",
       {{"mrsigner", dcap["qe_mrsigner"]}, {"isvsvn", dcap["qe_isv_svn"]}}}};
}

void ExpectValues(const json& want, const json& have) {
  int compared = 0;
  for (const char* part : {"body", "pck", "tcb", "qe", "qe_report"}) {
    for (const auto& [name, value] : want[part].items()) {
      // Not in Claims: they say nothing that these values do not.
      if (name == "sgx_type" || name == "serial" ||
          name == "tcb_info_version" || !have[part].contains(name)) {
        continue;
      }
      EXPECT_EQ(have[part][name], value) << part << "." << name;
      ++compared;
    }
  }
  EXPECT_EQ(have["quote_version"], want["quote_version"]);
  EXPECT_GT(compared, 25);
}

// The refusal of what verifies but for its TCB level, or for collateral that
// was not there.
v1::RefusalCode ExpectedRefusal(const std::string& id) {
  if (id == "sgx/v3-2020-nocollateral-debug") return v1::ENDORSEMENT_MISSING;
  if (id == "tdx/v4-tdx10-no-tcb-level" || id == "tdx/v5-azure-no-tcb-level") {
    return v1::TCB_UNSUPPORTED;
  }
  return v1::REFUSAL_CODE_UNSPECIFIED;
}

TEST(RealEvidenceTest, EachCaseGivesItsVerdictAndValues) {
  const auto text = ReadShared("evidence/MANIFEST.json");
  if (!text.has_value()) return;
  int cases = 0;
  const json manifest = json::parse(*text);
  for (const json& item : manifest["cases"]) {
    const std::string id = item["id"];
    if (item["tee"] != "tdx" && item["tee"] != "sgx") continue;
    if (id == "tdx/collateral-extra-fmspc") continue;  // Without a quote.
    const auto expect_text = ReadShared("evidence/" + id + "/expect.json");
    ASSERT_TRUE(expect_text.has_value());
    SCOPED_TRACE(id);
    const json expect = json::parse(*expect_text);
    const std::optional<Case> real = LoadCase("evidence/" + id);
    ASSERT_TRUE(real.has_value());
    const auto claims = Verify(real->bundle, real->verify_at);
    ++cases;
    ASSERT_EQ(RefusalOf(claims.status()), ExpectedRefusal(id))
        << claims.status();
    if (!claims.ok()) {
      EXPECT_EQ(expect["must"], "refuse-or-show");
      continue;
    }
    EXPECT_FALSE(claims->cpu().simulated());
    EXPECT_EQ(claims->cpu().anchor(), "intel-sgx-root-ca");
    EXPECT_EQ(claims->cpu().debug(), expect["show"] == "debug");
    EXPECT_EQ(claims->cpu().tcb_status(), expect["tcb_status"]);
    EXPECT_EQ(claims->collateral_size(), 6);
    const json have = Normalised(*claims);
    ExpectValues(item["values"], have);
    for (const auto& [name, value] : expect["claims"].items()) {
      EXPECT_EQ(have["body"][name], value) << name;
    }
    for (const json& other : expect["at_other_times"]) {
      const v1::RefusalCode code = RefusalOf(
          Verify(real->bundle, ParseTime(other["verify_at"])).status());
      EXPECT_TRUE(code == v1::CERTIFICATE_EXPIRED || code == v1::CRL_EXPIRED ||
                  code == v1::COLLATERAL_EXPIRED)
          << RefusalName(code) << " " << other["verify_at"];
    }
  }
  EXPECT_EQ(cases, 11);
}

// What is accepted is refused with any byte of the signed part, of the quoting
// enclave's part or of the PCK and its CA changed, and when cut short. The rest
// of a chain file is unsigned: white space, and the root's certificate.
TEST(RealEvidenceTest, EachChangedByteOfAQuoteIsRefused) {
  for (const std::string id :
       {"tdx/v4-phala-uptodate", "tdx/v5-uptodate", "sgx/v3-icelake-sp"}) {
    std::optional<Case> real = LoadCase("evidence/" + id);
    if (!real.has_value()) return;
    SCOPED_TRACE(id);
    // It holds the PCK CA once more, which would stand in for a changed one.
    v1::Evidence& evidence = *real->bundle.mutable_evidence(0);
    for (int i = 0; i < evidence.files_size(); ++i) {
      if (evidence.files(i).role() != "pck_crl_issuer_chain") continue;
      evidence.mutable_files()->DeleteSubrange(i, 1);
    }
    policy::VerifiedCache cache(1 << 20);
    ASSERT_TRUE(Verify(real->bundle, real->verify_at, &cache).ok());
    std::string& bytes = *evidence.mutable_files(0)->mutable_content();
    const std::string quote = bytes;
    const size_t root = quote.rfind("-----BEGIN");
    for (size_t at = 0; at < root; ++at) {
      if (quote[at] == '\n' && at > quote.find("-----BEGIN")) continue;
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << at % 8));
      ASSERT_FALSE(Verify(real->bundle, real->verify_at, &cache).ok()) << at;
      bytes[at] = quote[at];
    }
    const auto parsed = ParseQuote(AsBytes(quote));
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(SerializeQuote(*parsed), quote);
    const size_t end = quote.size() - parsed->rest.size();
    for (size_t size = 0; size < end; ++size) {
      ASSERT_EQ(RefusalOf(ParseQuote(AsBytes(quote.substr(0, size))).status()),
                v1::EVIDENCE_MALFORMED)
          << size;
    }
  }
}

TEST(RealEvidenceTest, ALogOfAnotherMachineIsRefused) {
  std::optional<Case> real = LoadCase("evidence/tdx/v4-live-with-ccel");
  const std::optional<Case> other = LoadCase("evidence/tdx/v4-gcp-cos113-ccel");
  if (!real.has_value() || !other.has_value()) return;
  const auto claims = Verify(real->bundle, real->verify_at);
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->cpu().event_log().format(), "ccel");
  EXPECT_GE(claims->cpu().event_log().registers_size(), 3);
  const auto log = [](v1::EvidenceBundle bundle) {
    for (v1::EvidenceFile& file :
         *bundle.mutable_evidence(0)->mutable_files()) {
      if (file.role() == "event_log") return file.content();
    }
    return std::string();
  };
  for (v1::EvidenceFile& file :
       *real->bundle.mutable_evidence(0)->mutable_files()) {
    if (file.role() == "event_log") file.set_content(log(other->bundle));
  }
  EXPECT_EQ(RefusalOf(Verify(real->bundle, real->verify_at).status()),
            v1::EVIDENCE_INCONSISTENT);
}

// Collateral by itself, as it is imported.
TEST(RealEvidenceTest, RealCollateralVerifiesByItself) {
  const std::string folder = "evidence/tdx/collateral-extra-fmspc/";
  const auto chain = ReadShared(folder + "tcb_info_issuer_chain.pem");
  const auto crl_file = ReadShared(folder + "root_ca_crl_2026.der");
  if (!chain.has_value() || !crl_file.has_value()) return;
  const auto crl = ParseCrlFile(AsBytes(*crl_file));
  ASSERT_TRUE(crl.ok());
  const std::vector<x509::Crl> crls = {*crl};
  const auto anchors =
      policy::TrustAnchors::Create(policy::TrustAnchors::BuiltIn());
  SignerInputs inputs = {.issuer_chain = AsBytes(*chain),
                         .anchors = anchors->For(v1::TDX).x509,
                         .root_ca_crl = crls,
                         .now = crl->this_update()};
  int verified = 0;
  for (const auto& [name, subject] :
       std::vector<std::pair<std::string, std::string>>{
           {"tcb_info_00806f050000_2025-10.json", "tdx/00806f050000"},
           {"tcb_info_00a06d080000_sgx_2026-02.json", "sgx/00a06d080000"},
           {"tcb_info_00a06d080000_tdx_2026-02.json", "tdx/00a06d080000"},
           {"tcb_info_90c06f000000_2026-03.json", "tdx/90c06f000000"}}) {
    SCOPED_TRACE(name);
    const auto file = ReadShared(folder + name);
    ASSERT_TRUE(file.has_value());
    const auto info = ParseTcbInfoFile(AsBytes(*file));
    ASSERT_TRUE(info.ok()) << info.status();
    EXPECT_EQ(info->Subject(), subject);
    inputs.now = info->issued + absl::Hours(1);
    const auto result = VerifyTcbInfo(AsBytes(*file), inputs);
    if (inputs.now < crl->this_update()) {
      EXPECT_EQ(RefusalOf(result.status()), v1::CRL_EXPIRED);
      continue;
    }
    ++verified;
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->value().evaluation_data_number, 18u);
    EXPECT_EQ(result->valid_from(), info->issued);
    EXPECT_EQ(result->valid_until(), info->next_update);
  }
  EXPECT_EQ(verified, 3);
}

}  // namespace
}  // namespace kms::dcap

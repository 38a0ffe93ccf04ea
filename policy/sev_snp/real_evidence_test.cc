// Real reports of real machines, from the shared set: each must give the
// verdict and the values that its expect.json and MANIFEST.json state.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "kms/base/bytes.h"
#include "kms/base/proto_json.h"
#include "kms/base/refusal.h"
#include "kms/base/shared_data.h"
#include "policy/bundle/bundle.h"
#include "policy/verifier/verifier.h"

namespace kms::sev_snp {
namespace {

using nlohmann::json;

absl::StatusOr<v1::Claims> VerifyCase(const std::string& folder,
                                      const std::string& at) {
  const auto text = ReadShared(folder + "/bundle.json");
  if (!text.has_value()) return absl::NotFoundError("bundle.json");
  const auto index = policy::ParseBundleIndex(*text);
  if (!index.ok()) return index.status();
  const auto bundle = policy::LoadBundle(
      *index, [&](const std::string& name) -> absl::StatusOr<std::string> {
        const auto content = ReadShared(folder + "/" + name);
        if (!content.has_value()) return absl::NotFoundError(name);
        return *content;
      });
  if (!bundle.ok()) return bundle.status();
  absl::Time time = index->verify_at.value_or(
      absl::FromCivil(absl::CivilDay(2026, 1, 1), absl::UTCTimeZone()));
  if (!at.empty()) {
    std::string error;
    if (!absl::ParseTime(absl::RFC3339_full, at, &time, &error)) {
      return absl::InternalError(error);
    }
  }
  const auto anchors =
      policy::TrustAnchors::Create(policy::TrustAnchors::BuiltIn());
  return policy::VerifyBundle(*bundle, {.now = time, .anchors = *anchors});
}

v1::RefusalCode CodeOf(const std::string& reason) {
  if (reason == "leaf certificate not yet valid") {
    return v1::CERTIFICATE_NOT_YET_VALID;
  }
  if (reason == "leaf certificate expired") return v1::CERTIFICATE_EXPIRED;
  return v1::REFUSAL_CODE_UNSPECIFIED;
}

// MANIFEST's names for what our Claims call otherwise.
json Normalised(const v1::Claims& claims) {
  const auto cpu = ProtoToJson(claims.cpu());
  json values = cpu["snp"];
  for (const char* name :
       {"report_data", "measurement", "host_data", "chip_id", "product"}) {
    values[name] = cpu[name];
  }
  char policy[32];
  std::snprintf(policy, sizeof policy, "0x%llx",
                static_cast<unsigned long long>(claims.cpu().snp().policy()));
  values["policy"] = policy;
  for (const char* name :
       {"current_tcb", "reported_tcb", "committed_tcb", "launch_tcb"}) {
    values[std::string(name) + "_parts"] = values[name];
    values[name] = values[name]["raw"];
  }
  values["current_fw"] = values["current_firmware"];
  values["committed_fw"] = values["committed_firmware"];
  if (values["chip_id"] == "") values["chip_id"] = std::string(128, '0');
  return values;
}

void ExpectValues(const json& want, const json& have) {
  int compared = 0;
  for (const auto& [name, value] : want.items()) {
    if (name == "cert_extensions" || name == "leaf_to_root_validity") continue;
    ASSERT_TRUE(have.contains(name)) << name;
    if (value.is_object()) {
      for (const auto& [part, number] : value.items()) {
        EXPECT_EQ(have[name][part], number) << name << "." << part;
      }
    } else {
      EXPECT_EQ(have[name], value) << name;
    }
    ++compared;
  }
  EXPECT_GT(compared, 20);
}

TEST(RealEvidenceTest, EachCaseGivesItsVerdictAndValues) {
  const auto text = ReadShared("evidence/MANIFEST.json");
  if (!text.has_value()) return;
  const json manifest = json::parse(*text);
  int cases = 0;
  for (const json& item : manifest["cases"]) {
    const std::string id = item["id"];
    if (id.rfind("snp/", 0) != 0) continue;
    SCOPED_TRACE(id);
    const std::string folder = "evidence/" + id;
    const auto expect_text = ReadShared(folder + "/expect.json");
    ASSERT_TRUE(expect_text.has_value());
    const json expect = json::parse(*expect_text);
    const auto claims = VerifyCase(folder, "");
    ++cases;
    if (expect["must"] == "refuse") {
      EXPECT_EQ(RefusalName(RefusalOf(claims.status())),
                id == "snp/milan-v2-no-endorsement" ? "ENDORSEMENT_MISSING"
                                                    : "CHAIN_UNTRUSTED");
      continue;
    }
    ASSERT_TRUE(claims.ok()) << claims.status();
    EXPECT_FALSE(claims->cpu().simulated());
    EXPECT_EQ(claims->cpu().debug(), expect["must"] == "refuse-or-show");
    ExpectValues(item["values"], Normalised(*claims));
    for (const auto& [name, value] : expect["claims"].items()) {
      EXPECT_EQ(Normalised(*claims)[name], value) << name;
    }
    for (const json& other : expect["at_other_times"]) {
      EXPECT_EQ(RefusalOf(VerifyCase(folder, other["verify_at"]).status()),
                CodeOf(other["reason"]))
          << other["verify_at"];
    }
  }
  EXPECT_EQ(cases, 9);
}

}  // namespace
}  // namespace kms::sev_snp

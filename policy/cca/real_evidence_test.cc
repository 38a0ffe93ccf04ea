// The tokens of the shared set, which are synthetic: each must give the
// verdict and the values that its expect.json and MANIFEST.json state, under
// the platform key that comes with it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_format.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/shared_data.h"
#include "policy/bundle/bundle.h"
#include "policy/verifier/anchor_file.h"
#include "policy/verifier/verified_cache.h"
#include "policy/verifier/verifier.h"

namespace kms::cca {
namespace {

using nlohmann::json;

absl::StatusOr<v1::EvidenceBundle> Load(const std::string& folder) {
  const auto text = ReadShared(folder + "/bundle.json");
  if (!text.has_value()) return absl::NotFoundError("bundle.json");
  const auto index = policy::ParseBundleIndex(*text);
  if (!index.ok()) return index.status();
  return policy::LoadBundle(
      *index, [&](const std::string& name) -> absl::StatusOr<std::string> {
        const auto content = ReadShared(folder + "/" + name);
        if (!content.has_value()) return absl::NotFoundError(name);
        return *content;
      });
}

policy::TrustAnchors Anchors(const std::string& file) {
  std::vector<policy::TrustAnchor> anchors = policy::TrustAnchors::BuiltIn();
  const auto content = ReadShared(file);
  EXPECT_TRUE(content.has_value());
  const auto anchor = policy::ParseAnchorFile(AsBytes(content.value_or("")));
  EXPECT_TRUE(anchor.ok()) << anchor.status();
  anchors.push_back(
      policy::AnchorFromKey("cpak", v1::ARM_CCA, anchor->key, false));
  return *policy::TrustAnchors::Create(anchors);
}

absl::StatusOr<v1::Claims> Verify(const v1::EvidenceBundle& bundle,
                                  const policy::TrustAnchors& anchors,
                                  policy::VerifiedCache* cache = nullptr) {
  return policy::VerifyBundle(
      bundle, {.now = absl::UnixEpoch(), .anchors = anchors, .cache = cache});
}

void ExpectValues(const json& want, const v1::CpuClaims& cpu) {
  const v1::CcaClaims& have = cpu.cca();
  const auto text = [&](const char* name) {
    return want[name].is_null() ? "" : want[name].get<std::string>();
  };
  EXPECT_EQ(have.platform_profile(), text("platform_profile"));
  EXPECT_EQ(Hex(have.platform_challenge()), text("platform_nonce"));
  EXPECT_EQ(Hex(have.implementation_id()), text("implementation_id"));
  EXPECT_EQ(Hex(have.instance_id()), text("instance_id"));
  EXPECT_EQ(Hex(have.platform_config()), text("config"));
  EXPECT_EQ(absl::StrFormat("0x%x", have.lifecycle()), text("lifecycle"));
  EXPECT_EQ(have.lifecycle_state(), "secured");
  EXPECT_EQ(have.platform_hash_algorithm(), text("platform_hash_alg"));
  EXPECT_EQ(have.software_components_size(),
            want["n_sw_components"].get<int>());
  EXPECT_EQ(have.realm_profile(), text("realm_profile"));
  EXPECT_EQ(Hex(cpu.report_data()), text("realm_challenge"));
  EXPECT_EQ(Hex(have.realm_personalization()), text("realm_personalization"));
  EXPECT_EQ(Hex(have.realm_initial_measurement()),
            text("realm_initial_measurement"));
  EXPECT_EQ(cpu.measurement(), have.realm_initial_measurement());
  const json& rems = want["realm_extensible"];
  ASSERT_EQ(have.realm_extensible_measurements_size(),
            static_cast<int>(rems.size()));
  for (int i = 0; i < have.realm_extensible_measurements_size(); ++i) {
    EXPECT_EQ(Hex(have.realm_extensible_measurements(i)),
              rems[static_cast<size_t>(i)].get<std::string>());
  }
  EXPECT_EQ(have.realm_hash_algorithm(), text("realm_hash_alg"));
  EXPECT_EQ(Hex(have.realm_public_key()), text("realm_pubkey"));
  EXPECT_EQ(have.realm_public_key_hash_algorithm(),
            text("realm_pubkey_hash_alg"));
  EXPECT_EQ(cpu.anchor(), "cpak");
  EXPECT_FALSE(cpu.simulated());
  EXPECT_FALSE(cpu.debug());
}

TEST(RealEvidenceTest, EachCaseGivesItsVerdictAndValues) {
  const auto text = ReadShared("evidence/MANIFEST.json");
  if (!text.has_value()) return;
  const json manifest = json::parse(*text);
  int cases = 0;
  for (const json& item : manifest["cases"]) {
    const std::string id = item["id"];
    if (id.rfind("cca/", 0) != 0 || id == "cca/corim-invalid") continue;
    SCOPED_TRACE(id);
    const std::string folder = "evidence/" + id;
    const auto expect_text = ReadShared(folder + "/expect.json");
    ASSERT_TRUE(expect_text.has_value());
    const json expect = json::parse(*expect_text);
    ASSERT_EQ(expect["must"], "accept");
    const auto bundle = Load(folder);
    ASSERT_TRUE(bundle.ok()) << bundle.status();
    const std::string anchor = expect["anchors"][0];
    const auto claims = Verify(*bundle, Anchors(folder + "/" + anchor));
    ASSERT_TRUE(claims.ok()) << claims.status();
    ExpectValues(item["values"], claims->cpu());
    EXPECT_EQ(Hex(claims->cpu().report_data()),
              item["nonce"].get<std::string>());
    EXPECT_EQ(Hex(claims->cpu().chip_id()),
              expect["claims"]["instance_id"].get<std::string>());
    EXPECT_EQ(Hex(claims->cpu().measurement()),
              expect["claims"]["rim"].get<std::string>());
    // No vendor's platform key is built in.
    const auto built_in =
        policy::TrustAnchors::Create(policy::TrustAnchors::BuiltIn());
    EXPECT_EQ(RefusalOf(Verify(*bundle, *built_in).status()),
              v1::CHAIN_UNTRUSTED);
    ++cases;
  }
  EXPECT_EQ(cases, 2);
}

// A1, A2. Survivors would be listed here; there are none: of the bytes that
// nobody signs, the collection's, each has one encoding, but for its tag, whose
// two values are many bits apart.
TEST(RealEvidenceTest, RejectsEveryFlippedBitAndEveryTruncation) {
  const struct {
    const char *folder, *anchor;
  } kCases[] = {
      {"evidence/cca/trustee-example", "cpak_pub.jwk"},
      {"evidence/cca/veraison-good", "cpak_pub.pem"},
  };
  for (const auto& [folder, anchor] : kCases) {
    const auto loaded = Load(folder);
    if (!loaded.ok()) return;  // ReadShared has said so.
    SCOPED_TRACE(folder);
    const policy::TrustAnchors anchors =
        Anchors(std::string(folder) + "/" + anchor);
    policy::VerifiedCache cache(1 << 20);
    v1::EvidenceBundle bundle = *loaded;
    ASSERT_TRUE(Verify(bundle, anchors, &cache).ok());
    std::string& file =
        *bundle.mutable_evidence(0)->mutable_files(0)->mutable_content();
    const std::string good = file;
    for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
      file = good;
      file[bit / 8] = static_cast<char>(file[bit / 8] ^ (1 << bit % 8));
      const auto claims = Verify(bundle, anchors, &cache);
      ASSERT_FALSE(claims.ok()) << "bit " << bit;
      ASSERT_NE(RefusalOf(claims.status()), v1::INTERNAL_ERROR);
    }
    for (size_t size = 1; size < good.size(); ++size) {
      file = good.substr(0, size);
      ASSERT_EQ(RefusalOf(Verify(bundle, anchors, &cache).status()),
                v1::EVIDENCE_MALFORMED)
          << size;
    }
    for (const std::string& more : {good + '\0', good + good}) {
      file = more;
      EXPECT_EQ(RefusalOf(Verify(bundle, anchors, &cache).status()),
                v1::EVIDENCE_MALFORMED);
    }
  }
}

}  // namespace
}  // namespace kms::cca

// Real documents of real enclaves, from the shared set: each must give the
// verdict and the values that its expect.json and MANIFEST.json state.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/shared_data.h"
#include "policy/bundle/bundle.h"
#include "policy/verifier/verifier.h"

namespace kms::nitro {
namespace {

using nlohmann::json;

struct Case {
  v1::EvidenceBundle bundle;
  absl::Time verify_at;
};

absl::StatusOr<Case> Load(const std::string& folder) {
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
  return Case{*bundle, index->verify_at.value_or(absl::InfinitePast())};
}

absl::StatusOr<v1::Claims> Verify(const v1::EvidenceBundle& bundle,
                                  absl::Time now,
                                  policy::VerifiedCache* cache = nullptr) {
  static const auto* const kAnchors = new policy::TrustAnchors(
      *policy::TrustAnchors::Create(policy::TrustAnchors::BuiltIn()));
  return policy::VerifyBundle(
      bundle, {.now = now, .anchors = *kAnchors, .cache = cache});
}

absl::Time Time(const std::string& text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, text, &time, &error))
      << error;
  return time;
}

// null stands for an empty field in MANIFEST.json.
std::string HexOrEmpty(const json& value) {
  return value.is_null() ? "" : value.get<std::string>();
}

void ExpectValues(const json& want, const v1::CpuClaims& cpu) {
  const v1::NitroClaims& have = cpu.nitro();
  EXPECT_EQ(have.module_id(), want["module_id"].get<std::string>());
  EXPECT_EQ(have.digest(), want["digest"].get<std::string>());
  EXPECT_EQ(have.timestamp_ms(), want["timestamp_ms"].get<int64_t>());
  EXPECT_EQ(static_cast<size_t>(have.pcrs().size()), want["pcrs"].size());
  for (const auto& [index, value] : want["pcrs"].items()) {
    const auto found =
        have.pcrs().find(static_cast<uint32_t>(std::stoul(index)));
    ASSERT_NE(found, have.pcrs().end()) << index;
    EXPECT_EQ(Hex(found->second), value.get<std::string>()) << index;
  }
  EXPECT_EQ(Hex(have.public_key()), HexOrEmpty(want["public_key"]));
  EXPECT_EQ(Hex(have.user_data()), HexOrEmpty(want["user_data"]));
  EXPECT_EQ(Hex(have.nonce()), HexOrEmpty(want["nonce"]));
  EXPECT_EQ(cpu.report_data(), have.nonce());
  EXPECT_EQ(Hex(cpu.measurement()), want["pcrs"]["0"].get<std::string>());
  EXPECT_EQ(cpu.debug(), want["debug_mode"].get<bool>());
  EXPECT_EQ(cpu.anchor(), "aws-nitro-enclaves-root-g1");
  EXPECT_FALSE(cpu.simulated());
}

TEST(RealEvidenceTest, EachCaseGivesItsVerdictAndValues) {
  const auto text = ReadShared("evidence/MANIFEST.json");
  if (!text.has_value()) return;
  const json manifest = json::parse(*text);
  int cases = 0;
  for (const json& item : manifest["cases"]) {
    const std::string id = item["id"];
    if (id.rfind("nitro/", 0) != 0) continue;
    SCOPED_TRACE(id);
    const auto expect_text = ReadShared("evidence/" + id + "/expect.json");
    ASSERT_TRUE(expect_text.has_value());
    const json expect = json::parse(*expect_text);
    const auto loaded = Load("evidence/" + id);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    const auto claims = Verify(loaded->bundle, loaded->verify_at);
    ++cases;
    if (expect["must"] == "refuse") {
      EXPECT_EQ(RefusalOf(claims.status()), v1::SIGNATURE_INVALID);
      continue;
    }
    ASSERT_TRUE(claims.ok()) << claims.status();
    EXPECT_EQ(claims->cpu().debug(), expect["must"] == "refuse-or-show");
    ExpectValues(item["values"], claims->cpu());
    for (const json& other : expect["at_other_times"]) {
      EXPECT_EQ(
          RefusalOf(Verify(loaded->bundle, Time(other["verify_at"])).status()),
          v1::CERTIFICATE_EXPIRED);
    }
    EXPECT_EQ(RefusalOf(Verify(loaded->bundle,
                               loaded->verify_at - absl::Hours(24 * 365))
                            .status()),
              v1::CERTIFICATE_NOT_YET_VALID);
  }
  EXPECT_EQ(cases, 6);
}

// A1, A2. The chain is remembered, as in a service, so that each flip of what
// is not a certificate costs one signature. One bit in each byte; all bits are
// flipped of simulated ones (tests/conformance).
TEST(RealEvidenceTest, RejectsFlippedBitsAndEveryTruncation) {
  for (const char* id : {"prod-2021", "prod-2022-nonce", "prod-2025-dstack"}) {
    const auto loaded = Load(std::string("evidence/nitro/") + id);
    if (!loaded.ok()) return;  // ReadShared has said so.
    SCOPED_TRACE(id);
    policy::VerifiedCache cache(1 << 20);
    v1::EvidenceBundle bundle = loaded->bundle;
    ASSERT_TRUE(Verify(bundle, loaded->verify_at, &cache).ok());
    std::string& file =
        *bundle.mutable_evidence(0)->mutable_files(0)->mutable_content();
    const std::string good = file;
    for (size_t bit = 0; bit < 8 * good.size(); bit += 9) {
      file = good;
      file[bit / 8] = static_cast<char>(file[bit / 8] ^ (1 << bit % 8));
      const auto claims = Verify(bundle, loaded->verify_at, &cache);
      ASSERT_FALSE(claims.ok()) << "bit " << bit;
      ASSERT_NE(RefusalOf(claims.status()), v1::INTERNAL_ERROR);
    }
    for (size_t size = 1; size < good.size(); ++size) {
      file = good.substr(0, size);
      ASSERT_EQ(RefusalOf(Verify(bundle, loaded->verify_at, &cache).status()),
                v1::EVIDENCE_MALFORMED)
          << size;
    }
    file = good + '\0';
    EXPECT_EQ(RefusalOf(Verify(bundle, loaded->verify_at, &cache).status()),
              v1::EVIDENCE_MALFORMED);
    file = good + good;
    EXPECT_EQ(RefusalOf(Verify(bundle, loaded->verify_at, &cache).status()),
              v1::EVIDENCE_MALFORMED);
  }
}

}  // namespace
}  // namespace kms::nitro

// Real quotes and certificates of real vTPMs, from the shared set: each must
// give the verdict and the values that expect.json and MANIFEST.json state.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/shared_data.h"
#include "policy/bundle/bundle.h"
#include "policy/tpm/ak_trust.h"
#include "policy/tpm/attest.h"
#include "policy/tpm/attestation_key.h"
#include "policy/verifier/anchor_file.h"
#include "policy/verifier/verifier.h"

namespace kms::tpm {
namespace {

using nlohmann::json;

absl::Time ParseTime(const std::string& text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, text, &time, &error)) << text;
  return time;
}

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
  return Case{.evidence = bundle->evidence(0),
              .verify_at =
                  index->verify_at.value_or(ParseTime("2024-01-01T00:00:00Z"))};
}

// The built-in anchors and, unless its key is among them, `file`.
policy::TrustAnchors Anchors(const std::string& file) {
  std::vector<policy::TrustAnchor> anchors = policy::TrustAnchors::BuiltIn();
  if (!file.empty()) {
    const auto parsed = policy::ParseAnchorFile(AsBytes(*ReadShared(file)));
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    if (!parsed->certificate.has_value()) {
      anchors.push_back(
          policy::AnchorFromKey("pinned", v1::TPM, parsed->key, false));
    }
  }
  return *policy::TrustAnchors::Create(anchors);
}

absl::StatusOr<v1::Claims> Verify(const v1::Evidence& evidence, absl::Time at,
                                  const policy::TrustAnchors& anchors,
                                  policy::VerifiedCache* cache = nullptr) {
  v1::EvidenceBundle bundle;
  *bundle.add_evidence() = evidence;
  return policy::VerifyBundle(bundle,
                              {.now = at, .anchors = anchors, .cache = cache});
}

std::string* File(v1::Evidence& evidence, const std::string& role) {
  for (v1::EvidenceFile& file : *evidence.mutable_files()) {
    if (file.role() == role) return file.mutable_content();
  }
  return nullptr;
}

TEST(RealEvidenceTest, EachCaseGivesItsVerdictAndValues) {
  const auto text = ReadShared("evidence/MANIFEST.json");
  if (!text.has_value()) return;
  int cases = 0;
  const json manifest = json::parse(*text);
  for (const json& item : manifest["cases"]) {
    const std::string id = item["id"];
    if (item["tee"] != "tpm") continue;
    const auto expect_text = ReadShared("evidence/" + id + "/expect.json");
    if (!expect_text.has_value()) continue;  // Certificates only; see below.
    SCOPED_TRACE(id);
    const json expect = json::parse(*expect_text);
    ASSERT_EQ(expect["must"], "accept");
    const std::optional<Case> real = LoadCase("evidence/" + id);
    ASSERT_TRUE(real.has_value());
    const policy::TrustAnchors anchors = Anchors(absl::StrCat(
        "evidence/", id, "/", expect["anchors"][0].get<std::string>()));
    const auto claims = Verify(real->evidence, real->verify_at, anchors);
    ASSERT_TRUE(claims.ok()) << claims.status();
    ++cases;
    const v1::TpmClaims& tpm = claims->tpm();
    EXPECT_EQ(tpm.type(), v1::TPM);
    EXPECT_FALSE(tpm.simulated());
    EXPECT_EQ(Hex(tpm.nonce()), item["nonce"]);
    EXPECT_EQ(tpm.pcr_bank(), "sha256");
    EXPECT_EQ(tpm.pcrs_size(), 24);
    EXPECT_TRUE(tpm.clock_safe());
    const json& values = item["values"];
    if (values.contains("extra_data")) {
      EXPECT_EQ(Hex(tpm.nonce()), values["extra_data"]);
      EXPECT_EQ(Hex(tpm.qualified_signer()), values["qualified_signer"]);
      EXPECT_EQ(tpm.clock_ms(), values["clock"]);
      EXPECT_EQ(tpm.reset_count(), values["reset_count"]);
      EXPECT_EQ(tpm.restart_count(), values["restart_count"]);
      EXPECT_EQ(absl::StrCat("0x", absl::Hex(tpm.firmware_version())),
                values["firmware_version"]);
      EXPECT_EQ(tpm.anchor(), "pinned");
      EXPECT_FALSE(tpm.ak_certified());
      EXPECT_EQ(claims->collateral_size(), 0);
    } else {
      EXPECT_EQ(tpm.anchor(), "google-tpm-ek-root-1");
      EXPECT_TRUE(tpm.ak_certified());
      EXPECT_EQ(tpm.ak_subject(),
                "2.23.133.2.1=id:474F4F47, 2.23.133.2.2=vTPM, "
                "2.23.133.2.3=id:20160511");
      ASSERT_EQ(claims->collateral_size(), 3);
      EXPECT_EQ(claims->collateral(0).kind(), "ak_cert");
      EXPECT_EQ(absl::FromUnixMicros(claims->collateral(0).issued_us()),
                ParseTime(values["ak_cert_validity"][0]));
      EXPECT_EQ(absl::FromUnixMicros(claims->collateral(0).next_update_us()),
                ParseTime(values["ak_cert_validity"][1]));
      EXPECT_EQ(tpm.event_log().bank(), "sha256");
      EXPECT_GT(tpm.event_log().event_count(), 0u);
    }
  }
  EXPECT_EQ(cases, 2);
}

TEST(RealEvidenceTest, NeedsTheAnchorThatVouches) {
  const auto pinned = LoadCase("evidence/tpm/trustee-vtpm-quote");
  if (!pinned.has_value()) return;
  EXPECT_EQ(
      RefusalOf(
          Verify(pinned->evidence, pinned->verify_at, Anchors("")).status()),
      v1::CHAIN_UNTRUSTED);
}

TEST(RealEvidenceTest, VerifiesASha384BankAndRefusesSha1) {
  const std::string folder = "evidence/tpm/gce-cos85-nonce";
  auto real = LoadCase(folder);
  if (!real.has_value()) return;
  const auto with = [&](const std::string& bank) {
    for (const auto& [role, name] :
         {std::pair{"quote_attest", "quote_" + bank + ".msg"},
          std::pair{"quote_signature", "quote_" + bank + ".sig"},
          std::pair{"pcrs", "pcrs_" + bank + ".json"}}) {
      *File(real->evidence, role) = *ReadShared(folder + "/" + name);
    }
    return Verify(real->evidence, real->verify_at, Anchors(""));
  };
  const auto claims = with("sha384");
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->tpm().pcr_bank(), "sha384");
  EXPECT_EQ(claims->tpm().event_log().bank(), "sha384");
  EXPECT_EQ(RefusalOf(with("sha1").status()), v1::EVIDENCE_UNSUPPORTED);
}

// A1, A2: no bit and no length of what was signed is a don't-care. A
// signature's own header names its algorithms.
TEST(RealEvidenceTest, RejectsEveryFlipAndTruncation) {
  const auto real = LoadCase("evidence/tpm/gce-cos85-nonce");
  if (!real.has_value()) return;
  const policy::TrustAnchors anchors = Anchors("");
  policy::VerifiedCache cache(1 << 20);
  v1::Evidence good = real->evidence;
  ASSERT_TRUE(Verify(good, real->verify_at, anchors, &cache).ok());
  const auto rejects = [&](const v1::Evidence& evidence) {
    const auto claims = Verify(evidence, real->verify_at, anchors, &cache);
    return !claims.ok() && RefusalOf(claims.status()) != v1::INTERNAL_ERROR;
  };
  for (const std::string role :
       {"quote_attest", "quote_signature", "ak_public"}) {
    const std::string bytes = *File(good, role);
    for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      v1::Evidence evidence = good;
      std::string& changed = *File(evidence, role);
      changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
      // The public area's attributes and policy are in no signature (header of
      // public_area.h): those of no consequence may be what its holder likes.
      const bool unsigned_bit =
          role == "ak_public" &&
          (ParseAttestationKey(AsBytes(changed)).ok() && bit >= 32 && bit < 64);
      ASSERT_EQ(rejects(evidence), !unsigned_bit) << role << " bit " << bit;
    }
    for (size_t size = 0; size < bytes.size(); ++size) {
      v1::Evidence evidence = good;
      File(evidence, role)->resize(size);
      ASSERT_TRUE(rejects(evidence)) << role << " of " << size << " bytes";
    }
    v1::Evidence longer = good;
    File(longer, role)->push_back('\0');
    ASSERT_TRUE(rejects(longer)) << role;
  }
}

// Certificates of Google's that stand in neither case, against both roots.
TEST(RealEvidenceTest, VerifiesGooglesOtherCertificates) {
  const std::string folder = "evidence/tpm/gce-ek-ak-certs/";
  const auto first = ReadShared(folder + "pca_tpm_rsa_sign_cert.pem");
  if (!first.has_value()) return;
  v1::Evidence chain;
  for (const char* name :
       {"gcp_ek_ak_ca_intermediate_v3.der", "gcp_ek_ak_ca_root.der",
        "tpm_ek_intermediate_3.der", "tpm_ek_root_1.der"}) {
    v1::EvidenceFile* file = chain.add_files();
    file->set_role("ak_cert_chain");
    file->set_content(*ReadShared(folder + name));
  }
  const policy::TrustAnchors anchors = Anchors("");
  const policy::VerifyInputs inputs = {.now = ParseTime("2023-06-01T00:00:00Z"),
                                       .anchors = anchors};
  constexpr absl::string_view kPurposes[] = {kPurposeAk, kPurposeEk};
  const AkProfile profile = {.type = v1::TPM, .purposes = kPurposes};
  for (const auto& [name, root] :
       {std::pair{"pca_tpm_rsa_sign_cert.pem", "google-ek-ak-ca-root"},
        std::pair{"pca_tpm_ecc_sign_cert.pem", "google-ek-ak-ca-root"},
        std::pair{"uca_tpm_rsa_sign_cert.pem", "google-tpm-ek-root-1"}}) {
    const auto certificate =
        ParseAkCertificate(AsBytes(*ReadShared(folder + name)));
    ASSERT_TRUE(certificate.ok()) << certificate.status();
    const auto ak = VerifyAkCertificate(*certificate, chain, profile, inputs);
    ASSERT_TRUE(ak.ok()) << name << ": " << ak.status();
    EXPECT_EQ(anchors.For(v1::TPM).anchors[(*ak)->chain().anchor].name, root);
    EXPECT_FALSE((*ak)->subject().empty());
  }
}

}  // namespace
}  // namespace kms::tpm

#include "policy/verifier/verifier.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kms/base/refusal.h"

namespace kms::policy {
namespace {

v1::Evidence Piece(v1::EvidenceType type, std::vector<std::string> roles) {
  v1::Evidence evidence;
  evidence.set_type(type);
  for (const std::string& role : roles) evidence.add_files()->set_role(role);
  return evidence;
}

v1::RefusalCode Judge(std::vector<v1::Evidence> pieces) {
  v1::EvidenceBundle bundle;
  for (v1::Evidence& piece : pieces) *bundle.add_evidence() = std::move(piece);
  const TrustAnchors anchors = *TrustAnchors::Create({});
  return RefusalOf(
      VerifyBundle(bundle, {.now = absl::UnixEpoch(), .anchors = anchors})
          .status());
}

TEST(VerifyBundleTest, RejectsWhatIsNotOneCpusEvidence) {
  EXPECT_EQ(Judge({}), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(Judge({Piece(v1::SEV_SNP, {})}), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(Judge({Piece(v1::SEV_SNP, {"vcek"})}), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(Judge({Piece(v1::SEV_SNP, {"evidence", "evidence"})}),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(Judge({Piece(v1::SEV_SNP, {"evidence", "vcek", "vcek"})}),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(Judge({Piece(v1::SEV_SNP, {"evidence", "surprise"})}),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(Judge({Piece(v1::SEV_SNP, {"evidence"}),
                   Piece(v1::SEV_SNP, {"evidence"})}),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(Judge({Piece(v1::EVIDENCE_TYPE_UNSPECIFIED, {"evidence"})}),
            v1::EVIDENCE_UNSUPPORTED);
  EXPECT_EQ(Judge({Piece(v1::TDX, {"evidence"})}), v1::EVIDENCE_UNSUPPORTED);
  EXPECT_EQ(Judge({Piece(static_cast<v1::EvidenceType>(77), {"evidence"})}),
            v1::EVIDENCE_UNSUPPORTED);
}

TEST(VerifyBundleTest, RejectsWhatIsOverABound) {
  EXPECT_EQ(
      Judge(std::vector<v1::Evidence>(33, Piece(v1::SEV_SNP, {"evidence"}))),
      v1::REQUEST_TOO_LARGE);
  std::vector<std::string> roles(33, "crl");
  roles[0] = "evidence";
  EXPECT_EQ(Judge({Piece(v1::SEV_SNP, roles)}), v1::REQUEST_TOO_LARGE);
  v1::Evidence large = Piece(v1::SEV_SNP, {"evidence", "crl"});
  large.mutable_files(1)->set_content(std::string((1 << 20) + 1, 'x'));
  EXPECT_EQ(Judge({large}), v1::REQUEST_TOO_LARGE);
  v1::Evidence sum =
      Piece(v1::SEV_SNP, {"evidence", "crl", "crl", "crl", "crl", "crl"});
  for (v1::EvidenceFile& file : *sum.mutable_files()) {
    file.set_content(std::string(1 << 20, 'x'));
  }
  EXPECT_EQ(Judge({sum}), v1::REQUEST_TOO_LARGE);
}

TEST(VerifyBundleTest, NamesEachTypeOnce) {
  for (int type = 1; type <= 9; ++type) {
    const auto value = static_cast<v1::EvidenceType>(type);
    EXPECT_EQ(EvidenceTypeNamed(EvidenceTypeName(value)), value);
  }
  EXPECT_EQ(EvidenceTypeNamed("SEV-SNP"), v1::EVIDENCE_TYPE_UNSPECIFIED);
  EXPECT_EQ(EvidenceTypeNamed(""), v1::EVIDENCE_TYPE_UNSPECIFIED);
  EXPECT_EQ(*BoundBytes(v1::SEV_SNP), 64u);
  EXPECT_EQ(RefusalOf(BoundBytes(v1::TDX).status()), v1::EVIDENCE_UNSUPPORTED);
}

TrustAnchor Anchor(const std::string& name, v1::EvidenceType type, char pin) {
  return {.name = name,
          .type = type,
          .spki_sha256 = std::string(32, pin),
          .certificate = std::nullopt,
          .simulated = false};
}

TEST(TrustAnchorsTest, RejectsWhatCouldBeTakenForAnother) {
  const auto bad = [](std::vector<TrustAnchor> anchors) {
    return TrustAnchors::Create(std::move(anchors)).status().code() ==
           absl::StatusCode::kInvalidArgument;
  };
  EXPECT_FALSE(bad({Anchor("a", v1::SEV_SNP, 1), Anchor("b", v1::SEV_SNP, 2),
                    Anchor("a", v1::TDX, 1)}));
  EXPECT_TRUE(bad({Anchor("a", v1::SEV_SNP, 1), Anchor("a", v1::SEV_SNP, 2)}));
  EXPECT_TRUE(bad({Anchor("a", v1::SEV_SNP, 1), Anchor("b", v1::SEV_SNP, 1)}));
  EXPECT_TRUE(bad({Anchor("", v1::SEV_SNP, 1)}));
  EXPECT_TRUE(bad({Anchor(std::string(65, 'a'), v1::SEV_SNP, 1)}));
  EXPECT_TRUE(bad({Anchor("a", v1::EVIDENCE_TYPE_UNSPECIFIED, 1)}));
  TrustAnchor short_pin = Anchor("a", v1::SEV_SNP, 1);
  short_pin.spki_sha256.pop_back();
  EXPECT_TRUE(bad({short_pin}));
}

TEST(TrustAnchorsTest, KeepsTypesApart) {
  const auto anchors = TrustAnchors::Create(TrustAnchors::BuiltIn());
  ASSERT_TRUE(anchors.ok());
  EXPECT_EQ(anchors->For(v1::SEV_SNP).anchors.size(), 3u);
  EXPECT_TRUE(anchors->For(v1::TDX).anchors.empty());
  EXPECT_TRUE(anchors->For(v1::TDX).x509.empty());
}

}  // namespace
}  // namespace kms::policy

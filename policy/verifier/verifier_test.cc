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
  EXPECT_EQ(RefusalOf(BoundBytes(v1::EVIDENCE_TYPE_UNSPECIFIED).status()),
            v1::EVIDENCE_UNSUPPORTED);
}

TrustAnchor Anchor(const std::string& name, v1::EvidenceType type, char pin) {
  TrustAnchor anchor;
  anchor.name = name;
  anchor.type = type;
  anchor.spki_sha256 = std::string(32, pin);
  return anchor;
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

TEST(TrustAnchorsTest, KeepsUsesApart) {
  const auto anchors = TrustAnchors::Create(TrustAnchors::BuiltIn());
  ASSERT_TRUE(anchors.ok());
  const auto& devices = anchors->For(v1::NVIDIA_GPU);
  const auto& manifests =
      anchors->For(v1::NVIDIA_GPU, AnchorUse::kReferenceValues);
  ASSERT_EQ(devices.anchors.size(), 1u);
  ASSERT_EQ(manifests.anchors.size(), 1u);
  EXPECT_NE(devices.anchors[0].spki_sha256, manifests.anchors[0].spki_sha256);
  EXPECT_TRUE(
      anchors->For(v1::SEV_SNP, AnchorUse::kReferenceValues).anchors.empty());
}

v1::Claims Bound(v1::EvidenceType type, const std::string& field) {
  v1::Claims claims;
  claims.mutable_cpu()->set_type(type);
  claims.mutable_cpu()->set_report_data(field);
  return claims;
}

TEST(CheckBindingTest, EveryPartMustBeBound) {
  const std::string transcript(64, 't');
  const std::string nonce(32, 'n');
  const Binding want = {AsBytes(transcript), AsBytes(nonce)};
  v1::Claims claims = Bound(v1::SEV_SNP, transcript);
  EXPECT_TRUE(CheckBinding(claims, want).ok());
  EXPECT_EQ(RefusalOf(CheckBinding({}, want)), v1::EVIDENCE_NOT_BOUND);
  EXPECT_EQ(RefusalOf(CheckBinding(Bound(v1::SEV_SNP, transcript + "x"), want)),
            v1::EVIDENCE_NOT_BOUND);
  EXPECT_EQ(
      RefusalOf(CheckBinding(Bound(v1::SEV_SNP, std::string(64, 'u')), want)),
      v1::EVIDENCE_NOT_BOUND);
  // A type without a verifier, and a type that is none.
  EXPECT_EQ(RefusalOf(CheckBinding(
                Bound(v1::EVIDENCE_TYPE_UNSPECIFIED, transcript), want)),
            v1::EVIDENCE_NOT_BOUND);
  // An Azure type without its vTPM: report data counts for nothing there.
  EXPECT_EQ(RefusalOf(CheckBinding(Bound(v1::AZ_SNP_VTPM, transcript), want)),
            v1::EVIDENCE_NOT_BOUND);
  claims.mutable_tpm()->set_nonce(std::string(32, 'u'));
  claims.mutable_tpm()->set_type(v1::TPM);
  EXPECT_EQ(RefusalOf(CheckBinding(claims, want)), v1::EVIDENCE_NOT_BOUND);
  claims.clear_tpm();
  // A GPU that signed the transcript itself, or nothing, is not bound.
  v1::GpuClaims& gpu = *claims.add_gpus();
  for (const std::string& lie :
       {std::string(32, 't'), std::string(32, '\0'), std::string()}) {
    gpu.set_nonce(lie);
    EXPECT_EQ(RefusalOf(CheckBinding(claims, want)), v1::EVIDENCE_NOT_BOUND);
  }
  EXPECT_TRUE(CheckReportData(claims, AsBytes(transcript)).ok());
}

TEST(TrustAnchorsTest, KeepsTypesApart) {
  const auto anchors = TrustAnchors::Create(TrustAnchors::BuiltIn());
  ASSERT_TRUE(anchors.ok());
  EXPECT_EQ(anchors->For(v1::SEV_SNP).anchors.size(), 3u);
  EXPECT_EQ(anchors->For(v1::TDX).anchors.size(), 1u);
  EXPECT_TRUE(anchors->For(v1::ARM_CCA).anchors.empty());
  EXPECT_TRUE(anchors->For(v1::ARM_CCA).x509.empty());
}

}  // namespace
}  // namespace kms::policy

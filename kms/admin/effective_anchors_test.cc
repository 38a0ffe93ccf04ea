#include "kms/admin/effective_anchors.h"

#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "kms/base/refusal.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/x509/issue.h"

namespace kms::admin {
namespace {

using ::storage::v1::AnchorRecord;

// A root with a key of its own.
std::string Root() {
  const x509::IssuerKey key = x509::IssuerKey::GenerateEc(crypto::Curve::kP384);
  x509::CertificateSpec spec;
  spec.issuer = spec.subject = x509::MakeName({{"2.5.4.3", "root"}});
  spec.not_before = absl::FromUnixSeconds(1'700'000'000);
  spec.not_after = absl::FromUnixSeconds(1'900'000'000);
  spec.spki = key.Spki();
  spec.extensions = {x509::MakeBasicConstraints(true, std::nullopt)};
  spec.scheme = x509::SignatureScheme::kEcdsaSha384;
  return x509::IssueCertificate(spec, key);
}

AnchorRecord Record(const std::string& name, const std::string& der,
                    bool simulated, v1::EvidenceType type = v1::SEV_SNP) {
  AnchorRecord record;
  record.set_name(name);
  record.set_evidence_type(static_cast<uint32_t>(type));
  record.set_certificate(der);
  record.set_spki_digest(x509::Certificate::Parse(AsBytes(der))->spki_sha256());
  record.set_simulated(simulated);
  return record;
}

// Names of the SEV-SNP anchors that are not built in.
std::set<std::string> Added(const policy::TrustAnchors& anchors) {
  std::set<std::string> names;
  for (const auto& anchor : anchors.For(v1::SEV_SNP).anchors) {
    names.insert(anchor.name);
  }
  for (const auto& anchor : policy::TrustAnchors::BuiltIn()) {
    if (anchor.type != v1::SEV_SNP) continue;
    EXPECT_EQ(names.erase(anchor.name), 1u) << anchor.name;
  }
  return names;
}

using Names = std::set<std::string>;

TEST(EffectiveAnchors, AreTheBuiltInOnesWithoutMore) {
  const auto anchors = MergeAnchors({}, {});
  ASSERT_TRUE(anchors.ok()) << anchors.status();
  EXPECT_EQ(Added(*anchors), Names());
}

TEST(EffectiveAnchors, TakeASimulatedOneOnlyIfNamedHere) {
  const AnchorRecord simulated = Record("sim", Root(), true);
  const AnchorRecord real = Record("lab", Root(), false);
  EXPECT_EQ(Added(*MergeAnchors({simulated, real}, {})), Names({"lab"}));
  EXPECT_EQ(Added(*MergeAnchors({simulated, real}, {"other"})), Names({"lab"}));
  EXPECT_EQ(Added(*MergeAnchors({simulated, real}, {"SIM", "sim "})),
            Names({"lab"}));
  const auto both = MergeAnchors({simulated, real}, {"sim"});
  EXPECT_EQ(Added(*both), Names({"lab", "sim"}));
  for (const auto& anchor : both->For(v1::SEV_SNP).anchors) {
    EXPECT_EQ(anchor.simulated, anchor.name == "sim");
  }
  // Configuration alone adds nothing.
  EXPECT_EQ(Added(*MergeAnchors({real}, {"sim"})), Names({"lab"}));
}

TEST(EffectiveAnchors, ASimulatorsKeyNeverPassesForAVendors) {
  const std::string root = Root();
  const std::vector<AnchorRecord> stored = {Record("a-real", root, false),
                                            Record("sim", root, true)};
  EXPECT_EQ(Added(*MergeAnchors(stored, {})), Names());
  EXPECT_EQ(Added(*MergeAnchors(stored, {"sim"})), Names({"sim"}));
}

TEST(EffectiveAnchors, ABuiltInNameStaysTheBuiltInOnes) {
  const std::string name = policy::TrustAnchors::BuiltIn()[0].name;
  const auto anchors = MergeAnchors({Record(name, Root(), false)}, {});
  ASSERT_TRUE(anchors.ok()) << anchors.status();
  EXPECT_EQ(Added(*anchors), Names());
}

TEST(EffectiveAnchors, VouchForTheirTypeOnly) {
  const auto anchors =
      MergeAnchors({Record("lab", Root(), false, v1::TDX)}, {});
  ASSERT_TRUE(anchors.ok()) << anchors.status();
  EXPECT_EQ(Added(*anchors), Names());
  EXPECT_EQ(anchors->For(v1::TDX).anchors.size(), 2u);  // Intel's is the other.
}

TEST(EffectiveAnchors, VouchForTheirUseOnly) {
  const std::string root = Root();
  AnchorRecord manifests = Record("manifests", root, false, v1::NVIDIA_GPU);
  manifests.set_use(v1::ANCHOR_FOR_REFERENCE_VALUES);
  const AnchorRecord devices = Record("devices", root, false, v1::NVIDIA_GPU);
  const auto names = [](const policy::TrustAnchors& anchors,
                        policy::AnchorUse use) {
    std::vector<std::string> added;
    for (const auto& anchor : anchors.For(v1::NVIDIA_GPU, use).anchors) {
      if (anchor.certificate.has_value()) added.push_back(anchor.name);
    }
    return added;
  };
  using List = std::vector<std::string>;
  const auto one = MergeAnchors({manifests}, {});
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(names(*one, policy::AnchorUse::kEvidence), List());
  EXPECT_EQ(names(*one, policy::AnchorUse::kReferenceValues),
            List({"manifests"}));
  const auto both = MergeAnchors({manifests, devices}, {});
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_EQ(names(*both, policy::AnchorUse::kEvidence), List({"devices"}));
  EXPECT_EQ(names(*both, policy::AnchorUse::kReferenceValues),
            List({"manifests"}));
  EXPECT_NE(CollateralDigest(*one), CollateralDigest(*both));
}

TEST(EffectiveAnchors, MayBeAKeyThatHasNoCertificate) {
  const std::string spki =
      x509::IssuerKey::GenerateEc(crypto::Curve::kP384).Spki();
  AnchorRecord record = Record("platform", Root(), false, v1::ARM_CCA);
  record.set_certificate(spki);
  record.set_spki_digest(crypto::Sha256(AsBytes(spki)));
  const auto anchors = MergeAnchors({record}, {});
  ASSERT_TRUE(anchors.ok()) << anchors.status();
  ASSERT_EQ(anchors->For(v1::ARM_CCA).anchors.size(), 1u);
  const policy::TrustAnchor& anchor = anchors->For(v1::ARM_CCA).anchors[0];
  EXPECT_FALSE(anchor.certificate.has_value());
  ASSERT_TRUE(anchor.key.has_value());
  EXPECT_EQ(anchor.key->spki(), spki);
  record.set_spki_digest(std::string(32, 's'));
  EXPECT_EQ(RefusalOf(MergeAnchors({record}, {}).status()), v1::DATA_LOSS);
}

TEST(EffectiveAnchors, LeaveOutATypeOrUseThatThisBuildDoesNotKnow) {
  AnchorRecord use = Record("use", Root(), false);
  use.set_use(1000);
  EXPECT_EQ(Added(*MergeAnchors({use}, {})), Names());

  const auto anchors = MergeAnchors(
      {Record("later", Root(), false, static_cast<v1::EvidenceType>(1000))},
      {});
  ASSERT_TRUE(anchors.ok()) << anchors.status();
  EXPECT_EQ(Added(*anchors), Names());
}

TEST(EffectiveAnchors, NoticeAStoredAnchorThatIsNone) {
  AnchorRecord broken = Record("lab", Root(), false);
  broken.set_certificate("not a certificate");
  EXPECT_EQ(RefusalOf(MergeAnchors({broken}, {}).status()), v1::DATA_LOSS);
  AnchorRecord mismatched = Record("lab", Root(), false);
  mismatched.set_certificate(Root());
  EXPECT_EQ(RefusalOf(MergeAnchors({mismatched}, {}).status()), v1::DATA_LOSS);
}

TEST(CollateralDigest, ChangesWithTheSetAndNotWithItsOrder) {
  const std::string first = Root();
  const AnchorRecord a = Record("a", first, false);
  const AnchorRecord b = Record("b", Root(), false);
  const std::string both = CollateralDigest(*MergeAnchors({a, b}, {}));
  EXPECT_EQ(both.size(), 32u);
  EXPECT_EQ(CollateralDigest(*MergeAnchors({b, a}, {})), both);
  std::set<std::string> digests = {both};
  digests.insert(CollateralDigest(*MergeAnchors({}, {})));
  digests.insert(CollateralDigest(*MergeAnchors({a}, {})));
  digests.insert(CollateralDigest(*MergeAnchors({b}, {})));
  digests.insert(
      CollateralDigest(*MergeAnchors({Record("c", first, false)}, {})));
  digests.insert(CollateralDigest(
      *MergeAnchors({Record("a", first, false, v1::TDX)}, {})));
  digests.insert(
      CollateralDigest(*MergeAnchors({Record("a", first, true)}, {"a"})));
  EXPECT_EQ(digests.size(), 7u);
}

}  // namespace
}  // namespace kms::admin

#include "policy/collateral/hardware.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <vector>

#include "absl/time/time.h"
#include "kms/base/refusal.h"
#include "policy/collateral/age.h"

namespace kms::policy {
namespace {

v1::EvidenceBundle Bundle(const std::vector<v1::EvidenceType>& types) {
  v1::EvidenceBundle bundle;
  for (const v1::EvidenceType type : types) {
    bundle.add_evidence()->set_type(type);
  }
  return bundle;
}

TEST(DeniedHardwareTest, NothingIsDeniedByDefault) {
  const DeniedHardware none;
  EXPECT_TRUE(none.CheckTypes(Bundle({v1::SEV_SNP, v1::NVIDIA_GPU})).ok());
  v1::Claims claims;
  claims.mutable_cpu()->set_chip_id("chip");
  EXPECT_TRUE(none.CheckClaims(claims).ok());
}

TEST(DeniedHardwareTest, OnePieceOfASwitchedOffTypeIsEnough) {
  const DeniedHardware denied({v1::NVIDIA_GPU}, {});
  EXPECT_TRUE(denied.CheckTypes(Bundle({v1::SEV_SNP})).ok());
  EXPECT_EQ(RefusalOf(denied.CheckTypes(Bundle({v1::SEV_SNP, v1::NVIDIA_GPU}))),
            v1::HARDWARE_DENIED);
}

TEST(DeniedHardwareTest, AVirtualTpmGoesWithTheHardwareUnderIt) {
  const DeniedHardware snp({v1::SEV_SNP}, {});
  EXPECT_FALSE(snp.CheckTypes(Bundle({v1::AZ_SNP_VTPM})).ok());
  EXPECT_TRUE(snp.CheckTypes(Bundle({v1::AZ_TDX_VTPM})).ok());
  const DeniedHardware tdx({v1::TDX}, {});
  EXPECT_FALSE(tdx.CheckTypes(Bundle({v1::AZ_TDX_VTPM})).ok());
  EXPECT_TRUE(tdx.CheckTypes(Bundle({v1::AZ_SNP_VTPM})).ok());
  const DeniedHardware azure({v1::AZ_SNP_VTPM}, {});
  EXPECT_FALSE(azure.CheckTypes(Bundle({v1::AZ_SNP_VTPM})).ok());
  EXPECT_TRUE(azure.CheckTypes(Bundle({v1::SEV_SNP})).ok());
}

TEST(DeniedHardwareTest, EveryIdentityOfTheClaimsIsHeldAgainstTheLists) {
  const DeniedHardware denied({}, {"denied"});
  const std::vector<std::function<void(v1::Claims&)>> identities = {
      [](v1::Claims& c) { c.mutable_cpu()->set_chip_id("denied"); },
      [](v1::Claims& c) {
        c.mutable_cpu()->mutable_dcap()->set_ppid("denied");
      },
      [](v1::Claims& c) {
        c.mutable_cpu()->mutable_dcap()->set_platform_instance_id("denied");
      },
      [](v1::Claims& c) {
        c.mutable_cpu()->mutable_cca()->set_instance_id("denied");
      },
      [](v1::Claims& c) {
        c.add_gpus()->set_chip_id("good");
        c.add_gpus()->set_chip_id("denied");
      },
      [](v1::Claims& c) {
        c.add_gpus()->set_chip_id("another firmware's key");
        c.mutable_gpus(0)->set_device_id("denied");
      },
      [](v1::Claims& c) { c.mutable_tpm()->set_ak_spki_sha256("denied"); },
  };
  for (size_t i = 0; i < identities.size(); ++i) {
    v1::Claims claims;
    identities[i](claims);
    EXPECT_EQ(RefusalOf(denied.CheckClaims(claims)), v1::HARDWARE_DENIED) << i;
    EXPECT_TRUE(DeniedHardware({}, {"other"}).CheckClaims(claims).ok()) << i;
  }
}

TEST(DeniedHardwareTest, TheDigestCoversSwitchesAndLists) {
  const std::set<std::string> digests = {
      DeniedHardware({}, {}).digest(),
      DeniedHardware({v1::TDX}, {}).digest(),
      DeniedHardware({v1::SGX}, {}).digest(),
      DeniedHardware({v1::TDX, v1::SGX}, {}).digest(),
      DeniedHardware({}, {"a"}).digest(),
      DeniedHardware({}, {"a", "b"}).digest(),
      DeniedHardware({}, {"ab"}).digest(),
  };
  EXPECT_EQ(digests.size(), 7u);
  EXPECT_EQ(digests.begin()->size(), 32u);
}

TEST(AgeTest, HoldsEachKindAgainstItsOwnBound) {
  const absl::Time now = absl::FromUnixSeconds(1'750'000'000);
  const auto check = [&](const std::string& kind, absl::Duration age,
                         const CollateralMaxAges& ages) {
    v1::Claims claims;
    v1::CollateralClaims& used = *claims.add_collateral();
    used.set_kind(kind);
    used.set_issued_us(absl::ToUnixMicros(now - age));
    return RefusalOf(CheckAges(claims, ages, now));
  };
  const CollateralMaxAges ages = {{"crl", absl::Hours(24)},
                                  {"tcb_info", absl::Hours(48)}};
  constexpr v1::RefusalCode kGood = v1::REFUSAL_CODE_UNSPECIFIED;
  for (const char* kind : {"crl", "pck_crl", "root_ca_crl"}) {
    EXPECT_EQ(check(kind, absl::Hours(24), ages), kGood) << kind;
    EXPECT_EQ(check(kind, absl::Hours(24) + absl::Seconds(1), ages),
              v1::CRL_EXPIRED)
        << kind;
  }
  EXPECT_EQ(check("tcb_info", absl::Hours(48), ages), kGood);
  EXPECT_EQ(check("tcb_info", absl::Hours(49), ages), v1::COLLATERAL_EXPIRED);
  EXPECT_EQ(check("tcb_info_issuer_chain", absl::Hours(999), ages), kGood);
  EXPECT_EQ(check("qe_identity", absl::Hours(999), ages), kGood);
  EXPECT_EQ(check("crl", absl::Hours(999), {}), kGood);
  // What does not say when it was issued may be of any age.
  v1::Claims undated;
  undated.add_collateral()->set_kind("crl");
  EXPECT_EQ(RefusalOf(CheckAges(undated, ages, now)), v1::CRL_EXPIRED);
}

}  // namespace
}  // namespace kms::policy

#include "kms/base/proto_json.h"

#include <gtest/gtest.h>

#include "proto/kms/v1/claims.pb.h"

namespace kms {
namespace {

TEST(ProtoJsonTest, ShowsDefaultsHexAndNamesInFieldOrder) {
  v1::Claims claims;
  EXPECT_FALSE(ProtoToJson(claims).contains("cpu"));
  claims.mutable_cpu()->set_type(v1::SEV_SNP);
  claims.mutable_cpu()->set_measurement("\x01\xff");
  claims.mutable_cpu()->set_product("a\xff");
  claims.mutable_cpu()->mutable_snp()->set_platform_info(~0ull);
  const auto cpu = ProtoToJson(claims)["cpu"];
  EXPECT_EQ(cpu["type"], "sev-snp");
  EXPECT_EQ(cpu["measurement"], "01ff");
  EXPECT_EQ(cpu["product"], "a?");
  EXPECT_EQ(cpu["debug"], false);
  EXPECT_EQ(cpu["snp"]["platform_info"], ~0ull);
  EXPECT_FALSE(cpu["snp"].contains("current_tcb"));
  EXPECT_EQ(cpu.begin().key(), "type");
}

TEST(ProtoJsonTest, ShowsMapsInOrderOfTheirKeys) {
  v1::TpmClaims tpm;
  for (uint32_t index : {10u, 2u, 0u}) {
    (*tpm.mutable_pcrs())[index] = std::string(1, static_cast<char>(index));
  }
  EXPECT_EQ(ProtoToJson(tpm)["pcrs"].dump(),
            R"({"0":"00","2":"02","10":"0a"})");
}

TEST(ProtoJsonTest, ShowsRepeatedMessages) {
  v1::EvidenceBundle bundle;
  bundle.add_evidence()->add_files()->set_role("evidence");
  EXPECT_EQ(ProtoToJson(bundle).dump(),
            R"({"evidence":[{"type":"evidence-type-unspecified",)"
            R"("files":[{"role":"evidence","content":""}]}]})");
}

}  // namespace
}  // namespace kms

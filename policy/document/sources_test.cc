#include "policy/document/sources.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace kms::policy {
namespace {

using ::testing::ElementsAre;

class SourcesTest : public ::testing::Test {
 protected:
  SourcesTest() {
    claims_.mutable_cpu()->set_type(v1::SEV_SNP);
    claims_.mutable_cpu()->set_measurement("\x01\xff");
    claims_.mutable_cpu()->set_product("mi\"lan");
    claims_.mutable_cpu()->mutable_snp()->set_vmpl(3);
    claims_.add_gpus();
    claims_.add_gpus();
    request_.set_key("weights");
    request_.set_key_version(2);
  }
  // "path=value@evidence" of each.
  std::vector<std::string> Of(absl::string_view expression) {
    std::vector<std::string> lines;
    for (const auto& s : SourcesOf(expression, claims_, request_)) {
      lines.push_back(
          absl::StrCat(s.path(), "=", s.value(), "@", s.evidence()));
    }
    return lines;
  }

  v1::Claims claims_;
  v1::RequestContext request_;
};

TEST_F(SourcesTest, NamesPathValueAndEvidence) {
  EXPECT_THAT(
      Of("claims.cpu.snp.vmpl == 0u && request.key_version > 1u"),
      ElementsAre("claims.cpu.snp.vmpl=3@SEV_SNP", "request.key_version=2@"));
  EXPECT_THAT(
      Of("claims.cpu.measurement in reference.images"),
      ElementsAre("claims.cpu.measurement=01ff@SEV_SNP", "reference.images=@"));
  EXPECT_THAT(Of("claims.cpu.type != 1 || claims.cpu.debug"),
              ElementsAre("claims.cpu.type=SEV_SNP@SEV_SNP",
                          "claims.cpu.debug=false@SEV_SNP"));
  EXPECT_THAT(Of("claims.cpu.product == 'x'"),
              ElementsAre("claims.cpu.product=\"mi\\\"lan\"@SEV_SNP"));
}

TEST_F(SourcesTest, StopsWhereThePathIsNotPlain) {
  EXPECT_THAT(Of("claims.gpus.all(g, g.debug)"),
              ElementsAre("claims.gpus=2 entries@NVIDIA_GPU 1 to 2"));
  EXPECT_THAT(Of("claims.gpus[0].debug"),
              ElementsAre("claims.gpus=2 entries@NVIDIA_GPU 1 to 2"));
  EXPECT_THAT(Of("claims.cpu.product.startsWith(request.key)"),
              ElementsAre("claims.cpu.product=\"mi\\\"lan\"@SEV_SNP",
                          "request.key=\"weights\"@"));
  EXPECT_THAT(Of("has(claims.cpu.snp)"),
              ElementsAre("claims.cpu.snp=stated@SEV_SNP"));
}

TEST_F(SourcesTest, WhatIsNotStatedHasNoValue) {
  EXPECT_THAT(Of("claims.cpu.tdx.mrtd == b''"),
              ElementsAre("claims.cpu.tdx.mrtd=@SEV_SNP"));
  EXPECT_THAT(Of("claims.tpm.anchor == ''"),
              ElementsAre("claims.tpm.anchor=@"));
}

TEST_F(SourcesTest, TextAndOtherNamesAreNoPaths) {
  EXPECT_THAT(Of("'claims.cpu.debug' == \"claims.cpu.\\\"x\""), ElementsAre());
  EXPECT_THAT(Of("'''claims.a ' claims.b''' == request.key"),
              ElementsAre("request.key=\"weights\"@"));
  EXPECT_THAT(Of("myclaims.cpu == x.claims.cpu"), ElementsAre());
  EXPECT_THAT(Of("claims"), ElementsAre());
  EXPECT_THAT(Of("now > timestamp(0)"), ElementsAre());
  EXPECT_THAT(Of("'unfinished claims.cpu.debug"), ElementsAre());
}

TEST_F(SourcesTest, EachIsToldOnceAndNotTooMany) {
  EXPECT_EQ(Of("request.key == request.key").size(), 1u);
  std::string many;
  for (int i = 0; i < 40; ++i) absl::StrAppend(&many, "claims.f", i, " + ");
  EXPECT_EQ(Of(many).size(), kSourcesMax);
  claims_.mutable_cpu()->set_product(std::string(1000, 'p'));
  EXPECT_LE(
      SourcesOf("claims.cpu.product", claims_, request_)[0].value().size(),
      256u);
}

}  // namespace
}  // namespace kms::policy

#include "policy/document/rule_check.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace kms::policy {
namespace {

const EvidenceTypes kSnp = {v1::SEV_SNP};
const ListSizes kLists = {
    {"images", {48, 48}}, {"short", {48, 47}}, {"none", {}}};

// "offset: text", or "" for no fault.
std::string Fault(absl::string_view expression,
                  const EvidenceTypes& types = kSnp) {
  const auto fault = FindRuleFault(expression, types, kLists);
  return fault.has_value() ? absl::StrCat(fault->offset, ": ", fault->text)
                           : "";
}

TEST(RuleCheckTest, NumbersOutOfRangeAreNeverEqual) {
  EXPECT_EQ(Fault("claims.cpu.snp.vmpl == 9u"),
            "23: claims.cpu.snp.vmpl is one of 0, 1, 2, 3, 4294967295: never "
            "equal");
  EXPECT_EQ(Fault("0x9u == claims.cpu.snp.vmpl"),
            "0: claims.cpu.snp.vmpl is one of 0, 1, 2, 3, 4294967295: never "
            "equal");
  EXPECT_EQ(Fault("claims.cpu.snp.vmpl in [0u, 1u, 7u]"),
            "32: claims.cpu.snp.vmpl is one of 0, 1, 2, 3, 4294967295: never "
            "equal");
  EXPECT_EQ(Fault("claims.cpu.snp.guest_svn < 0u"),
            "27: claims.cpu.snp.guest_svn is 0 to 4294967295: this comparison "
            "is never true");
  for (const char* never : {"claims.cpu.snp.guest_svn > 4294967295u",
                            "claims.cpu.snp.guest_svn >= 4294967296u",
                            "claims.cpu.snp.guest_svn == 4294967296u",
                            "claims.gpus.exists(g, g.measurement_count < 0u)",
                            "1 > 2 || true", "true && (3 == 4)"}) {
    EXPECT_NE(Fault(never), "") << never;
  }
  for (const char* fine :
       {"claims.cpu.snp.vmpl == 0u", "claims.cpu.snp.vmpl == 0xffffffffu",
        "claims.cpu.snp.guest_svn >= 0u", "claims.cpu.snp.guest_svn < 1u",
        "claims.cpu.snp.guest_svn > 4294967294u", "2 > 1", "1.5 > 2.5",
        // Not the claim by itself, but a part of an operand.
        "claims.cpu.snp.vmpl + 9u == 9u", "9u == claims.cpu.snp.vmpl + 9u",
        "claims.cpu.snp.vmpl == 9u - 6u", "int(claims.cpu.snp.vmpl) == -9"}) {
    EXPECT_EQ(Fault(fine), "") << fine;
  }
}

TEST(RuleCheckTest, BytesOfAnotherLengthAreNeverEqual) {
  EXPECT_EQ(Fault("claims.cpu.measurement == unhex('0102')"),
            "26: 2 bytes, and claims.cpu.measurement is 48 bytes: never equal");
  EXPECT_EQ(Fault("b'ab' == claims.cpu.snp.family_id"),
            "0: 2 bytes, and claims.cpu.snp.family_id is 16 bytes: never "
            "equal");
  const std::string hex(96, 'a');
  EXPECT_EQ(Fault(absl::StrCat("claims.cpu.measurement == unhex('", hex, "')")),
            "");
  EXPECT_NE(Fault(absl::StrCat("claims.cpu.measurement == unhex('", hex, "')"),
                  {v1::SGX}),
            "");
  EXPECT_EQ(Fault(absl::StrCat("claims.cpu.measurement == unhex(\"",
                               hex.substr(0, 64), "\")"),
                  {v1::SGX}),
            "");
  for (const char* fine :
       {"claims.cpu.snp.family_id == b''", "claims.cpu.chip_id == b'a'",
        R"(claims.cpu.snp.family_id == b'\x00')",
        "claims.cpu.measurement != b'a'",
        "claims.cpu.measurement == unhex(request.key)"}) {
    EXPECT_EQ(Fault(fine), "") << fine;
  }
}

TEST(RuleCheckTest, ListsOfTheDocumentAreOfTheClaimsLength) {
  EXPECT_EQ(Fault("claims.cpu.measurement in reference.short"),
            "26: a value of reference.short is 47 bytes, and "
            "claims.cpu.measurement is 48 bytes");
  for (const char* fine : {"claims.cpu.measurement in reference.images",
                           "claims.cpu.measurement in reference.none",
                           "claims.cpu.measurement in reference.stored",
                           "claims.cpu.chip_id in reference.short"}) {
    EXPECT_EQ(Fault(fine), "") << fine;
  }
}

TEST(RuleCheckTest, WordsAreTheVendors) {
  EXPECT_EQ(Fault("claims.cpu.snp.signing_key == 'VCEX'"),
            "30: claims.cpu.snp.signing_key is never this, but one of VCEK, "
            "VLEK; did you mean 'VCEK'?");
  EXPECT_NE(Fault("claims.gpus.all(g, g.kind == 'gpux')"), "");
  EXPECT_NE(Fault("claims.gpus.all(g, g.kind in ['gpu', 'switch'])"), "");
  EXPECT_NE(Fault("claims.cpu.tcb_status == 'Uptodate'"), "");
  EXPECT_EQ(Fault("request.purpose == 'unwarp'"),
            "19: request.purpose is never this, but one of release, unwrap, "
            "generate, rewrap, join, server; did you mean 'unwrap'?");
  for (const char* fine :
       {"claims.gpus.all(g, g.kind == \"gpu\")",
        "claims.gpus.all(kind, kind.kind in ['gpu', r'nvswitch'])",
        "claims.cpu.snp.signing_key == ''", "claims.cpu.product == 'x'",
        "claims.gpus.all(g, g.kind + 'x' == 'gpux')",
        "claims.gpus.all(g, g.kind.startsWith('gpx'))"}) {
    EXPECT_EQ(Fault(fine), "") << fine;
  }
}

TEST(RuleCheckTest, ClaimsAreOfARequiredType) {
  EXPECT_EQ(Fault("claims.cpu.tdx.mrtd == b''"),
            "0: claims.cpu.tdx is stated by tdx, az-tdx-vtpm only, and the "
            "policy requires sev-snp; did you mean claims.cpu.snp?");
  EXPECT_EQ(Fault("1 == 1 && claims.tpm.clock_safe"),
            "10: claims.tpm is stated by tpm, az-snp-vtpm, az-tdx-vtpm only, "
            "and the policy requires sev-snp");
  EXPECT_NE(Fault("claims.cpu.debug", {v1::TPM}), "");
  EXPECT_NE(Fault("has(claims.cpu.snp) && claims.cpu.tdx.debug"), "");
  EXPECT_EQ(Fault("!has(claims.cpu.tdx)"), "");
  EXPECT_EQ(Fault("has(claims.cpu.tdx) && claims.cpu.tdx.debug"), "");
  EXPECT_EQ(Fault("claims.cpu.tdx.debug", {v1::NVIDIA_GPU, v1::TDX}), "");
  EXPECT_EQ(Fault("claims.cpu.dcap.ca == 'platform'", {v1::SGX}), "");
  EXPECT_EQ(Fault("claims.gpus.all(g, g.debug)"), "");
  EXPECT_EQ(Fault("'claims.tpm.x' == request.key // claims.tpm"), "");
}

// What is no expression does not come here; it must end all the same.
TEST(RuleCheckTest, AnyTextEnds) {
  for (const char* text :
       {"", "==", "'", "b'''x", "unhex('", "claims.", "claims.a.all(", "[in[",
        "x in [", "\xff == \xff", "0x", "1u == 2", "claims.cpu.snp.vmpl in"}) {
    Fault(text);
  }
  const std::string rule = "claims.gpus.all(g, g.kind == 'gpu') && b'a' in [b]";
  for (size_t i = 0; i < rule.size(); ++i) {
    Fault(rule.substr(0, i));
    Fault(rule.substr(i));
  }
}

}  // namespace
}  // namespace kms::policy

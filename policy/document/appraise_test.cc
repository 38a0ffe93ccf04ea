#include "policy/document/appraise.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/base/refusal.h"
#include "policy/verifier/anchors.h"

namespace kms::policy {
namespace {

constexpr absl::string_view kPolicy = R"(name: p
evidence:
  - {type: sev-snp, count: 1}
reference:
  images: ["0102"]
rules:
  - id: image
    expr: claims.cpu.measurement in reference.images
    message: unknown image
  - id: key
    expr: request.namespace == 'default' && request.key_version >= 1
    message: wrong key
release: {lease: 1h}
valid: {from: 2025-01-01T00:00:00Z, until: 2025-02-01T00:00:00Z}
)";

class AppraiseTest : public ::testing::Test {
 protected:
  AppraiseTest() {
    auto* cpu = claims_.mutable_cpu();
    cpu->set_type(v1::SEV_SNP);
    cpu->set_anchor("amd-ark-milan");
    cpu->set_measurement("\x01\x02");
    request_.set_namespace_("default");
    request_.set_key_version(1);
  }

  // Appraises by kPolicy with one text replaced.
  v1::Decision Run(absl::string_view from = "name: p",
                   absl::string_view to = "name: p") {
    const auto policy = Compile(absl::StrReplaceAll(kPolicy, {{from, to}}));
    EXPECT_TRUE(policy.ok()) << policy.status();
    const v1::Decision decision = Appraise(*policy, claims_, request_, now_);
    EXPECT_EQ(decision.allowed(),
              decision.code() == v1::REFUSAL_CODE_UNSPECIFIED);
    EXPECT_EQ(decision.allowed(), decision.reason().empty());
    EXPECT_EQ(decision.policy(), "p");
    return decision;
  }
  v1::Decision RunRule(absl::string_view expression) {
    return Run("claims.cpu.measurement in reference.images",
               absl::StrCat(">-\n      ", expression));
  }

  v1::Claims claims_;
  v1::RequestContext request_;
  absl::Time now_ = absl::FromUnixSeconds(1736000000);  // 2025-01-04.
};

TEST_F(AppraiseTest, AllowsWhenEveryRuleHolds) {
  const v1::Decision decision = Run();
  EXPECT_TRUE(decision.allowed());
  ASSERT_EQ(decision.rules_size(), 2);
  EXPECT_EQ(decision.rules(0).outcome(), v1::RuleResult::TRUE);
  EXPECT_EQ(decision.rules(1).outcome(), v1::RuleResult::TRUE);
  EXPECT_EQ(decision.rules(0).failing(), "");
  EXPECT_EQ(decision.rules(0).line(), 0u);
}

TEST_F(AppraiseTest, ValidityIsHalfOpen) {
  now_ = absl::FromUnixSeconds(1735689600);
  EXPECT_TRUE(Run().allowed());
  now_ -= absl::Nanoseconds(1);
  EXPECT_EQ(Run().code(), v1::POLICY_DENIED);
  EXPECT_EQ(Run().reason(), "policy: not yet valid");
  now_ = absl::FromUnixSeconds(1738368000);
  EXPECT_EQ(Run().code(), v1::POLICY_DENIED);
  EXPECT_EQ(Run().reason(), "policy: no longer valid");
  now_ -= absl::Nanoseconds(1);
  EXPECT_TRUE(Run().allowed());
  now_ = absl::InfinitePast();
  EXPECT_EQ(Run().code(), v1::POLICY_DENIED);
  now_ = absl::InfiniteFuture();
  EXPECT_EQ(Run().code(), v1::POLICY_DENIED);
}

TEST_F(AppraiseTest, RequiresTheExactEvidence) {
  claims_.mutable_cpu()->set_type(v1::TDX);
  EXPECT_EQ(Run().code(), v1::EVIDENCE_REQUIRED);
  EXPECT_EQ(Run().reason(), "evidence: 0 of type SEV_SNP, want 1");
  claims_.mutable_cpu()->set_type(v1::SEV_SNP);
  EXPECT_EQ(Run("count: 1", "count: 2").code(), v1::EVIDENCE_REQUIRED);
  EXPECT_EQ(
      Run("count: 1}", "count: 1}\n  - {type: nvidia-gpu, count: 8}").code(),
      v1::EVIDENCE_REQUIRED);
}

TEST_F(AppraiseTest, EmptyClaimsAreRefusedAndEachRuleSaysWhy) {
  claims_.Clear();
  const v1::Decision decision = Run();
  EXPECT_EQ(decision.code(), v1::EVIDENCE_REQUIRED);
  ASSERT_EQ(decision.rules_size(), 2);
  EXPECT_EQ(decision.rules(0).outcome(), v1::RuleResult::ERROR);
  EXPECT_EQ(decision.rules(0).failing(), "claims.cpu");
  EXPECT_EQ(decision.rules(0).seen(), "field is not set");
}

TEST_F(AppraiseTest, DefaultAnchorsAreVendorsAndNeverSimulated) {
  for (const TrustAnchor& anchor : TrustAnchors::BuiltIn()) {
    claims_.mutable_cpu()->set_anchor(anchor.name);
    claims_.mutable_cpu()->set_simulated(false);
    EXPECT_TRUE(Run().allowed()) << anchor.name;
    claims_.mutable_cpu()->set_simulated(true);
    EXPECT_EQ(Run().code(), v1::ANCHOR_DENIED) << anchor.name;
  }
  claims_.mutable_cpu()->set_simulated(false);
  for (const char* anchor : {"", "lab-root", "amd-ark-mila"}) {
    claims_.mutable_cpu()->set_anchor(anchor);
    EXPECT_EQ(Run().code(), v1::ANCHOR_DENIED) << anchor;
  }
}

TEST_F(AppraiseTest, NamedAnchorsAreTheOnlyOnes) {
  const char* named = "name: p\nanchors: [lab-root, amd-ark-genoa]";
  EXPECT_EQ(Run("name: p", named).code(), v1::ANCHOR_DENIED);
  claims_.mutable_cpu()->set_anchor("amd-ark-genoa");
  EXPECT_TRUE(Run("name: p", named).allowed());
  claims_.mutable_cpu()->set_anchor("lab-root");
  claims_.mutable_cpu()->set_simulated(true);
  EXPECT_TRUE(Run("name: p", named).allowed());
}

TEST_F(AppraiseTest, ASimulatorUnderAVendorsNameIsRefused) {
  claims_.mutable_cpu()->set_simulated(true);
  EXPECT_EQ(Run("name: p", "name: p\nanchors: [amd-ark-milan]").code(),
            v1::ANCHOR_DENIED);
}

TEST_F(AppraiseTest, DebugIsRefusedUnlessAllowed) {
  claims_.mutable_cpu()->set_debug(true);
  EXPECT_EQ(Run().code(), v1::DEBUG_DENIED);
  EXPECT_EQ(Run("name: p", "name: p\nallow_debug: false").code(),
            v1::DEBUG_DENIED);
  EXPECT_TRUE(Run("name: p", "name: p\nallow_debug: true").allowed());
}

TEST_F(AppraiseTest, OnlyAllowedTcbStatusesPass) {
  claims_.mutable_cpu()->set_tcb_status("UpToDate");
  EXPECT_TRUE(Run().allowed());
  for (const char* status : {"OutOfDate", "SWHardeningNeeded", "uptodate",
                             "Revoked", "a word of next year"}) {
    claims_.mutable_cpu()->set_tcb_status(status);
    EXPECT_EQ(Run().code(), v1::TCB_STATUS_DENIED) << status;
  }
  claims_.mutable_cpu()->set_tcb_status("SWHardeningNeeded");
  EXPECT_TRUE(Run("name: p", "name: p\nallow_tcb_status: [SWHardeningNeeded]")
                  .allowed());
  EXPECT_EQ(Run("name: p", "name: p\nallow_tcb_status: [OutOfDate]").code(),
            v1::TCB_STATUS_DENIED);
  EXPECT_EQ(RefusalOf(Compile(absl::StrReplaceAll(
                                  kPolicy, {{"name: p",
                                             "name: p\nallow_tcb_status: "
                                             "[Revoked]"}}))
                          .status()),
            v1::POLICY_INVALID);
}

TEST_F(AppraiseTest, EveryGpuIsJudgedWhetherAskedForOrNot) {
  const auto add = [this] {
    v1::GpuClaims& gpu = *claims_.add_gpus();
    gpu.set_anchor("nvidia-device-identity-ca");
    gpu.set_rim_anchor("nvidia-corim-signing-root-ca");
    gpu.set_measurements_match(true);
  };
  add();
  add();
  EXPECT_TRUE(Run().allowed());
  const char* two = "count: 1}\n  - {type: nvidia-gpu, count: 2}";
  EXPECT_TRUE(Run("count: 1}", two).allowed());
  claims_.mutable_gpus(1)->set_measurements_match(false);
  EXPECT_EQ(Run().code(), v1::REFERENCE_VALUES_REQUIRED);
  EXPECT_TRUE(Run("name: p", "name: p\nallow_unmatched_gpu: true").allowed());
  claims_.mutable_gpus(1)->set_debug(true);
  EXPECT_EQ(Run().code(), v1::DEBUG_DENIED);
  claims_.mutable_gpus(1)->set_rim_anchor("lab-root");
  EXPECT_EQ(Run().code(), v1::ANCHOR_DENIED);
  claims_.mutable_gpus(1)->set_rim_anchor("");
  claims_.mutable_gpus(1)->set_simulated(true);
  EXPECT_EQ(Run().code(), v1::ANCHOR_DENIED);
  claims_.mutable_gpus()->RemoveLast();
  EXPECT_EQ(Run("count: 1}", two).code(), v1::EVIDENCE_REQUIRED);
}

TEST_F(AppraiseTest, ATpmCountsOnItsOwnAndMustHaveAnAnchor) {
  claims_.clear_cpu();
  v1::TpmClaims& tpm = *claims_.mutable_tpm();
  tpm.set_type(v1::TPM);
  tpm.set_anchor("google-ek-ak-ca-root");
  (*tpm.mutable_pcrs())[4] = "\x01";
  const auto run = [this](absl::string_view rule) {
    const auto policy = Compile(
        absl::StrCat("name: p\nevidence: [{type: tpm, count: 1}]\nrules:\n"
                     "  - {id: r, message: m, expr: \"",
                     rule, "\"}\nrelease: {lease: 1h}\n"));
    EXPECT_TRUE(policy.ok()) << policy.status();
    return Appraise(*policy, claims_, request_, now_).code();
  };
  EXPECT_EQ(run("claims.tpm.pcrs[4u] == b'\\x01'"),
            v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(run("claims.tpm.pcrs[4u] == b'\\x02'"), v1::POLICY_DENIED);
  EXPECT_EQ(run("claims.tpm.pcrs[5u] == b'\\x01'"), v1::POLICY_ERROR);
  EXPECT_EQ(run("5u in claims.tpm.pcrs"), v1::POLICY_DENIED);
  tpm.set_anchor("");
  EXPECT_EQ(run("true"), v1::ANCHOR_DENIED);
  tpm.set_type(v1::AZ_SNP_VTPM);  // Of which there is no CPU half: no TPM.
  EXPECT_EQ(run("true"), v1::EVIDENCE_REQUIRED);
}

TEST_F(AppraiseTest, AnAzureVtpmNeedsACertificateOrAPolicyThatDoesWithout) {
  claims_.mutable_cpu()->set_type(v1::AZ_SNP_VTPM);
  claims_.mutable_tpm()->set_type(v1::AZ_SNP_VTPM);
  const auto run = [this](absl::string_view more) {
    const auto policy = Compile(absl::StrCat(
        "name: p\nevidence: [{type: az-snp-vtpm, count: 1}]\n", more,
        "rules: [{id: r, message: m, expr: 'true'}]\nrelease: {lease: 1h}\n"));
    EXPECT_TRUE(policy.ok()) << policy.status();
    return Appraise(*policy, claims_, request_, now_).code();
  };
  EXPECT_EQ(run(""), v1::REFERENCE_VALUES_REQUIRED);
  EXPECT_EQ(run("allow_uncertified_vtpm: true\n"),
            v1::REFUSAL_CODE_UNSPECIFIED);
  claims_.mutable_tpm()->set_ak_certified(true);
  claims_.mutable_tpm()->set_anchor("azure-vtpm-root-2023");
  EXPECT_EQ(run(""), v1::REFUSAL_CODE_UNSPECIFIED);
}

TEST_F(AppraiseTest, AGpuAloneSpeaksForNoWorkload) {
  claims_.clear_cpu();
  claims_.add_gpus()->set_anchor("nvidia-device-identity-ca");
  EXPECT_EQ(Run("type: sev-snp", "type: nvidia-gpu").code(),
            v1::EVIDENCE_REQUIRED);
}

TEST_F(AppraiseTest, ChecksComeInTheirDocumentedOrder) {
  claims_.mutable_cpu()->set_measurement("");
  EXPECT_EQ(Run().code(), v1::POLICY_DENIED);
  EXPECT_EQ(Run().reason(), "policy: rule image is false");
  claims_.mutable_cpu()->set_debug(true);
  EXPECT_EQ(Run().code(), v1::DEBUG_DENIED);
  claims_.mutable_cpu()->set_anchor("lab-root");
  EXPECT_EQ(Run().code(), v1::ANCHOR_DENIED);
  claims_.mutable_cpu()->set_type(v1::TDX);
  EXPECT_EQ(Run().code(), v1::EVIDENCE_REQUIRED);
  now_ = absl::UnixEpoch();
  EXPECT_EQ(Run().code(), v1::POLICY_DENIED);
  EXPECT_EQ(Run().reason(), "policy: not yet valid");
}

TEST_F(AppraiseTest, AFalseRuleIsTraced) {
  claims_.mutable_cpu()->set_measurement("\x01\x03");
  const v1::Decision decision = Run();
  EXPECT_EQ(decision.code(), v1::POLICY_DENIED);
  EXPECT_EQ(decision.reason(), "policy: rule image is false");
  ASSERT_EQ(decision.rules_size(), 2);
  const v1::RuleResult& rule = decision.rules(0);
  EXPECT_EQ(rule.id(), "image");
  EXPECT_EQ(rule.outcome(), v1::RuleResult::FALSE);
  EXPECT_EQ(rule.message(), "unknown image");
  EXPECT_EQ(rule.expression(), "claims.cpu.measurement in reference.images");
  EXPECT_EQ(rule.failing(), "claims.cpu.measurement in reference.images");
  EXPECT_EQ(rule.seen(), "0103");
  EXPECT_EQ(rule.wanted(), "in [0102]");
  EXPECT_EQ(rule.line(), 8u);
  EXPECT_EQ(rule.column(), 11u);
  EXPECT_EQ(decision.rules(1).outcome(), v1::RuleResult::TRUE);
}

TEST_F(AppraiseTest, TheTraceNamesTheOperandThatFailed) {
  request_.set_key_version(0);
  const v1::Decision decision = Run();
  EXPECT_EQ(decision.reason(), "policy: rule key is false");
  const v1::RuleResult& rule = decision.rules(1);
  EXPECT_EQ(rule.failing(), "request.key_version >= 1");
  EXPECT_EQ(rule.seen(), "0");
  EXPECT_EQ(rule.wanted(), ">= 1");
  EXPECT_EQ(rule.line(), 11u);
  EXPECT_EQ(rule.column(), 45u);
}

TEST_F(AppraiseTest, AnErrorAnywhereIsARefusal) {
  for (const absl::string_view rule : {
           "claims.cpu.snp.vmpl == 0u",              // Not stated.
           "claims.cpu.snp.vmpl != 1u",              // Nor in the negative.
           "!(claims.cpu.snp.debug_allowed)",        //
           "claims.cpu.snp.vmpl == 0u || true",      // Left of ||.
           "false || claims.cpu.snp.vmpl == 0u",     // Right of ||.
           "!(claims.cpu.snp.vmpl == 0u && false)",  // Under negation.
           "1 / 0 == 1 || true",                     //
           "[1, 0].all(x, 1 / x == 1) || true",      //
           "9223372036854775807 + 1 > 0 || true",    //
           "reference.images[1] == b'' || true",     //
           "int(claims.cpu.anchor) == 1 || true",    //
           "{'a': 1}[request.key] == 1 || true",     //
       }) {
    const v1::Decision decision = RunRule(rule);
    EXPECT_EQ(decision.code(), v1::POLICY_ERROR) << rule;
    EXPECT_EQ(decision.reason(), "policy: rule image could not be evaluated");
    EXPECT_EQ(decision.rules(0).outcome(), v1::RuleResult::ERROR) << rule;
    EXPECT_NE(decision.rules(0).failing(), "") << rule;
  }
}

TEST_F(AppraiseTest, ACostBombIsRefused) {
  std::string rule = "true";
  for (const char* variable : {"a", "b", "c", "d", "e", "f"}) {
    rule = absl::StrCat("[1, 2, 3, 4, 5, 6, 7, 8, 9].all(", variable, ", ",
                        rule, ")");
  }
  const v1::Decision decision = RunRule(rule);
  EXPECT_EQ(decision.code(), v1::POLICY_ERROR);
  EXPECT_EQ(decision.rules(0).seen(), "evaluation cost limit exceeded");
}

TEST_F(AppraiseTest, TheFirstFailingRuleDecidesTheCode) {
  request_.set_key_version(0);
  const v1::Decision decision = RunRule("1 / 0 == 1");
  EXPECT_EQ(decision.code(), v1::POLICY_ERROR);
  EXPECT_EQ(decision.rules(1).outcome(), v1::RuleResult::FALSE);
}

TEST_F(AppraiseTest, RulesSeeTheTimeTheyAreGiven) {
  EXPECT_TRUE(RunRule("now == timestamp(1736000000)").allowed());
  EXPECT_FALSE(RunRule("now > timestamp(1736000000)").allowed());
}

TEST_F(AppraiseTest, EvidenceTypesAreNamed) {
  EXPECT_TRUE(RunRule("claims.cpu.type == EvidenceType.SEV_SNP").allowed());
}

TEST_F(AppraiseTest, AppraisalIsAPureFunction) {
  request_.set_key_version(0);
  EXPECT_EQ(Run().SerializeAsString(), Run().SerializeAsString());
}

}  // namespace
}  // namespace kms::policy

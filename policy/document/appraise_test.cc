#include "policy/document/appraise.h"

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/base/refusal.h"
#include "policy/verifier/anchors.h"

namespace kms::policy {
namespace {

// The last two bytes of a measurement of 48.
std::string Image(absl::string_view end) {
  return absl::StrCat(std::string(46, '\0'), end);
}

const std::string& PolicyText() {
  static const auto* const kText = new std::string(absl::StrReplaceAll(
      R"(name: p
evidence:
  - {type: sev-snp, count: 1}
reference:
  images: ["@IMAGE@"]
rules:
  - id: image
    expr: claims.cpu.measurement in reference.images
    message: unknown image
  - id: key
    expr: request.namespace == 'default' && request.key_version >= 1
    message: wrong key
release: {lease: 1h}
valid: {from: 2025-01-01T00:00:00Z, until: 2025-02-01T00:00:00Z}
)",
      {{"@IMAGE@", absl::BytesToHexString(Image("\x01\x02"))}}));
  return *kText;
}

class AppraiseTest : public ::testing::Test {
 protected:
  AppraiseTest() {
    auto* cpu = claims_.mutable_cpu();
    cpu->set_type(v1::SEV_SNP);
    cpu->set_anchor("amd-ark-milan");
    cpu->set_measurement(Image("\x01\x02"));
    request_.set_namespace_("default");
    request_.set_key_version(1);
  }

  // Appraises by PolicyText() with one text replaced.
  v1::Decision Run(absl::string_view from = "name: p",
                   absl::string_view to = "name: p") {
    const auto policy =
        Compile(absl::StrReplaceAll(PolicyText(), {{from, to}}));
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

TEST_F(AppraiseTest, CollateralOfABoundedAgeMustBeUsedAndFresh) {
  const char* bounded = "name: p\nmax_collateral_age: {crl: 24h, tcb_info: 1h}";
  const auto use = [this](const char* kind, absl::Duration age) {
    v1::CollateralClaims& item = *claims_.add_collateral();
    item.set_kind(kind);
    item.set_issued_us(absl::ToUnixMicros(now_ - age));
  };
  EXPECT_TRUE(Run().allowed());
  EXPECT_EQ(Run("name: p", bounded).code(), v1::COLLATERAL_STALE);
  EXPECT_EQ(Run("name: p", bounded).reason(),
            "policy: collateral of role crl was not used, and its age is "
            "bounded");
  use("root_ca_crl", absl::Hours(24));
  EXPECT_EQ(Run("name: p", bounded).reason(),
            "policy: collateral of role tcb_info was not used, and its age is "
            "bounded");
  use("tcb_info", absl::Hours(1));
  EXPECT_TRUE(Run("name: p", bounded).allowed());
  use("pck_crl", absl::Hours(24) + absl::Microseconds(1));
  EXPECT_EQ(Run("name: p", bounded).code(), v1::COLLATERAL_STALE);
  EXPECT_EQ(Run("name: p", bounded).reason(),
            "policy: collateral of role crl is older than is allowed");
  claims_.mutable_collateral(2)->set_issued_us(0);
  EXPECT_EQ(Run("name: p", bounded).code(), v1::COLLATERAL_STALE);
  EXPECT_TRUE(Run().allowed());
}

class StoredSetsTest : public AppraiseTest {
 protected:
  // By PolicyText(), whose images are of the stored set.
  v1::Decision RunStored(absl::string_view set = "{set: guests}") {
    const auto policy = Compile(absl::StrReplaceAll(
        PolicyText(),
        {{absl::StrCat("[\"", absl::BytesToHexString(Image("\x01\x02")), "\"]"),
          set}}));
    EXPECT_TRUE(policy.ok()) << policy.status();
    return Appraise(*policy, claims_, request_, now_, sets_);
  }
  static ReferenceVersion Version(uint32_t version, absl::string_view end) {
    ReferenceVersion made;
    made.version = version;
    made.digest = std::string(32, static_cast<char>(version));
    made.values = {Image(end)};
    return made;
  }

  ReferenceSets sets_ = {
      {"guests", {Version(1, "\x01\x01"), Version(2, "\x01\x02")}}};
};

TEST_F(StoredSetsTest, AllVersionsInForceAreRead) {
  ReferenceVersion& second = sets_["guests"][1];
  second.signer = "acme";
  second.valid_until = now_ + absl::Seconds(1);
  const v1::Decision decision = RunStored();
  EXPECT_TRUE(decision.allowed()) << decision.reason();
  ASSERT_EQ(decision.references_size(), 2);
  EXPECT_EQ(decision.references(0).version(), 1u);
  EXPECT_EQ(decision.references(0).valid_until_us(), 0);
  const v1::ReferenceInput& used = decision.references(1);
  EXPECT_EQ(used.name(), "images");
  EXPECT_EQ(used.set(), "guests");
  EXPECT_EQ(used.version(), 2u);
  EXPECT_EQ(used.digest(), second.digest);
  EXPECT_EQ(used.signer(), "acme");
  EXPECT_EQ(used.valid_until_us(), absl::ToUnixMicros(*second.valid_until));
}

TEST_F(StoredSetsTest, AVersionIsInForceFromItsStartUpToItsEnd) {
  ReferenceVersion& second = sets_["guests"][1];
  second.valid_until = now_;
  EXPECT_EQ(RunStored().code(), v1::POLICY_DENIED);
  EXPECT_EQ(RunStored().references_size(), 1);
  second.valid_until.reset();
  second.valid_from = now_ + absl::Nanoseconds(1);
  EXPECT_EQ(RunStored().code(), v1::POLICY_DENIED);
  second.valid_from = now_;
  EXPECT_TRUE(RunStored().allowed());
}

TEST_F(StoredSetsTest, WithoutAVersionInForceNothingIsAllowed) {
  const auto refused = [this](absl::string_view set = "{set: guests}") {
    return RunStored(set).code() == v1::REFERENCE_VALUES_EXPIRED;
  };
  EXPECT_TRUE(refused("{set: others}"));
  for (ReferenceVersion& version : sets_["guests"]) version.valid_until = now_;
  EXPECT_TRUE(refused());
  // Also where "not in" an empty list would be true.
  const auto policy = Compile(absl::StrReplaceAll(
      PolicyText(),
      {{absl::StrCat("[\"", absl::BytesToHexString(Image("\x01\x02")), "\"]"),
        "{set: guests}"},
       {"claims.cpu.measurement in reference.images",
        ">-\n      !(claims.cpu.measurement in reference.images)"}}));
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_EQ(Appraise(*policy, claims_, request_, now_, sets_).code(),
            v1::REFERENCE_VALUES_EXPIRED);
  sets_.clear();
  EXPECT_TRUE(refused());
}

TEST_F(StoredSetsTest, OnlyThoseWhoAreNamedMayVouch) {
  sets_["guests"][1].signer = "acme";
  EXPECT_TRUE(RunStored("{set: guests, signed_by: [x, acme]}").allowed());
  EXPECT_EQ(RunStored("{set: guests, signed_by: [acme]}").references_size(), 1);
  EXPECT_EQ(RunStored("{set: guests, signed_by: [x]}").code(),
            v1::REFERENCE_VALUES_EXPIRED);
}

TEST_F(StoredSetsTest, ASimulatorVouchesOnlyWhereItIsNamed) {
  sets_["guests"][1].signer = "lab";
  sets_["guests"][1].simulated = true;
  EXPECT_EQ(RunStored().code(), v1::POLICY_DENIED);
  EXPECT_TRUE(RunStored("{set: guests, signed_by: [lab]}").allowed());
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
                                  PolicyText(), {{"name: p",
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
  const auto policy = Compile(
      "name: p\nevidence: [{type: nvidia-gpu, count: 1}]\n"
      "rules: [{id: r, message: m, expr: 'true'}]\nrelease: {lease: 1h}\n");
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_EQ(Appraise(*policy, claims_, request_, now_).code(),
            v1::EVIDENCE_REQUIRED);
}

TEST_F(AppraiseTest, ChecksComeInTheirDocumentedOrder) {
  claims_.mutable_cpu()->set_measurement("");
  EXPECT_EQ(Run().code(), v1::POLICY_DENIED);
  EXPECT_EQ(Run().reason(), "policy: rule image is false");
  claims_.mutable_cpu()->set_debug(true);
  EXPECT_EQ(Run().code(), v1::DEBUG_DENIED);
  const char* bounded = "name: p\nmax_collateral_age: {crl: 24h}";
  EXPECT_EQ(Run("name: p", bounded).code(), v1::COLLATERAL_STALE);
  claims_.mutable_cpu()->set_anchor("lab-root");
  EXPECT_EQ(Run("name: p", bounded).code(), v1::ANCHOR_DENIED);
  claims_.mutable_cpu()->set_type(v1::TDX);
  EXPECT_EQ(Run().code(), v1::EVIDENCE_REQUIRED);
  now_ = absl::UnixEpoch();
  EXPECT_EQ(Run().code(), v1::POLICY_DENIED);
  EXPECT_EQ(Run().reason(), "policy: not yet valid");
}

TEST_F(AppraiseTest, AFalseRuleIsTraced) {
  claims_.mutable_cpu()->set_measurement(Image("\x01\x03"));
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
  EXPECT_EQ(rule.seen(), absl::BytesToHexString(Image("\x01\x03")));
  EXPECT_EQ(
      rule.wanted(),
      absl::StrCat("in [", absl::BytesToHexString(Image("\x01\x02")), "]"));
  EXPECT_EQ(rule.line(), 8u);
  EXPECT_EQ(rule.column(), 11u);
  ASSERT_EQ(rule.sources_size(), 2);
  EXPECT_EQ(rule.sources(0).path(), "claims.cpu.measurement");
  EXPECT_EQ(rule.sources(0).value(), rule.seen());
  EXPECT_EQ(rule.sources(0).evidence(), "SEV_SNP");
  EXPECT_EQ(rule.sources(1).path(), "reference.images");
  EXPECT_EQ(decision.rules(1).outcome(), v1::RuleResult::TRUE);
  EXPECT_EQ(decision.rules(1).sources_size(), 0);
}

TEST_F(AppraiseTest, AdministratorsAreToldWhatVouchedForTheEvidence) {
  v1::CollateralClaims& crl = *claims_.add_collateral();
  crl.set_kind("crl");
  crl.set_subject("ark");
  crl.set_digest("d");
  crl.set_issued_us(1);
  crl.set_next_update_us(2);
  crl.set_stored(true);
  v1::Decision decision = Run();
  EXPECT_EQ(decision.collateral_size(), 0);
  TellCollateral(claims_, decision);
  ASSERT_EQ(decision.collateral_size(), 1);
  EXPECT_EQ(decision.collateral(0).kind(), "crl");
  EXPECT_EQ(decision.collateral(0).subject(), "ark");
  EXPECT_EQ(decision.collateral(0).digest(), "d");
  EXPECT_EQ(decision.collateral(0).issued_us(), 1);
  EXPECT_EQ(decision.collateral(0).next_update_us(), 2);
  EXPECT_TRUE(decision.collateral(0).stored());
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

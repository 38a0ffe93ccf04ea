#include "policy/document/policy.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/base/refusal.h"
#include "policy/document/limits.h"

namespace kms::policy {
namespace {

using ::testing::HasSubstr;

const std::string& Whole() {
  static const auto* const kText = new std::string(absl::StrReplaceAll(
      R"(# A policy with every key.
name: llama-weights
description: the weights of the large model
evidence:
  - type: sev-snp
    count: 1
anchors: [amd-ark-milan, lab-root]
max_collateral_age: {crl: 24h, tcb_info: 720h}
allow_debug: true
reference:
  measurements: ["@96@", 'AABB@92@']
  denied: []
  images: {set: guest-images, signed_by: [acme-release]}
rules:
  - id: known-image
    expr: claims.cpu.measurement in reference.measurements
    message: the guest image is not one of the approved builds
  - id: not-denied
    expr: >-
      !(claims.cpu.chip_id
      in reference.denied)
    message: this machine is out of service
release:
  lease: 1h30m
  quota: {count: 100, window: 24h}
  concurrent: 8
valid: {from: 2025-01-01T00:00:00Z, until: 2026-01-01T00:00:00+01:00}
)",
      {{"@96@", std::string(96, '1')}, {"@92@", std::string(92, 'c')}}));
  return *kText;
}

constexpr absl::string_view kSmallest = R"(name: p
evidence: [{type: sev-snp, count: 1}]
rules: [{id: r, expr: "true", message: m}]
release: {lease: 1h}
)";

// The message without "policy: "; "" if `yaml` compiles. Every refusal has
// the one code.
std::string Fault(absl::string_view yaml) {
  const auto policy = Compile(yaml);
  if (policy.ok()) return "";
  EXPECT_EQ(RefusalOf(policy.status()), v1::POLICY_INVALID);
  EXPECT_EQ(policy.status().code(), absl::StatusCode::kInvalidArgument);
  const std::string message(policy.status().message());
  EXPECT_EQ(message.substr(0, 8), "policy: ");
  return message.substr(8);
}

// kSmallest with one text replaced by another.
std::string With(absl::string_view from, absl::string_view to) {
  EXPECT_THAT(std::string(kSmallest), HasSubstr(std::string(from)));
  return absl::StrReplaceAll(kSmallest, {{from, to}});
}

TEST(PolicyTest, ReadsEveryKey) {
  const auto policy = Compile(Whole());
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_EQ(policy->name(), "llama-weights");
  EXPECT_EQ(policy->description(), "the weights of the large model");
  ASSERT_EQ(policy->evidence().size(), 1u);
  EXPECT_EQ(policy->evidence()[0].type, v1::SEV_SNP);
  EXPECT_EQ(policy->evidence()[0].count, 1);
  EXPECT_THAT(policy->anchors(),
              testing::ElementsAre("amd-ark-milan", "lab-root"));
  EXPECT_THAT(
      policy->max_collateral_age(),
      testing::ElementsAre(testing::Pair("crl", absl::Hours(24)),
                           testing::Pair("tcb_info", absl::Hours(720))));
  EXPECT_TRUE(policy->allow_debug());
  ASSERT_EQ(policy->rules().size(), 2u);
  EXPECT_EQ(policy->rules()[0].id, "known-image");
  EXPECT_EQ(policy->rules()[1].expression.text,
            "!(claims.cpu.chip_id in reference.denied)");
  ASSERT_EQ(policy->references().size(), 3u);
  EXPECT_EQ(policy->references()[0].set, "");
  EXPECT_EQ(policy->references()[2].name, "images");
  EXPECT_EQ(policy->references()[2].set, "guest-images");
  EXPECT_THAT(policy->references()[2].signed_by,
              testing::ElementsAre("acme-release"));
  EXPECT_EQ(policy->terms().lease_seconds, 5400);
  EXPECT_EQ(policy->terms().quota_count, 100);
  EXPECT_EQ(policy->terms().window_seconds, 86400);
  EXPECT_EQ(policy->terms().concurrent, 8);
  EXPECT_EQ(policy->terms().valid_from, 1735689600);
  EXPECT_EQ(policy->terms().valid_until, 1767222000);
}

TEST(PolicyTest, AbsentKeysHaveTheirDocumentedMeaning) {
  const auto policy = Compile(kSmallest);
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_FALSE(policy->allow_debug());
  EXPECT_TRUE(policy->anchors().empty());
  EXPECT_TRUE(policy->references().empty());
  EXPECT_EQ(policy->terms().lease_seconds, 3600);
  EXPECT_FALSE(policy->terms().quota_count.has_value());
  EXPECT_FALSE(policy->terms().concurrent.has_value());
  EXPECT_TRUE(policy->max_collateral_age().empty());
  EXPECT_FALSE(policy->terms().valid_from.has_value());
  EXPECT_FALSE(policy->terms().valid_until.has_value());
}

TEST(PolicyTest, RefusesDocumentsThatTwoReadersMayReadDifferently) {
  EXPECT_EQ(Fault(""), "line 1, column 1: document is empty");
  EXPECT_EQ(Fault("a: [1"), "line 1, column 6: not valid YAML");
  EXPECT_EQ(Fault("a: 1\n  b: 2"), "line 2, column 4: not valid YAML");
  EXPECT_EQ(Fault("a: &x 1"),
            "line 1, column 4: anchors (&name) are not "
            "allowed");
  EXPECT_EQ(Fault("a: *x"), "line 1, column 4: not valid YAML");
  EXPECT_EQ(Fault("a: &x 1\nb: *x"),
            "line 1, column 4: anchors (&name) are not allowed");
  EXPECT_EQ(Fault("a: !!str 1"),
            "line 1, column 4: tags (!name) are not allowed; put text that "
            "begins with ! in quotes");
  EXPECT_EQ(Fault("a: 1\na: 2"), "line 2, column 1: key is repeated");
  EXPECT_EQ(Fault("{a: {b: 1, \"b\": 2}}"),
            "line 1, column 12: key is repeated");
  EXPECT_EQ(Fault("[1]: 2"), "line 1, column 1: key is not text");
  EXPECT_EQ(Fault("? {a: 1}\n: 2"), "line 1, column 3: key is not text");
  EXPECT_EQ(Fault("~: 2"), "line 1, column 1: key is not text");
  EXPECT_THAT(Fault(absl::StrCat(kSmallest, "---\na: 1\n")),
              HasSubstr("more than one document"));
  EXPECT_EQ(Fault("a: \xff"), "line 1, column 1: document is not valid UTF-8");
  EXPECT_EQ(Fault(absl::string_view("a: \0", 4)),
            "line 1, column 4: control character or byte order mark");
  EXPECT_EQ(Fault("\xef\xbb\xbfname: p"),
            "line 1, column 1: control character or byte order mark");
  EXPECT_EQ(Fault("[[[[[[[[[1]]]]]]]]]"),
            "line 1, column 9: document is nested too deeply");
  EXPECT_EQ(Fault(std::string(kDocumentBytesMax + 1, '#')),
            "line 1, column 1: document: 65537 bytes, want at most 65536");
  EXPECT_THAT(Fault(std::string(400, '[') + std::string(400, ']')),
              HasSubstr("nested too deeply"));
  EXPECT_NE(Fault(std::string(kDocumentBytesMax, '[')), "");
  EXPECT_NE(Fault(std::string(kDocumentBytesMax, '{')), "");
  std::string many = "[";
  for (size_t i = 0; i < kYamlNodesMax; ++i) many += "1,";
  EXPECT_THAT(Fault(many + "]"), HasSubstr("more than 8192 values"));
}

TEST(PolicyTest, RefusesUnknownAndMissingKeys) {
  EXPECT_EQ(Fault(With("name: p", "name: p\nrule: 1")),
            "line 2, column 1: unknown key in policy; did you mean 'rules'?");
  EXPECT_EQ(Fault(With("{lease:", "{leese:")),
            "line 4, column 11: unknown key in release; did you mean 'lease'?");
  EXPECT_EQ(Fault(With("message: m", "message: m, mesage: n")),
            "line 3, column 43: unknown key in rule; did you mean 'message'?");
  EXPECT_EQ(Fault(With("name: p\n", "")),
            "line 1, column 1: policy lacks "
            "'name'");
  EXPECT_EQ(Fault(With("evidence: [{type: sev-snp, count: 1}]\n", "")),
            "line 1, column 1: policy lacks 'evidence'");
  EXPECT_EQ(Fault("name: p\nevidence: [{type: sev-snp, count: 1}]\n"
                  "release: {lease: 1h}\n"),
            "line 1, column 1: policy lacks 'rules'");
  EXPECT_EQ(Fault(With("release: {lease: 1h}\n", "")),
            "line 1, column 1: policy lacks 'release'");
  EXPECT_EQ(Fault(With(", count: 1", "")),
            "line 2, column 12: evidence lacks 'count'");
  EXPECT_EQ(Fault(With(", message: m", "")),
            "line 3, column 9: rule lacks 'message'");
  EXPECT_EQ(Fault("text"), "line 1, column 1: policy is not a map");
}

TEST(PolicyTest, RefusesWrongValues) {
  const struct {
    absl::string_view from;
    absl::string_view to;
    absl::string_view want;
  } cases[] = {
      {"name: p", "name: P",
       "line 1, column 7: name is not a name, want 1 to 64 of a-z 0-9 . _ -, "
       "not first a dot or dash"},
      {"name: p", "name:",
       "line 1, column 1: name is not a name, want 1 to 64 of a-z 0-9 . _ -, "
       "not first a dot or dash"},
      {"name: p", "name: [p]",
       "line 1, column 7: name is not a name, want 1 to 64 of a-z 0-9 . _ -, "
       "not first a dot or dash"},
      {"sev-snp", "SEV_SNP",
       "line 2, column 19: unknown evidence type, want one of sev-snp, tdx, "
       "sgx, nvidia-gpu, nitro, tpm, az-snp-vtpm, az-tdx-vtpm, arm-cca"},
      {"sev-snp", "evidence-type-unspecified",
       "line 2, column 19: unknown evidence type, want one of sev-snp, tdx, "
       "sgx, nvidia-gpu, nitro, tpm, az-snp-vtpm, az-tdx-vtpm, arm-cca"},
      {"sev-snp", "sev-smp",
       "line 2, column 19: unknown evidence type, want one of sev-snp, tdx, "
       "sgx, nvidia-gpu, nitro, tpm, az-snp-vtpm, az-tdx-vtpm, arm-cca; did "
       "you mean 'sev-snp'?"},
      {"name: p", "name: p\nallow_tcb_status: [OutOfDat]",
       "line 2, column 20: not a TCB status that can be allowed, want one of "
       "SWHardeningNeeded, ConfigurationNeeded, "
       "ConfigurationAndSWHardeningNeeded, OutOfDate, "
       "OutOfDateConfigurationNeeded, TDRelaunchAdvised, "
       "TDRelaunchAdvisedConfigurationNeeded; did you mean 'OutOfDate'?"},
      {"name: p", "name: p\nmax_collateral_age: {}",
       "line 2, column 21: max_collateral_age names no role"},
      {"name: p", "name: p\nmax_collateral_age: {crls: 1h}",
       "line 2, column 22: unknown key in max_collateral_age; did you mean "
       "'crl'?"},
      {"name: p", "name: p\nmax_collateral_age: {crl: 59s}",
       "line 2, column 27: crl is not a duration in whole seconds such as "
       "1h30m, from 1m to 87840h"},
      {"lease: 1h", "lease: 1h, concurrent: 0",
       "line 4, column 34: concurrent is not a number from 1 to 1024"},
      {"lease: 1h", "lease: 1h, concurrent: 1025",
       "line 4, column 34: concurrent is not a number from 1 to 1024"},
      {"count: 1", "count: 0",
       "line 2, column 35: count is not a number from 1 to 32"},
      {"count: 1", "count: -1",
       "line 2, column 35: count is not a number from 1 to 32"},
      {"count: 1", "count: 33",
       "line 2, column 35: count is not a number from 1 to 32"},
      {"count: 1}", "count: 1}, {type: sev-snp, count: 2}",
       "line 2, column 39: evidence type is repeated"},
      {"[{type: sev-snp, count: 1}]", "[]",
       "line 2, column 11: evidence: 0 entries, want 1 to 10"},
      {"name: p", "name: p\nanchors: []",
       "line 2, column 10: anchors: 0 entries, want 1 to 64"},
      {"name: p",
       "name: p\nanchors:", "line 2, column 1: anchors is not a list"},
      {"name: p", "name: p\nanchors: [a, a]",
       "line 2, column 14: anchor is repeated"},
      {"name: p", "name: p\nallow_debug: yes",
       "line 2, column 14: allow_debug is not true or false"},
      {"name: p", "name: p\nallow_debug:",
       "line 2, column 1: allow_debug is not true or false"},
      {"name: p", "name: p\nreference: {a: [0g]}",
       "line 2, column 17: reference value is not hex of 1 to 1024 bytes"},
      {"name: p", "name: p\nreference: {a: ['']}",
       "line 2, column 17: reference value is not hex of 1 to 1024 bytes"},
      {"name: p", "name: p\nreference: {a-b: []}",
       "line 2, column 13: name of a reference set is not an identifier, want "
       "a-z 0-9 _"},
      {"name: p", "name: p\nreference: {a: 00}",
       "line 2, column 16: reference set is not a list"},
      {"name: p", "name: p\nreference: {a: {}}",
       "line 2, column 16: reference set lacks 'set'"},
      {"name: p", "name: p\nreference: {a: {set: s, signedby: [x]}}",
       "line 2, column 25: unknown key in reference set; did you mean "
       "'signed_by'?"},
      {"name: p", "name: p\nreference: {a: {set: s, signed_by: []}}",
       "line 2, column 36: signed_by: 0 entries, want 1 to 16"},
      {"[{id: r, expr: \"true\", message: m}]", "[]",
       "line 3, column 8: rules: 0 entries, want 1 to 64"},
      {"message: m}", "message: m}, {id: r, expr: 'true', message: m}",
       "line 3, column 44: rule id 'r' is repeated"},
      {"expr: \"true\"", "expr: [true]", "line 3, column 23: expr is not text"},
      {"lease: 1h", "lease: 1d",
       "line 4, column 18: lease is not a duration in whole seconds such as "
       "1h30m, from 1s to 720h"},
      {"lease: 1h", "lease: 0s",
       "line 4, column 18: lease is not a duration in whole seconds such as "
       "1h30m, from 1s to 720h"},
      {"lease: 1h", "lease: 1500ms",
       "line 4, column 18: lease is not a duration in whole seconds such as "
       "1h30m, from 1s to 720h"},
      {"lease: 1h", "lease: 721h",
       "line 4, column 18: lease is not a duration in whole seconds such as "
       "1h30m, from 1s to 720h"},
      {"lease: 1h", "lease: 1h, quota: {count: 1}",
       "line 4, column 29: quota lacks 'window'"},
      {"lease: 1h", "lease: 1h, quota: {window: 1h}",
       "line 4, column 29: quota lacks 'count'"},
      {"name: p", "name: p\nvalid: {}",
       "line 2, column 8: valid has neither from nor until"},
      {"name: p", "name: p\nvalid: {from: 2025-01-01}",
       "line 2, column 15: from is not an RFC 3339 time such as "
       "2025-01-01T00:00:00Z"},
      {"name: p", "name: p\nvalid: {until: infinite-future}",
       "line 2, column 16: until is not an RFC 3339 time such as "
       "2025-01-01T00:00:00Z"},
      {"name: p", "name: p\nvalid: {until: 1970-01-01T00:00:00Z}",
       "line 2, column 16: until is before 1970"},
      {"name: p", "name: .p",
       "line 1, column 7: name is not a name, want 1 to 64 of a-z 0-9 . _ -, "
       "not first a dot or dash"},
      {"name: p",
       "name: p\nvalid: {from: 2025-01-01T00:00:00Z, until: "
       "2025-01-01T00:00:00Z}",
       "line 2, column 8: valid: from is not before until"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Fault(With(c.from, c.to)), c.want) << c.to;
  }
}

TEST(PolicyTest, RefusesRulesThatCannotBeMeant) {
  const auto rule = [](absl::string_view types, absl::string_view expression) {
    return Fault(absl::StrCat("name: p\nevidence: [", types,
                              "]\nreference: {images: [00]}\n"
                              "release: {lease: 1h}\nrules:\n"
                              "  - {id: r, message: m, expr: \"",
                              expression, "\"}\n"));
  };
  EXPECT_EQ(rule("{type: sev-snp, count: 1}", "claims.cpu.snp.vmpl == 9u"),
            "line 6, column 55: rule r: claims.cpu.snp.vmpl is one of 0, 1, 2, "
            "3, 4294967295: never equal");
  EXPECT_EQ(rule("{type: sev-snp, count: 1}", "true && claims.cpu.tdx.debug"),
            "line 6, column 40: rule r: claims.cpu.tdx is stated by tdx, "
            "az-tdx-vtpm only, and the policy requires sev-snp; did you mean "
            "claims.cpu.snp?");
  EXPECT_EQ(rule("{type: sev-snp, count: 1}",
                 "claims.cpu.measurement in reference.images"),
            "line 6, column 58: rule r: a value of reference.images is 1 "
            "bytes, and claims.cpu.measurement is 48 bytes");
  EXPECT_EQ(rule("{type: sev-snp, count: 1}",
                 "claims.cpu.snp.vmpl == 3u || has(claims.cpu.tdx)"),
            "");
}

TEST(PolicyTest, ReadsNoMoreStoredSetsThanALeafNames) {
  std::string sets;
  for (size_t i = 0; i < kStoredSetsMax; ++i) {
    absl::StrAppend(&sets, "a", i, ": {set: s}, ");
  }
  EXPECT_EQ(
      Fault(With("name: p", absl::StrCat("name: p\nreference: {", sets, "}"))),
      "");
  EXPECT_EQ(Fault(With("name: p", absl::StrCat("name: p\nreference: {", sets,
                                               "z: {set: s}}"))),
            "line 2, column 12: reference: 9 stored sets, want at most 8");
}

// YAML joins the lines of all scalars but those after "|": what an author
// reads as a second condition would be the end of his comment.
TEST(PolicyTest, ACommentMaySwallowNoConditionOnTheNextLine) {
  const auto fault = [](absl::string_view header, absl::string_view expr) {
    return Fault(absl::StrCat(
        "name: p\nevidence: [{type: sev-snp, count: 1}]\nrules:\n  - id: r\n"
        "    expr: ",
        header, expr, "    message: m\nrelease: {lease: 1h}\n"));
  };
  constexpr absl::string_view kCommented =
      "true  // For now.\n      && !claims.cpu.debug\n";
  for (const absl::string_view header : {"", ">\n      ", ">-\n      "}) {
    EXPECT_THAT(fault(header, kCommented),
                HasSubstr("rule r: comment goes on over the next line"));
  }
  EXPECT_THAT(fault(">\n      ", kCommented), HasSubstr("line 6, column 13"));
  EXPECT_EQ(fault("|\n      ", kCommented), "");
  EXPECT_EQ(fault(">\n      ", "true\n      && true  // Both.\n"), "");
  EXPECT_EQ(fault(">\n      ", "'https://a' != ''\n      && true\n"), "");
}

TEST(PolicyTest, RuleFaultsArePlacedInTheDocument) {
  const auto rule = [](absl::string_view expression) {
    return Fault(
        absl::StrCat("name: p\n"
                     "evidence: [{type: sev-snp, count: 1}]\n"
                     "reference: {images: [00]}\n"
                     "release: {lease: 1h}\n"
                     "rules:\n"
                     "  - id: r\n"
                     "    message: m\n"
                     "    expr: ",
                     expression, "\n"));
  };
  EXPECT_EQ(rule("claims.cpu.measurment in reference.images"),
            "line 8, column 22: rule r: kms.v1.CpuClaims has no field "
            "'measurment'; did you mean 'measurement'?");
  EXPECT_EQ(rule("'claims.cpu.product == ''x'' && y'"),
            "line 8, column 43: rule r: unknown name 'y'");
  EXPECT_EQ(rule("\"claims.cpu.product == \\\"x\\\" && y\""),
            "line 8, column 43: rule r: unknown name 'y'");
  EXPECT_EQ(rule("|\n      true &&\n        !claims.debug"),
            "line 10, column 17: rule r: kms.v1.Claims has no field 'debug'");
  EXPECT_EQ(rule(">-\n      true &&\n      1 + true"),
            "line 10, column 7: rule r: + does not take (int, bool)");
  EXPECT_EQ(rule("claims.cpu.measurement in reference.image"),
            "line 8, column 37: rule r: unknown name 'reference.image'; did "
            "you mean 'reference.images'?");
  EXPECT_EQ(rule("claims.cpu.measurement in [b'a', 'b']"),
            "line 8, column 44: rule r: literal mixes bytes and string, want "
            "one type");
  EXPECT_EQ(rule("claims.cpu.measurement"),
            "line 8, column 11: rule r: expression is bytes, want bool");
  EXPECT_EQ(rule("dyn(true)"),
            "line 8, column 11: rule r: expression is dyn, want bool");
  EXPECT_EQ(rule("claims.cpu.measurement == unhex('0')"),
            "line 8, column 43: rule r: text is not an even number of hex "
            "digits");
  EXPECT_EQ(rule(""), "line 8, column 5: expr is not text");
}

}  // namespace
}  // namespace kms::policy

#include "tools/kms_agent/config.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tools/client/outcome.h"

namespace kms::agent {
namespace {

using client::ExitCode;
using client::ExitCodeOf;

constexpr char kWhole[] = R"(
endpoints: ["a:1", "b:2"]
ca: /ca.pem
cluster_id: 000102030405060708090a0b0c0d0e0f
identity_key: 000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f
namespace: team
key: weights
version: 4
blob: /blob
artifact_digest: 000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f
attester_command: /bin/attester
attester_timeout: 10s
output: fd:3
receipt: /receipt
retry_for: 1m
server_evidence:
  policy: /policy.yaml
  anchors: [/root.pem]
  simulated_anchors: [/simulator.pem]
)";

TEST(ParseConfig, ReadsEveryField) {
  const auto config = ParseConfig(kWhole);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->endpoints, (std::vector<std::string>{"a:1", "b:2"}));
  EXPECT_EQ(config->name_space, "team");
  EXPECT_EQ(config->version, 4u);
  EXPECT_EQ(config->receipt, "/receipt");
  EXPECT_EQ(config->blob, "/blob");
  const auto plan = Resolve(*config);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->cluster_id.size(), 16u);
  EXPECT_EQ(plan->cluster_id[1], '\x01');
  EXPECT_EQ(plan->identity_public_key.size(), 32u);
  EXPECT_EQ(plan->artifact_digest.size(), 32u);
  EXPECT_EQ(plan->attester.timeout, absl::Seconds(10));
  EXPECT_EQ(plan->retry_for, absl::Minutes(1));
  EXPECT_EQ(plan->server.policy, "/policy.yaml");
  EXPECT_EQ(plan->server.anchors, std::vector<std::string>{"/root.pem"});
  EXPECT_EQ(plan->server.simulated_anchors,
            std::vector<std::string>{"/simulator.pem"});
  EXPECT_EQ(plan->server.cluster_id, plan->cluster_id);
  EXPECT_EQ(plan->server.identity_public_key, plan->identity_public_key);
}

TEST(ParseConfig, RefusesWhatItDoesNotKnow) {
  for (const char* bad :
       {"retries: 3", "key: a\nkey: b", "key: [a]", "endpoints: a:1",
        "version: many", "version: -1", "- a", "key: {", "just text",
        "endpoints: [{a: 1}]", "[a]: b", "server_evidence: /policy.yaml",
        "server_evidence: {}", "server_evidence: {policy: \"\"}",
        "server_evidence: {anchors: [/a]}",
        "server_evidence: {policy: /p, more: 1}"}) {
    EXPECT_EQ(ExitCodeOf(ParseConfig(bad).status()), ExitCode::kUsage) << bad;
  }
}

TEST(ParseConfig, NamesTheLine) {
  EXPECT_EQ(ParseConfig("key: a\nretries: 3\n").status().message(),
            "configuration line 2: unknown field");
}

TEST(Resolve, RefusesEachMissingOrIllFormedField) {
  const Config good = *ParseConfig(kWhole);
  ASSERT_TRUE(Resolve(good).ok());
  const auto refused = [&good](auto change) {
    Config config = good;
    change(config);
    return ExitCodeOf(Resolve(config).status()) == ExitCode::kUsage;
  };
  EXPECT_TRUE(refused([](Config& c) { c.cluster_id = ""; }));
  EXPECT_TRUE(refused([](Config& c) { c.cluster_id.pop_back(); }));
  EXPECT_TRUE(refused([](Config& c) { c.cluster_id.back() = 'g'; }));
  EXPECT_TRUE(refused([](Config& c) { c.identity_key = c.cluster_id; }));
  EXPECT_TRUE(refused([](Config& c) { c.artifact_digest.pop_back(); }));
  EXPECT_FALSE(refused([](Config& c) { c.artifact_digest = ""; }));
  EXPECT_TRUE(refused([](Config& c) { c.server.policy = ""; }));
  EXPECT_FALSE(refused([](Config& c) { c.server = {}; }));
  EXPECT_TRUE(refused([](Config& c) { c.key = ""; }));
  EXPECT_TRUE(refused([](Config& c) { c.output = ""; }));
  EXPECT_TRUE(refused([](Config& c) { c.attester = "sev-snp"; }));  // Both.
  EXPECT_TRUE(refused([](Config& c) { c.attester_command = ""; }));
  EXPECT_TRUE(refused([](Config& c) {
    c.attester_command = "";
    c.attester = "tpm";
  }));
  EXPECT_TRUE(refused([](Config& c) { c.attester_command = "relative"; }));
  EXPECT_TRUE(refused([](Config& c) { c.attester_timeout = "soon"; }));
  EXPECT_TRUE(refused([](Config& c) { c.retry_for = "0s"; }));
  EXPECT_TRUE(refused([](Config& c) { c.retry_for = "25h"; }));
  EXPECT_FALSE(refused([](Config& c) {
    c.attester_command = "";
    c.attester = "sev-snp";
  }));
}

}  // namespace
}  // namespace kms::agent

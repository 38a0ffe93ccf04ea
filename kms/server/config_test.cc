#include "kms/server/config.h"

#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace kms::server {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr char kSmallest[] =
    "listen: [\"127.0.0.1:7443\"]\n"
    "data_dir: /var/lib/kmsd\n"
    "tls:\n"
    "  certificate: /c.pem\n"
    "  private_key: /k.pem\n"
    "  administrators_ca: /a.pem\n"
    "administrators: []\n"
    "seal: {kind: shamir}\n";

std::string Replaced(const std::string& from, const std::string& to) {
  const std::string yaml = absl::StrReplaceAll(kSmallest, {{from, to}});
  EXPECT_NE(yaml, kSmallest);
  return yaml;
}

std::string FaultsOf(const std::string& yaml) {
  const auto config = ParseConfig(yaml, "f.yaml");
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(config.status().message());
}

TEST(ConfigTest, ReadsTheDocumentedExample) {
  const auto config = LoadConfig("kms/server/kmsd.example.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->listen, ElementsAre("127.0.0.1:7443"));
  EXPECT_EQ(config->data_dir, "/var/lib/kmsd");
  EXPECT_EQ(config->tls.certificate, "/etc/kmsd/server.pem");
  EXPECT_EQ(config->tls.private_key, "/etc/kmsd/server.key");
  EXPECT_EQ(config->tls.administrators_ca, "/etc/kmsd/administrators.pem");
  EXPECT_THAT(config->administrators,
              ElementsAre("alice", "spiffe://example.org/kms/operator"));
  EXPECT_EQ(config->seal.kind, seal::SealKind::kShamir);
  EXPECT_THAT(config->simulated_anchors, ElementsAre());
}

// The example says what the defaults are.
TEST(ConfigTest, TheExampleShowsTheDefaults) {
  const auto example = LoadConfig("kms/server/kmsd.example.yaml");
  const auto smallest = ParseConfig(kSmallest, "f.yaml");
  ASSERT_TRUE(example.ok()) << example.status();
  ASSERT_TRUE(smallest.ok()) << smallest.status();
  EXPECT_EQ(example->limits.requests_in_flight,
            smallest->limits.requests_in_flight);
  EXPECT_EQ(example->limits.challenges_per_second,
            smallest->limits.challenges_per_second);
  EXPECT_EQ(example->limits.releases_per_second,
            smallest->limits.releases_per_second);
  EXPECT_EQ(example->limits.request_bytes, smallest->limits.request_bytes);
  EXPECT_EQ(example->challenge_ttl, smallest->challenge_ttl);
  EXPECT_EQ(example->evidence_retention, smallest->evidence_retention);
  EXPECT_EQ(example->destruction_wait_min, smallest->destruction_wait_min);
  EXPECT_EQ(example->scrub_interval, smallest->scrub_interval);
  EXPECT_EQ(example->drain_timeout, smallest->drain_timeout);
  EXPECT_EQ(example->on_fatal, smallest->on_fatal);
  EXPECT_EQ(example->log_level, smallest->log_level);
  EXPECT_EQ(smallest->log_file, "");
}

constexpr char kEtcd[] =
    "log:\n"
    "  etcd:\n"
    "    endpoints: [\"10.0.0.1:2379\", \"[::1]:2379\"]\n"
    "    ca_file: /ca.pem\n"
    "    certificate_file: /c.pem\n"
    "    key_file: /c.key\n";

TEST(ConfigTest, TheLogIsLocalUnlessEtcdIsNamed) {
  EXPECT_FALSE(ParseConfig(kSmallest, "f.yaml")->etcd.has_value());
  const auto config = ParseConfig(absl::StrCat(kSmallest, kEtcd), "f.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_TRUE(config->etcd.has_value());
  EXPECT_THAT(config->etcd->endpoints,
              ElementsAre("10.0.0.1:2379", "[::1]:2379"));
  EXPECT_EQ(config->etcd->ca_file, "/ca.pem");
  EXPECT_EQ(config->etcd->certificate_file, "/c.pem");
  EXPECT_EQ(config->etcd->key_file, "/c.key");
  EXPECT_EQ(config->etcd->prefix, "kms");
}

TEST(ConfigTest, FaultsOfEtcdNameTheirLine) {
  const std::string good = absl::StrCat(kSmallest, kEtcd);
  const auto faults = [&good](const std::string& from, const std::string& to) {
    return FaultsOf(absl::StrReplaceAll(good, {{from, to}}));
  };
  EXPECT_THAT(faults("\"10.0.0.1:2379\"", "https://a:1"),
              HasSubstr("f.yaml:11:17: log.etcd.endpoints: want host:port"));
  EXPECT_THAT(faults("/c.key", "c.key"),
              HasSubstr("f.yaml:14:15: log.etcd.key_file: want an absolute"));
  EXPECT_THAT(faults("    ca_file: /ca.pem\n", ""),
              HasSubstr("f.yaml:11:5: log.etcd.ca_file: missing, and has no "
                        "default"));
  EXPECT_THAT(faults("key_file", "key_fil"), HasSubstr("did you mean"));
  for (const char* prefix : {"\"\"", "kms/", "k ms", "[a]"}) {
    EXPECT_THAT(FaultsOf(absl::StrCat(good, "    prefix: ", prefix, "\n")),
                HasSubstr("f.yaml:15:13: log.etcd.prefix: want 1 to 128"));
  }
}

TEST(ConfigTest, AttestsBySomethingNamedOnceOrNotAtAll) {
  const auto smallest = ParseConfig(kSmallest, "f.yaml");
  EXPECT_EQ(smallest->attester.built_in, "");
  EXPECT_EQ(smallest->attester.command, "");
  EXPECT_EQ(ParseConfig(absl::StrCat(kSmallest, "attester: tdx\n"), "f.yaml")
                ->attester.built_in,
            "tdx");
  const auto program =
      ParseConfig(absl::StrCat(kSmallest,
                               "attester_command: /usr/lib/kms/attester\n"
                               "attester_timeout: 5s\n"),
                  "f.yaml");
  ASSERT_TRUE(program.ok()) << program.status();
  EXPECT_EQ(program->attester.command, "/usr/lib/kms/attester");
  EXPECT_EQ(program->attester.timeout, absl::Seconds(5));

  const auto fault = [](const std::string& lines) {
    return FaultsOf(absl::StrCat(kSmallest, lines));
  };
  EXPECT_THAT(fault("attester: sgx\n"),
              HasSubstr("f.yaml:9:11: attester: want one of sev-snp, tdx"));
  EXPECT_THAT(fault("attester_command: attester\n"),
              HasSubstr("attester_command: want an absolute path"));
  EXPECT_THAT(fault("attester_timeout: 0s\n"), HasSubstr("want a duration"));
  for (const char* both : {"attester: tdx\nattester_command: /a\n",
                           "attester_command: /a\nattester: tdx\n"}) {
    EXPECT_THAT(fault(both),
                HasSubstr("want one of attester and attester_command"));
  }
}

TEST(ConfigTest, NothingThatDecidesAboutSecurityHasADefault) {
  for (const char* key : {"listen", "data_dir", "administrators", "seal"}) {
    const std::string faults =
        FaultsOf(Replaced(absl::StrCat(key, ":"), "on_fatal: exit\n#"));
    EXPECT_THAT(faults,
                HasSubstr(absl::StrCat(key, ": missing, and has no default")));
  }
  EXPECT_THAT(FaultsOf("listen: [\"a:1\"]\n"),
              HasSubstr("f.yaml:1:1: tls: missing, and has no default"));
  for (const char* key : {"certificate", "private_key", "administrators_ca"}) {
    const std::string faults =
        FaultsOf(Replaced(absl::StrCat("  ", key, ":"), "  #"));
    EXPECT_THAT(faults, HasSubstr(absl::StrCat("tls.", key, ": missing")));
  }
  EXPECT_THAT(FaultsOf(Replaced("{kind: shamir}", "{}")),
              HasSubstr("f.yaml:8:7: seal.kind: missing"));
}

TEST(ConfigTest, TellsEveryFaultAtItsLineInOrder) {
  const std::string faults = FaultsOf(
      "listen: [\"nowhere\"]\n"
      "data_dir: relative\n"
      "tls:\n"
      "  certificate: c.pem\n"
      "  private_key: /k\n"
      "  administrators_ca: /a\n"
      "administrators: alice\n"
      "seal: {kind: shamir}\n"
      "challenge_ttl: 5\n"
      "limits:\n"
      "  requests_in_flight: many\n");
  EXPECT_THAT(faults, testing::MatchesRegex(
                          "f.yaml:1:10: listen: want host:port.*\n"
                          "f.yaml:2:11: data_dir: want an absolute.*\n"
                          "f.yaml:4:16: tls.certificate: want an abs.*\n"
                          "f.yaml:7:17: administrators: want a list.*\n"
                          "f.yaml:9:16: challenge_ttl: want a duration.*\n"
                          "f.yaml:11:23: limits.requests_in_flight: .*"));
}

TEST(ConfigTest, SuggestsTheKeyThatWasMeant) {
  EXPECT_THAT(FaultsOf(Replaced("data_dir", "datadir")),
              HasSubstr("f.yaml:2:1: unknown key \"datadir\", did you mean "
                        "\"data_dir\"?"));
  EXPECT_THAT(FaultsOf(Replaced("private_key", "privat_key")),
              HasSubstr("f.yaml:5:3: tls: unknown key \"privat_key\", did you "
                        "mean \"private_key\"?"));
  EXPECT_THAT(FaultsOf(std::string(kSmallest) + "completely_else: 1\n"),
              HasSubstr("want one of administrators, attester,"));
}

TEST(ConfigTest, AnUnknownKeyIsMadeHarmlessToATerminal) {
  const std::string faults =
      FaultsOf(std::string(kSmallest) + "\"\\x1b[31m\": 1\n");
  EXPECT_THAT(faults, HasSubstr("unknown key \"?[31m\""));
  EXPECT_THAT(faults, Not(HasSubstr("\x1b")));
}

TEST(ConfigTest, AKeyTwiceIsAFault) {
  EXPECT_THAT(FaultsOf(std::string(kSmallest) + "data_dir: /other\n"),
              HasSubstr("f.yaml:9:1: data_dir: given twice"));
}

TEST(ConfigTest, ADevelopmentSealNeedsItsFileAndNoOtherDoes) {
  EXPECT_THAT(FaultsOf(Replaced("{kind: shamir}", "{kind: development}")),
              HasSubstr("seal: kind development needs a key_file"));
  EXPECT_THAT(
      FaultsOf(Replaced("{kind: shamir}", "{kind: shamir, key_file: /k}")),
      HasSubstr("seal: key_file is only for kind development"));
  const auto config = ParseConfig(
      Replaced("{kind: shamir}", "{kind: development, key_file: /k}"), "f");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->seal.kind, seal::SealKind::kDevelopment);
  EXPECT_EQ(config->seal.key_file, "/k");
}

constexpr char kToken[] =
    "{kind: pkcs11, pkcs11: {module: /m.so, token: kms, pin_file: /pin, "
    "key: kms-root}}";

TEST(ConfigTest, ADeviceIsDescribedWhole) {
  auto config = ParseConfig(Replaced("{kind: shamir}", kToken), "f");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->seal.kind, seal::SealKind::kPkcs11);
  EXPECT_EQ(config->seal.pkcs11.module, "/m.so");
  EXPECT_EQ(config->seal.pkcs11.token, "kms");
  EXPECT_EQ(config->seal.pkcs11.pin_file, "/pin");
  EXPECT_EQ(config->seal.pkcs11.key, "kms-root");
  EXPECT_FALSE(config->seal_before.has_value());
  config = ParseConfig(
      Replaced("{kind: shamir}",
               "{kind: tpm, tpm: {tcti: 'device:/dev/tpmrm0', pcrs: [7, 0]}}"),
      "f");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->seal.kind, seal::SealKind::kTpm);
  EXPECT_EQ(config->seal.tpm.tcti, "device:/dev/tpmrm0");
  EXPECT_THAT(config->seal.tpm.pcrs, ElementsAre(0, 7));
}

TEST(ConfigTest, AnIncompleteDeviceIsAFault) {
  EXPECT_THAT(FaultsOf(Replaced("{kind: shamir}", "{kind: pkcs11}")),
              HasSubstr("seal: kind pkcs11 needs a pkcs11"));
  EXPECT_THAT(FaultsOf(Replaced("{kind: shamir}", "{kind: tpm}")),
              HasSubstr("seal: kind tpm needs a tpm"));
  EXPECT_THAT(FaultsOf(Replaced("{kind: shamir}",
                                "{kind: shamir, tpm: {tcti: t, pcrs: [1]}}")),
              HasSubstr("seal: tpm is only for kind tpm"));
  for (const char* pcrs : {"[]", "[24]", "[-1]", "[7, 7]", "7"}) {
    EXPECT_THAT(
        FaultsOf(Replaced(
            "{kind: shamir}",
            std::string("{kind: tpm, tpm: {tcti: t, pcrs: ") + pcrs + "}}")),
        HasSubstr("seal.tpm.pcrs: want a list of PCRs"))
        << pcrs;
  }
  EXPECT_THAT(
      FaultsOf(Replaced("{kind: shamir}",
                        "{kind: pkcs11, pkcs11: {module: m.so, token: '', "
                        "pin_file: /p}}")),
      AllOf(HasSubstr("seal.pkcs11.module: want an absolute path"),
            HasSubstr("seal.pkcs11.token: want a label"),
            HasSubstr("seal.pkcs11.key: missing")));
}

TEST(ConfigTest, ARootKeyMovesToAnotherKindAndToNoDevelopmentSeal) {
  const auto moving = [](const std::string& to, const std::string& before) {
    return Replaced("{kind: shamir}",
                    to.substr(0, to.size() - 1) + ", before: " + before + "}");
  };
  const auto config = ParseConfig(moving(kToken, "{kind: shamir}"), "f");
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_TRUE(config->seal_before.has_value());
  EXPECT_EQ(config->seal_before->kind, seal::SealKind::kShamir);
  EXPECT_THAT(FaultsOf(moving("{kind: shamir}", "{kind: shamir}")),
              HasSubstr("seal: before is of the same kind"));
  EXPECT_THAT(FaultsOf(moving("{kind: development, key_file: /k}", kToken)),
              HasSubstr("seal: a root key moves to no development seal"));
  EXPECT_THAT(FaultsOf(moving(kToken, "{kind: tpm}")),
              HasSubstr("seal.before: kind tpm needs a tpm"));
}

TEST(ConfigTest, RefusesNumbersOutOfRange) {
  for (const char* line :
       {"limits: {requests_in_flight: 0}", "limits: {requests_in_flight: -1}",
        "limits: {challenges_per_second: nan}",
        "limits: {releases_per_second: inf}",
        "limits: {request_bytes: 4194305}", "challenge_ttl: 31m",
        "challenge_ttl: inf", "drain_timeout: 0s", "evidence_retention: -1s",
        "metrics: {listen: 9464}", "destruction_wait_min: -1s",
        "scrub_interval: 1s", "on_fatal: ignore", "log: {level: loud}"}) {
    EXPECT_THAT(FaultsOf(absl::StrCat(kSmallest, line, "\n")),
                HasSubstr("f.yaml:9:"))
        << line;
  }
}

TEST(ConfigTest, ThereAreNoMetricsUnlessAnAddressIsGiven) {
  const auto none = ParseConfig(kSmallest, "f");
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_EQ(none->metrics_listen, "");
  const auto config = ParseConfig(
      absl::StrCat(kSmallest, "metrics: {listen: \"[::1]:9464\"}\n"), "f");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->metrics_listen, "[::1]:9464");
}

TEST(ConfigTest, ReadsHowOldCollateralMayBe) {
  const auto config = ParseConfig(
      absl::StrCat(kSmallest,
                   "collateral: {max_age: {crl: 30d, tcb_info: 36h}}\n"),
      "f");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->collateral.max_ages,
              ElementsAre(std::pair("crl", absl::Hours(30 * 24)),
                          std::pair("tcb_info", absl::Hours(36))));
  EXPECT_EQ(config->collateral.mirror.url, "");
  for (const char* ages :
       {"{crl: 0d}", "{crl: 59m}", "{crl: -30d}", "{crl: 3661d}", "{crl: d}",
        "{crl: 30}", "{crl: [30d]}", "{cert_chain: 30d}", "{crl: inf}"}) {
    EXPECT_THAT(FaultsOf(absl::StrCat(kSmallest, "collateral: {max_age: ", ages,
                                      "}\n")),
                HasSubstr("f.yaml:9:"))
        << ages;
  }
}

TEST(ConfigTest, ReadsAMirror) {
  const auto with = [](const std::string& mirror) {
    return absl::StrCat(kSmallest, "collateral: {mirror: {", mirror, "}}\n");
  };
  const auto config = ParseConfig(
      with("url: \"https://m.example:8443/kms/\", ca_file: /ca.pem, "
           "interval: 10m"),
      "f");
  ASSERT_TRUE(config.ok()) << config.status();
  const CollateralMirror& mirror = config->collateral.mirror;
  EXPECT_EQ(mirror.url, "https://m.example:8443/kms/");
  EXPECT_EQ(mirror.ca_file, "/ca.pem");
  EXPECT_EQ(mirror.interval, absl::Minutes(10));
  EXPECT_THAT(FaultsOf(with("url: \"https://m.example/\"")),
              HasSubstr("collateral.mirror.ca_file: missing"));
  EXPECT_THAT(FaultsOf(with("ca_file: /ca.pem")),
              HasSubstr("collateral.mirror.url: missing"));
  for (const char* url :
       {"http://m/", "https://m", "https:///x/", "https://", "HTTPS://m/",
        "https://user@m/", "https://m/?q/", "https://m/#f/", "https://m/a b/",
        "file:///etc/", "m/", "https://m\\\\n/"}) {
    EXPECT_THAT(
        FaultsOf(with(absl::StrCat("ca_file: /ca.pem, url: \"", url, "\""))),
        HasSubstr("collateral.mirror.url: want https://"))
        << url;
  }
}

TEST(ConfigTest, ReadsAddressesOfBothKinds) {
  const auto config = ParseConfig(
      Replaced("\"127.0.0.1:7443\"", "\"[::1]:7443\", \"localhost:0\""), "f");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->listen, ElementsAre("[::1]:7443", "localhost:0"));
  for (const char* bad :
       {"\"::1:7443\"", "\":7443\"", "\"localhost\"", "\"localhost:65536\"",
        "\"localhost:\"", "\"a:7443\", \"a:7443\"", ""}) {
    EXPECT_THAT(FaultsOf(Replaced("\"127.0.0.1:7443\"", bad)),
                HasSubstr("f.yaml:1:"))
        << bad;
  }
}

TEST(ConfigTest, RefusesWhatIsNotOneYamlMapping) {
  EXPECT_THAT(FaultsOf("a: [1, 2\n"), HasSubstr("not YAML"));
  EXPECT_THAT(FaultsOf("- list\n"), HasSubstr("want a mapping"));
  EXPECT_THAT(FaultsOf(""), HasSubstr("0 YAML documents, want 1"));
  EXPECT_THAT(FaultsOf(std::string(kSmallest) + "---\na: 1\n"),
              HasSubstr("2 YAML documents, want 1"));
  EXPECT_THAT(FaultsOf(std::string(kConfigBytesMax + 1, '#')),
              HasSubstr("bytes, want at most"));
}

TEST(ConfigTest, AMissingFileIsNotFound) {
  EXPECT_EQ(LoadConfig("/nonexistent/kmsd.yaml").status().code(),
            absl::StatusCode::kNotFound);
}

constexpr char kCluster[] =
    "cluster:\n"
    "  listen: \"0.0.0.0:7444\"\n"
    "  peers: [\"kms2:7444\", \"kms3:7444\"]\n"
    "  certificate: /p.pem\n"
    "  private_key: /p.key\n"
    "  ca: /peers.pem\n";

TEST(ConfigTest, ReadsACluster) {
  const std::string join =
      absl::StrCat("  join: {cluster_id: ", std::string(32, 'a'),
                   ", identity_key: ", std::string(64, 'b'), "}\n",
                   "  release_guard: majority\n  development_token_file: /t\n");
  const auto config =
      ParseConfig(absl::StrCat(kSmallest, kCluster, join), "f.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  const ClusterConfig& cluster = config->cluster;
  EXPECT_EQ(cluster.listen, "0.0.0.0:7444");
  EXPECT_THAT(cluster.peers, ElementsAre("kms2:7444", "kms3:7444"));
  EXPECT_EQ(cluster.certificate, "/p.pem");
  EXPECT_EQ(cluster.private_key, "/p.key");
  EXPECT_EQ(cluster.ca, "/peers.pem");
  EXPECT_TRUE(cluster.majority_guard);
  EXPECT_EQ(cluster.development_token_file, "/t");
  EXPECT_EQ(cluster.join_cluster_id, std::string(16, '\xaa'));
  EXPECT_EQ(cluster.join_identity_key, std::string(32, '\xbb'));
}

TEST(ConfigTest, AClusterGuardsAndJoinsNothingUnlessToldTo) {
  const auto config = ParseConfig(absl::StrCat(kSmallest, kCluster), "f.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_FALSE(config->cluster.majority_guard);
  EXPECT_EQ(config->cluster.development_token_file, "");
  EXPECT_EQ(config->cluster.join_cluster_id, "");
}

TEST(ConfigTest, RefusesHalfACluster) {
  EXPECT_THAT(FaultsOf(absl::StrCat(kSmallest, "cluster: {listen: \"x:1\"}\n")),
              HasSubstr("cluster.ca: missing"));
  EXPECT_THAT(FaultsOf(absl::StrCat(kSmallest, kCluster,
                                    "  join: {cluster_id: abc, "
                                    "identity_key: 00}\n")),
              testing::AllOf(HasSubstr("cluster.join.cluster_id: want 32 hex"),
                             HasSubstr("identity_key: want 64 hex")));
  EXPECT_THAT(
      FaultsOf(absl::StrCat(kSmallest, kCluster, "  release_guard: some\n")),
      HasSubstr("cluster.release_guard: want one of none, majority"));
}

}  // namespace
}  // namespace kms::server

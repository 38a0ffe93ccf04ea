// A real kmsd joins a real cluster, whose log is in etcd, by the Evidence that
// its attester makes. Before that it is refused, each time with the code of
// what is wrong. There is no development token anywhere.

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "kms/base/bytes.h"
#include "proto/kms/v1/audit.grpc.pb.h"
#include "proto/kms/v1/audit_entry.pb.h"
#include "storage/log/etcd/testing.h"
#include "tests/integration/kmsd_process.h"
#include "tests/integration/service.h"

namespace kms::testing {
namespace {

constexpr char kJoinPolicy[] = R"(name: cluster-join
evidence: [{type: sev-snp, count: 1}]
anchors: [simulated-snp-ark]
reference: {builds: ["%s"]}
rules:
  - id: joins
    expr: request.purpose == "join"
    message: not a join
  - id: build
    expr: claims.cpu.measurement in reference.builds
    message: not an approved build of kmsd
release: {lease: 1h}
)";

class AttestedJoinTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = MakeFolder();
    char root[4096];
    ASSERT_NE(getcwd(root, sizeof(root)), nullptr);
    simtee_ = absl::StrCat(root, "/tools/simtee/simtee");
    Must(absl::StrCat(simtee_, " init --rsa-bits 2048 --dir ", path("snp"),
                      "; mkdir ", path("first"), " ", path("second"), " ",
                      path("kept")));
    WriteAttester();

    first_ = Create("first", "");
    ASSERT_NE(first_, nullptr);
    ASSERT_TRUE(first_->Start().ok()) << first_->log();
    const auto init = first_->Init(0, 0);
    ASSERT_TRUE(init.ok()) << init.status();
    Administer(absl::StrCat("anchor put simulated-snp-ark ",
                            path("snp/simulated-snp-ark.pem"),
                            " --type sev-snp --simulated"));
    second_ = Create(
        "second",
        absl::StrCat("  join: {cluster_id: ", Hex(init->cluster_id()),
                     ", identity_key: ", Hex(init->identity_public_key()),
                     "}\n", "attester_command: ", path("attester"), "\n"));
    ASSERT_NE(second_, nullptr);
  }

  void TearDown() override {
    second_.reset();
    first_.reset();
    RunShell(absl::StrCat("rm -rf '", folder_, "'"));
  }

  std::string path(const std::string& name) const {
    return absl::StrCat(folder_, "/", name);
  }
  static void Must(const std::string& script) {
    const CommandResult result = RunShell(script);
    ASSERT_EQ(result.exit_code, 0) << script << "\n" << result.output;
  }
  void Administer(const std::string& arguments) const {
    Must(absl::StrCat("KMS_ADDRESS=", first_->address(),
                      " KMS_CA=", first_->path("ca.pem"),
                      " KMS_CERT=", first_->path("admin.pem"),
                      " KMS_KEY=", first_->path("admin.key"),
                      " tools/kmsctl/kmsctl ", arguments));
  }

  // One instance; both have the certificate of the first towards each other.
  std::unique_ptr<KmsdProcess> Create(const std::string& name,
                                      const std::string& more) const {
    const bool first = name == "first";
    auto process = KmsdProcess::Create(
        {.kmsd = "kms/server/kmsd",
         .directory = path(name),
         .etcd = absl::StrCat(
             "{endpoints: [\"",
             absl::StrJoin(etcd_.endpoints().addresses, "\", \""),
             "\"], ca_file: ", etcd_.ca_file(), ", certificate_file: ",
             etcd_.certificate_file(), ", key_file: ", etcd_.key_file(), "}"),
         .config = absl::StrCat(
             "cluster:\n  listen: \"localhost:", first ? port1_ : port2_,
             "\"\n  peers: [\"localhost:", first ? port2_ : port1_,
             "\"]\n  certificate: ", path("first/localhost.pem"),
             "\n  private_key: ", path("first/localhost.key"),
             "\n  ca: ", path("first/ca.pem"), "\n", more)});
    EXPECT_TRUE(process.ok()) << process.status();
    return process.ok() ? *std::move(process) : nullptr;
  }

  // How the second machine attests is what the file "machine" says.
  void WriteAttester() const {
    WriteProgram(path("attester"),
                 absl::StrCat("case $(cat ", path("machine"),
                              ") in\n"
                              "  genuine) flags='--measurement ",
                              build_,
                              "' ;;\n"
                              "  other) flags='--measurement ",
                              std::string(96, '7'),
                              "' ;;\n"
                              "  debug) flags='--debug --measurement ",
                              build_,
                              "' ;;\n"
                              "  replay) cp ",
                              path("kept"),
                              "/* \"$2\"; exit 0 ;;\n"
                              "esac\n",
                              simtee_, " report --dir ", path("snp"),
                              " --report-data \"$1\" --out \"$2\" $flags\n"
                              "cp \"$2\"/* ",
                              path("kept"), "\n"));
  }
  void SetMachine(const std::string& machine) const {
    WriteFile(path("machine.new"), machine);
    ASSERT_EQ(rename(path("machine.new").c_str(), path("machine").c_str()), 0);
  }

  // Whether the second instance logs `text` within a minute.
  bool Logged(const std::string& text) const {
    const absl::Time give_up = absl::Now() + absl::Seconds(60);
    while (second_->log().find(text) == std::string::npos) {
      if (absl::Now() > give_up) return false;
      second_->GetStatus().status().IgnoreError();  // As long as that takes.
    }
    return true;
  }

  // Whether it was refused with `code`, and did not join.
  ::testing::AssertionResult Refused(const std::string& code) const {
    if (!Logged(absl::StrCat("\"refusal\":\"", code, "\""))) {
      return ::testing::AssertionFailure() << "no " << code << " in\n"
                                           << second_->log();
    }
    return Registrations().empty()
               ? ::testing::AssertionSuccess()
               : ::testing::AssertionFailure() << "it joined";
  }

  // The registrations in the log, in order; the first instance's is a part of
  // the cluster's start.
  std::vector<v1::InstanceRegistered> Registrations() const {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::seconds(10));
    v1::ListEntriesRequest request;
    request.set_count(1000);
    v1::ListEntriesResponse response;
    const grpc::Status status =
        v1::AuditService::NewStub(first_->AdminChannel())
            ->ListEntries(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::vector<v1::InstanceRegistered> registrations;
    for (const std::string& bytes : response.entries()) {
      v1::AuditEntry entry;
      EXPECT_TRUE(entry.ParseFromString(bytes));
      if (entry.has_instance_registered()) {
        registrations.push_back(entry.instance_registered());
      }
    }
    return registrations;
  }

  const std::string build_ = std::string(96, '5');
  storage::TestEtcd etcd_;
  const int port1_ = FreePort(), port2_ = FreePort();
  std::string folder_, simtee_;
  std::unique_ptr<KmsdProcess> first_, second_;
};

TEST_F(AttestedJoinTest, JoinsByEvidenceThatThePolicyAllowsAndByNoOther) {
  SetMachine("genuine");
  ASSERT_TRUE(second_->Start().ok()) << second_->log();
  EXPECT_TRUE(Refused("NO_POLICY"));

  SetMachine("other");
  std::string policy(kJoinPolicy);
  policy.replace(policy.find("%s"), 2, build_);
  WriteFile(path("join.yaml"), policy);
  Administer(absl::StrCat("policy put ", path("join.yaml")));
  EXPECT_TRUE(Refused("POLICY_DENIED"));
  SetMachine("debug");
  EXPECT_TRUE(Refused("DEBUG_DENIED"));
  // What the attester made for another challenge.
  SetMachine("replay");
  EXPECT_TRUE(Refused("EVIDENCE_NOT_BOUND"));

  SetMachine("genuine");
  ASSERT_TRUE(second_->AwaitServing().ok()) << second_->log();
  const auto registrations = Registrations();
  ASSERT_EQ(registrations.size(), 1u);
  EXPECT_FALSE(registrations[0].development());
  EXPECT_EQ(registrations[0].join_policy_version(), 1u);
  EXPECT_EQ(registrations[0].evidence_digest().size(), 32u);
}

TEST_F(AttestedJoinTest, AnAttesterThatFailsIsToldAndTriedAgain) {
  WriteProgram(path("attester"), "exit 7\n");
  ASSERT_TRUE(second_->Start().ok()) << second_->log();
  EXPECT_TRUE(Logged("attester: exit code 7")) << second_->log();
  EXPECT_TRUE(Registrations().empty());
}

}  // namespace
}  // namespace kms::testing

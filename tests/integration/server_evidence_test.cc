// kmsd attests itself to kmsctl and kms-agent, which require it before they
// send anything. Then it is another build, a debug guest, one without an
// attester, old Evidence; and somebody stands in between with a certificate of
// the same CA.

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/kms/v1/server_evidence.grpc.pb.h"
#include "tests/integration/forwarder.h"
#include "tests/integration/service.h"

namespace kms::testing {
namespace {

constexpr char kSecret[] = "a key of 32 bytes for the test..";
const std::string kBuild(96, '5');

std::string ServerPolicy() {
  return absl::StrCat(R"(name: kmsd
evidence: [{type: sev-snp, count: 1}]
anchors: [simulated-snp-ark]
reference: {builds: [")",
                      kBuild, R"("]}
rules:
  - id: server
    expr: request.purpose == "server"
    message: not a server
  - id: build
    expr: claims.cpu.measurement in reference.builds
    message: not an approved build of kmsd
release: {lease: 1h}
)");
}

constexpr char kGuestPolicy[] = R"(name: guests
evidence: [{type: sev-snp, count: 1}]
anchors: [simulated-snp-ark]
rules: [{id: any, expr: "!claims.cpu.debug", message: debug}]
release: {lease: 1h}
)";

// Ends TLS with a certificate of its own, hands on what the instance proves,
// and would take everything else.
class Middleman : public v1::ServerEvidenceService::Service {
 public:
  Middleman(const KmsdProcess& kmsd, const std::string& certificate,
            const std::string& key)
      : stub_(v1::ServerEvidenceService::NewStub(kmsd.WorkloadChannel())) {
    grpc::SslServerCredentialsOptions tls;
    tls.pem_key_cert_pairs.push_back({ReadFile(key), ReadFile(certificate)});
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(tls),
                             &port_);
    builder.RegisterService(this);
    builder.RegisterCallbackGenericService(&rest_);
    server_ = builder.BuildAndStart();
  }

  grpc::Status GetServerEvidence(
      grpc::ServerContext*, const v1::GetServerEvidenceRequest* request,
      v1::GetServerEvidenceResponse* response) override {
    ++questions_;
    grpc::ClientContext context;
    return stub_->GetServerEvidence(&context, *request, response);
  }

  int port() const { return port_; }
  int questions() const { return questions_; }
  // Requests that it should never have seen.
  int caught() const { return rest_.calls; }

 private:
  struct Rest : public grpc::CallbackGenericService {
    grpc::ServerGenericBidiReactor* CreateReactor(
        grpc::GenericCallbackServerContext* context) override {
      ++calls;
      return grpc::CallbackGenericService::CreateReactor(context);
    }
    std::atomic<int> calls{0};
  };

  const std::unique_ptr<v1::ServerEvidenceService::Stub> stub_;
  std::atomic<int> questions_{0};
  Rest rest_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

class ServerEvidenceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    machine_ = MakeFolder();
    char root[4096];
    ASSERT_NE(getcwd(root, sizeof(root)), nullptr);
    const std::string simtee = absl::StrCat(root, "/tools/simtee/simtee");
    Must(absl::StrCat(simtee, " init --rsa-bits 2048 --dir ", path("snp"),
                      "; mkdir ", path("kept")));
    const std::string report =
        absl::StrCat(simtee, " report --dir ", path("snp"),
                     " --report-data \"$1\" --out \"$2\" --measurement ");
    // How kmsd's machine attests is what the file "mode" says.
    WriteProgram(
        path("attester"),
        absl::StrCat("case $(cat ", path("mode"), ") in\n  genuine) ", report,
                     kBuild, " ;;\n  other) ", report, std::string(96, '7'),
                     " ;;\n  debug) ", report, kBuild,
                     " --debug ;;\n  replay) cp ", path("kept"),
                     "/* \"$2\"; exit 0 ;;\n",
                     "  *) exit 7 ;;\nesac\ncp \"$2\"/* ", path("kept"), "\n"));
    WriteProgram(path("workload"), absl::StrCat(report, kBuild, "\n"));
    WriteFile(path("server.yaml"), ServerPolicy());
    required_ = absl::StrCat(" --require-server-evidence ", path("server.yaml"),
                             " --simulated-server-anchor ",
                             path("snp/simulated-snp-ark.pem"));
    SetMode("genuine");
    Start(absl::StrCat("attester_command: ", path("attester"), "\n"));
  }

  void TearDown() override {
    service_.reset();
    RunShell(absl::StrCat("rm -rf '", machine_, "'"));
  }

  void Start(const std::string& config) {
    auto service = Service::Start(
        {.simulated_anchors = {"simulated-snp-ark"}, .config = config});
    ASSERT_TRUE(service.ok()) << service.status();
    service_ = *std::move(service);
    WriteFile(service_->path("guests.yaml"), kGuestPolicy);
    WriteFile(service_->path("secret"), kSecret);
    for (const std::string& arguments :
         {absl::StrCat("anchor put simulated-snp-ark ",
                       path("snp/simulated-snp-ark.pem"),
                       " --type sev-snp --simulated"),
          absl::StrCat("policy put ", service_->path("guests.yaml")),
          absl::StrCat("key create weights --policy guests --import-file ",
                       service_->path("secret"))}) {
      const absl::Status done = service_->Administer(arguments);
      ASSERT_TRUE(done.ok()) << done;
    }
  }

  std::string path(const std::string& name) const {
    return absl::StrCat(machine_, "/", name);
  }
  static void Must(const std::string& script) {
    const CommandResult result = RunShell(script);
    ASSERT_EQ(result.exit_code, 0) << script << "\n" << result.output;
  }
  void SetMode(const std::string& mode) const { WriteFile(path("mode"), mode); }
  std::unique_ptr<Middleman> MakeMiddleman() const {
    Must(absl::StrCat(
        "cd ", service_->path(""),
        "; openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
        " -subj /CN=localhost -keyout middle.key -out middle.csr 2>/dev/null;"
        " echo subjectAltName=DNS:localhost >middle.ext;"
        " openssl x509 -req -in middle.csr -CA ca.pem -CAkey ca.key"
        " -CAcreateserial -days 30 -extfile middle.ext -out middle.pem"
        " 2>/dev/null"));
    return std::make_unique<Middleman>(service_->kmsd(),
                                       service_->path("middle.pem"),
                                       service_->path("middle.key"));
  }

  // kmsctl, or kms-agent for the key, of whoever listens there.
  CommandResult Kmsctl(const std::string& address,
                       const std::string& arguments) const {
    return service_->Kmsctl(absl::StrCat(arguments, " --address ", address));
  }
  std::string Agent() const { return path("workload") + required_; }

  // Empty if both programs refuse with `code` to use the instance.
  std::string BothRefuse(const std::string& code) const {
    const CommandResult result = service_->Kmsctl("key list" + required_);
    if (result.exit_code != 3 ||
        !absl::StrContains(result.output, absl::StrCat(code, ": "))) {
      return absl::StrCat("kmsctl: want ", code, ", got exit ",
                          result.exit_code, "\n", result.output);
    }
    return service_->Refused(Agent(), code);
  }
  // What the instance was asked beside for Evidence.
  bool WasAsked() const {
    const std::string log = service_->kmsd().log();
    return absl::StrContains(log, "KeyService.ListKeys") ||
           absl::StrContains(log, "WorkloadService.");
  }

  std::string machine_, required_;
  std::unique_ptr<Service> service_;
};

TEST_F(ServerEvidenceTest, AServerThatPassesIsUsed) {
  const CommandResult list = service_->Kmsctl("key list" + required_);
  EXPECT_EQ(list.exit_code, 0) << list.output;
  EXPECT_EQ(service_->Released(Agent(), kSecret), "");
  EXPECT_TRUE(WasAsked());

  const CommandResult shown =
      service_->Kmsctl("server-evidence -o json" + required_);
  EXPECT_EQ(shown.exit_code, 0) << shown.output;
  for (const std::string& want : {kBuild, std::string("tls_key_sha256"),
                                  std::string("\"simulated\": true")}) {
    EXPECT_TRUE(absl::StrContains(shown.output, want)) << shown.output;
  }
}

TEST_F(ServerEvidenceTest, ASealedServerProvesItselfToo) {
  ASSERT_TRUE(service_->Administer("seal" + required_).ok());
  const CommandResult status = service_->Kmsctl("status" + required_);
  EXPECT_EQ(status.exit_code, 0) << status.output;
  EXPECT_TRUE(service_->Administer("server-evidence" + required_).ok());
}

TEST_F(ServerEvidenceTest, SendsNothingToAnotherBuildOrADebugGuest) {
  SetMode("other");
  EXPECT_EQ(BothRefuse("POLICY_DENIED"), "");
  SetMode("debug");
  EXPECT_EQ(BothRefuse("DEBUG_DENIED"), "");
  EXPECT_FALSE(WasAsked());
}

TEST_F(ServerEvidenceTest, SendsNothingOnOldEvidence) {
  // Made for another nonce on the same key, a moment ago.
  ASSERT_TRUE(service_->Administer("server-evidence" + required_).ok());
  SetMode("replay");
  EXPECT_EQ(BothRefuse("EVIDENCE_NOT_BOUND"), "");
  EXPECT_FALSE(WasAsked());
}

TEST_F(ServerEvidenceTest, SimulatedEvidenceCountsOnlyWhereItIsNamed) {
  const CommandResult result = service_->Kmsctl(
      absl::StrCat("key list --require-server-evidence ", path("server.yaml")));
  EXPECT_EQ(result.exit_code, 3) << result.output;
  EXPECT_TRUE(absl::StrContains(result.output, "CHAIN_UNTRUSTED: "))
      << result.output;
  EXPECT_FALSE(WasAsked());
}

TEST_F(ServerEvidenceTest, SendsNothingToAServerWithoutAnAttester) {
  service_.reset();
  Start("");
  EXPECT_EQ(BothRefuse("NOT_FOUND"), "");
  EXPECT_FALSE(WasAsked());
}

TEST_F(ServerEvidenceTest, AnAttesterThatFailsMeansTryAgain) {
  SetMode("broken");
  const CommandResult result = service_->Kmsctl("key list" + required_);
  EXPECT_EQ(result.exit_code, 4) << result.output;
  EXPECT_FALSE(WasAsked());
}

TEST_F(ServerEvidenceTest, NoticesWhoEndsTlsInBetween) {
  const auto middleman = MakeMiddleman();
  const std::string address = absl::StrCat("localhost:", middleman->port());
  // He is believed by who does not ask.
  EXPECT_EQ(Kmsctl(address, "key list").exit_code, 1);
  EXPECT_EQ(middleman->caught(), 1);

  const CommandResult list = Kmsctl(address, "key list" + required_);
  EXPECT_EQ(list.exit_code, 3) << list.output;
  EXPECT_TRUE(absl::StrContains(list.output, "EVIDENCE_NOT_BOUND: "))
      << list.output;
  EXPECT_EQ(middleman->questions(), 1);
  EXPECT_EQ(middleman->caught(), 1);
  const CommandResult agent = service_->RunAgent(Agent(), address);
  EXPECT_EQ(agent.exit_code, 3) << agent.output;
  EXPECT_TRUE(absl::StrContains(agent.output, "EVIDENCE_NOT_BOUND: "))
      << agent.output;
  EXPECT_EQ(middleman->caught(), 1);
}

TEST_F(ServerEvidenceTest, NoticesWhoComesInBetweenAfterTheProof) {
  const auto middleman = MakeMiddleman();
  const std::string genuine = service_->kmsd().address();
  const int port = std::stoi(genuine.substr(genuine.find(':') + 1));
  // The first connection reaches the instance, all others him.
  Forwarder forwarder([&](int connection) {
    return connection == 0 ? port : middleman->port();
  });
  const CommandResult list = Kmsctl(
      absl::StrCat("localhost:", forwarder.port()), "key list" + required_);
  EXPECT_EQ(list.exit_code, 4) << list.output;
  EXPECT_TRUE(absl::StrContains(service_->kmsd().log(),
                                "ServerEvidenceService.GetServerEvidence"));
  EXPECT_GT(forwarder.connections(), 1);
  EXPECT_EQ(middleman->questions(), 0);
  EXPECT_EQ(middleman->caught(), 0);
  EXPECT_FALSE(WasAsked());
}

}  // namespace
}  // namespace kms::testing

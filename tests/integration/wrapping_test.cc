// The life of a publisher's data key by the shipped programs: sealed offline
// with kmsctl, released by kmsd to a workload that kms-agent attests, moved to
// a new version, and shown to nobody whose blob was changed.

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "proto/kms/v1/watch.grpc.pb.h"
#include "tests/integration/kmsd_process.h"
#include "tests/integration/service.h"
#include "tools/client/grpc_status.h"

namespace kms::testing {
namespace {

constexpr char kDataKey[] = "a publisher's data key, 32 bytes";
const std::string kArtifact(64, 'a');  // Hex.

constexpr char kPolicy[] = R"(name: guests
evidence: [{type: sev-snp, count: 1}]
anchors: [simulated-snp-ark]
rules:
  - id: unwraps
    expr: request.purpose == "unwrap"
    message: only blobs are opened
release: {lease: 1h}
)";

class WrappingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/kms_wrapping_test.XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    auto kmsd =
        KmsdProcess::Create({.kmsd = "kms/server/kmsd", .directory = folder});
    ASSERT_TRUE(kmsd.ok()) << kmsd.status();
    kmsd_ = *std::move(kmsd);
    ASSERT_TRUE(kmsd_->Start().ok()) << kmsd_->log();
    const auto init = kmsd_->Init(0, 0);
    ASSERT_TRUE(init.ok()) << init.status();
    cluster_ = Hex(init->cluster_id());
    identity_ = Hex(init->identity_public_key());
    WriteFile(path("policy.yaml"), kPolicy);
    WriteFile(path("data.key"), kDataKey);
    WriteFile(
        path("attester"),
        absl::StrCat("#!/bin/sh\nexec ", Here(),
                     "/tools/simtee/simtee report --dir ", path("machine"),
                     " --report-data \"$1\" --out \"$2\"\n"));
    Must(absl::StrCat("chmod 700 ", path("attester"),
                      " && tools/simtee/simtee init --rsa-bits 2048 --dir ",
                      path("machine")));
    Kmsctl(absl::StrCat("anchor put simulated-snp-ark ",
                        path("machine/simulated-snp-ark.pem"),
                        " --type sev-snp --simulated"));
    Kmsctl(absl::StrCat("policy put ", path("policy.yaml")));
    Kmsctl("key create publishers --purpose wrapping --policy guests");
  }
  void TearDown() override {
    const std::string folder = path("");
    kmsd_.reset();
    RunShell(absl::StrCat("rm -rf '", folder, "'"));
  }

  static std::string Here() {
    char folder[4096];
    return getcwd(folder, sizeof(folder)) == nullptr ? "" : folder;
  }
  std::string path(const std::string& name) const { return kmsd_->path(name); }

  static std::string Must(const std::string& script) {
    const CommandResult result = RunShell(script);
    EXPECT_EQ(result.exit_code, 0) << script << "\n" << result.output;
    return result.output;
  }
  // As the administrator.
  std::string KmsctlCommand(const std::string& arguments) const {
    return absl::StrCat(
        "KMS_ADDRESS=", kmsd_->address(), " KMS_CA=", path("ca.pem"),
        " KMS_CERT=", path("admin.pem"), " KMS_KEY=", path("admin.key"), " ",
        OfflineCommand(arguments));
  }
  std::string Kmsctl(const std::string& arguments) const {
    return Must(KmsctlCommand(arguments));
  }
  // As the publisher: no address, no certificate, only the pins.
  std::string OfflineCommand(const std::string& arguments) const {
    return absl::StrCat("KMS_CLUSTER=", cluster_, " KMS_IDENTITY=", identity_,
                        " tools/kmsctl/kmsctl ", arguments);
  }
  void Publish() const {
    Kmsctl(absl::StrCat("key public publishers -o json >", path("key.json")));
    Must(OfflineCommand(absl::StrCat("key wrap ", path("key.json"), " --in ",
                                     path("data.key"), " --out ", path("blob"),
                                     " --artifact ", kArtifact)));
  }

  CommandResult RunAgent(const std::string& artifact = kArtifact,
                         const std::string& blob = "blob") const {
    unlink(path("released").c_str());
    return RunShell(absl::StrCat(
        "tools/kms_agent/kms-agent --endpoint ", kmsd_->address(), " --ca ",
        path("ca.pem"), " --cluster-id ", cluster_, " --identity-key ",
        identity_, " --key publishers --once --blob ", path(blob),
        artifact.empty() ? "" : " --artifact-digest ", artifact,
        " --attester-command ", path("attester"), " --output fd:3 3>",
        path("released")));
  }
  void ExpectReleased() const {
    const CommandResult result = RunAgent();
    ASSERT_EQ(result.exit_code, 0) << result.output << kmsd_->log();
    EXPECT_EQ(ReadFile(path("released")), kDataKey);
  }
  void ExpectRefused(const CommandResult& result,
                     const std::string& code) const {
    EXPECT_EQ(result.exit_code, 3) << result.output;
    EXPECT_NE(result.output.find(absl::StrCat(code, ":")), std::string::npos)
        << "want " << code << " in " << result.output;
    EXPECT_EQ(ReadFile(path("released")), "");
  }

  std::unique_ptr<KmsdProcess> kmsd_;
  std::string cluster_, identity_;
};

TEST_F(WrappingTest, TheDataKeyTravelsFromThePublisherToTheWorkloadOnly) {
  Publish();
  ExpectReleased();
  // Rotated, the old blob opens still; moved, it opens under the new version.
  Kmsctl("key rotate publishers");
  ExpectReleased();
  const std::string rewrap = absl::StrCat("key rewrap ", path("blob"));
  EXPECT_NE(Kmsctl(rewrap).find("moved"), std::string::npos);
  EXPECT_NE(Kmsctl(rewrap).find("already there"), std::string::npos);
  Kmsctl("key update publishers --minimum-version 2");
  ExpectReleased();
  // The service survives what a machine may do to it, and its state too.
  kmsd_->Kill();
  ASSERT_TRUE(kmsd_->Start().ok());
  ASSERT_TRUE(kmsd_->AwaitServing().ok()) << kmsd_->log();
  ExpectReleased();
  const std::string log = Kmsctl("audit list -o json");
  EXPECT_NE(log.find("blob_rewrapped"), std::string::npos);
  EXPECT_EQ(log.find(Hex(kDataKey)), std::string::npos);
}

// From the publisher's plaintext to the workload's, by the shipped programs;
// the data key is on no disk, and in no hand but the workload's.
TEST_F(WrappingTest, PublishedWeightsAreReadByTheAttestedWorkload) {
  Kmsctl(absl::StrCat("key public publishers -o json >", path("key.json")));
  const auto publish = [this](const std::string& name) {
    WriteFile(path(name + ".bin"), name + std::string(700000, 'w'));
    const std::string printed = Must(OfflineCommand(
        absl::StrCat("weights encrypt ", path(name + ".bin"), " --to ",
                     path("key.json"), " --out ", path(name))));
    EXPECT_NE(printed.find("key: publishers\nversion: 1\n"), std::string::npos)
        << printed;
    const std::string label = "artifact_digest: ";
    return printed.substr(printed.find(label) + label.size(), 64);
  };
  const std::string llama = publish("llama");
  const std::string other = publish("other");
  const auto decrypt = [&](const std::string& artifact) {
    unlink(path("back").c_str());
    return RunShell(OfflineCommand(
        absl::StrCat("weights decrypt ", path("llama"), " --out ", path("back"),
                     " --name publishers --artifact ", artifact, " --key-file ",
                     path("released"))));
  };
  CommandResult result = RunAgent(llama, "llama.blob");
  ASSERT_EQ(result.exit_code, 0) << result.output << kmsd_->log();
  result = decrypt(llama);
  ASSERT_EQ(result.exit_code, 0) << result.output;
  EXPECT_EQ(ReadFile(path("back")), ReadFile(path("llama.bin")));

  // One file's blob is none for another, and its key opens no other.
  ExpectRefused(RunAgent(other, "llama.blob"), "ARTIFACT_MISMATCH");
  ASSERT_EQ(RunAgent(other, "other.blob").exit_code, 0);
  EXPECT_EQ(decrypt(llama).exit_code, 5);

  // The blob moves to a new version; the file stays as it is.
  Kmsctl("key rotate publishers");
  Kmsctl(absl::StrCat("key rewrap ", path("llama.blob")));
  Kmsctl("key update publishers --minimum-version 2");
  ASSERT_EQ(RunAgent(llama, "llama.blob").exit_code, 0);
  result = decrypt(llama);
  ASSERT_EQ(result.exit_code, 0) << result.output;
  EXPECT_EQ(ReadFile(path("back")), ReadFile(path("llama.bin")));
  ExpectRefused(RunAgent(other, "other.blob"), "VERSION_BELOW_MINIMUM");
}

TEST_F(WrappingTest, EachFaultOfABlobHasItsCode) {
  Publish();
  const std::string blob = ReadFile(path("blob"));
  ExpectRefused(RunAgent(std::string(64, 'b')), "ARTIFACT_MISMATCH");
  ExpectRefused(RunAgent(""), "ARTIFACT_MISMATCH");
  std::string changed = blob;
  changed.back() = static_cast<char>(changed.back() ^ 1);
  WriteFile(path("blob"), changed);
  ExpectRefused(RunAgent(), "BLOB_REJECTED");
  WriteFile(path("blob"), blob.substr(0, 20));
  ExpectRefused(RunAgent(), "BLOB_MALFORMED");
  WriteFile(path("blob"), blob);
  Kmsctl("key rotate publishers --kem p256");
  Kmsctl("key update publishers --minimum-version 2");
  ExpectRefused(RunAgent(), "VERSION_BELOW_MINIMUM");
  ExpectRefused(
      RunShell(KmsctlCommand(absl::StrCat("key rewrap ", path("blob")))),
      "VERSION_BELOW_MINIMUM");
  Kmsctl("key update publishers --minimum-version 0");
  Kmsctl("key disable publishers 1");
  ExpectRefused(RunAgent(), "VERSION_DISABLED");
  Kmsctl("key enable publishers 1");
  ExpectReleased();
}

TEST_F(WrappingTest, TheListOfLeasesTellsWhichWouldNotBeRenewed) {
  const std::string list = "lease list --name publishers";
  EXPECT_EQ(Kmsctl(list).find("active"), std::string::npos);
  Publish();
  ExpectReleased();
  EXPECT_NE(Kmsctl(list).find("active"), std::string::npos);
  Kmsctl("key disable publishers 1");
  EXPECT_NE(Kmsctl(list).find("revoked: disabled"), std::string::npos);
}

TEST_F(WrappingTest, AWatcherHearsOfANewPrimaryVersionWithinASecond) {
  const auto stub = v1::KeyWatchService::NewStub(kmsd_->AdminChannel());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::seconds(60));
  v1::WatchKeyRequest request;
  request.set_name("publishers");
  const auto stream = stub->WatchKey(&context, request);
  v1::WatchedKey key;
  ASSERT_TRUE(stream->Read(&key)) << stream->Finish().error_message();
  EXPECT_EQ(key.primary_version(), 1u);
  Kmsctl("key rotate publishers");
  const absl::Time rotated = absl::Now();
  ASSERT_TRUE(stream->Read(&key));
  EXPECT_EQ(key.primary_version(), 2u);
  EXPECT_LT(absl::Now() - rotated, absl::Seconds(1));
  // A drain ends it, and does not wait for it.
  kmsd_->Signal(SIGTERM);
  EXPECT_FALSE(stream->Read(&key));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(*kmsd_->Terminate(), 0);

  ASSERT_TRUE(kmsd_->Start().ok());
  ASSERT_TRUE(kmsd_->AwaitServing().ok());
  const auto stranger = v1::KeyWatchService::NewStub(kmsd_->WorkloadChannel());
  grpc::ClientContext unknown;
  const auto refused = stranger->WatchKey(&unknown, request);
  EXPECT_FALSE(refused->Read(&key));
  EXPECT_EQ(RefusalOf(client::FromGrpc(refused->Finish())),
            v1::ADMINISTRATOR_REQUIRED);
}

TEST_F(WrappingTest, APublisherBelievesNoKeyThatTheClusterDidNotSign) {
  Publish();
  std::string key = ReadFile(path("key.json"));
  const size_t body = key.find("\"body\"");
  ASSERT_NE(body, std::string::npos);
  // A digit of the signed bytes: the field's value begins at the next quote.
  char& digit = key[key.find('"', body + sizeof("\"body\"")) + 40];
  digit = digit == '0' ? '1' : '0';
  WriteFile(path("key.json"), key);
  const CommandResult result = RunShell(
      OfflineCommand(absl::StrCat("key wrap ", path("key.json"), " --in ",
                                  path("data.key"), " --out ", path("other"))));
  EXPECT_EQ(result.exit_code, 5) << result.output;
  EXPECT_EQ(ReadFile(path("other")), "");
}

}  // namespace
}  // namespace kms::testing

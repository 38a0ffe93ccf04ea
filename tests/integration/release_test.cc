// The main job on real processes: a workload proves itself over TLS and gets
// its key, and every lie of threats.md (A, B, C, G) that can be told over the
// wire is refused with its one code.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "kms/base/refusal.h"
#include "kms/base/secret_access.h"
#include "proto/kms/v1/audit.grpc.pb.h"
#include "proto/kms/v1/audit_entry.pb.h"
#include "proto/kms/v1/keys.grpc.pb.h"
#include "proto/kms/v1/policies.grpc.pb.h"
#include "proto/kms/v1/seal.grpc.pb.h"
#include "tests/integration/kmsd_process.h"
#include "tools/client/grpc_status.h"

namespace kms::testing {
namespace {

constexpr char kPolicy[] = R"(name: guests
evidence:
  - {type: sev-snp, count: 1}
anchors: [simulated-snp-ark]
reference:
  measurements: ["5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"]
rules:
  - id: known-image
    expr: claims.cpu.measurement in reference.measurements
    message: the guest image is not one of the approved builds
  - id: most-privileged
    expr: claims.cpu.snp.vmpl == 0u
    message: the report must come from VMPL 0
release:
  lease: 1h
)";

// One attester for all tests: RSA keys take a while to make.
const simtee::SimulatedSnp& Attester() {
  static const auto* const attester =
      new simtee::SimulatedSnp(simtee::SimulatedSnp::Create(
          {.rsa_bits = 2048,
           .not_before = absl::FromUnixSeconds(0),
           .not_after = absl::FromUnixSeconds(4102444800)}));
  return *attester;
}

std::unique_ptr<grpc::ClientContext> Context() {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() +
                        std::chrono::seconds(20));
  return context;
}

class ReleaseTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/kms_release_test.XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    auto kmsd =
        KmsdProcess::Create({.kmsd = "kms/server/kmsd", .directory = folder});
    ASSERT_TRUE(kmsd.ok()) << kmsd.status();
    kmsd_ = *std::move(kmsd);
    ASSERT_TRUE(kmsd_->Start().ok()) << kmsd_->log();
    auto pins = testing::SetUp(*kmsd_, Attester(), "guests", kPolicy);
    ASSERT_TRUE(pins.ok()) << pins.status() << kmsd_->log();
    pins_ = *pins;
    keys_ = v1::KeyService::NewStub(kmsd_->AdminChannel());
    policies_ = v1::PolicyService::NewStub(kmsd_->AdminChannel());
    workload_.emplace(kmsd_->WorkloadChannel(), Attester(), pins_);
    CreateKey("weights");
  }

  void CreateKey(const std::string& name) {
    v1::CreateKeyRequest request;
    request.set_name(name);
    request.set_policy("guests");
    v1::Key key;
    const absl::Status status =
        client::FromGrpc(keys_->CreateKey(Context().get(), request, &key));
    ASSERT_TRUE(status.ok()) << status;
  }

  void SetState(uint32_t version, v1::KeyVersion::State state) {
    v1::SetKeyVersionStateRequest request;
    request.set_name("weights");
    request.set_version(version);
    request.set_state(state);
    v1::Key key;
    const absl::Status status = client::FromGrpc(
        keys_->SetKeyVersionState(Context().get(), request, &key));
    ASSERT_TRUE(status.ok()) << status;
  }

  absl::Status PutPolicy(const std::string& document) {
    v1::PutPolicyRequest request;
    request.set_name("guests");
    request.set_document(document);
    v1::Policy stored;
    return client::FromGrpc(
        policies_->PutPolicy(Context().get(), request, &stored));
  }

  loadgen::Prepared Prepare(const simtee::SnpGuest& guest = {},
                            const std::string& key = "weights",
                            uint32_t version = 0) {
    return *workload_->Prepare(*workload_->GetChallenge(), key, guest, version);
  }

  v1::RefusalCode Code(const loadgen::Prepared& prepared) {
    return RefusalOf(workload_->Send(prepared).status());
  }

  // A prepared request whose report was changed before it was signed again.
  template <typename Change>
  loadgen::Prepared PrepareReport(Change change,
                                  const simtee::SnpGuest& guest = {}) {
    loadgen::Prepared prepared = Prepare(guest);
    auto report =
        Attester().MakeReport(AsBytes(prepared.transcript_digest), guest);
    change(report);
    SetReport(prepared, Attester().Sign(report));
    return prepared;
  }

  static void SetReport(loadgen::Prepared& prepared,
                        const std::string& report) {
    v1::EvidenceBundle bundle;
    *bundle.add_evidence() = Attester().Wrap(report);
    bundle.SerializeToString(prepared.request.mutable_evidence());
  }

  static std::string ReportOf(const loadgen::Prepared& prepared) {
    v1::EvidenceBundle bundle;
    bundle.ParseFromString(prepared.request.evidence());
    for (const v1::EvidenceFile& file : bundle.evidence(0).files()) {
      if (file.role() == "evidence") return file.content();
    }
    return "";
  }

  std::vector<v1::AuditEntry> Leaves() {
    v1::ListEntriesRequest request;
    request.set_count(1000);
    v1::ListEntriesResponse response;
    const absl::Status status = client::FromGrpc(
        v1::AuditService::NewStub(kmsd_->AdminChannel())
            ->ListEntries(Context().get(), request, &response));
    EXPECT_TRUE(status.ok()) << status;
    std::vector<v1::AuditEntry> leaves;
    for (const std::string& entry : response.entries()) {
      leaves.emplace_back().ParseFromString(entry);
    }
    return leaves;
  }

  std::unique_ptr<KmsdProcess> kmsd_;
  loadgen::Pins pins_;
  std::unique_ptr<v1::KeyService::Stub> keys_;
  std::unique_ptr<v1::PolicyService::Stub> policies_;
  std::optional<loadgen::Workload> workload_;
};

TEST_F(ReleaseTest, ReleasesTheSameKeyToEachWorkloadThatProvesItself) {
  const auto first = workload_->Release("weights");
  ASSERT_TRUE(first.ok()) << first.status() << kmsd_->log();
  EXPECT_EQ(first->key.size(), 32u);
  const auto second = workload_->Release("weights");
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_TRUE(first->key == second->key);
  EXPECT_EQ(first->receipt.leaf.released().version(), 1u);
}

TEST_F(ReleaseTest, WrapsToP256Too) {
  const auto prepared = workload_->Prepare(
      *workload_->GetChallenge(), "weights", {}, 0, crypto::Kem::kP256);
  const auto response = workload_->Send(*prepared);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_TRUE(workload_->Open(*prepared, *response).ok());
}

TEST_F(ReleaseTest, AnswersARepeatToTheSameRecipientAndLogsItAsOne) {
  const loadgen::Prepared prepared = Prepare();
  const auto first = workload_->Send(prepared);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto again = workload_->Send(prepared);
  ASSERT_TRUE(again.ok()) << again.status();
  const auto opened = workload_->Open(prepared, *again);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->receipt.leaf.released().repeat_of_plus_one(),
            workload_->Open(prepared, *first)->receipt.body.leaf_index() + 1);
}

TEST_F(ReleaseTest, KeepsTheEvidenceThatItJudgedForAnAuditor) {
  const loadgen::Prepared prepared = Prepare();
  ASSERT_TRUE(workload_->Send(prepared).ok());
  const std::string digest = Leaves().back().released().evidence_digest();
  kmsd_->Kill();
  ASSERT_TRUE(kmsd_->Start().ok());
  ASSERT_TRUE(kmsd_->AwaitServing().ok());
  const auto audit = v1::AuditService::NewStub(kmsd_->AdminChannel());
  v1::GetEvidenceRequest request;
  request.set_digest(digest);
  v1::ArchivedEvidence kept;
  const absl::Status status =
      client::FromGrpc(audit->GetEvidence(Context().get(), request, &kept));
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(kept.bundle(), prepared.request.evidence());
  request.set_digest(std::string(32, 'x'));
  EXPECT_EQ(RefusalOf(client::FromGrpc(
                audit->GetEvidence(Context().get(), request, &kept))),
            v1::NOT_FOUND);
}

// --- Challenge (threats.md G4) ---

TEST_F(ReleaseTest, RefusesAChallengeSpentByAnotherTranscript) {
  const std::string challenge = *workload_->GetChallenge();
  ASSERT_TRUE(workload_->Send(*workload_->Prepare(challenge, "weights")).ok());
  EXPECT_EQ(Code(*workload_->Prepare(challenge, "weights")),
            v1::CHALLENGE_SPENT);
}

TEST_F(ReleaseTest, RemembersSpentChallengesAcrossAKill) {
  const std::string challenge = *workload_->GetChallenge();
  ASSERT_TRUE(workload_->Send(*workload_->Prepare(challenge, "weights")).ok());
  kmsd_->Kill();
  ASSERT_TRUE(kmsd_->Start().ok());
  ASSERT_TRUE(kmsd_->AwaitServing().ok()) << kmsd_->log();
  EXPECT_EQ(Code(*workload_->Prepare(challenge, "weights")),
            v1::CHALLENGE_SPENT);
}

TEST_F(ReleaseTest, RefusesAChallengeItDidNotIssue) {
  std::string challenge = *workload_->GetChallenge();
  challenge[40] = static_cast<char>(challenge[40] ^ 1);
  EXPECT_EQ(Code(*workload_->Prepare(challenge, "weights")),
            v1::CHALLENGE_INVALID);
  EXPECT_EQ(Code(*workload_->Prepare("guess", "weights")),
            v1::CHALLENGE_INVALID);
}

// --- Binding (C15, G5, G6) ---

TEST_F(ReleaseTest, RefusesEvidenceOfAnotherSession) {
  loadgen::Prepared mine = Prepare();
  mine.request.set_evidence(Prepare().request.evidence());
  EXPECT_EQ(Code(mine), v1::EVIDENCE_NOT_BOUND);
}

TEST_F(ReleaseTest, ComparesAllOfTheReportData) {
  loadgen::Prepared prepared = Prepare();
  std::string half = prepared.transcript_digest;
  half[63] = static_cast<char>(half[63] ^ 1);
  SetReport(prepared,
            Attester().Sign(Attester().MakeReport(AsBytes(half), {})));
  EXPECT_EQ(Code(prepared), v1::EVIDENCE_NOT_BOUND);
}

TEST_F(ReleaseTest, RefusesAnotherRecipientKeyThanTheBoundOne) {
  loadgen::Prepared prepared = Prepare();
  prepared.request.set_recipient_public_key(
      Prepare().request.recipient_public_key());
  EXPECT_EQ(Code(prepared), v1::EVIDENCE_NOT_BOUND);
}

TEST_F(ReleaseTest, RefusesARequestForAnotherKeyThanTheBoundOne) {
  CreateKey("other");
  loadgen::Prepared prepared = Prepare();
  prepared.request.set_request(Prepare({}, "other").request.request());
  EXPECT_EQ(Code(prepared), v1::EVIDENCE_NOT_BOUND);
}

TEST_F(ReleaseTest, RefusesWeakRecipientKeys) {
  loadgen::Prepared prepared = Prepare();
  prepared.request.set_recipient_public_key(std::string(32, '\0'));
  EXPECT_EQ(Code(prepared), v1::RECIPIENT_KEY_INVALID);
  prepared.request.set_recipient_public_key(std::string(31, 'x'));
  EXPECT_EQ(Code(prepared), v1::RECIPIENT_KEY_INVALID);
  prepared.request.set_kem_id(0x10);
  prepared.request.set_recipient_public_key("\x04" + std::string(64, 'x'));
  EXPECT_EQ(Code(prepared), v1::RECIPIENT_KEY_INVALID);
  prepared.request.set_kem_id(0x21);
  EXPECT_EQ(Code(prepared), v1::RECIPIENT_KEY_INVALID);
}

// --- Evidence (A, B, C) ---

TEST_F(ReleaseTest, RefusesATamperedReport) {
  loadgen::Prepared prepared = Prepare();
  std::string report = ReportOf(prepared);
  report[0x90] = static_cast<char>(report[0x90] ^ 1);  // The measurement.
  SetReport(prepared, report);
  EXPECT_EQ(Code(prepared), v1::SIGNATURE_INVALID);
}

TEST_F(ReleaseTest, RefusesTruncatedAndTrailingEvidence) {
  loadgen::Prepared prepared = Prepare();
  const std::string report = ReportOf(prepared);
  SetReport(prepared, report.substr(0, report.size() - 1));
  EXPECT_EQ(Code(prepared), v1::EVIDENCE_MALFORMED);
  SetReport(prepared, report + std::string(1, '\0'));
  EXPECT_EQ(Code(prepared), v1::EVIDENCE_MALFORMED);
  prepared.request.set_evidence("not a bundle");
  EXPECT_EQ(Code(prepared), v1::EVIDENCE_MALFORMED);
  prepared.request.clear_evidence();
  EXPECT_EQ(Code(prepared), v1::EVIDENCE_MALFORMED);
}

TEST_F(ReleaseTest, RefusesEvidenceOfATypeItCannotVerify) {
  loadgen::Prepared prepared = Prepare();
  v1::EvidenceBundle bundle;
  bundle.ParseFromString(prepared.request.evidence());
  bundle.mutable_evidence(0)->set_type(v1::EVIDENCE_TYPE_UNSPECIFIED);
  bundle.SerializeToString(prepared.request.mutable_evidence());
  EXPECT_EQ(Code(prepared), v1::EVIDENCE_UNSUPPORTED);
}

TEST_F(ReleaseTest, RefusesAnUnknownReportVersion) {
  EXPECT_EQ(Code(PrepareReport([](auto& report) { report.version = 6; })),
            v1::EVIDENCE_UNSUPPORTED);
}

TEST_F(ReleaseTest, RefusesAnotherChipsCertificate) {
  EXPECT_EQ(Code(PrepareReport([](auto& report) { report.chip_id[0] ^= 1; })),
            v1::CHIP_ID_MISMATCH);
}

TEST_F(ReleaseTest, RefusesAReportedTcbThatTheCertificateDoesNotName) {
  EXPECT_EQ(Code(PrepareReport([](auto& report) { --report.reported_tcb[7]; })),
            v1::TCB_MISMATCH);
}

// The same subject names and a chain that is sound in itself.
TEST_F(ReleaseTest, RefusesARootOfTheSameNameWithAnotherKey) {
  const auto impostor = simtee::SimulatedSnp::Create(
      {.rsa_bits = 2048,
       .not_before = absl::FromUnixSeconds(0),
       .not_after = absl::FromUnixSeconds(4102444800)});
  const loadgen::Workload workload(kmsd_->WorkloadChannel(), impostor, pins_);
  EXPECT_EQ(RefusalOf(workload.Release("weights").status()),
            v1::CHAIN_UNTRUSTED);
}

// --- Policy ---

TEST_F(ReleaseTest, RefusesADebugGuest) {
  simtee::SnpGuest guest;
  guest.policy |= sev_snp::kPolicyDebug;
  EXPECT_EQ(Code(Prepare(guest)), v1::DEBUG_DENIED);
}

TEST_F(ReleaseTest, RefusesWhatAPolicyRuleDenies) {
  simtee::SnpGuest other_image;
  other_image.measurement = std::string(48, '\x5b');
  EXPECT_EQ(Code(Prepare(other_image)), v1::POLICY_DENIED);
  simtee::SnpGuest less_privileged;
  less_privileged.vmpl = 2;
  EXPECT_EQ(Code(Prepare(less_privileged)), v1::POLICY_DENIED);
  // Both are in the log, with the rule that was false.
  std::vector<std::string> failed;
  for (const v1::AuditEntry& leaf : Leaves()) {
    for (const std::string& id : leaf.refused().failed_rules()) {
      failed.push_back(id);
    }
  }
  EXPECT_EQ(failed,
            (std::vector<std::string>{"known-image", "most-privileged"}));
}

TEST_F(ReleaseTest, DoesNotSayWhetherAKeyExists) {
  EXPECT_EQ(Code(Prepare({}, "no-such-key")), v1::POLICY_DENIED);
  EXPECT_EQ(Code(Prepare({}, "../weights")), v1::POLICY_DENIED);
  EXPECT_EQ(Code(Prepare({}, "WEIGHTS")), v1::POLICY_DENIED);
  EXPECT_EQ(Code(Prepare({}, "weights", 2)), v1::POLICY_DENIED);
  EXPECT_EQ(Code(Prepare({}, "weights", 0xffffffff)), v1::POLICY_DENIED);
}

TEST_F(ReleaseTest, JudgesByThePolicyOfNow) {
  const loadgen::Prepared prepared = Prepare();
  ASSERT_TRUE(workload_->Send(prepared).ok());
  std::string stricter = kPolicy;
  stricter.replace(stricter.find("vmpl == 0u"), 10, "vmpl == 1u");
  ASSERT_TRUE(PutPolicy(stricter).ok());
  // A repeat of what was released before is judged anew.
  EXPECT_EQ(Code(prepared), v1::POLICY_DENIED);
}

TEST_F(ReleaseTest, RefusesASimulatedRootThatThePolicyDoesNotName) {
  std::string vendors_only = kPolicy;
  vendors_only.erase(
      vendors_only.find("anchors:"),
      vendors_only.find("reference:") - vendors_only.find("anchors:"));
  ASSERT_TRUE(PutPolicy(vendors_only).ok());
  EXPECT_EQ(Code(Prepare()), v1::ANCHOR_DENIED);
}

TEST_F(ReleaseTest, LetsExactlyOneWinTheLastUnitOfAQuota) {
  ASSERT_TRUE(
      PutPolicy(absl::StrCat(kPolicy, "  quota: {count: 1, window: 1h}\n"))
          .ok());
  std::vector<loadgen::Prepared> prepared;
  for (int i = 0; i < 16; ++i) prepared.push_back(Prepare());
  std::atomic<int> released = 0;
  std::atomic<int> exhausted = 0;
  std::vector<std::thread> clients;
  for (const loadgen::Prepared& one : prepared) {
    clients.emplace_back([&] {
      const auto response = workload_->Send(one);
      if (response.ok()) ++released;
      if (RefusalOf(response.status()) == v1::QUOTA_EXHAUSTED) ++exhausted;
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(released, 1);
  EXPECT_EQ(exhausted, 15);
  // The winner may ask again: a repeat draws nothing.
  int repeats = 0;
  for (const loadgen::Prepared& one : prepared) {
    repeats += workload_->Send(one).ok();
  }
  EXPECT_EQ(repeats, 1);
}

// --- Key state ---

TEST_F(ReleaseTest, ReleasesADisabledVersionOnlyOnceItIsEnabledAgain) {
  SetState(1, v1::KeyVersion::DISABLED);
  EXPECT_EQ(Code(Prepare()), v1::VERSION_DISABLED);
  SetState(1, v1::KeyVersion::ENABLED);
  EXPECT_TRUE(workload_->Release("weights").ok());
}

TEST_F(ReleaseTest, NeverReleasesADestroyedVersion) {
  v1::RotateKeyRequest rotate;
  rotate.set_name("weights");
  v1::Key key;
  ASSERT_TRUE(keys_->RotateKey(Context().get(), rotate, &key).ok());
  SetState(1, v1::KeyVersion::DESTROYED);
  EXPECT_EQ(Code(Prepare({}, "weights", 1)), v1::VERSION_DESTROYED);
  EXPECT_TRUE(workload_->Release("weights").ok());
  kmsd_->Kill();
  ASSERT_TRUE(kmsd_->Start().ok());
  ASSERT_TRUE(kmsd_->AwaitServing().ok());
  EXPECT_EQ(Code(Prepare({}, "weights", 1)), v1::VERSION_DESTROYED);
}

TEST_F(ReleaseTest, KeepsOldVersionsOpeningAfterARotation) {
  const auto before = workload_->Release("weights");
  v1::RotateKeyRequest rotate;
  rotate.set_name("weights");
  v1::Key key;
  ASSERT_TRUE(keys_->RotateKey(Context().get(), rotate, &key).ok());
  EXPECT_EQ(key.primary_version(), 2u);
  const loadgen::Prepared old_version = Prepare({}, "weights", 1);
  const auto response = workload_->Send(old_version);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_TRUE(workload_->Open(old_version, *response)->key == before->key);
  EXPECT_FALSE(workload_->Release("weights")->key == before->key);
}

// --- Who may call what ---

TEST_F(ReleaseTest, ServesAdministratorsByNameOnly) {
  for (const auto& channel :
       {kmsd_->WorkloadChannel(), kmsd_->StrangerChannel()}) {
    v1::Key key;
    EXPECT_EQ(
        RefusalOf(client::FromGrpc(v1::KeyService::NewStub(channel)->CreateKey(
            Context().get(), v1::CreateKeyRequest(), &key))),
        v1::ADMINISTRATOR_REQUIRED);
    v1::ListEntriesResponse entries;
    EXPECT_EQ(RefusalOf(client::FromGrpc(
                  v1::AuditService::NewStub(channel)->ListEntries(
                      Context().get(), v1::ListEntriesRequest(), &entries))),
              v1::ADMINISTRATOR_REQUIRED);
  }
}

TEST_F(ReleaseTest, AnswersNothingButStatusOnceSealed) {
  const loadgen::Prepared prepared = Prepare();
  v1::SealStatus status;
  ASSERT_TRUE(v1::SealService::NewStub(kmsd_->AdminChannel())
                  ->Seal(Context().get(), v1::SealRequest(), &status)
                  .ok());
  EXPECT_EQ(Code(prepared), v1::SEALED);
  EXPECT_EQ(RefusalOf(workload_->GetChallenge().status()), v1::SEALED);
  v1::Key key;
  EXPECT_EQ(RefusalOf(client::FromGrpc(
                keys_->GetKey(Context().get(), v1::GetKeyRequest(), &key))),
            v1::SEALED);
  EXPECT_TRUE(kmsd_->GetStatus()->seal().sealed());
}

TEST_F(ReleaseTest, RefusesOversizeRequests) {
  loadgen::Prepared prepared = Prepare();
  prepared.request.set_request(std::string(5000, 'x'));
  EXPECT_EQ(Code(prepared), v1::REQUEST_TOO_LARGE);
  prepared.request.set_evidence(std::string(5 << 20, 'x'));
  EXPECT_EQ(workload_->Send(prepared).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(workload_->Release("weights").ok());
}

TEST_F(ReleaseTest, EndsGracefullyOnSigterm) {
  ASSERT_TRUE(workload_->Release("weights").ok());
  const absl::Time began = absl::Now();
  const auto exit_code = kmsd_->Terminate();
  ASSERT_TRUE(exit_code.ok()) << exit_code.status();
  EXPECT_EQ(*exit_code, 0);
  // Idle clients with open connections hold nobody up.
  EXPECT_LT(absl::Now() - began, absl::Seconds(4));
  ASSERT_TRUE(kmsd_->Start().ok());
  ASSERT_TRUE(kmsd_->AwaitServing().ok());
  EXPECT_TRUE(workload_->Release("weights").ok());
}

}  // namespace
}  // namespace kms::testing

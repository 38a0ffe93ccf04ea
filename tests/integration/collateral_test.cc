// The collateral store, deny lists and kill switches on a real process: what
// an administrator changes decides the releases of from then on.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "kms/base/refusal.h"
#include "kms/crypto/x509/issue.h"
#include "proto/kms/v1/audit.grpc.pb.h"
#include "proto/kms/v1/audit_entry.pb.h"
#include "proto/kms/v1/collateral.grpc.pb.h"
#include "proto/kms/v1/keys.grpc.pb.h"
#include "tests/integration/kmsd_process.h"
#include "tools/client/grpc_status.h"

namespace kms::testing {
namespace {

constexpr char kPolicy[] = R"(name: guests
evidence:
  - {type: sev-snp, count: 1}
anchors: [simulated-snp-ark]
rules:
  - {id: vmpl, expr: claims.cpu.snp.vmpl == 0u, message: not VMPL 0}
release:
  lease: 1h
)";

constexpr v1::RefusalCode kReleased = v1::REFUSAL_CODE_UNSPECIFIED;

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

class CollateralTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/kms_collateral_test.XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    mirror_port_ = FreePort();
    auto kmsd = KmsdProcess::Create(
        {.kmsd = "kms/server/kmsd",
         .directory = folder,
         .config = absl::StrCat(
             "collateral:\n  mirror:\n    url: https://localhost:",
             mirror_port_, "/\n    ca_file: ", folder, "/ca.pem\n")});
    ASSERT_TRUE(kmsd.ok()) << kmsd.status();
    kmsd_ = *std::move(kmsd);
    ASSERT_TRUE(kmsd_->Start().ok()) << kmsd_->log();
    const auto pins = testing::SetUp(*kmsd_, Attester(), "guests", kPolicy);
    ASSERT_TRUE(pins.ok()) << pins.status() << kmsd_->log();
    collateral_ = v1::CollateralService::NewStub(kmsd_->AdminChannel());
    workload_ = std::make_unique<loadgen::Workload>(kmsd_->WorkloadChannel(),
                                                    Attester(), *pins);
    v1::CreateKeyRequest request;
    request.set_name("weights");
    request.set_policy("guests");
    v1::Key key;
    const auto keys = v1::KeyService::NewStub(kmsd_->AdminChannel());
    ASSERT_TRUE(keys->CreateKey(Context().get(), request, &key).ok());
  }

  v1::RefusalCode Release() {
    return RefusalOf(workload_->Release("weights").status());
  }

  // The number is also how many minutes ago it was issued, from the back.
  std::string ArkCrl(char number, const std::vector<std::string>& revoked) {
    x509::CrlSpec spec;
    spec.issuer = Attester().ark().subject_der();
    spec.this_update = absl::Now() - absl::Minutes(100 - number);
    spec.next_update = absl::Now() + absl::Hours(24);
    spec.revoked = revoked;
    spec.extensions = {
        {.oid = "2.5.29.20", .value = std::string("\x02\x01") + number}};
    return x509::IssueCrl(spec, Attester().ark_key());
  }
  v1::RefusalCode Import(const std::string& crl) {
    v1::ImportCollateralRequest request;
    request.set_kind("crl");
    request.add_files(crl);
    v1::ImportCollateralResponse response;
    return RefusalOf(client::FromGrpc(
        collateral_->ImportCollateral(Context().get(), request, &response)));
  }
  void SetKillSwitch(bool on) {
    v1::SetKillSwitchRequest request;
    request.set_type(v1::SEV_SNP);
    request.set_on(on);
    v1::KillSwitch response;
    ASSERT_TRUE(
        collateral_->SetKillSwitch(Context().get(), request, &response).ok());
  }

  std::vector<v1::AuditEntry> Leaves() {
    const auto audits = v1::AuditService::NewStub(kmsd_->AdminChannel());
    std::vector<v1::AuditEntry> leaves;
    for (;;) {
      v1::ListEntriesRequest request;
      request.set_start(leaves.size());
      v1::ListEntriesResponse response;
      EXPECT_TRUE(
          audits->ListEntries(Context().get(), request, &response).ok());
      if (response.entries().empty()) return leaves;
      for (const std::string& entry : response.entries()) {
        EXPECT_TRUE(leaves.emplace_back().ParseFromString(entry));
      }
    }
  }

  int mirror_port_ = 0;
  std::unique_ptr<KmsdProcess> kmsd_;
  std::unique_ptr<v1::CollateralService::Stub> collateral_;
  std::unique_ptr<loadgen::Workload> workload_;
};

TEST_F(CollateralTest, AnImportedListStopsReleasesAndSurvivesARestart) {
  ASSERT_EQ(Import(ArkCrl(1, {})), kReleased);
  EXPECT_EQ(Release(), kReleased);
  ASSERT_EQ(Import(ArkCrl(2, {Attester().ask().serial()})), kReleased);
  EXPECT_EQ(Release(), v1::CERTIFICATE_REVOKED);
  EXPECT_EQ(Import(ArkCrl(1, {})), v1::COLLATERAL_OLDER);
  kmsd_->Kill();
  ASSERT_TRUE(kmsd_->Start().ok()) << kmsd_->log();
  ASSERT_TRUE(kmsd_->AwaitServing().ok()) << kmsd_->log();
  EXPECT_EQ(Release(), v1::CERTIFICATE_REVOKED);
  EXPECT_EQ(Import(ArkCrl(1, {})), v1::COLLATERAL_OLDER);
  ASSERT_EQ(Import(ArkCrl(3, {})), kReleased);
  EXPECT_EQ(Release(), kReleased);
}

TEST_F(CollateralTest, ADeniedChipGetsNothing) {
  const auto id =
      Attester().MakeReport(AsBytes(std::string(64, 'r')), {}).chip_id;
  v1::PutDenyListRequest request;
  request.set_type(v1::SEV_SNP);
  request.add_entries(std::string(id.begin(), id.end()));
  v1::DenyList list;
  EXPECT_EQ(Release(), kReleased);
  ASSERT_TRUE(collateral_->PutDenyList(Context().get(), request, &list).ok());
  EXPECT_EQ(Release(), v1::HARDWARE_DENIED);
  request.clear_entries();
  ASSERT_TRUE(collateral_->PutDenyList(Context().get(), request, &list).ok());
  EXPECT_EQ(Release(), kReleased);
}

TEST_F(CollateralTest, UnderLoadNothingIsReleasedAfterTheKillSwitch) {
  std::atomic<bool> stop = false;
  std::atomic<int> released = 0;
  std::atomic<int> denied = 0;
  absl::Mutex mutex;
  absl::Time last_release;  // By the clients' clock.
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      while (!stop) {
        const v1::RefusalCode code = Release();
        if (code == v1::HARDWARE_DENIED) ++denied;
        if (code != kReleased) continue;
        ++released;
        absl::MutexLock lock(&mutex);
        last_release = std::max(last_release, absl::Now());
      }
    });
  }
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  while (released < 20 && absl::Now() < deadline) std::this_thread::yield();
  SetKillSwitch(true);
  const absl::Time switched = absl::Now();
  while (denied < 20 && absl::Now() < deadline) std::this_thread::yield();
  stop = true;
  for (std::thread& client : clients) client.join();
  EXPECT_GE(released, 20);
  EXPECT_GE(denied, 20);
  EXPECT_LT(last_release - switched, absl::Seconds(1));

  bool on = false;
  int before = 0;
  for (const v1::AuditEntry& leaf : Leaves()) {
    on |= leaf.has_kill_switch_set();
    if (!leaf.has_released()) continue;
    ++before;
    EXPECT_FALSE(on) << leaf.index();
  }
  EXPECT_TRUE(on);
  EXPECT_EQ(before, released);
  SetKillSwitch(false);
  EXPECT_EQ(Release(), kReleased);
}

// A web server of the operator's own, with TLS and files and no more.
class Mirror {
 public:
  Mirror(const KmsdProcess& kmsd, int port) : folder_(kmsd.path("mirror")) {
    mkdir(folder_.c_str(), 0700);
    pid_ = fork();
    if (pid_ != 0) return;
    if (chdir(folder_.c_str()) != 0) _exit(127);
    execlp("openssl", "openssl", "s_server", "-quiet", "-WWW", "-accept",
           absl::StrCat(port).c_str(), "-cert",
           kmsd.path("localhost.pem").c_str(), "-key",
           kmsd.path("localhost.key").c_str(), nullptr);
    _exit(127);
  }
  ~Mirror() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  void Serve(const std::string& name, const std::string& content) const {
    std::ofstream(folder_ + "/" + name, std::ios::binary) << content;
  }

 private:
  const std::string folder_;
  pid_t pid_ = -1;
};

TEST_F(CollateralTest, WhatTheMirrorServesStopsReleases) {
  const auto restart = [&] {  // It asks as soon as it serves.
    kmsd_->Kill();
    ASSERT_TRUE(kmsd_->Start().ok()) << kmsd_->log();
    ASSERT_TRUE(kmsd_->AwaitServing().ok()) << kmsd_->log();
  };
  const auto becomes = [&](v1::RefusalCode want) {
    const absl::Time deadline = absl::Now() + absl::Seconds(60);
    v1::RefusalCode code;
    do {
      code = Release();
    } while (code != want && absl::Now() < deadline);
    return code == want;
  };
  EXPECT_EQ(Release(), kReleased);  // Nobody answers there yet.
  const Mirror mirror(*kmsd_, mirror_port_);
  mirror.Serve("collateral.json",
               R"({"collateral": [{"kind": "crl", "files": ["ark.crl"]}]})");
  mirror.Serve("ark.crl", ArkCrl(5, {Attester().ask().serial()}));
  restart();
  EXPECT_TRUE(becomes(v1::CERTIFICATE_REVOKED)) << kmsd_->log();
  // An older list does not bring it back: the mirror asks, and is refused.
  mirror.Serve("ark.crl", ArkCrl(4, {}));
  restart();
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  while (kmsd_->log().find("a higher number") == std::string::npos &&
         absl::Now() < deadline) {
    EXPECT_EQ(Release(), v1::CERTIFICATE_REVOKED);
  }
  EXPECT_LT(absl::Now(), deadline) << kmsd_->log();
  mirror.Serve("ark.crl", ArkCrl(6, {}));
  restart();
  EXPECT_TRUE(becomes(kReleased)) << kmsd_->log();
}

}  // namespace
}  // namespace kms::testing

// The collateral store, deny lists and kill switches on a real process: what
// an administrator changes decides the releases of from then on.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

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
    auto kmsd =
        KmsdProcess::Create({.kmsd = "kms/server/kmsd", .directory = folder});
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
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      while (!stop) {
        const v1::RefusalCode code = Release();
        if (code == kReleased) ++released;
        if (code == v1::HARDWARE_DENIED) ++denied;
      }
    });
  }
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  while (released < 20 && absl::Now() < deadline) std::this_thread::yield();
  SetKillSwitch(true);
  while (denied < 20 && absl::Now() < deadline) std::this_thread::yield();
  stop = true;
  for (std::thread& client : clients) client.join();
  EXPECT_GE(released, 20);
  EXPECT_GE(denied, 20);

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

}  // namespace
}  // namespace kms::testing

// kill -9, again and again, under load (threats.md X1): nothing that was
// acknowledged is lost, and no key left without its leaf in the log.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "kms/crypto/merkle.h"
#include "proto/kms/v1/audit.grpc.pb.h"
#include "proto/kms/v1/keys.grpc.pb.h"
#include "storage/log/etcd/testing.h"
#include "tests/integration/kmsd_process.h"
#include "tools/client/grpc_status.h"

namespace kms::testing {
namespace {

constexpr char kPolicy[] = R"(name: guests
evidence:
  - {type: sev-snp, count: 1}
anchors: [simulated-snp-ark]
rules:
  - {id: any, expr: "!claims.cpu.debug", message: debug}
release: {lease: 1h}
)";

constexpr int kRoundsDefault = 200;
constexpr int kEtcdRoundsMax = 20;  // Each also starts a member of etcd.
constexpr int kClients = 4;
// Sixteen answers take milliseconds; a machine may be busy with other tests.
constexpr absl::Duration kAnswersTimeout = absl::Seconds(60);

int Rounds() {
  const char* const text = std::getenv("KMS_CRASH_ROUNDS");
  int rounds = 0;
  return text != nullptr && absl::SimpleAtoi(text, &rounds) ? rounds
                                                            : kRoundsDefault;
}

std::unique_ptr<grpc::ClientContext> Context(int seconds) {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() +
                        std::chrono::seconds(seconds));
  return context;
}

// What clients were told, and so what must still be true later.
class Acknowledged {
 public:
  void AddKey(const std::string& name) {
    absl::MutexLock lock(&mutex_);
    keys_.insert(name);
    ++count_;
  }
  void AddRelease(const v1::ReceiptBody& body) {
    absl::MutexLock lock(&mutex_);
    leaves_[body.leaf_index()] = body.leaf();
    ++count_;
  }
  void AddFailure(const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    failure_ = status;
  }
  absl::Status failure() const {
    absl::MutexLock lock(&mutex_);
    return failure_;
  }
  // Whether `want` answers came in time.
  bool Await(int want, absl::Duration timeout) const {
    const auto enough = [this, want]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return count_ >= want;
    };
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&enough), timeout);
  }

  // Valid while no client runs.
  const std::set<std::string>& keys() const ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return keys_;
  }
  const std::map<uint64_t, std::string>& leaves() const
      ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return leaves_;
  }

 private:
  mutable absl::Mutex mutex_;
  std::set<std::string> keys_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, std::string> leaves_ ABSL_GUARDED_BY(mutex_);
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);  // The last one.
};

class CrashTest : public ::testing::Test {
 protected:
  void SetUp() override { SetUpWith(/*etcd=*/""); }

  void SetUpWith(const std::string& etcd) {
    char folder[] = "/tmp/kms_crash_test.XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    auto kmsd = KmsdProcess::Create(
        {.kmsd = "kms/server/kmsd", .directory = folder, .etcd = etcd});
    ASSERT_TRUE(kmsd.ok()) << kmsd.status();
    kmsd_ = *std::move(kmsd);
    ASSERT_TRUE(kmsd_->Start().ok()) << kmsd_->log();
    auto pins = testing::SetUp(*kmsd_, attester_, "guests", kPolicy);
    ASSERT_TRUE(pins.ok()) << pins.status() << kmsd_->log();
    pins_ = *pins;
    ASSERT_TRUE(
        CreateKey(*v1::KeyService::NewStub(kmsd_->AdminChannel()), "weights")
            .ok());
  }

  static absl::Status CreateKey(v1::KeyService::Stub& keys,
                                const std::string& name) {
    v1::CreateKeyRequest request;
    request.set_name(name);
    request.set_policy("guests");
    v1::Key key;
    return client::FromGrpc(keys.CreateKey(Context(5).get(), request, &key));
  }

  // Creates keys and asks for releases until the process is dead. A failure
  // before that is a client's everyday: it goes on.
  void Load(int client, int round, const std::atomic<bool>& dead,
            Acknowledged& acknowledged) {
    const auto keys = v1::KeyService::NewStub(kmsd_->AdminChannel());
    const loadgen::Workload workload(kmsd_->WorkloadChannel(), attester_, pins_,
                                     absl::Seconds(5));
    for (int i = 0; !dead; ++i) {
      const std::string name = absl::StrCat("key-", round, "-", client, "-", i);
      const absl::Status created = CreateKey(*keys, name);
      if (!created.ok()) {
        acknowledged.AddFailure(created);
        continue;
      }
      acknowledged.AddKey(name);
      const auto released = workload.Release("weights");
      if (!released.ok()) {
        acknowledged.AddFailure(released.status());
        continue;
      }
      acknowledged.AddRelease(released->receipt.body);
    }
  }

  // The log from `checked_` on, against what clients were told; and that it
  // continues the tree seen before.
  void CheckLog(const Acknowledged& acknowledged) {
    const auto audit = v1::AuditService::NewStub(kmsd_->AdminChannel());
    const uint64_t first = checked_.size();
    v1::ListEntriesResponse page;
    do {
      v1::ListEntriesRequest request;
      request.set_start(checked_.size());
      request.set_count(1000);
      const absl::Status status = client::FromGrpc(
          audit->ListEntries(Context(10).get(), request, &page));
      ASSERT_TRUE(status.ok()) << status;
      for (const std::string& leaf : page.entries()) checked_.push_back(leaf);
    } while (page.entries_size() > 0);
    for (auto leaf = acknowledged.leaves().lower_bound(first);
         leaf != acknowledged.leaves().end(); ++leaf) {
      ASSERT_LT(leaf->first, checked_.size()) << "an acknowledged leaf is gone";
      EXPECT_EQ(checked_[leaf->first], leaf->second);
    }
    v1::GetConsistencyProofRequest request;
    request.set_first_size(first == 0 ? 1 : first);
    request.set_second_size(checked_.size());
    v1::ConsistencyProof proof;
    const absl::Status status = client::FromGrpc(
        audit->GetConsistencyProof(Context(10).get(), request, &proof));
    ASSERT_TRUE(status.ok()) << status;
    const std::string root = Root(0, checked_.size());
    EXPECT_TRUE(crypto::VerifyConsistency(
                    request.first_size(), checked_.size(),
                    std::vector<std::string>(proof.hashes().begin(),
                                             proof.hashes().end()),
                    AsBytes(Root(0, request.first_size())), AsBytes(root))
                    .ok());
  }

  // RFC 6962's definition, on the leaves as received.
  std::string Root(size_t begin, size_t end) {
    if (end - begin == 1) return crypto::LeafHash(AsBytes(checked_[begin]));
    size_t half = 1;
    while (half * 2 < end - begin) half *= 2;
    return crypto::NodeHash(AsBytes(Root(begin, begin + half)),
                            AsBytes(Root(begin + half, end)));
  }

  void CheckKeys(const std::set<std::string>& names) {
    const auto keys = v1::KeyService::NewStub(kmsd_->AdminChannel());
    for (const std::string& name : names) {
      v1::GetKeyRequest request;
      request.set_name(name);
      v1::Key key;
      const absl::Status status =
          client::FromGrpc(keys->GetKey(Context(10).get(), request, &key));
      EXPECT_TRUE(status.ok()) << name << ": " << status;
    }
  }

  // Kills and restarts under load; calls `disturb` before each.
  void Run(int rounds, const std::function<void(int)>& disturb);

  const simtee::SimulatedSnp attester_ = simtee::SimulatedSnp::Create(
      {.rsa_bits = 2048,
       .not_before = absl::FromUnixSeconds(0),
       .not_after = absl::FromUnixSeconds(4102444800)});
  std::unique_ptr<KmsdProcess> kmsd_;
  loadgen::Pins pins_;
  std::vector<std::string> checked_;  // Leaves, in order.
};

void CrashTest::Run(int rounds, const std::function<void(int)>& disturb) {
  std::mt19937 random(20260101);
  int releases = 0;
  int keys = 0;
  for (int round = 0; round < rounds; ++round) {
    Acknowledged acknowledged;
    disturb(round);
    std::atomic<bool> dead = false;
    std::vector<std::thread> clients;
    for (int client = 0; client < kClients; ++client) {
      clients.emplace_back(
          [&, client] { Load(client, round, dead, acknowledged); });
    }
    // The blow falls after a random number of answers, with others in flight.
    const int answers = static_cast<int>(1 + random() % 16);
    const bool answered = acknowledged.Await(answers, kAnswersTimeout);
    kmsd_->Kill();
    dead = true;
    for (std::thread& client : clients) client.join();
    ASSERT_TRUE(answered) << acknowledged.failure() << kmsd_->log();

    ASSERT_TRUE(kmsd_->Start().ok()) << "round " << round << kmsd_->log();
    ASSERT_TRUE(kmsd_->AwaitServing().ok()) << kmsd_->log();
    CheckKeys(acknowledged.keys());
    CheckLog(acknowledged);
    if (HasFailure()) FAIL() << "round " << round;
    releases += static_cast<int>(acknowledged.leaves().size());
    keys += static_cast<int>(acknowledged.keys().size());
  }
  std::printf("%d kills: %d acknowledged releases and %d keys all there\n",
              rounds, releases, keys);
  EXPECT_GE(releases, rounds / 2);
}

TEST_F(CrashTest, LosesNothingAcknowledgedAndReleasesNothingUnrecorded) {
  Run(Rounds(), [](int) {});
}

class EtcdCrashTest : public CrashTest {
 protected:
  void SetUp() override {
    SetUpWith(absl::StrCat("{endpoints: [\"",
                           absl::StrJoin(etcd_.endpoints().addresses, "\", \""),
                           "\"], ca_file: ", etcd_.ca_file(),
                           ", certificate_file: ", etcd_.certificate_file(),
                           ", key_file: ", etcd_.key_file(), "}"));
  }

  storage::TestEtcd etcd_{3};
};

TEST_F(EtcdCrashTest, NorInEtcdWhileAMemberIsDownThatMayLead) {
  constexpr size_t kMembers = 3;
  Run(std::min(Rounds(), kEtcdRoundsMax), [this](int round) {
    const auto down = static_cast<size_t>(round) % kMembers;
    if (round > 0) etcd_.Restart((down + kMembers - 1) % kMembers);
    etcd_.Kill(down);
  });
}

}  // namespace
}  // namespace kms::testing

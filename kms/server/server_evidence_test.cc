#include "kms/server/server_evidence.h"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "kms/attester/server_transcript.h"
#include "kms/base/refusal.h"
#include "kms/server/limits.h"

namespace kms::server {
namespace {

constexpr absl::Duration kLong = absl::Seconds(60);

// Evidence that is its report data. It can be made to wait.
class FakeAttester : public attester::Attester {
 public:
  absl::StatusOr<v1::EvidenceBundle> Attest(BytesView report_data) override {
    {
      absl::MutexLock lock(&mutex);
      ++begun;
      if (at_once < ++running) at_once = running;
    }
    if (release != nullptr) release->WaitForNotification();
    absl::MutexLock lock(&mutex);
    --running;
    if (!failure.ok()) return failure;
    v1::EvidenceBundle bundle;
    bundle.add_evidence()->add_files()->set_content(ToString(report_data));
    return bundle;
  }

  void AwaitBegun() {
    const auto some = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
      return begun > 0;
    };
    absl::MutexLock lock(&mutex);
    mutex.Await(absl::Condition(&some));
  }

  absl::Mutex mutex;
  int begun = 0, running = 0, at_once = 0;
  absl::Notification* release = nullptr;
  absl::Status failure;
};

class ServerEvidenceTest : public testing::Test {
 protected:
  ServerEvidenceTest() {
    state_.cluster_id = std::string(16, 'c');
    state_.identity_public_key = std::string(32, 'i');
  }

  ServerEvidence Handler(attester::Attester* attester) {
    return ServerEvidence(
        {attester, std::string(32, 't'), [this] { return state_; }, &clock_});
  }
  absl::StatusOr<v1::GetServerEvidenceResponse> Ask(
      ServerEvidence& handler, const std::string& nonce = std::string(32, 'n'),
      const std::string& peer = "ipv4:a") {
    v1::GetServerEvidenceRequest request;
    request.set_nonce(nonce);
    Caller caller;
    caller.peer = peer;
    return handler.GetServerEvidence(caller, request, clock_.Now() + kLong);
  }
  v1::RefusalCode Code(ServerEvidence& handler, const std::string& nonce) {
    return RefusalOf(Ask(handler, nonce).status());
  }

  ManualClock clock_{absl::FromUnixSeconds(1000)};
  seal::SealState state_;
  FakeAttester attester_;
};

TEST_F(ServerEvidenceTest, BindsNonceTlsKeyAndWhoTheInstanceIs) {
  ServerEvidence handler = Handler(&attester_);
  for (const bool initialized : {true, false}) {
    if (!initialized) state_ = {};
    const auto answer = Ask(handler);
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->cluster_id(), state_.cluster_id);
    EXPECT_EQ(answer->identity_public_key(), state_.identity_public_key);
    v1::EvidenceBundle bundle;
    ASSERT_TRUE(bundle.ParseFromString(answer->evidence()));
    EXPECT_EQ(
        bundle.evidence(0).files(0).content(),
        attester::ServerTranscriptDigest(
            {.cluster_id = AsBytes(answer->cluster_id()),
             .nonce = AsBytes(std::string(32, 'n')),
             .tls_key_digest = AsBytes(std::string(32, 't')),
             .identity_public_key = AsBytes(answer->identity_public_key())}));
  }
}

TEST_F(ServerEvidenceTest, RefusesWithoutAnAttester) {
  ServerEvidence handler = Handler(nullptr);
  EXPECT_EQ(Code(handler, std::string(32, 'n')), v1::NOT_FOUND);
}

TEST_F(ServerEvidenceTest, RefusesNoncesThatAreTooShortOrTooLong) {
  ServerEvidence handler = Handler(&attester_);
  for (const size_t size : {0, 31, 65}) {
    EXPECT_EQ(Code(handler, std::string(size, 'n')), v1::REQUEST_MALFORMED);
  }
  EXPECT_EQ(attester_.begun, 0);
  EXPECT_TRUE(Ask(handler, std::string(64, 'n')).ok());
}

TEST_F(ServerEvidenceTest, OneNetworkSpendsOnlyItsOwn) {
  ServerEvidence handler = Handler(&attester_);
  const int burst =
      static_cast<int>(kServerEvidencePerNetwork * kRateBurstSeconds);
  for (int i = 0; i < burst; ++i) EXPECT_TRUE(Ask(handler).ok());
  EXPECT_EQ(RefusalOf(Ask(handler).status()), v1::RATE_LIMITED);
  EXPECT_TRUE(Ask(handler, std::string(32, 'n'), "ipv4:b").ok());
  clock_.Advance(absl::Seconds(1));
  EXPECT_TRUE(Ask(handler).ok());
}

TEST_F(ServerEvidenceTest, AllNetworksTogetherAreBounded) {
  ServerEvidence handler = Handler(&attester_);
  const int burst =
      static_cast<int>(kServerEvidencePerSecond * kRateBurstSeconds);
  const auto ask = [&](int i) {
    return Ask(handler, std::string(32, 'n'), std::to_string(i)).status();
  };
  for (int i = 0; i < burst; ++i) EXPECT_TRUE(ask(i).ok());
  EXPECT_EQ(RefusalOf(ask(burst)), v1::RATE_LIMITED);
}

TEST_F(ServerEvidenceTest, TheAttesterMakesOneAtATime) {
  ServerEvidence handler = Handler(&attester_);
  absl::Notification release;
  attester_.release = &release;
  std::vector<absl::Status> answers(3);
  std::vector<std::thread> clients;
  for (absl::Status& answer : answers) {
    clients.emplace_back([&] { answer = Ask(handler).status(); });
  }
  attester_.AwaitBegun();
  release.Notify();
  for (std::thread& client : clients) client.join();
  for (const absl::Status& answer : answers) EXPECT_TRUE(answer.ok()) << answer;
  EXPECT_EQ(attester_.begun, 3);
  EXPECT_EQ(attester_.at_once, 1);
}

TEST_F(ServerEvidenceTest, WhoCannotWaitIsToldSo) {
  ServerEvidence handler = Handler(&attester_);
  absl::Notification release;
  attester_.release = &release;
  std::thread first([&] { EXPECT_TRUE(Ask(handler).ok()); });
  attester_.AwaitBegun();
  v1::GetServerEvidenceRequest request;
  request.set_nonce(std::string(32, 'n'));
  EXPECT_EQ(handler.GetServerEvidence(Caller(), request, clock_.Now())
                .status()
                .code(),
            absl::StatusCode::kDeadlineExceeded);
  release.Notify();
  first.join();
}

TEST_F(ServerEvidenceTest, AnAttesterThatFailsIsUnavailableAndTriedAgain) {
  ServerEvidence handler = Handler(&attester_);
  attester_.failure = absl::FailedPreconditionError("attester: exit code 1");
  EXPECT_EQ(Ask(handler).status(),
            absl::UnavailableError("attester: exit code 1"));
  attester_.failure = absl::OkStatus();
  EXPECT_TRUE(Ask(handler).ok());
}

}  // namespace
}  // namespace kms::server

#include "tools/kms_agent/agent.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/secret_access.h"
#include "kms/release/transcript.h"
#include "tools/client/outcome.h"
#include "tools/kms_agent/backoff.h"
#include "tools/kms_agent/fake_kms.h"

namespace kms::agent {
namespace {

using client::ExitCode;
using client::ExitCodeOf;

// Evidence that carries its report data, and the count of it.
class FakeAttester : public attester::Attester {
 public:
  absl::StatusOr<v1::EvidenceBundle> Attest(BytesView report_data) override {
    if (!failure.ok()) return failure;
    report_datas.push_back(ToString(report_data));
    v1::EvidenceBundle bundle;
    v1::EvidenceFile& file = *bundle.add_evidence()->add_files();
    file.set_role("evidence");
    file.set_content(report_datas.back() + padding);
    return bundle;
  }

  absl::Status failure;
  std::string padding;
  std::vector<std::string> report_datas;
};

class AgentTest : public ::testing::Test {
 protected:
  // A client of `instances`, whose waits move the clock and are recorded.
  absl::StatusOr<ReleasedKey> Release(std::vector<FakeKms*> instances,
                                      PinnedCluster pinned) {
    std::vector<ReleaseClient::OpenFn> ways;
    for (FakeKms* kms : instances) {
      ways.push_back(
          [this,
           kms]() -> absl::StatusOr<std::unique_ptr<ReleaseClient::Instance>> {
            if (kms == unproven_) return refused_;
            return kms->NewStub();
          });
    }
    ReleaseClient client(std::move(pinned), std::move(ways), attester_, policy_,
                         {clock_,
                          [this](absl::Duration wait) {
                            waits_.push_back(wait);
                            clock_.Advance(wait);
                          },
                          [] { return 0.5; }});
    return client.Release(request_);
  }
  absl::StatusOr<ReleasedKey> Release() {
    return Release({&kms_}, kms_.pinned());
  }

  static std::string Contents(const ReleasedKey& released) {
    return ToString(released.key.Expose(GrantSecretAccess()));
  }

  FakeKms kms_;
  FakeKms* unproven_ = nullptr;  // Nothing may be sent there.
  absl::Status refused_ =
      client::AsRefusal(Refuse(v1::EVIDENCE_NOT_BOUND, "test"));
  FakeAttester attester_;
  ManualClock clock_{absl::FromUnixSeconds(1000)};
  RetryPolicy policy_;
  v1::ReleaseRequest request_;
  std::vector<absl::Duration> waits_;
};

// The service released a key, but not of what was asked for.
TEST_F(AgentTest, RefusesAReceiptThatNamesNotItsBlobAndArtifact) {
  request_.set_key("weights");
  request_.set_blob("a publisher's blob");
  EXPECT_EQ(ExitCodeOf(Release().status()), ExitCode::kIntegrity);
  request_.clear_blob();
  request_.set_artifact_digest(std::string(32, 'a'));
  EXPECT_EQ(ExitCodeOf(Release().status()), ExitCode::kIntegrity);
}

TEST_F(AgentTest, GetsTheKeyWithEvidenceOverTheTranscript) {
  request_.set_key("weights");
  const auto released = Release();
  ASSERT_TRUE(released.ok()) << released.status();
  EXPECT_EQ(Contents(*released), kMarkedKey);
  EXPECT_EQ(released->verified.body.key_version(), 3u);
  EXPECT_TRUE(waits_.empty());

  ASSERT_EQ(kms_.requests.size(), 1u);
  const v1::ReleaseKeyRequest& sent = kms_.requests[0];
  EXPECT_EQ(sent.request(), request_.SerializeAsString());
  EXPECT_EQ(sent.challenge(), "challenge 1");
  const std::string digest = release::TranscriptDigest(
      {.domain = "kms.v1 release",
       .cluster_id = AsBytes(kms_.pinned().cluster_id),
       .challenge = AsBytes("challenge 1"),
       .kem_id = 0x20,
       .recipient_public_key = AsBytes(sent.recipient_public_key()),
       .request = AsBytes(sent.request())});
  EXPECT_EQ(attester_.report_datas, std::vector<std::string>{digest});
}

// --- Instances that must prove what they run first ---

TEST_F(AgentTest, SendsNothingToAnInstanceThatDoesNotProveItself) {
  unproven_ = &kms_;
  const auto released = Release();
  EXPECT_EQ(RefusalOf(released.status()), v1::EVIDENCE_NOT_BOUND);
  EXPECT_EQ(ExitCodeOf(released.status()), ExitCode::kRefused);
  EXPECT_EQ(kms_.challenges, 0);
  EXPECT_TRUE(waits_.empty());  // Asking again would not help.
}

TEST_F(AgentTest, AsksTheNextWhereOneDoesNotProveItself) {
  FakeKms other;
  unproven_ = &other;
  EXPECT_TRUE(Release({&other, &kms_}, kms_.pinned()).ok());
  EXPECT_EQ(other.challenges, 0);
}

// --- A service that is not the pinned cluster, or answers something else ---

TEST_F(AgentTest, RefusesAKeyPlantedByAnImpostor) {
  kms_.impostor = std::make_unique<crypto::Ed25519SigningKey>(
      *crypto::Ed25519SigningKey::Generate());
  EXPECT_EQ(ExitCodeOf(Release().status()), ExitCode::kIntegrity);
}

TEST_F(AgentTest, RefusesAnotherClustersChallengeBeforeMakingEvidence) {
  kms_.claimed_cluster_id = "another cluster!";
  EXPECT_EQ(ExitCodeOf(Release().status()), ExitCode::kIntegrity);
  EXPECT_TRUE(attester_.report_datas.empty());
  EXPECT_TRUE(kms_.requests.empty());
}

TEST_F(AgentTest, RefusesAnotherPinnedCluster) {
  PinnedCluster pinned = kms_.pinned();
  pinned.cluster_id[0] ^= 1;
  EXPECT_EQ(ExitCodeOf(Release({&kms_}, pinned).status()),
            ExitCode::kIntegrity);
}

TEST_F(AgentTest, RefusesAReceiptThatSpeaksOfAnythingElse) {
  using Lie = std::function<void(FakeKms::Making&)>;
  const std::vector<std::pair<std::string, Lie>> lies = {
      {"transcript",
       [](auto& m) { m.body.mutable_transcript_digest()->back() ^= 1; }},
      {"recipient",
       [](auto& m) { m.body.mutable_recipient_thumbprint()->back() ^= 1; }},
      {"kem", [](auto& m) { m.body.set_kem_id(0x10); }},
      {"wrapped key",
       [](auto& m) { m.body.mutable_wrapped_key_digest()->back() ^= 1; }},
      {"cluster", [](auto& m) { m.body.mutable_cluster_id()->back() ^= 1; }},
      {"epoch", [](auto& m) { m.body.set_cluster_id(""); }},
  };
  for (const auto& [name, lie] : lies) {
    FakeKms kms;
    kms.before_signing = lie;
    const auto released = Release({&kms}, kms.pinned());
    EXPECT_EQ(ExitCodeOf(released.status()), ExitCode::kIntegrity)
        << name << ": " << released.status();
    EXPECT_EQ(kms.requests.size(), 1u) << name << " was asked again";
  }
}

TEST_F(AgentTest, RefusesAVersionItDidNotAskFor) {
  request_.set_version(2);  // The fake releases version 3.
  EXPECT_EQ(ExitCodeOf(Release().status()), ExitCode::kIntegrity);
}

TEST_F(AgentTest, RefusesACiphertextExchangedOnTheWay) {
  kms_.before_sending = [](v1::ReleaseKeyResponse& response) {
    response.mutable_wrapped_key()->mutable_ciphertext()->back() ^= 1;
  };
  EXPECT_EQ(ExitCodeOf(Release().status()), ExitCode::kIntegrity);
}

TEST_F(AgentTest, RefusesEveryTruncationOfTheReceipt) {
  for (int drop = 1; drop < 200; ++drop) {
    kms_.before_sending = [drop](v1::ReleaseKeyResponse& response) {
      std::string& body = *response.mutable_receipt()->mutable_body();
      body.resize(body.size() - static_cast<size_t>(drop));
    };
    EXPECT_EQ(ExitCodeOf(Release().status()), ExitCode::kIntegrity) << drop;
  }
  kms_.before_sending = [](v1::ReleaseKeyResponse& response) {
    response.clear_receipt();
  };
  EXPECT_EQ(ExitCodeOf(Release().status()), ExitCode::kIntegrity);
}

TEST_F(AgentTest, RefusesAKeySealedForAnotherTranscriptOrPlace) {
  kms_.before_sealing = [](FakeKms::Making& m) { m.hpke_info.back() ^= 1; };
  EXPECT_EQ(ExitCodeOf(Release().status()), ExitCode::kIntegrity);
  kms_.before_sealing = [](FakeKms::Making& m) { m.hpke_aad.back() ^= 1; };
  EXPECT_EQ(ExitCodeOf(Release().status()), ExitCode::kIntegrity);
}

TEST_F(AgentTest, NeverRepeatsAfterAnIntegrityError) {
  kms_.before_sending = [](v1::ReleaseKeyResponse& r) { r.clear_receipt(); };
  FakeKms other;
  EXPECT_EQ(ExitCodeOf(Release({&kms_, &other}, kms_.pinned()).status()),
            ExitCode::kIntegrity);
  EXPECT_EQ(kms_.requests.size(), 1u);
  EXPECT_EQ(other.challenges, 0);
}

// --- Repeating ---

TEST_F(AgentTest, SendsTheSameAttemptAgainWhenTheOutcomeIsUnknown) {
  kms_.release_script = {grpc::Status(grpc::UNAVAILABLE, "connection reset"),
                         grpc::Status(grpc::DEADLINE_EXCEEDED, "late"),
                         Refusal(v1::LOG_UNAVAILABLE),
                         Refusal(v1::APPRAISAL_STALE),
                         Refusal(v1::RATE_LIMITED)};
  const auto released = Release();
  ASSERT_TRUE(released.ok()) << released.status();
  EXPECT_EQ(Contents(*released), kMarkedKey);
  EXPECT_EQ(kms_.challenges, 1);
  EXPECT_EQ(attester_.report_datas.size(), 1u);
  ASSERT_EQ(kms_.requests.size(), 6u);
  for (const v1::ReleaseKeyRequest& sent : kms_.requests) {
    EXPECT_EQ(sent.SerializeAsString(), kms_.requests[0].SerializeAsString());
  }
}

TEST_F(AgentTest, WaitsLongerEachTimeUpToABoundWithFullJitter) {
  kms_.release_script.assign(10, Refusal(v1::LOG_UNAVAILABLE));
  ASSERT_TRUE(Release().ok());
  // Half of 100 ms * 2^n, at most half of 10 s: the jitter is 0.5 here.
  std::vector<absl::Duration> want;
  for (int ms : {50, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000}) {
    want.push_back(absl::Milliseconds(ms));
  }
  EXPECT_EQ(waits_, want);
}

TEST(Backoff, SpreadsOverTheWholeInterval) {
  double number = 0;
  Backoff backoff([&number] { return number; });
  EXPECT_EQ(backoff.Next(), absl::ZeroDuration());
  number = 1;
  EXPECT_EQ(backoff.Next(), Backoff::kWaitFirst * 2);
}

TEST_F(AgentTest, MakesANewAttemptOnlyForAGoneChallenge) {
  kms_.release_script = {Refusal(v1::CHALLENGE_EXPIRED)};
  ASSERT_TRUE(Release().ok());
  EXPECT_EQ(kms_.challenges, 2);
  EXPECT_EQ(attester_.report_datas.size(), 2u);
  ASSERT_EQ(kms_.requests.size(), 2u);
  EXPECT_NE(kms_.requests[0].recipient_public_key(),
            kms_.requests[1].recipient_public_key());
  EXPECT_NE(kms_.requests[0].challenge(), kms_.requests[1].challenge());
}

TEST_F(AgentTest, NeverRepeatsARefusal) {
  for (v1::RefusalCode code :
       {v1::POLICY_DENIED, v1::SIGNATURE_INVALID, v1::CHALLENGE_SPENT,
        v1::QUOTA_EXHAUSTED, v1::VERSION_DISABLED, v1::INTERNAL_ERROR}) {
    FakeKms kms;
    kms.release_script.assign(3, Refusal(code));
    const auto released = Release({&kms}, kms.pinned());
    EXPECT_EQ(RefusalOf(released.status()), code);
    EXPECT_EQ(kms.requests.size(), 1u) << RefusalName(code);
  }
}

TEST_F(AgentTest, CarriesTheSameAttemptToTheNextInstanceWithoutWaiting) {
  // Two instances of one cluster: the second has the first one's keys, so the
  // first stands in for it behind a stub that is down.
  FakeKms down;
  down.challenge_script.assign(9, grpc::Status(grpc::UNAVAILABLE, "down"));
  ASSERT_TRUE(Release({&down, &kms_}, kms_.pinned()).ok());
  EXPECT_TRUE(waits_.empty());
  EXPECT_EQ(kms_.challenges, 1);

  FakeKms dies;  // After the challenge, during the release.
  dies.release_script.assign(9, grpc::Status(grpc::UNAVAILABLE, "died"));
  ASSERT_TRUE(Release({&dies, &kms_}, kms_.pinned()).ok());
  EXPECT_TRUE(waits_.empty());
  ASSERT_EQ(dies.requests.size(), 1u);
  EXPECT_EQ(kms_.requests.back().SerializeAsString(),
            dies.requests[0].SerializeAsString());
}

TEST_F(AgentTest, OnceMeansOnePassAndNoWait) {
  policy_.once = true;
  kms_.release_script = {Refusal(v1::SEALED)};
  FakeKms other;
  other.release_script = {grpc::Status(grpc::UNAVAILABLE, "x")};
  const auto released = Release({&kms_, &other}, kms_.pinned());
  EXPECT_EQ(ExitCodeOf(released.status()), ExitCode::kUnavailable);
  EXPECT_EQ(kms_.requests.size(), 1u);
  EXPECT_EQ(other.requests.size(), 1u);
  EXPECT_TRUE(waits_.empty());
}

TEST_F(AgentTest, GivesUpWhenItsTimeIsOver) {
  policy_.retry_for = absl::Seconds(1);
  kms_.challenge_script.assign(99, Refusal(v1::SEALED));
  const absl::Time start = clock_.Now();
  const auto released = Release();
  EXPECT_EQ(RefusalOf(released.status()), v1::SEALED);
  EXPECT_EQ(ExitCodeOf(released.status()), ExitCode::kUnavailable);
  EXPECT_LE(clock_.Now() - start, absl::Seconds(1));
  EXPECT_EQ(waits_.size(), 4u);  // 50, 100, 200 and 400 ms.
}

TEST_F(AgentTest, ReturnsTheAttestersFailureAndTriesNoOther) {
  attester_.failure = absl::DeadlineExceededError("attester: not done");
  FakeKms other;
  EXPECT_EQ(Release({&kms_, &other}, kms_.pinned()).status(),
            absl::FailedPreconditionError("attester: not done"));
  EXPECT_EQ(other.challenges, 0);
}

TEST_F(AgentTest, DoesNotSendEvidenceOverTheRequestsBound) {
  attester_.padding = std::string(4 * 1024 * 1024, 'x');
  EXPECT_EQ(Release().status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(kms_.requests.empty());
}

}  // namespace
}  // namespace kms::agent

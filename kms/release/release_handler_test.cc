// The order of a release's checks, and what each refusal leaves behind. What
// workloads see over TLS is in tests/integration.
#include "kms/release/release_handler.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "kms/admin/policy_handlers.h"
#include "kms/audit/checkpoint_signer.h"
#include "kms/base/refusal.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/hpke.h"
#include "kms/instance/testing.h"
#include "kms/lifecycle/key_handlers.h"
#include "kms/release/transcript.h"
#include "proto/kms/v1/audit_entry.pb.h"
#include "tools/simtee/snp.h"

namespace kms::release {
namespace {

constexpr char kPolicy[] = R"(name: guests
evidence: [{type: sev-snp, count: 1}]
anchors: [simulated-snp-ark]
rules:
  - {id: vmpl, expr: claims.cpu.snp.vmpl == 0u, message: not VMPL 0}
release: {lease: 1h}
)";

const simtee::SimulatedSnp& Attester() {
  static const auto* const attester =
      new simtee::SimulatedSnp(simtee::SimulatedSnp::Create(
          {.rsa_bits = 2048,
           .not_before = absl::FromUnixSeconds(0),
           .not_after = TestStartTime() + absl::Hours(24 * 365)}));
  return *attester;
}

class ReleaseHandlerTest : public testing::Test {
 protected:
  ReleaseHandlerTest()
      : test_(MakeTestInstance({.simulated_anchors = {"simulated-snp-ark"}})),
        handler_(test_->holder, test_->clock, checkpoints_, Options()) {
    const admin::PolicyHandlers policies(test_->holder);
    v1::PutAnchorRequest anchor;
    anchor.set_name("simulated-snp-ark");
    anchor.set_type(v1::SEV_SNP);
    anchor.set_certificate(Attester().ark().der());
    anchor.set_simulated(true);
    EXPECT_TRUE(policies.PutAnchor(TestAdministrator(), anchor).ok());
    v1::PutPolicyRequest policy;
    policy.set_name("guests");
    policy.set_document(kPolicy);
    EXPECT_TRUE(policies.PutPolicy(TestAdministrator(), policy).ok());
    v1::CreateKeyRequest key;
    key.set_name("weights");
    key.set_policy("guests");
    EXPECT_TRUE(lifecycle::KeyHandlers(test_->holder)
                    .CreateKey(TestAdministrator(), key)
                    .ok());
  }

  ReleaseOptions Options() {
    ReleaseOptions options;
    options.refusals_burst = 2;
    options.releases_burst = 20;
    options.boot_time = [this] {
      return test_->boot_clock.Now() - absl::UnixEpoch() + answer_delay_;
    };
    return options;
  }

  std::string Challenge() {
    return handler_.GetChallenge(TestWorkload(), {})->challenge();
  }

  v1::ReleaseKeyRequest Request(const std::string& challenge,
                                const simtee::SnpGuest& guest = {}) {
    v1::ReleaseKeyRequest request;
    v1::ReleaseRequest wanted;
    wanted.set_key("weights");
    wanted.SerializeToString(request.mutable_request());
    request.set_challenge(challenge);
    request.set_kem_id(0x20);
    request.set_recipient_public_key(
        crypto::HpkeGenerateKeyPair(crypto::Kem::kX25519)->public_key);
    const std::string transcript = TranscriptDigest(
        {.domain = kReleaseDomain,
         .cluster_id = AsBytes(test_->get()->cluster_id),
         .challenge = AsBytes(challenge),
         .kem_id = 0x20,
         .recipient_public_key = AsBytes(request.recipient_public_key()),
         .request = AsBytes(request.request())});
    v1::EvidenceBundle bundle;
    *bundle.add_evidence() = Attester().Attest(AsBytes(transcript), guest);
    bundle.SerializeToString(request.mutable_evidence());
    return request;
  }

  absl::Status Release(const v1::ReleaseKeyRequest& request) {
    return handler_
        .ReleaseKey(TestWorkload(), request,
                    test_->clock.Now() + absl::Minutes(1))
        .status();
  }

  v1::AuditEntry LastLeaf() {
    const storage::StateView& view = test_->View();
    v1::AuditEntry entry;
    entry.ParseFromString(*view.GetLeaf(view.tree_size() - 1));
    return entry;
  }

  bool IsKept(const v1::ReleaseKeyRequest& request) {
    const std::string digest = crypto::Sha256(AsBytes(request.evidence()));
    const absl::StatusOr<std::string> kept =
        test_->get()->evidence_archive->Get(AsBytes(digest));
    return kept.ok() && *kept == request.evidence();
  }

  absl::Duration answer_delay_;
  std::unique_ptr<TestInstance> test_;
  audit::CheckpointSigner checkpoints_;
  ReleaseHandler handler_;
};

TEST_F(ReleaseHandlerTest, RecordsTheReleaseThatItAnswers) {
  const auto response =
      handler_.ReleaseKey(TestWorkload(), Request(Challenge()),
                          test_->clock.Now() + absl::Minutes(1));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(LastLeaf().released().policy(), "guests");
}

TEST_F(ReleaseHandlerTest, JudgesAKeyThatItRememberedByWhatHoldsNow) {
  const auto release = [this] {
    return RefusalOf(Release(Request(Challenge())));
  };
  const lifecycle::KeyHandlers keys(test_->holder);
  v1::SetKeyVersionStateRequest change;
  change.set_name("weights");
  change.set_version(1);
  EXPECT_EQ(release(), v1::REFUSAL_CODE_UNSPECIFIED);
  change.set_state(v1::KeyVersion::DISABLED);
  ASSERT_TRUE(keys.SetKeyVersionState(TestAdministrator(), change).ok());
  EXPECT_EQ(release(), v1::VERSION_DISABLED);
  change.set_state(v1::KeyVersion::ENABLED);
  ASSERT_TRUE(keys.SetKeyVersionState(TestAdministrator(), change).ok());
  EXPECT_EQ(release(), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(LastLeaf().released().version(), 1u);

  v1::RotateKeyRequest rotate;
  rotate.set_name("weights");
  ASSERT_TRUE(keys.RotateKey(TestAdministrator(), rotate).ok());
  EXPECT_EQ(release(), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(LastLeaf().released().version(), 2u);
}

TEST_F(ReleaseHandlerTest, KeepsTheEvidenceOfWhatItReleased) {
  const v1::ReleaseKeyRequest request = Request(Challenge());
  ASSERT_TRUE(Release(request).ok());
  EXPECT_TRUE(IsKept(request));
  v1::ReleaseKeyRequest unbound = Request(Challenge());
  unbound.set_challenge(Challenge());
  EXPECT_EQ(RefusalOf(Release(unbound)), v1::EVIDENCE_NOT_BOUND);
  EXPECT_FALSE(IsKept(unbound));
}

TEST_F(ReleaseHandlerTest, LooksAtNoRecipientKeyBeforeTheChallenge) {
  v1::ReleaseKeyRequest request = Request(Challenge());
  request.set_recipient_public_key(std::string(32, '\0'));
  EXPECT_EQ(RefusalOf(Release(request)), v1::RECIPIENT_KEY_INVALID);
  request.set_challenge("made up");
  EXPECT_EQ(RefusalOf(Release(request)), v1::CHALLENGE_INVALID);
}

TEST_F(ReleaseHandlerTest, RefusesAChallengeThatExpired) {
  const v1::ReleaseKeyRequest request = Request(Challenge());
  test_->clock.Advance(absl::Minutes(5));
  EXPECT_EQ(RefusalOf(Release(request)), v1::CHALLENGE_EXPIRED);
}

// review.md 26: an instance that slept between the log and the wire.
TEST_F(ReleaseHandlerTest, SendsNoAnswerThatWasHeldUp) {
  const v1::ReleaseKeyRequest request = Request(Challenge());
  answer_delay_ = storage::kReplyAgeMax + absl::Milliseconds(1);
  EXPECT_EQ(RefusalOf(Release(request)), v1::LOG_UNAVAILABLE);
  // It counts as released, and its repeat is answered.
  EXPECT_TRUE(LastLeaf().has_released());
  answer_delay_ = absl::ZeroDuration();
  EXPECT_TRUE(Release(request).ok());
  EXPECT_NE(LastLeaf().released().repeat_of_plus_one(), 0u);
}

// Nobody unauthenticated writes to the replicated log.
TEST_F(ReleaseHandlerTest, OnlyCountsRefusalsOfEvidenceThatDidNotVerify) {
  const uint64_t before = test_->View().tree_size();
  v1::ReleaseKeyRequest unbound = Request(Challenge());
  unbound.set_challenge(Challenge());
  EXPECT_EQ(RefusalOf(Release(unbound)), v1::EVIDENCE_NOT_BOUND);
  EXPECT_EQ(RefusalOf(Release(Request("made up"))), v1::CHALLENGE_INVALID);
  EXPECT_EQ(test_->View().tree_size(), before);

  ASSERT_TRUE(handler_.Tick(test_->clock.Now() + absl::Minutes(1)).ok());
  EXPECT_EQ(test_->View().tree_size(), before + 1);
  const v1::RefusalsCounted counted = LastLeaf().refusals_counted();
  ASSERT_EQ(counted.counts_size(), 2);
  EXPECT_EQ(counted.counts(0).code(), v1::CHALLENGE_INVALID);
  EXPECT_EQ(counted.counts(1).code(), v1::EVIDENCE_NOT_BOUND);
}

TEST_F(ReleaseHandlerTest, OrdersRefusalsOfVerifiedEvidenceUpToARate) {
  simtee::SnpGuest guest;
  guest.vmpl = 1;
  const uint64_t before = test_->View().tree_size();
  for (int i = 0; i < 4; ++i) {
    const v1::ReleaseKeyRequest request = Request(Challenge(), guest);
    EXPECT_EQ(RefusalOf(Release(request)), v1::POLICY_DENIED);
    // Where there is no leaf, nobody will ask for the Evidence.
    EXPECT_EQ(IsKept(request), i < 2);
  }
  EXPECT_EQ(test_->View().tree_size(), before + 2);
  EXPECT_EQ(LastLeaf().refused().code(), v1::POLICY_DENIED);
  EXPECT_EQ(LastLeaf().refused().failed_rules(0), "vmpl");
  EXPECT_EQ(handler_.refusals().recent().size(), 2u);
}

TEST_F(ReleaseHandlerTest, LimitsAPeerBeforeItChecksSignatures) {
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(RefusalOf(Release(Request(Challenge()))),
              v1::REFUSAL_CODE_UNSPECIFIED);
  }
  EXPECT_EQ(RefusalOf(Release(Request(Challenge()))), v1::RATE_LIMITED);
}

TEST_F(ReleaseHandlerTest, KeepsTheEvidenceOfWhatItJudged) {
  const v1::ReleaseKeyRequest request = Request(Challenge());
  ASSERT_TRUE(Release(request).ok());
  const auto kept = test_->get()->evidence_archive->Get(
      AsBytes(LastLeaf().released().evidence_digest()));
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(*kept, request.evidence());
}

TEST_F(ReleaseHandlerTest, ReleasesNothingWhoseEvidenceCannotBeKept) {
  const uint64_t before = test_->View().tree_size();
  test_->evidence_engine.Fail();
  EXPECT_EQ(RefusalOf(Release(Request(Challenge()))), v1::LOG_UNAVAILABLE);
  EXPECT_EQ(test_->View().tree_size(), before);
  // What is refused for other reasons still enters the log.
  EXPECT_EQ(RefusalOf(Release(Request("made up"))), v1::CHALLENGE_INVALID);
  EXPECT_FALSE(handler_.Tick(test_->clock.Now() + absl::Minutes(1)).ok());
  EXPECT_TRUE(LastLeaf().has_refusals_counted());
}

TEST_F(ReleaseHandlerTest, RefusesWhenSealed) {
  const v1::ReleaseKeyRequest request = Request(Challenge());
  test_->Seal();
  EXPECT_EQ(RefusalOf(Release(request)), v1::SEALED);
  EXPECT_EQ(RefusalOf(handler_.Tick(test_->clock.Now())), v1::SEALED);
}

}  // namespace
}  // namespace kms::release

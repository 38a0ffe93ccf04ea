// The order of a release's checks, and what each refusal leaves behind. What
// workloads see over TLS is in tests/integration.
#include "kms/release/release_handler.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "kms/admin/policy_handlers.h"
#include "kms/audit/checkpoint_signer.h"
#include "kms/base/refusal.h"
#include "kms/collateral/collateral_handlers.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/hpke.h"
#include "kms/crypto/x509/issue.h"
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
  explicit ReleaseHandlerTest(const TestInstanceOptions& options =
                                  {.simulated_anchors = {"simulated-snp-ark"}})
      : test_(MakeTestInstance(options)),
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

// Whatever is wrong with a shadow is what the leaf says of it.
TEST_F(ReleaseHandlerTest, AShadowCostsNoRelease) {
  const admin::PolicyHandlers policies(test_->holder);
  const auto shadow_of = [&](const std::string& document) {
    v1::PutPolicyRequest policy;
    policy.set_name("guests");
    policy.set_document(document);
    policy.set_state(v1::POLICY_SHADOW);
    EXPECT_TRUE(policies.PutPolicy(TestAdministrator(), policy).ok());
    EXPECT_TRUE(Release(Request(Challenge())).ok());
    return LastLeaf().released().shadow().code();
  };
  EXPECT_EQ(shadow_of(absl::StrReplaceAll(
                kPolicy, {{"claims.cpu.snp.vmpl == 0u",
                           "\"1u / claims.cpu.snp.vmpl == 1u || false\""}})),
            v1::POLICY_ERROR);
  EXPECT_EQ(shadow_of(absl::StrReplaceAll(
                kPolicy, {{"rules:", "reference: {r: {set: none}}\nrules:"}})),
            v1::REFERENCE_VALUES_EXPIRED);
  EXPECT_EQ(shadow_of(absl::StrReplaceAll(
                kPolicy, {{"lease: 1h", "lease: 1h, concurrent: 1"}})),
            v1::REFUSAL_CODE_UNSPECIFIED);
}

// A shadow version says what it would have said, and decides nothing.
TEST_F(ReleaseHandlerTest, RecordsWhatTheShadowWouldHaveDecided) {
  const admin::PolicyHandlers policies(test_->holder);
  const auto put = [&](const char* rule, v1::PolicyState state) {
    v1::PutPolicyRequest policy;
    policy.set_name("guests");
    policy.set_document(absl::StrReplaceAll(kPolicy, {{"vmpl == 0u", rule}}));
    policy.set_state(state);
    ASSERT_TRUE(policies.PutPolicy(TestAdministrator(), policy).ok());
  };
  const auto release = [this] {
    return RefusalOf(Release(Request(Challenge())));
  };
  EXPECT_EQ(release(), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_FALSE(LastLeaf().released().has_shadow());
  put("vmpl == 3u", v1::POLICY_SHADOW);
  for (int i = 0; i < 2; ++i) {  // As read, and as remembered.
    EXPECT_EQ(release(), v1::REFUSAL_CODE_UNSPECIFIED);
    const v1::Released leaf = LastLeaf().released();
    EXPECT_EQ(leaf.policy_version(), 1u);
    EXPECT_EQ(leaf.shadow().policy_version(), 2u);
    EXPECT_EQ(leaf.shadow().code(), v1::POLICY_DENIED);
    ASSERT_EQ(leaf.shadow().failed_rules_size(), 1);
    EXPECT_EQ(leaf.shadow().failed_rules(0), "vmpl");
  }
  // The strict one decides now, and the lax one watches.
  v1::SetPolicyStateRequest change;
  change.set_name("guests");
  change.set_version(2);
  change.set_state(v1::POLICY_ACTIVE);
  ASSERT_TRUE(policies.SetPolicyState(TestAdministrator(), change).ok());
  change.set_version(1);
  change.set_state(v1::POLICY_SHADOW);
  ASSERT_TRUE(policies.SetPolicyState(TestAdministrator(), change).ok());
  EXPECT_EQ(release(), v1::POLICY_DENIED);
  const v1::Refused leaf = LastLeaf().refused();
  EXPECT_EQ(leaf.policy_version(), 2u);
  EXPECT_EQ(leaf.shadow().policy_version(), 1u);
  EXPECT_EQ(leaf.shadow().code(), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(leaf.shadow().failed_rules_size(), 0);
}

TEST_F(ReleaseHandlerTest, APolicyWithoutAnActiveVersionReleasesNothing) {
  v1::SetPolicyStateRequest change;
  change.set_name("guests");
  change.set_version(1);
  change.set_state(v1::POLICY_RETIRED);
  ASSERT_TRUE(admin::PolicyHandlers(test_->holder)
                  .SetPolicyState(TestAdministrator(), change)
                  .ok());
  EXPECT_EQ(RefusalOf(Release(Request(Challenge()))), v1::POLICY_DENIED);
  EXPECT_EQ(LastLeaf().refused().code(), v1::NO_POLICY);
}

TEST_F(ReleaseHandlerTest, NamesTheReferenceValuesThatItsRulesRead) {
  const admin::PolicyHandlers policies(test_->holder);
  v1::PutReferenceSetRequest set;
  set.set_name("images");
  set.set_file(absl::StrCat(
      R"({"values": [")",
      absl::BytesToHexString(simtee::SnpGuest().measurement), "\"]}"));
  const auto stored = policies.PutReferenceSet(TestAdministrator(), set);
  ASSERT_TRUE(stored.ok()) << stored.status();
  v1::PutPolicyRequest policy;
  policy.set_name("guests");
  policy.set_document(absl::StrReplaceAll(
      kPolicy, {{"rules:", "reference: {images: {set: images}}\nrules:"},
                {"claims.cpu.snp.vmpl == 0u",
                 "claims.cpu.measurement in reference.images"}}));
  ASSERT_TRUE(policies.PutPolicy(TestAdministrator(), policy).ok());
  for (int i = 0; i < 2; ++i) {  // As read, and as remembered.
    ASSERT_TRUE(Release(Request(Challenge())).ok());
    const v1::Released leaf = LastLeaf().released();
    ASSERT_EQ(leaf.references_size(), 1);
    EXPECT_EQ(leaf.references(0).set(), "images");
    EXPECT_EQ(leaf.references(0).version(), 1u);
    EXPECT_EQ(leaf.references(0).digest(), stored->digest());
  }
  v1::EndReferenceVersionRequest end;
  end.set_name("images");
  end.set_version(1);
  ASSERT_TRUE(policies.EndReferenceVersion(TestAdministrator(), end).ok());
  EXPECT_EQ(RefusalOf(Release(Request(Challenge()))),
            v1::REFERENCE_VALUES_EXPIRED);
  EXPECT_EQ(LastLeaf().refused().references_size(), 0);
}

// What a policy would have decided on what was decided.
TEST_F(ReleaseHandlerTest, JudgesRecordedRequestsAgain) {
  const v1::ReleaseKeyRequest request = Request(Challenge());
  ASSERT_TRUE(Release(request).ok());
  ASSERT_TRUE(Release(request).ok());  // A repeat, which is one request.
  ASSERT_TRUE(Release(Request(Challenge())).ok());
  const uint64_t released = test_->View().tree_size() - 1;
  simtee::SnpGuest guest;
  guest.vmpl = 3;
  EXPECT_EQ(RefusalOf(Release(Request(Challenge(), guest))), v1::POLICY_DENIED);
  const uint64_t refused = test_->View().tree_size() - 1;

  const admin::PolicyHandlers policies(test_->holder);
  v1::DryRunPolicyRequest dry_run;
  dry_run.set_document(absl::StrReplaceAll(kPolicy, {{"== 0u", "== 3u"}}));
  auto outcome = policies.DryRunPolicy(TestAdministrator(), dry_run);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->judged(), 3u);
  ASSERT_EQ(outcome->groups_size(), 2);
  const auto& lost = outcome->groups(0);
  EXPECT_EQ(lost.count(), 2u);
  EXPECT_TRUE(lost.allowed_then());
  EXPECT_FALSE(lost.allowed_now());
  EXPECT_EQ(lost.code_now(), v1::POLICY_DENIED);
  EXPECT_EQ(lost.reason_now(), "policy: rule vmpl is false");
  EXPECT_EQ(lost.first_leaf(), released);
  const auto& won = outcome->groups(1);
  EXPECT_EQ(won.count(), 1u);
  EXPECT_EQ(won.code_then(), v1::POLICY_DENIED);
  EXPECT_TRUE(won.allowed_now());
  EXPECT_EQ(won.first_leaf(), refused);
  // The policy that decided would decide the same again.
  dry_run.clear_document();
  dry_run.set_name("guests");
  outcome = policies.DryRunPolicy(TestAdministrator(), dry_run);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  ASSERT_EQ(outcome->groups_size(), 2);
  EXPECT_TRUE(outcome->groups(0).allowed_now());
  EXPECT_EQ(outcome->groups(0).count(), 2u);
  EXPECT_FALSE(outcome->groups(1).allowed_now());
  dry_run.set_limit(1);
  EXPECT_EQ(policies.DryRunPolicy(TestAdministrator(), dry_run)->judged(), 1u);
  dry_run.set_decided_by("another");
  EXPECT_EQ(policies.DryRunPolicy(TestAdministrator(), dry_run)->judged(), 0u);
  dry_run.set_limit(1001);
  EXPECT_EQ(
      RefusalOf(policies.DryRunPolicy(TestAdministrator(), dry_run).status()),
      v1::REQUEST_TOO_LARGE);

  v1::ExplainDecisionRequest explain;
  explain.set_leaf_index(refused);
  const auto why = policies.ExplainDecision(TestAdministrator(), explain);
  ASSERT_TRUE(why.ok()) << why.status();
  EXPECT_FALSE(why->allowed_then());
  EXPECT_EQ(why->code_then(), v1::POLICY_DENIED);
  EXPECT_EQ(why->decision().policy_version(), 1u);
  ASSERT_EQ(why->decision().rules_size(), 1);
  EXPECT_EQ(why->decision().rules(0).seen(), "3");
  EXPECT_EQ(why->decision().rules(0).sources(0).path(), "claims.cpu.snp.vmpl");
  explain.set_leaf_index(0);
  EXPECT_EQ(
      RefusalOf(
          policies.ExplainDecision(TestAdministrator(), explain).status()),
      v1::REQUEST_MALFORMED);
  explain.set_leaf_index(refused + 1);
  EXPECT_EQ(
      RefusalOf(
          policies.ExplainDecision(TestAdministrator(), explain).status()),
      v1::NOT_FOUND);
  test_->clock.Advance(absl::Hours(24 * 366));
  ASSERT_TRUE(
      test_->get()->evidence_archive->Prune(test_->clock.Now(), 100).ok());
  explain.set_leaf_index(refused);
  EXPECT_EQ(
      RefusalOf(
          policies.ExplainDecision(TestAdministrator(), explain).status()),
      v1::NOT_FOUND);
  dry_run.set_limit(10);
  dry_run.clear_decided_by();
  EXPECT_EQ(
      policies.DryRunPolicy(TestAdministrator(), dry_run)->without_evidence(),
      3u);
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

// --- The collateral store, deny lists and kill switches ---

class HardwareTest : public ReleaseHandlerTest {
 protected:
  using ReleaseHandlerTest::ReleaseHandlerTest;

  // A list of the simulated ARK's, issued now.
  std::string ArkCrl(const std::vector<std::string>& revoked) {
    x509::CrlSpec spec;
    spec.issuer = Attester().ark().subject_der();
    spec.this_update = test_->clock.Now();
    spec.next_update = test_->clock.Now() + absl::Hours(24 * 90);
    spec.revoked = revoked;
    spec.extensions = {
        {.oid = "2.5.29.20", .value = std::string("\x02\x01") + ++crl_number_}};
    return x509::IssueCrl(spec, Attester().ark_key());
  }
  void Import(const std::string& crl) {
    v1::ImportCollateralRequest request;
    request.set_kind("crl");
    request.add_files(crl);
    const auto imported =
        handlers_.ImportCollateral(TestAdministrator(), request);
    ASSERT_TRUE(imported.ok()) << imported.status();
  }
  void SetKillSwitch(v1::EvidenceType type, bool on) {
    v1::SetKillSwitchRequest request;
    request.set_type(type);
    request.set_on(on);
    ASSERT_TRUE(handlers_.SetKillSwitch(TestAdministrator(), request).ok());
  }
  void Deny(const std::vector<std::string>& chips) {
    v1::PutDenyListRequest request;
    request.set_type(v1::SEV_SNP);
    for (const std::string& chip : chips) request.add_entries(chip);
    ASSERT_TRUE(handlers_.PutDenyList(TestAdministrator(), request).ok());
  }
  static std::string ChipId() {
    const auto id =
        Attester().MakeReport(AsBytes(std::string(64, 'r')), {}).chip_id;
    return std::string(id.begin(), id.end());
  }
  v1::RefusalCode Once() { return RefusalOf(Release(Request(Challenge()))); }

  static constexpr v1::RefusalCode kReleased = v1::REFUSAL_CODE_UNSPECIFIED;
  char crl_number_ = 0;
  collateral::CollateralHandlers handlers_{test_->holder};
};

TEST_F(HardwareTest, AStoredListRevokesForEverybody) {
  Import(ArkCrl({}));
  EXPECT_EQ(Once(), kReleased);
  // What was cached before it does not survive it.
  Import(ArkCrl({Attester().ask().serial()}));
  EXPECT_EQ(Once(), v1::CERTIFICATE_REVOKED);
  Import(ArkCrl({}));
  EXPECT_EQ(Once(), kReleased);
}

TEST_F(HardwareTest, AStoredListThatExpiredRefuses) {
  Import(ArkCrl({}));
  EXPECT_EQ(Once(), kReleased);
  test_->clock.Advance(absl::Hours(24 * 91));
  EXPECT_EQ(Once(), v1::CRL_EXPIRED);
}

TEST_F(HardwareTest, TheReceiptTellsOneSetOfCollateralFromAnother) {
  const auto digest = [this] {
    const auto response =
        handler_.ReleaseKey(TestWorkload(), Request(Challenge()),
                            test_->clock.Now() + absl::Minutes(1));
    EXPECT_TRUE(response.ok()) << response.status();
    v1::ReceiptBody body;
    EXPECT_TRUE(body.ParseFromString(response->receipt().body()));
    return body.collateral_digest();
  };
  const std::string bare = digest();
  EXPECT_EQ(digest(), bare);
  Import(ArkCrl({}));
  const std::string with_crl = digest();
  EXPECT_NE(with_crl, bare);
  Deny({"another chip"});
  EXPECT_NE(digest(), with_crl);
}

TEST_F(HardwareTest, ADeniedChipIsRefusedWhateverThePolicySays) {
  EXPECT_EQ(Once(), kReleased);
  Deny({ChipId()});
  EXPECT_EQ(Once(), v1::HARDWARE_DENIED);
  // Its Evidence verified, so the refusal is in the log, with the key's policy.
  EXPECT_EQ(LastLeaf().refused().code(), v1::HARDWARE_DENIED);
  EXPECT_EQ(LastLeaf().refused().policy(), "guests");
  Deny({});
  EXPECT_EQ(Once(), kReleased);
}

TEST_F(HardwareTest, AKillSwitchGoesBeforeAnySignature) {
  SetKillSwitch(v1::TDX, true);
  EXPECT_EQ(Once(), kReleased);
  SetKillSwitch(v1::SEV_SNP, true);
  const uint64_t before = test_->View().tree_size();
  EXPECT_EQ(Once(), v1::HARDWARE_DENIED);
  v1::ReleaseKeyRequest junk = Request(Challenge());
  v1::EvidenceBundle bundle;
  ASSERT_TRUE(bundle.ParseFromString(junk.evidence()));
  bundle.mutable_evidence(0)->mutable_files(0)->set_content("junk");
  bundle.SerializeToString(junk.mutable_evidence());
  EXPECT_EQ(RefusalOf(Release(junk)), v1::HARDWARE_DENIED);
  EXPECT_EQ(test_->View().tree_size(), before);
  SetKillSwitch(v1::SEV_SNP, false);
  EXPECT_EQ(Once(), kReleased);
}

// Workloads on several threads, and an administrator between them: the log has
// releases before the switch, and none after it.
TEST_F(HardwareTest, NoReleaseOfItsTypeIsOrderedAfterTheKillSwitch) {
  constexpr int kThreads = 4;
  const uint64_t first = test_->View().tree_size();
  std::vector<std::vector<v1::ReleaseKeyRequest>> requests(kThreads);
  for (auto& of_thread : requests) {
    for (int i = 0; i < 15; ++i) of_thread.push_back(Request(Challenge()));
  }
  std::vector<std::thread> workloads;
  std::atomic<int> released = 0;
  for (int t = 0; t < kThreads; ++t) {
    workloads.emplace_back([&, t] {
      Caller caller = TestWorkload();
      caller.peer = "workload " + std::to_string(t);
      for (const v1::ReleaseKeyRequest& request : requests[t]) {
        const auto response = handler_.ReleaseKey(
            caller, request, test_->clock.Now() + absl::Minutes(1));
        if (response.ok()) {
          ++released;
          continue;
        }
        EXPECT_EQ(RefusalOf(response.status()), v1::HARDWARE_DENIED)
            << response.status();
      }
    });
  }
  while (released < 5) std::this_thread::yield();
  SetKillSwitch(v1::SEV_SNP, true);
  for (std::thread& workload : workloads) workload.join();

  const storage::StateView& view = test_->View();
  bool switched = false;
  int before = 0;
  for (uint64_t leaf = first; leaf < view.tree_size(); ++leaf) {
    v1::AuditEntry entry;
    ASSERT_TRUE(entry.ParseFromString(*view.GetLeaf(leaf)));
    switched |= entry.has_kill_switch_set();
    if (entry.has_released()) {
      EXPECT_FALSE(switched) << leaf;
      ++before;
    }
  }
  EXPECT_TRUE(switched);
  EXPECT_EQ(before, released);
  EXPECT_GE(before, 5);
}

class MaxAgeTest : public HardwareTest {
 protected:
  MaxAgeTest()
      : HardwareTest({.simulated_anchors = {"simulated-snp-ark"},
                      .collateral_max_ages = {{"crl", absl::Hours(24 * 7)}}}) {}
};

TEST_F(MaxAgeTest, CollateralInForceMayStillBeTooOldHere) {
  Import(ArkCrl({}));
  test_->clock.Advance(absl::Hours(24 * 7));
  EXPECT_EQ(Once(), kReleased);
  test_->clock.Advance(absl::Seconds(1));
  EXPECT_EQ(Once(), v1::CRL_EXPIRED);
  Import(ArkCrl({}));
  EXPECT_EQ(Once(), kReleased);
}

TEST_F(ReleaseHandlerTest, RefusesWhenSealed) {
  const v1::ReleaseKeyRequest request = Request(Challenge());
  test_->Seal();
  EXPECT_EQ(RefusalOf(Release(request)), v1::SEALED);
  EXPECT_EQ(RefusalOf(handler_.Tick(test_->clock.Now())), v1::SEALED);
}

}  // namespace
}  // namespace kms::release

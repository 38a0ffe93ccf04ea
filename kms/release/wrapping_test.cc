// Releases of wrapping keys: data keys of publishers' blobs, fresh ones, blobs
// moved to another version, and whatever can be wrong with a blob.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/admin/policy_handlers.h"
#include "kms/audit/checkpoint_signer.h"
#include "kms/base/refusal.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/hpke.h"
#include "kms/crypto/random.h"
#include "kms/instance/testing.h"
#include "kms/lifecycle/key_handlers.h"
#include "kms/lifecycle/key_watch.h"
#include "kms/lifecycle/wrapped_blob.h"
#include "kms/lifecycle/wrapping_key.h"
#include "kms/release/receipt.h"
#include "kms/release/release_handler.h"
#include "kms/release/transcript.h"
#include "proto/kms/v1/audit_entry.pb.h"
#include "tools/simtee/snp.h"

namespace kms::release {
namespace {

// Data keys of the artifact "secret" are not for this fleet.
constexpr char kPolicy[] = R"(name: guests
evidence: [{type: sev-snp, count: 1}]
anchors: [simulated-snp-ark]
rules:
  - {id: purpose, message: no stored keys, expr: request.purpose != "release" || request.key != "publishers"}
  - {id: artifact, message: not this artifact, expr: request.artifact_digest != b"ssssssssssssssssssssssssssssssss"}
release: {lease: 1h, quota: {count: 6, window: 1h}}
)";

const std::string kArtifact(32, 'a');

const simtee::SimulatedSnp& Attester() {
  static const auto* const attester =
      new simtee::SimulatedSnp(simtee::SimulatedSnp::Create(
          {.rsa_bits = 2048,
           .not_before = absl::FromUnixSeconds(0),
           .not_after = TestStartTime() + absl::Hours(24 * 365)}));
  return *attester;
}

class WrappingTest : public testing::Test {
 protected:
  WrappingTest() {
    const admin::PolicyHandlers policies(test_->holder);
    v1::PutAnchorRequest anchor;
    anchor.set_name("simulated-snp-ark");
    anchor.set_type(v1::SEV_SNP);
    anchor.set_certificate(Attester().ark().der());
    anchor.set_simulated(true);
    EXPECT_TRUE(policies.PutAnchor(admin_, anchor).ok());
    v1::PutPolicyRequest policy;
    policy.set_name("guests");
    policy.set_document(kPolicy);
    const auto put = policies.PutPolicy(admin_, policy);
    EXPECT_TRUE(put.ok()) << put.status();
    CreateKey("publishers", v1::Key::WRAPPING);
    CreateKey("stored", v1::Key::STORED);
  }

  void CreateKey(const std::string& name, v1::Key::Purpose purpose,
                 const std::string& artifact = "",
                 const std::string& name_space = "default") {
    v1::CreateKeyRequest request;
    request.set_namespace_(name_space);
    request.set_name(name);
    if (name_space == "default") request.set_policy("guests");
    request.set_purpose(purpose);
    request.mutable_material()->set_artifact_digest(artifact);
    const auto key = keys_.CreateKey(admin_, request);
    EXPECT_TRUE(key.ok()) << key.status();
  }
  void Rotate() {
    v1::RotateKeyRequest request;
    request.set_name("publishers");
    EXPECT_TRUE(keys_.RotateKey(admin_, request).ok());
  }
  void SetState(uint32_t version, v1::KeyVersion::State state) {
    v1::SetKeyVersionStateRequest request;
    request.set_name("publishers");
    request.set_version(version);
    request.set_state(state);
    EXPECT_TRUE(keys_.SetKeyVersionState(admin_, request).ok());
  }

  // As a publisher does, with the public half alone.
  v1::WrappingKey PublicHalf(const std::string& name = "publishers",
                             const std::string& name_space = "default") {
    v1::GetWrappingKeyRequest request;
    request.set_namespace_(name_space);
    request.set_name(name);
    const auto signed_key = keys_.GetWrappingKey(admin_, request);
    EXPECT_TRUE(signed_key.ok()) << signed_key.status();
    const auto key = lifecycle::VerifyWrappingKey(
        *signed_key, AsBytes(test_->get()->identity_key.public_key()),
        AsBytes(test_->get()->cluster_id));
    EXPECT_TRUE(key.ok()) << key.status();
    return *key;
  }
  std::string Seal(const v1::WrappingKey& key,
                   const std::string& artifact = kArtifact) {
    return *lifecycle::SealBlobTo(key, AsBytes(artifact), data_key_);
  }

  static v1::ReleaseRequest Unwrap(const std::string& blob,
                                   const std::string& artifact = kArtifact) {
    v1::ReleaseRequest wanted;
    wanted.set_key("publishers");
    wanted.set_blob(blob);
    wanted.set_artifact_digest(artifact);
    return wanted;
  }

  v1::ReleaseKeyRequest Prepare(const v1::ReleaseRequest& wanted) {
    v1::ReleaseKeyRequest request;
    wanted.SerializeToString(request.mutable_request());
    request.set_challenge(
        handler_.GetChallenge(TestWorkload(), {})->challenge());
    request.set_kem_id(0x20);
    request.set_recipient_public_key(recipient_.public_key);
    v1::EvidenceBundle bundle;
    *bundle.add_evidence() =
        Attester().Attest(AsBytes(TranscriptOf(request)), {});
    bundle.SerializeToString(request.mutable_evidence());
    return request;
  }
  std::string TranscriptOf(const v1::ReleaseKeyRequest& request) {
    return TranscriptDigest(
        {.domain = kReleaseDomain,
         .cluster_id = AsBytes(test_->get()->cluster_id),
         .challenge = AsBytes(request.challenge()),
         .kem_id = 0x20,
         .recipient_public_key = AsBytes(request.recipient_public_key()),
         .request = AsBytes(request.request())});
  }

  absl::StatusOr<v1::ReleaseKeyResponse> Send(
      const v1::ReleaseKeyRequest& request) {
    return handler_.ReleaseKey(TestWorkload(), request,
                               test_->clock.Now() + absl::Minutes(1));
  }
  v1::RefusalCode Code(const v1::ReleaseRequest& wanted) {
    return RefusalOf(Send(Prepare(wanted)).status());
  }

  // What the workload has of it, once the receipt has convinced him.
  Secret Accept(const v1::ReleaseKeyRequest& request,
                const v1::ReleaseKeyResponse& response) {
    v1::ReleaseRequest wanted;
    EXPECT_TRUE(wanted.ParseFromString(request.request()));
    const auto receipt = VerifyReceipt(
        response.receipt(), AsBytes(test_->get()->identity_key.public_key()),
        AsBytes(test_->get()->cluster_id));
    EXPECT_TRUE(receipt.ok()) << receipt.status();
    const std::string transcript = TranscriptOf(request);
    const absl::Status checked =
        CheckReceiptFor(*receipt,
                        {.transcript_digest = AsBytes(transcript),
                         .kem_id = 0x20,
                         .recipient_public_key = AsBytes(recipient_.public_key),
                         .artifact_digest = AsBytes(wanted.artifact_digest()),
                         .blob = AsBytes(wanted.blob()),
                         .new_blob = AsBytes(response.blob())},
                        response.wrapped_key());
    EXPECT_TRUE(checked.ok()) << checked;
    auto key = crypto::HpkeOpen(
        recipient_.private_key, AsBytes(response.wrapped_key().enc()),
        AsBytes(transcript),
        AsBytes(WrappedKeyAad(
            AsBytes(test_->get()->cluster_id), AsBytes(receipt->body.key_id()),
            receipt->body.key_version(), receipt->body.index())),
        AsBytes(response.wrapped_key().ciphertext()));
    EXPECT_TRUE(key.ok()) << key.status();
    return *std::move(key);
  }
  // The data key of a blob, through a release.
  Secret DataKeyOf(const std::string& blob,
                   const std::string& artifact = kArtifact) {
    const v1::ReleaseKeyRequest request = Prepare(Unwrap(blob, artifact));
    const auto response = Send(request);
    EXPECT_TRUE(response.ok()) << response.status();
    return Accept(request, *response);
  }

  v1::AuditEntry LastLeaf() {
    const storage::StateView& view = test_->View();
    v1::AuditEntry entry;
    entry.ParseFromString(*view.GetLeaf(view.tree_size() - 1));
    return entry;
  }
  uint64_t Drawn() {
    const v1::WrappingKey key = PublicHalf();
    return test_->View().GetQuota("default", key.key_id(), "guests")->drawn();
  }

  ReleaseOptions Options() {
    ReleaseOptions options;
    options.boot_time = [this] {
      return test_->boot_clock.Now() - absl::UnixEpoch();
    };
    return options;
  }

  const Caller admin_ = TestAdministrator();
  const std::unique_ptr<TestInstance> test_ =
      MakeTestInstance({.simulated_anchors = {"simulated-snp-ark"}});
  const lifecycle::KeyHandlers keys_{test_->holder};
  audit::CheckpointSigner checkpoints_;
  ReleaseHandler handler_{test_->holder, test_->clock, checkpoints_, Options()};
  const crypto::HpkeKeyPair recipient_ =
      *crypto::HpkeGenerateKeyPair(crypto::Kem::kX25519);
  const Secret data_key_ = *crypto::RandomSecret(32);
};

TEST_F(WrappingTest, ReleasesTheDataKeyOfAPublishersBlob) {
  const std::string blob = Seal(PublicHalf());
  EXPECT_TRUE(DataKeyOf(blob) == data_key_);
  const v1::Released released = LastLeaf().released();
  EXPECT_EQ(released.blob_digest(), crypto::Sha256(AsBytes(blob)));
  EXPECT_EQ(released.artifact_digest(), kArtifact);
  EXPECT_EQ(released.new_blob_digest(), "");
  EXPECT_EQ(released.version(), 1u);
}

TEST_F(WrappingTest, ABlobOfNoArtifactIsReleasedToWhoNamesNone) {
  const std::string blob = Seal(PublicHalf(), "");
  EXPECT_TRUE(DataKeyOf(blob, "") == data_key_);
  EXPECT_EQ(Code(Unwrap(blob)), v1::ARTIFACT_MISMATCH);
}

TEST_F(WrappingTest, OldVersionsKeepUnwrapping) {
  const std::string old = Seal(PublicHalf());
  Rotate();
  EXPECT_TRUE(DataKeyOf(old) == data_key_);
  EXPECT_EQ(LastLeaf().released().version(), 1u);
  EXPECT_EQ(PublicHalf().version(), 2u);
  EXPECT_TRUE(DataKeyOf(Seal(PublicHalf())) == data_key_);
  EXPECT_EQ(LastLeaf().released().version(), 2u);
}

TEST_F(WrappingTest, AVersionThatIsNotUsableUnwrapsNothing) {
  const v1::ReleaseRequest old = Unwrap(Seal(PublicHalf()));
  Rotate();
  SetState(1, v1::KeyVersion::DISABLED);
  EXPECT_EQ(Code(old), v1::VERSION_DISABLED);
  SetState(1, v1::KeyVersion::ENABLED);
  EXPECT_EQ(Code(old), v1::REFUSAL_CODE_UNSPECIFIED);
  v1::UpdateKeyRequest update;
  update.set_name("publishers");
  update.set_minimum_version(2);
  ASSERT_TRUE(keys_.UpdateKey(admin_, update).ok());
  EXPECT_EQ(Code(old), v1::VERSION_BELOW_MINIMUM);
  EXPECT_EQ(LastLeaf().refused().code(), v1::VERSION_BELOW_MINIMUM);
  update.set_minimum_version(0);
  ASSERT_TRUE(keys_.UpdateKey(admin_, update).ok());
  EXPECT_EQ(Code(old), v1::REFUSAL_CODE_UNSPECIFIED);
  SetState(1, v1::KeyVersion::DESTROYED);
  EXPECT_EQ(Code(old), v1::VERSION_DESTROYED);
}

TEST_F(WrappingTest, RefusesABlobOfAnotherPlace) {
  CreateKey("others", v1::Key::WRAPPING);
  CreateKey("publishers", v1::Key::WRAPPING, "", "tenant");
  EXPECT_EQ(Code(Unwrap(Seal(PublicHalf("others")))), v1::BLOB_MISMATCH);
  EXPECT_EQ(LastLeaf().refused().code(), v1::BLOB_MISMATCH);
  EXPECT_EQ(Code(Unwrap(Seal(PublicHalf("publishers", "tenant")))),
            v1::BLOB_MISMATCH);
  v1::WrappingKey elsewhere = PublicHalf();
  elsewhere.set_cluster_id(std::string(16, 'x'));
  EXPECT_EQ(Code(Unwrap(Seal(elsewhere))), v1::BLOB_MISMATCH);
  v1::ReleaseRequest version = Unwrap(Seal(PublicHalf()));
  version.set_version(2);
  EXPECT_EQ(Code(version), v1::BLOB_MISMATCH);
}

TEST_F(WrappingTest, RefusesABlobThatWasChangedAndDrawsNothingForIt) {
  const std::string blob = Seal(PublicHalf());
  std::string changed = blob;
  changed.back() = static_cast<char>(changed.back() ^ 1);
  EXPECT_EQ(Code(Unwrap(changed)), v1::BLOB_REJECTED);
  EXPECT_EQ(LastLeaf().refused().code(), v1::BLOB_REJECTED);
  EXPECT_EQ(Code(Unwrap(blob.substr(0, 40))), v1::BLOB_MALFORMED);
  // The header that says another artifact is not what was sealed.
  auto relabelled = *lifecycle::ParseBlob(AsBytes(blob));
  relabelled.header.artifact_digest = std::string(32, 'b');
  EXPECT_EQ(Code(Unwrap(EncodeBlob(relabelled), std::string(32, 'b'))),
            v1::BLOB_REJECTED);
  EXPECT_EQ(Drawn(), 0u);
  EXPECT_TRUE(DataKeyOf(blob) == data_key_);
  EXPECT_EQ(Drawn(), 1u);
}

TEST_F(WrappingTest, TheRequestNamesTheArtifactThatThePolicyJudges) {
  const std::string blob = Seal(PublicHalf());
  EXPECT_EQ(Code(Unwrap(blob, std::string(32, 'b'))), v1::ARTIFACT_MISMATCH);
  EXPECT_EQ(Code(Unwrap(blob, "")), v1::ARTIFACT_MISMATCH);
  EXPECT_EQ(Code(Unwrap(blob, "short")), v1::REQUEST_MALFORMED);
  const std::string secret(32, 's');
  EXPECT_EQ(Code(Unwrap(Seal(PublicHalf(), secret), secret)),
            v1::POLICY_DENIED);
}

TEST_F(WrappingTest, AKeyServesItsOwnPurposeOnly) {
  v1::ReleaseRequest stored = Unwrap(Seal(PublicHalf()));
  stored.set_key("stored");
  EXPECT_EQ(Code(stored), v1::PURPOSE_MISMATCH);
  v1::ReleaseRequest bare;
  bare.set_key("publishers");
  // The policy allows no purpose "release" of this key.
  EXPECT_EQ(Code(bare), v1::POLICY_DENIED);
  v1::ReleaseRequest both = Unwrap(Seal(PublicHalf()));
  both.set_data_key_bytes(32);
  EXPECT_EQ(Code(both), v1::REQUEST_MALFORMED);
  v1::ReleaseRequest nothing;
  nothing.set_key("publishers");
  nothing.set_rewrap(true);
  EXPECT_EQ(Code(nothing), v1::REQUEST_MALFORMED);
}

TEST_F(WrappingTest, ARepeatIsAnsweredAgainAndLoggedAsOne) {
  const v1::ReleaseKeyRequest request = Prepare(Unwrap(Seal(PublicHalf())));
  ASSERT_TRUE(Send(request).ok());
  const auto again = Send(request);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(Accept(request, *again) == data_key_);
  EXPECT_NE(LastLeaf().released().repeat_of_plus_one(), 0u);
  EXPECT_EQ(Drawn(), 1u);
}

// The blob is in the request's bytes, and those are in the transcript.
TEST_F(WrappingTest, EvidenceForOneBlobServesNoOther) {
  v1::ReleaseKeyRequest request = Prepare(Unwrap(Seal(PublicHalf())));
  Unwrap(Seal(PublicHalf())).SerializeToString(request.mutable_request());
  EXPECT_EQ(RefusalOf(Send(request).status()), v1::EVIDENCE_NOT_BOUND);
}

TEST_F(WrappingTest, MakesADataKeyAndItsBlobForTheRecipientOnly) {
  v1::ReleaseRequest wanted;
  wanted.set_key("publishers");
  wanted.set_data_key_bytes(64);
  wanted.set_artifact_digest(kArtifact);
  const v1::ReleaseKeyRequest request = Prepare(wanted);
  const auto response = Send(request);
  ASSERT_TRUE(response.ok()) << response.status();
  const Secret made = Accept(request, *response);
  EXPECT_EQ(made.size(), 64u);
  const v1::Released released = LastLeaf().released();
  EXPECT_EQ(released.blob_digest(), "");
  EXPECT_EQ(released.new_blob_digest(),
            crypto::Sha256(AsBytes(response->blob())));
  EXPECT_EQ(released.new_blob_version(), 1u);
  EXPECT_TRUE(DataKeyOf(response->blob()) == made);
  for (const uint32_t bytes : {1u, 15u, 1025u}) {
    wanted.set_data_key_bytes(bytes);
    EXPECT_EQ(Code(wanted), v1::REQUEST_MALFORMED);
  }
}

TEST_F(WrappingTest, RewrapsToThePrimaryVersionAndShowsNothing) {
  const std::string old = Seal(PublicHalf());
  Rotate();
  v1::ReleaseRequest wanted = Unwrap(old);
  wanted.set_rewrap(true);
  const auto response = Send(Prepare(wanted));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_FALSE(response->has_wrapped_key());
  const auto moved = lifecycle::ParseBlob(AsBytes(response->blob()));
  ASSERT_TRUE(moved.ok()) << moved.status();
  EXPECT_EQ(moved->header.version, 2u);
  EXPECT_EQ(moved->header.artifact_digest, kArtifact);
  const v1::Released released = LastLeaf().released();
  EXPECT_EQ(released.blob_digest(), crypto::Sha256(AsBytes(old)));
  EXPECT_EQ(released.new_blob_digest(),
            crypto::Sha256(AsBytes(response->blob())));
  EXPECT_EQ(released.version(), 1u);
  EXPECT_EQ(released.new_blob_version(), 2u);
  EXPECT_TRUE(DataKeyOf(response->blob()) == data_key_);
}

TEST_F(WrappingTest, RewrapsToNoVersionThatIsDisabled) {
  v1::ReleaseRequest wanted = Unwrap(Seal(PublicHalf()));
  wanted.set_rewrap(true);
  Rotate();
  SetState(2, v1::KeyVersion::DISABLED);
  EXPECT_EQ(Code(wanted), v1::VERSION_DISABLED);
}

TEST_F(WrappingTest, RewrapsToNoVersionThatIsDestroyed) {
  v1::ReleaseRequest wanted = Unwrap(Seal(PublicHalf()));
  wanted.set_rewrap(true);
  Rotate();
  SetState(2, v1::KeyVersion::DESTROYED);
  EXPECT_EQ(Code(wanted), v1::VERSION_DESTROYED);
  EXPECT_EQ(LastLeaf().refused().code(), v1::VERSION_DESTROYED);
}

TEST_F(WrappingTest, AStoredVersionBoundToAnArtifactMustBeAskedForByIt) {
  CreateKey("bound", v1::Key::STORED, kArtifact);
  v1::ReleaseRequest wanted;
  wanted.set_key("bound");
  EXPECT_EQ(Code(wanted), v1::ARTIFACT_MISMATCH);
  wanted.set_artifact_digest(std::string(32, 'b'));
  EXPECT_EQ(Code(wanted), v1::ARTIFACT_MISMATCH);
  wanted.set_artifact_digest(kArtifact);
  EXPECT_EQ(Code(wanted), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(LastLeaf().released().artifact_digest(), kArtifact);
  // Nor is a version for an artifact that it was not bound to.
  wanted.set_key("stored");
  EXPECT_EQ(Code(wanted), v1::ARTIFACT_MISMATCH);
  wanted.clear_artifact_digest();
  EXPECT_EQ(Code(wanted), v1::REFUSAL_CODE_UNSPECIFIED);
}

// --- Receipts let their bearers watch (kms/lifecycle/key_watch.h) ---

class Ears : public lifecycle::KeyWatch::Watcher {
 public:
  void Tell(const v1::WatchedKey& key) override { told.push_back(key); }
  void End(const absl::Status& status) override { ended = status; }

  std::vector<v1::WatchedKey> told;
  absl::Status ended;
};

TEST_F(WrappingTest, AReceiptLetsItsBearerWatchUntilItsLeaseIsOver) {
  const auto response = Send(Prepare(Unwrap(Seal(PublicHalf()))));
  ASSERT_TRUE(response.ok()) << response.status();
  v1::WatchKeyRequest request;
  *request.mutable_receipt() = response->receipt();
  lifecycle::KeyWatch watch(test_->holder);
  const auto ears = std::make_shared<Ears>();
  ASSERT_TRUE(watch.Add(TestWorkload(), request, ears).ok());
  ASSERT_EQ(ears->told.size(), 1u);
  EXPECT_EQ(ears->told[0].key_id(), PublicHalf().key_id());
  Rotate();
  watch.Look();
  ASSERT_EQ(ears->told.size(), 2u);
  EXPECT_EQ(ears->told[1].primary_version(), 2u);
  v1::WatchKeyRequest changed = request;
  changed.mutable_receipt()->mutable_signature()->pop_back();
  EXPECT_EQ(RefusalOf(watch.Add(TestWorkload(), changed, ears)),
            v1::RECEIPT_INVALID);
  test_->clock.Advance(absl::Hours(1));
  Rotate();  // Log time moves with a command.
  watch.Look();
  EXPECT_EQ(RefusalOf(ears->ended), v1::LEASE_ENDED);
  EXPECT_EQ(ears->told.size(), 2u);
  EXPECT_EQ(RefusalOf(watch.Add(TestWorkload(), request, ears)),
            v1::LEASE_ENDED);
}

}  // namespace
}  // namespace kms::release

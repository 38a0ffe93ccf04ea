// A join from challenge to a second instance that orders commands, and every
// way in which a joiner or a donor may lie.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "kms/admin/policy_handlers.h"
#include "kms/base/caller.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/cluster/donor.h"
#include "kms/cluster/joiner.h"
#include "kms/cluster/testing.h"
#include "kms/crypto/hmac.h"
#include "kms/crypto/random.h"
#include "kms/instance/admin_call.h"
#include "kms/lifecycle/key_handlers.h"
#include "kms/release/transcript.h"
#include "proto/kms/v1/audit_entry.pb.h"
#include "storage/snapshot/snapshot_receiver.h"
#include "storage/snapshot/snapshot_writer.h"
#include "storage/state/limits.h"
#include "tools/simtee/snp.h"

namespace kms::cluster {
namespace {

void Flip(std::string& bytes) {
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
}

constexpr char kJoinPolicy[] = R"(name: cluster-join
evidence: [{type: sev-snp, count: 1}]
anchors: [simulated-snp-ark]
rules:
  - {id: joins, expr: request.purpose == "join", message: not a join}
  - {id: vmpl, expr: claims.cpu.snp.vmpl == 0u, message: not VMPL 0}
release: {lease: 1h}
)";

const Caller kAlice = {
    .administrator = true, .principal = "alice", .peer = "ipv4:test"};
constexpr char kPeer[] = "ipv4:peer";

const simtee::SimulatedSnp& Attester() {
  static const auto* const attester =
      new simtee::SimulatedSnp(simtee::SimulatedSnp::Create(
          {.rsa_bits = 2048,
           .not_before = absl::FromUnixSeconds(0),
           .not_after = absl::FromCivil(absl::CivilSecond(2101, 1, 1),
                                        absl::UTCTimeZone())}));
  return *attester;
}

ProveFn Evidence(const simtee::SnpGuest& guest = {}) {
  return [guest](BytesView transcript, v1::JoinRequest& request) {
    v1::EvidenceBundle bundle;
    *bundle.add_evidence() = Attester().Attest(transcript, guest);
    request.set_evidence(bundle.SerializeAsString());
    return absl::OkStatus();
  };
}

Secret Token(absl::string_view fill) {
  Secret key = *crypto::RandomSecret(32);
  // Two tokens of one name are equal within a test.
  static std::map<std::string, Secret>* const tokens =
      new std::map<std::string, Secret>();
  const auto [found, fresh] =
      tokens->try_emplace(std::string(fill), std::move(key));
  return *found->second.Clone();
}

class JoinTest : public testing::Test {
 protected:
  JoinTest() : cluster_({"simulated-snp-ark"}) { PutPolicy(); }

  void PutPolicy() {
    const admin::PolicyHandlers policies(cluster_.first().holder);
    v1::PutAnchorRequest anchor;
    anchor.set_name("simulated-snp-ark");
    anchor.set_type(v1::SEV_SNP);
    anchor.set_certificate(Attester().ark().der());
    anchor.set_simulated(true);
    ASSERT_TRUE(policies.PutAnchor(kAlice, anchor).ok());
    v1::PutPolicyRequest policy;
    policy.set_name("cluster-join");
    policy.set_document(kJoinPolicy);
    const auto put = policies.PutPolicy(kAlice, policy);
    ASSERT_TRUE(put.ok()) << put.status();
  }

  DonorOptions Options(TestNode& node) {
    DonorOptions options;
    options.holder = &node.holder;
    options.root = &node;
    options.clock = &cluster_.clock;
    return options;
  }

  absl::StatusOr<JoinAttempt> Begin(const ProveFn& prove) {
    return JoinAttempt::Begin(cluster_.pinned(), *donor_.GetJoinChallenge(),
                              prove);
  }
  absl::StatusOr<v1::JoinResponse> Ask(Donor& donor,
                                       const v1::JoinRequest& request) {
    return donor.Join(kPeer, request, absl::InfiniteFuture());
  }
  v1::RefusalCode Code(const v1::JoinRequest& request) {
    return RefusalOf(Ask(donor_, request).status());
  }

  // Joins by `prove` and opens.
  TestNode& JoinOne(const ProveFn& prove) {
    auto attempt = Begin(prove);
    EXPECT_TRUE(attempt.ok()) << attempt.status();
    const auto response = Ask(donor_, attempt->request());
    EXPECT_TRUE(response.ok()) << response.status();
    auto joined = attempt->Accept(*response);
    EXPECT_TRUE(joined.ok()) << joined.status();
    TestNode& node = cluster_.Add(*std::move(joined));
    const absl::Status opened = node.Open();
    EXPECT_TRUE(opened.ok()) << opened;
    return node;
  }

  v1::AuditEntry LastLeaf(const TestNode& node) {
    const auto view = node.get()->replica->View();
    v1::AuditEntry entry;
    entry.ParseFromString(*view->GetLeaf(view->tree_size() - 1));
    return entry;
  }
  absl::Status CreateKey(TestNode& node, const std::string& name) {
    v1::CreateKeyRequest key;
    key.set_name(name);
    return lifecycle::KeyHandlers(node.holder).CreateKey(kAlice, key).status();
  }
  absl::Status Remove(TestNode& by, const std::string& id) {
    const auto instance = by.get();
    auto command = NewCommand(*instance, kAlice, "default");
    command.mutable_remove_instance()->set_instance_id(id);
    return Propose(*instance, command).status();
  }

  TestCluster cluster_;
  Donor donor_{Options(cluster_.first())};
};

TEST_F(JoinTest, AnInstanceWhoseEvidenceThePolicyAllowsOrdersCommands) {
  TestNode& second = JoinOne(Evidence());
  ASSERT_TRUE(CreateKey(second, "made-by-the-second").ok());
  cluster_.CatchUp(cluster_.first());
  const auto first_view = cluster_.first().get()->replica->View();
  const auto second_view = second.get()->replica->View();
  EXPECT_TRUE(first_view->GetKey("default", "made-by-the-second").ok());
  EXPECT_EQ(first_view->header().digest(), second_view->header().digest());
  const auto record = first_view->GetInstance(second.id());
  ASSERT_TRUE(record.ok());
  EXPECT_EQ(record->join_policy_version(), 1u);
  EXPECT_FALSE(record->development());
  EXPECT_EQ(record->evidence_digest().size(), 32u);
}

TEST_F(JoinTest, TheRegistrationStandsInTheLogBeforeTheAnswer) {
  const auto attempt = Begin(Evidence());
  const auto response = Ask(donor_, attempt->request());
  ASSERT_TRUE(response.ok()) << response.status();
  const v1::AuditEntry leaf = LastLeaf(cluster_.first());
  EXPECT_TRUE(leaf.has_instance_registered());
  EXPECT_EQ(leaf.index(), response->index());
  EXPECT_TRUE(leaf.principal().empty());
}

TEST_F(JoinTest, AnAnswerThatIsLostIsAskedForAgainAndRegistersOnce) {
  auto attempt = Begin(Evidence());
  ASSERT_TRUE(Ask(donor_, attempt->request()).ok());
  const auto again = Ask(donor_, attempt->request());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(attempt->Accept(*again).ok());
  const auto view = cluster_.first().get()->replica->View();
  EXPECT_EQ(view->ListInstances()->size(), 2u);
}

TEST_F(JoinTest, AnotherInstanceAnswersTheSameAttempt) {
  TestNode& second = JoinOne(Evidence());
  auto attempt = Begin(Evidence());
  Donor other(Options(second));
  const auto response = Ask(other, attempt->request());
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_TRUE(attempt->Accept(*response).ok());
}

TEST_F(JoinTest, RefusesEvidenceThatThePolicyDoesNot) {
  EXPECT_EQ(Code(Begin(Evidence({.vmpl = 1}))->request()), v1::POLICY_DENIED);
  simtee::SnpGuest debug;
  debug.policy |= uint64_t{1} << 19;
  EXPECT_EQ(Code(Begin(Evidence(debug))->request()), v1::DEBUG_DENIED);
}

TEST_F(JoinTest, RefusesEvidenceOfAnotherKeyRecipientOrChallenge) {
  const v1::JoinRequest genuine = Begin(Evidence())->request();
  v1::JoinRequest other = Begin(Evidence())->request();
  other.set_evidence(genuine.evidence());
  EXPECT_EQ(Code(other), v1::EVIDENCE_NOT_BOUND);
  // A recipient key put into somebody else's request breaks his signature.
  v1::JoinRequest stolen = genuine;
  stolen.set_recipient_public_key(other.recipient_public_key());
  EXPECT_EQ(Code(stolen), v1::SIGNATURE_INVALID);
  stolen = genuine;
  stolen.set_joiner(other.joiner());
  EXPECT_EQ(Code(stolen), v1::SIGNATURE_INVALID);
  stolen = genuine;
  stolen.set_challenge(other.challenge());
  EXPECT_EQ(Code(stolen), v1::SIGNATURE_INVALID);
}

TEST_F(JoinTest, RefusesEvidenceThatWasMadeForARelease) {
  // The domain keeps a digest made for one purpose from serving another.
  const ProveFn for_release = [this](BytesView, v1::JoinRequest& request) {
    return Evidence()(
        AsBytes(release::TranscriptDigest(
            {.domain = release::kReleaseDomain,
             .cluster_id = AsBytes(cluster_.pinned().cluster_id),
             .challenge = AsBytes(request.challenge()),
             .kem_id = static_cast<uint16_t>(request.kem_id()),
             .recipient_public_key = AsBytes(request.recipient_public_key()),
             .request = AsBytes(request.joiner())})),
        request);
  };
  EXPECT_EQ(Code(Begin(for_release)->request()), v1::EVIDENCE_NOT_BOUND);
}

TEST_F(JoinTest, RefusesAChallengeThatIsReplayedMadeUpOrExpired) {
  const v1::GetJoinChallengeResponse challenge = *donor_.GetJoinChallenge();
  const auto first =
      JoinAttempt::Begin(cluster_.pinned(), challenge, Evidence());
  const auto replay =
      JoinAttempt::Begin(cluster_.pinned(), challenge, Evidence());
  ASSERT_TRUE(Ask(donor_, first->request()).ok());
  EXPECT_EQ(Code(replay->request()), v1::CHALLENGE_SPENT);
  v1::JoinRequest made_up = first->request();
  Flip(*made_up.mutable_challenge());
  EXPECT_EQ(Code(made_up), v1::CHALLENGE_INVALID);
  const auto late = Begin(Evidence());
  cluster_.clock.Advance(absl::Minutes(5));
  EXPECT_EQ(Code(late->request()), v1::CHALLENGE_EXPIRED);
}

TEST_F(JoinTest, RefusesRequestsThatAreMalformedOrTooLarge) {
  const v1::JoinRequest good = Begin(Evidence())->request();
  v1::JoinRequest bad = good;
  bad.clear_evidence();
  EXPECT_EQ(Code(bad), v1::REQUEST_MALFORMED);
  bad.set_development_token_mac("x");
  bad.set_evidence(good.evidence());
  EXPECT_EQ(Code(bad), v1::REQUEST_MALFORMED);
  bad = good;
  bad.set_joiner(std::string(kJoinerBytesMax + 1, 'x'));
  EXPECT_EQ(Code(bad), v1::REQUEST_TOO_LARGE);
  bad = good;
  bad.set_joiner("\xff");
  EXPECT_EQ(Code(bad), v1::REQUEST_MALFORMED);
  bad = good;
  bad.set_kem_id(1);
  EXPECT_EQ(Code(bad), v1::RECIPIENT_KEY_INVALID);
  bad = good;
  bad.set_recipient_public_key(std::string(32, '\0'));
  EXPECT_EQ(Code(bad), v1::RECIPIENT_KEY_INVALID);
}

TEST_F(JoinTest, ManyTriesFromOneAddressWait) {
  v1::JoinRequest bad = Begin(Evidence())->request();
  bad.set_kem_id(1);
  for (int i = 0; i < static_cast<int>(kJoinsBurst); ++i) {
    EXPECT_EQ(Code(bad), v1::RECIPIENT_KEY_INVALID);
  }
  EXPECT_EQ(Code(bad), v1::RATE_LIMITED);
}

TEST_F(JoinTest, WithoutAPolicyEvidenceAdmitsNobody) {
  TestCluster bare({"simulated-snp-ark"});
  Donor donor(Options(bare.first()));
  const auto attempt =
      JoinAttempt::Begin(bare.pinned(), *donor.GetJoinChallenge(), Evidence());
  EXPECT_EQ(RefusalOf(Ask(donor, attempt->request()).status()), v1::NO_POLICY);
}

TEST_F(JoinTest, TheDevelopmentTokenAdmitsWhereItIsConfigured) {
  EXPECT_EQ(Code(Begin(ProveByToken(Token("a")))->request()),
            v1::JOIN_TOKEN_REJECTED);
  DonorOptions options = Options(cluster_.first());
  options.development_token = Token("a");
  Donor donor(std::move(options));
  auto attempt = Begin(ProveByToken(Token("a")));
  const auto response = Ask(donor, attempt->request());
  ASSERT_TRUE(response.ok()) << response.status();
  const v1::AuditEntry leaf = LastLeaf(cluster_.first());
  EXPECT_TRUE(leaf.instance_registered().development());
  EXPECT_EQ(leaf.principal(), "development-join-token");
  EXPECT_TRUE(attempt->Accept(*response).ok());
  EXPECT_EQ(
      RefusalOf(
          Ask(donor, Begin(ProveByToken(Token("b")))->request()).status()),
      v1::JOIN_TOKEN_REJECTED);
}

TEST_F(JoinTest, ASealedDonorRefuses) {
  const auto attempt = Begin(Evidence());
  cluster_.first().Seal();
  EXPECT_EQ(RefusalOf(donor_.GetJoinChallenge().status()), v1::SEALED);
  EXPECT_EQ(Code(attempt->request()), v1::SEALED);
}

TEST_F(JoinTest, ADonorWhoseStateIsInDoubtRefuses) {
  DonorOptions options = Options(cluster_.first());
  options.guard = [] { return Refuse(v1::HEADS_MISSING, "test"); };
  Donor donor(std::move(options));
  EXPECT_EQ(RefusalOf(Ask(donor, Begin(Evidence())->request()).status()),
            v1::HEADS_MISSING);
}

TEST_F(JoinTest, TheJoinerRefusesAnotherClusterThanThePinned) {
  TestCluster other;
  Donor donor(Options(other.first()));
  EXPECT_EQ(RefusalOf(JoinAttempt::Begin(cluster_.pinned(),
                                         *donor.GetJoinChallenge(), Evidence())
                          .status()),
            v1::CLUSTER_MISMATCH);
}

TEST_F(JoinTest, TheJoinerRefusesAForgedDonor) {
  auto attempt = Begin(Evidence());
  const v1::JoinResponse genuine = *Ask(donor_, attempt->request());
  const auto refused = [&](const v1::JoinResponse& response) {
    return RefusalOf(attempt->Accept(response).status());
  };
  v1::JoinResponse forged = genuine;
  Flip(*forged.mutable_seal_file());
  EXPECT_EQ(refused(forged), v1::SIGNATURE_INVALID);
  forged = genuine;
  Flip(*forged.mutable_sealed_root());
  EXPECT_EQ(refused(forged), v1::SIGNATURE_INVALID);
  forged = genuine;
  forged.set_index(genuine.index() + 1);
  EXPECT_EQ(refused(forged), v1::SIGNATURE_INVALID);
  // Another cluster's key signs a root key of its own to this recipient.
  TestCluster impostor;
  forged.set_identity_signature(
      impostor.first().get()->identity_key.Sign(absl::string_view("anything")));
  EXPECT_EQ(refused(forged), v1::SIGNATURE_INVALID);
  // The genuine answer to another attempt.
  const auto other = Begin(Evidence());
  EXPECT_EQ(refused(*Ask(donor_, other->request())), v1::SIGNATURE_INVALID);
  EXPECT_EQ(refused(genuine), v1::REFUSAL_CODE_UNSPECIFIED);
}

TEST_F(JoinTest, ARemovedInstanceStopsAndDoesNotComeBack) {
  auto attempt = Begin(Evidence());
  auto joined = attempt->Accept(*Ask(donor_, attempt->request()));
  ASSERT_TRUE(joined.ok());
  TestNode& second = cluster_.Add(*std::move(joined));
  ASSERT_TRUE(second.Open().ok());
  ASSERT_TRUE(Remove(cluster_.first(), second.id()).ok());
  EXPECT_EQ(RefusalOf(Remove(cluster_.first(), second.id())),
            v1::INSTANCE_REMOVED);
  EXPECT_FALSE(CreateKey(second, "too-late").ok());
  EXPECT_EQ(RefusalOf(second.AwaitFatal()), v1::INSTANCE_REMOVED);
  cluster_.CatchUp(cluster_.first());
  EXPECT_EQ(LastLeaf(cluster_.first()).batch_rejected().cause(),
            v1::BatchRejected::UNKNOWN_INSTANCE);
  EXPECT_FALSE(cluster_.first()
                   .get()
                   ->replica->View()
                   ->GetKey("default", "too-late")
                   .ok());
  second.Seal();
  EXPECT_EQ(RefusalOf(second.Open()), v1::INSTANCE_REMOVED);
  // Nor by asking again for what it was once given.
  EXPECT_EQ(Code(attempt->request()), v1::INSTANCE_REMOVED);
}

TEST_F(JoinTest, OfTwoProcessesWithOneIdentityTheLaterWins) {
  TestNode& second = JoinOne(Evidence());
  ASSERT_TRUE(CreateKey(second, "k1").ok());
  // A clone of its disk: the same id and key, its rows, a log client of its
  // own.
  auto copy = second.CopyRoot();
  seal::JoinedCluster clone{
      *seal::DecodeSealFile(AsBytes(copy->seal_file)), std::move(copy->root),
      second.id(),
      *crypto::Ed25519SigningKey::FromSeed(*second.instance_key().seed())};
  TestNode& cloned = cluster_.Add(std::move(clone));
  ASSERT_TRUE(cloned.Open().ok());
  EXPECT_FALSE(CreateKey(second, "k2").ok());
  EXPECT_FALSE(second.AwaitFatal().ok());
  EXPECT_TRUE(CreateKey(cloned, "k3").ok());
  cluster_.CatchUp(cluster_.first());
  const auto view = cluster_.first().get()->replica->View();
  EXPECT_FALSE(view->GetKey("default", "k2").ok());
  EXPECT_TRUE(view->GetKey("default", "k3").ok());
}

TEST_F(JoinTest, WhomTheTrimHasPassedCopiesASnapshot) {
  auto attempt = Begin(Evidence());
  auto joined = attempt->Accept(*Ask(donor_, attempt->request()));
  TestNode& second = cluster_.Add(*std::move(joined));
  {
    absl::MutexLock lock(&cluster_.service.mutex);
    const auto client = cluster_.service.log.Attach();
    ASSERT_TRUE(client->Trim(*client->Tail()).ok());
  }
  EXPECT_EQ(second.Open().code(), absl::StatusCode::kOutOfRange);

  const auto donor = cluster_.first().get();
  storage::SnapshotWriter writer(donor->replica->View(), *donor->envelope);
  storage::MemoryEngine copied;
  auto receiver = storage::SnapshotReceiver::Create(
      copied, *donor->envelope, donor->cluster_id, writer.position());
  ASSERT_TRUE(receiver.ok());
  for (auto chunk = writer.Next(); chunk.ok() && chunk->has_value();
       chunk = writer.Next()) {
    ASSERT_TRUE(receiver->Add(**chunk).ok());
  }
  ASSERT_TRUE(receiver->Finish().ok());
  ASSERT_TRUE(second.Open(&copied).ok());
  EXPECT_TRUE(CreateKey(second, "after-the-copy").ok());
  cluster_.CatchUp(cluster_.first());
  EXPECT_EQ(cluster_.first().get()->replica->View()->header().digest(),
            second.get()->replica->View()->header().digest());
  second.Seal();
}

}  // namespace
}  // namespace kms::cluster

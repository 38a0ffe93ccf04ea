// What instances learn from each other's heads: agreement, forks, strangers.
#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "kms/base/caller.h"
#include "kms/base/refusal.h"
#include "kms/cluster/cluster_handlers.h"
#include "kms/cluster/donor.h"
#include "kms/cluster/head.h"
#include "kms/cluster/head_exchange.h"
#include "kms/cluster/head_keeper.h"
#include "kms/cluster/joiner.h"
#include "kms/cluster/limits.h"
#include "kms/cluster/testing.h"
#include "kms/cluster/vouch.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/random.h"
#include "kms/lifecycle/key_handlers.h"
#include "storage/replica/replica.h"

namespace kms::cluster {
namespace {

void Flip(std::string& bytes) {
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
}

const Caller kAlice = {
    .administrator = true, .principal = "alice", .peer = "ipv4:test"};

// An instance with its heads.
struct Member {
  Member(TestCluster& cluster, TestNode& its_node, const std::string& its_name)
      : node(its_node), name(its_name) {
    HeadExchangeOptions options;
    options.holder = &node.holder;
    options.keeper = &keeper;
    options.certificate_digest = certificate();
    options.boot_time = [&cluster] {
      return cluster.boot_clock.Now() - absl::UnixEpoch();
    };
    exchange = std::make_unique<HeadExchange>(std::move(options));
  }

  std::string certificate() const { return crypto::Sha256(AsBytes(name)); }

  TestNode& node;
  std::string name;
  HeadKeeper keeper{/*majority=*/true};
  std::unique_ptr<HeadExchange> exchange;
};

// TLS between two members, as their certificates say.
class Wire : public PeerClient {
 public:
  Wire(const std::string& from_certificate, Member& to)
      : from_certificate_(from_certificate), to_(to) {}

  const std::string& address() const override { return to_.name; }
  absl::StatusOr<Exchanged> Exchange(
      const v1::ExchangeRequest& request) override {
    auto response = to_.exchange->Answer(request, from_certificate_);
    if (!response.ok()) return response.status();
    return Exchanged{*std::move(response), to_.certificate()};
  }

 private:
  std::string from_certificate_;
  Member& to_;
};

class HeadsTest : public testing::Test {
 protected:
  HeadsTest() {
    AddMember(cluster_.first());
    for (int i = 0; i < 2; ++i) AddMember(Join());
    for (const auto& member : members_) cluster_.CatchUp(member->node);
  }

  TestNode& Join() {
    const Secret token = *crypto::RandomSecret(32);
    DonorOptions options;
    options.holder = &cluster_.first().holder;
    options.root = &cluster_.first();
    options.clock = &cluster_.clock;
    options.development_token = *token.Clone();
    Donor donor(std::move(options));
    auto attempt =
        JoinAttempt::Begin(cluster_.pinned(), *donor.GetJoinChallenge(),
                           ProveByToken(*token.Clone()));
    auto joined = attempt->Accept(
        *donor.Join("ipv4:peer", attempt->request(), absl::InfiniteFuture()));
    TestNode& node = cluster_.Add(*std::move(joined));
    EXPECT_TRUE(node.Open().ok());
    return node;
  }

  void AddMember(TestNode& node) {
    members_.push_back(std::make_unique<Member>(
        cluster_, node, absl::StrCat("kms", members_.size() + 1, ":7444")));
  }
  Member& At(size_t i) { return *members_[i]; }

  absl::Status Ask(size_t from, size_t to) {
    Wire wire(At(from).certificate(), At(to));
    return At(from).exchange->Ask(wire);
  }
  v1::InstanceStatus::Agreement Seen(size_t by, size_t whom) {
    return At(by).keeper.peers()[At(whom).node.id()].agreement;
  }
  absl::Status CreateKey(size_t by, const std::string& name) {
    v1::CreateKeyRequest key;
    key.set_name(name);
    return lifecycle::KeyHandlers(At(by).node.holder)
        .CreateKey(kAlice, key)
        .status();
  }
  ClusterHandlers Handlers(size_t of) {
    ClusterHandlersOptions options;
    options.holder = &At(of).node.holder;
    options.keeper = &At(of).keeper;
    options.exchange = At(of).exchange.get();
    options.boot_time = [this] {
      return cluster_.boot_clock.Now() - absl::UnixEpoch();
    };
    options.majority = true;
    return ClusterHandlers(options);
  }

  TestCluster cluster_;
  std::vector<std::unique_ptr<Member>> members_;
};

TEST_F(HeadsTest, EqualStatesAgreeOnBothEndsOfOneQuestion) {
  ASSERT_TRUE(Ask(0, 1).ok());
  EXPECT_EQ(Seen(0, 1), v1::InstanceStatus::AGREES);
  EXPECT_EQ(Seen(1, 0), v1::InstanceStatus::AGREES);
}

TEST_F(HeadsTest, TheGuardWantsFreshHeadsOfMost) {
  EXPECT_EQ(RefusalOf(At(0).exchange->Guard()), v1::HEADS_MISSING);
  ASSERT_TRUE(Ask(0, 1).ok());
  EXPECT_TRUE(At(0).exchange->Guard().ok());
  cluster_.boot_clock.Advance(kHeadFresh);
  EXPECT_EQ(RefusalOf(At(0).exchange->Guard()), v1::HEADS_MISSING);
  ASSERT_TRUE(Ask(0, 2).ok());
  EXPECT_TRUE(At(0).exchange->Guard().ok());
}

TEST_F(HeadsTest, AHeadThatIsAheadCountsOnceItIsReached) {
  HeadKeeper keeper(true);
  const auto instance = At(0).node.get();
  const auto old_view = instance->replica->View();
  ASSERT_TRUE(CreateKey(1, "k").ok());
  cluster_.CatchUp(At(0).node);
  const auto peer = At(1).node.get();
  v1::Head head;
  head.ParseFromString(MakeHead(*peer, *peer->replica->View()).head());
  ASSERT_TRUE(keeper.Received(head, *old_view, absl::ZeroDuration()).ok());
  EXPECT_EQ(
      RefusalOf(keeper.Guard(*old_view, At(0).node.id(), absl::ZeroDuration())),
      v1::HEADS_MISSING);
  const auto view = instance->replica->View();
  ASSERT_TRUE(keeper.Recheck(*view).ok());
  EXPECT_TRUE(keeper.Guard(*view, At(0).node.id(), absl::ZeroDuration()).ok());
  // It is as old as it was received, not as it was compared.
  EXPECT_EQ(RefusalOf(keeper.Guard(*view, At(0).node.id(), kHeadFresh)),
            v1::HEADS_MISSING);
}

TEST_F(HeadsTest, WhoIsShownAnotherLogStopsWhenHeadsMeet) {
  {
    absl::MutexLock lock(&cluster_.service.mutex);
    cluster_.service.log.Fork({At(0).node.log_peer()});
  }
  ASSERT_TRUE(CreateKey(0, "on-one-side").ok());
  ASSERT_TRUE(CreateKey(1, "on-the-other").ok());
  cluster_.CatchUp(At(2).node);
  // Ask answers with the verdict of whom it ends.
  (void)Ask(0, 1);
  EXPECT_EQ(Seen(0, 1), v1::InstanceStatus::CONTRADICTS);
  EXPECT_TRUE(At(0).node.fatal().ok());  // One of two others is not most.
  EXPECT_EQ(RefusalOf(Ask(0, 2)), v1::DATA_LOSS);
  EXPECT_EQ(RefusalOf(At(0).node.fatal()), v1::DATA_LOSS);
  EXPECT_EQ(RefusalOf(CreateKey(0, "after")), v1::DATA_LOSS);
  // The others go on.
  EXPECT_TRUE(Ask(1, 2).ok());
  EXPECT_TRUE(At(1).node.fatal().ok());
  EXPECT_TRUE(At(1).exchange->Guard().ok());
  EXPECT_TRUE(CreateKey(1, "healthy").ok());
}

TEST_F(HeadsTest, AForkThatCutsThePeersToMeetsTheGuard) {
  ASSERT_TRUE(Ask(0, 1).ok());
  {
    absl::MutexLock lock(&cluster_.service.mutex);
    cluster_.service.log.Fork({At(0).node.log_peer()});
  }
  ASSERT_TRUE(CreateKey(0, "on-one-side").ok());
  cluster_.boot_clock.Advance(kHeadFresh);
  EXPECT_EQ(RefusalOf(At(0).exchange->Guard()), v1::HEADS_MISSING);
}

TEST_F(HeadsTest, HeadsFromBeforeAForkDoNotSatisfyTheGuard) {
  {
    absl::MutexLock lock(&cluster_.service.mutex);
    cluster_.service.log.Fork({At(0).node.log_peer()});
  }
  // The others are idle: their heads stay where the logs part, and agree.
  ASSERT_TRUE(CreateKey(0, "on-one-side").ok());
  ASSERT_TRUE(Ask(0, 1).ok());
  EXPECT_TRUE(At(0).exchange->Guard().ok());
  cluster_.boot_clock.Advance(kHeadFresh);
  ASSERT_TRUE(Ask(0, 1).ok());
  EXPECT_EQ(Seen(0, 1), v1::InstanceStatus::AGREES);
  EXPECT_EQ(RefusalOf(At(0).exchange->Guard()), v1::HEADS_MISSING);
}

TEST_F(HeadsTest, ACopiedStateIsConfirmedByALaterHeadOnly) {
  HeadKeeper keeper(false);
  const auto instance = At(0).node.get();
  const auto copied = instance->replica->View();
  keeper.CameBySnapshot(copied->position());
  const auto head_of = [&](size_t i) {
    const auto peer = At(i).node.get();
    v1::Head head;
    head.ParseFromString(MakeHead(*peer, *peer->replica->View()).head());
    return head;
  };
  ASSERT_TRUE(keeper.Received(head_of(1), *copied, absl::ZeroDuration()).ok());
  EXPECT_EQ(
      RefusalOf(keeper.Guard(*copied, At(0).node.id(), absl::ZeroDuration())),
      v1::HEADS_MISSING);
  ASSERT_TRUE(CreateKey(1, "k").ok());
  cluster_.CatchUp(At(0).node);
  const auto view = instance->replica->View();
  ASSERT_TRUE(keeper.Received(head_of(1), *view, absl::ZeroDuration()).ok());
  EXPECT_TRUE(keeper.Guard(*view, At(0).node.id(), absl::ZeroDuration()).ok());
}

TEST_F(HeadsTest, StrangersAreRefused) {
  Member& first = At(0);
  const auto instance = At(1).node.get();
  v1::ExchangeRequest genuine;
  *genuine.mutable_vouch() = MakeVouch(*instance, At(1).certificate());
  *genuine.mutable_head() = MakeHead(*instance, *instance->replica->View());
  const auto code = [&](const v1::ExchangeRequest& request,
                        const std::string& certificate) {
    return RefusalOf(first.exchange->Answer(request, certificate).status());
  };
  EXPECT_EQ(code(genuine, At(1).certificate()), v1::REFUSAL_CODE_UNSPECIFIED);
  // A vouch for another certificate than the connection's.
  EXPECT_EQ(code(genuine, At(2).certificate()), v1::PEER_UNKNOWN);
  v1::ExchangeRequest bad = genuine;
  bad.mutable_vouch()->set_instance_id(At(2).node.id());
  EXPECT_EQ(code(bad, At(1).certificate()), v1::PEER_UNKNOWN);
  bad = genuine;
  bad.mutable_vouch()->set_instance_id(std::string(16, 'x'));
  EXPECT_EQ(code(bad, At(1).certificate()), v1::PEER_UNKNOWN);
  bad = genuine;
  Flip(*bad.mutable_head()->mutable_signature());
  EXPECT_EQ(code(bad, At(1).certificate()), v1::PEER_UNKNOWN);
  // Somebody else's head, genuine as it is.
  bad = genuine;
  const auto third = At(2).node.get();
  *bad.mutable_head() = MakeHead(*third, *third->replica->View());
  EXPECT_EQ(code(bad, At(1).certificate()), v1::PEER_UNKNOWN);
  bad = genuine;
  bad.mutable_head()->set_head(std::string(kHeadBytesMax + 1, 'x'));
  EXPECT_EQ(code(bad, At(1).certificate()), v1::REQUEST_MALFORMED);
}

TEST_F(HeadsTest, ASealedInstanceNeitherAnswersNorAsks) {
  At(1).node.Seal();
  EXPECT_EQ(RefusalOf(Ask(0, 1)), v1::SEALED);
  EXPECT_EQ(RefusalOf(Ask(1, 0)), v1::SEALED);
}

TEST_F(HeadsTest, ARemovedInstanceIsAStrangerAndDoesNotCount) {
  v1::RemoveInstanceRequest remove;
  remove.set_instance_id(At(2).node.id());
  remove.set_reason("lost");
  ASSERT_TRUE(Handlers(0).RemoveInstance(kAlice, remove).ok());
  cluster_.CatchUp(At(1).node);
  EXPECT_EQ(RefusalOf(Ask(2, 1)), v1::PEER_UNKNOWN);
  // Of two, this one alone is not most.
  EXPECT_EQ(RefusalOf(At(0).exchange->Guard()), v1::HEADS_MISSING);
  ASSERT_TRUE(Ask(0, 1).ok());
  EXPECT_TRUE(At(0).exchange->Guard().ok());
}

TEST_F(HeadsTest, StatusShowsEveryInstanceAtAGlance) {
  ASSERT_TRUE(Ask(0, 1).ok());
  const auto status = Handlers(0).GetClusterStatus(kAlice, {});
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->log(), "ok");
  EXPECT_EQ(status->release_guard(), "majority: holds");
  ASSERT_EQ(status->instances_size(), 3);
  std::map<std::string, v1::InstanceStatus> rows;
  for (const auto& row : status->instances()) rows[row.instance_id()] = row;
  EXPECT_EQ(rows[At(0).node.id()].agreement(), v1::InstanceStatus::SELF);
  EXPECT_FALSE(rows[At(0).node.id()].development());
  const v1::InstanceStatus& second = rows[At(1).node.id()];
  EXPECT_EQ(second.agreement(), v1::InstanceStatus::AGREES);
  EXPECT_EQ(second.address(), "kms2:7444");
  EXPECT_EQ(second.lag(), 0u);
  EXPECT_TRUE(second.development());
  EXPECT_EQ(rows[At(2).node.id()].agreement(), v1::InstanceStatus::SILENT);
  EXPECT_EQ(rows[At(2).node.id()].head_age_ms(), -1);
}

TEST_F(HeadsTest, StatusShowsTheLogsMembersAndAsksNoLogWithoutALeader) {
  storage::LogMember member;
  member.address = "etcd1:2379";
  member.member_id = 7;
  member.leader_id = 7;
  storage::LogMember lost;
  lost.address = "etcd2:2379";
  lost.status = absl::UnavailableError("of the network: shown to nobody");
  const auto set_members = [&](std::vector<storage::LogMember> members) {
    absl::MutexLock lock(&cluster_.service.mutex);
    cluster_.service.members = std::move(members);
  };
  set_members({member, lost});
  auto status = Handlers(0).GetClusterStatus(kAlice, {});
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->log(), "ok");
  ASSERT_EQ(status->log_members_size(), 2);
  EXPECT_TRUE(status->log_members(0).leads());
  EXPECT_EQ(status->log_members(0).problem(), "");
  EXPECT_FALSE(status->log_members(1).knows_leader());
  EXPECT_EQ(status->log_members(1).problem(), "UNAVAILABLE");

  member.leader_id = 0;
  set_members({member, lost});
  status = Handlers(0).GetClusterStatus(kAlice, {});
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->log(), "LOG_UNAVAILABLE");
  EXPECT_FALSE(status->log_members(0).knows_leader());
}

TEST_F(HeadsTest, OnlyAdministratorsLookAndChange) {
  const Caller workload = {
      .administrator = false, .principal = "", .peer = "ipv4:test"};
  const ClusterHandlers handlers = Handlers(0);
  EXPECT_EQ(RefusalOf(handlers.GetClusterStatus(workload, {}).status()),
            v1::ADMINISTRATOR_REQUIRED);
  EXPECT_EQ(RefusalOf(handlers.RemoveInstance(workload, {}).status()),
            v1::ADMINISTRATOR_REQUIRED);
  EXPECT_EQ(RefusalOf(handlers.UnfenceInstance(workload, {}).status()),
            v1::ADMINISTRATOR_REQUIRED);
  EXPECT_EQ(RefusalOf(handlers.RemoveInstance(kAlice, {}).status()),
            v1::REQUEST_MALFORMED);
  v1::UnfenceInstanceRequest unfence;
  unfence.set_instance_id(At(1).node.id());
  EXPECT_EQ(RefusalOf(handlers.UnfenceInstance(kAlice, unfence).status()),
            v1::VERSION_CONFLICT);
}

}  // namespace
}  // namespace kms::cluster

// The life of a root key on one data directory, through restarts.
#include "kms/seal/unsealer.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/base/caller.h"
#include "kms/base/refusal.h"
#include "kms/base/secret_access.h"
#include "kms/base/status.h"
#include "kms/crypto/checkpoint.h"
#include "kms/crypto/note.h"
#include "kms/instance/admin_call.h"
#include "kms/release/origin.h"
#include "kms/seal/limits.h"
#include "kms/seal/pkcs11/testing.h"
#include "kms/seal/private_file.h"
#include "kms/seal/seal_options.h"
#include "storage/log/etcd/testing.h"
#include "storage/replica/replica.h"

namespace kms::seal {
namespace {

constexpr char kAlice[] = "alice";

class UnsealerTest : public testing::Test {
 protected:
  UnsealerTest() {
    std::string name = testing::TempDir() + "/unsealer.XXXXXX";
    root_ = mkdtemp(name.data());
    options_.data_dir = root_ + "/data";
    options_.clock = &clock_;
    options_.holder = &holder_;
    options_.evidence_retention = absl::Hours(1);
    options_.on_fatal = [](const absl::Status& status) {
      ADD_FAILURE() << status;
    };
    options_.on_evidence_lost = [this](const absl::Status& status) {
      evidence_lost_ = status;
    };
  }
  ~UnsealerTest() override { std::filesystem::remove_all(root_); }

  std::unique_ptr<Unsealer> Open() {
    auto unsealer = Unsealer::Open(options_);
    EXPECT_TRUE(unsealer.ok()) << unsealer.status();
    return *std::move(unsealer);
  }

  std::vector<std::string> Init(Unsealer& unsealer, uint32_t n, uint32_t k) {
    const auto made = unsealer.Init(kAlice, n, k);
    EXPECT_TRUE(made.ok()) << made.status();
    EXPECT_TRUE(made->opened.ok()) << made->opened;
    std::vector<std::string> shares;
    for (const Secret& share : made->shares) {
      shares.push_back(ToString(share.Expose(GrantSecretAccess())));
    }
    return shares;
  }

  absl::Time Soon() const { return clock_.Now() + absl::Seconds(20); }

  std::string root_;
  SystemClock clock_;
  InstanceHolder holder_;
  UnsealerOptions options_;
  absl::Status evidence_lost_;
};

TEST_F(UnsealerTest, InitGivesSharesAndAnUnsealedInstance) {
  const auto unsealer = Open();
  EXPECT_FALSE(unsealer->state().initialized);
  EXPECT_EQ(RefusalOf(holder_.Get().status()), v1::SEALED);
  EXPECT_EQ(Init(*unsealer, 3, 2).size(), 3u);

  const SealState state = unsealer->state();
  EXPECT_TRUE(state.initialized);
  EXPECT_FALSE(state.sealed);
  EXPECT_EQ(state.shares, 3u);
  EXPECT_EQ(state.threshold, 2u);
  EXPECT_EQ(state.cluster_id.size(), 16u);
  const auto instance = holder_.Get();
  ASSERT_TRUE(instance.ok());
  EXPECT_EQ((*instance)->cluster_id, state.cluster_id);
  EXPECT_EQ((*instance)->instance_id, state.instance_id);
  EXPECT_EQ((*instance)->identity_key.public_key(), state.identity_public_key);
  EXPECT_TRUE((*instance)->replica->health().ok());
  EXPECT_EQ((*instance)->replica->View()->header().cluster_id(),
            state.cluster_id);
}

TEST_F(UnsealerTest, ARestartIsSealedUntilTheThresholdOfShares) {
  std::vector<std::string> shares;
  SealState before;
  {
    const auto unsealer = Open();
    shares = Init(*unsealer, 3, 2);
    before = unsealer->state();
  }
  EXPECT_FALSE(holder_.Get().ok());
  const auto unsealer = Open();
  EXPECT_TRUE(unsealer->state().initialized);
  EXPECT_TRUE(unsealer->state().sealed);
  EXPECT_EQ(unsealer->state().cluster_id, before.cluster_id);
  EXPECT_EQ(unsealer->state().identity_public_key, before.identity_public_key);
  EXPECT_EQ(unsealer->state().instance_id, before.instance_id);

  ASSERT_TRUE(unsealer->Unseal(kAlice, shares[2]).ok());
  EXPECT_EQ(unsealer->state().progress, 1u);
  EXPECT_FALSE(holder_.Get().ok());
  EXPECT_EQ(RefusalOf(unsealer->Unseal(kAlice, shares[2])), v1::SHARE_REJECTED);
  EXPECT_EQ(unsealer->state().progress, 1u);
  const absl::Status unsealed = unsealer->Unseal(kAlice, shares[0]);
  ASSERT_TRUE(unsealed.ok()) << unsealed;
  EXPECT_FALSE(unsealer->state().sealed);
  EXPECT_EQ(unsealer->state().progress, 0u);
  EXPECT_TRUE(holder_.Get().ok());
  EXPECT_EQ(RefusalOf(unsealer->Unseal(kAlice, shares[1])), v1::NOT_SEALED);
}

TEST_F(UnsealerTest, SealLetsTheInstanceGoAndUnsealBringsItBack) {
  const auto unsealer = Open();
  const std::vector<std::string> shares = Init(*unsealer, 1, 1);
  const absl::Status sealed = unsealer->Seal(Soon());
  ASSERT_TRUE(sealed.ok()) << sealed;
  EXPECT_EQ(RefusalOf(holder_.Get().status()), v1::SEALED);
  EXPECT_TRUE(unsealer->state().sealed);
  EXPECT_EQ(RefusalOf(unsealer->Seal(Soon())), v1::SEALED);
  const absl::Status unsealed = unsealer->Unseal(kAlice, shares[0]);
  ASSERT_TRUE(unsealed.ok()) << unsealed;
  EXPECT_TRUE(holder_.Get().ok());
}

TEST_F(UnsealerTest, SealTellsOfCallsThatStillHoldTheKeys) {
  const auto unsealer = Open();
  const std::vector<std::string> shares = Init(*unsealer, 1, 1);
  auto held = holder_.Get();
  ASSERT_TRUE(held.ok());
  EXPECT_EQ(unsealer->Seal(clock_.Now()).code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_FALSE(holder_.Get().ok());
  // Two of them must never have the databases open.
  EXPECT_EQ(RefusalOf(unsealer->Unseal(kAlice, shares[0])),
            v1::LOG_UNAVAILABLE);
  held = absl::UnavailableError("let go");
  EXPECT_TRUE(unsealer->Unseal(kAlice, shares[0]).ok());
}

TEST_F(UnsealerTest, ResetForgetsTheShares) {
  const auto unsealer = Open();
  EXPECT_EQ(RefusalOf(unsealer->ResetUnseal()), v1::NOT_INITIALIZED);
  const std::vector<std::string> shares = Init(*unsealer, 3, 2);
  EXPECT_EQ(RefusalOf(unsealer->ResetUnseal()), v1::NOT_SEALED);
  ASSERT_TRUE(unsealer->Seal(Soon()).ok());
  ASSERT_TRUE(unsealer->Unseal(kAlice, shares[0]).ok());
  ASSERT_TRUE(unsealer->ResetUnseal().ok());
  EXPECT_EQ(unsealer->state().progress, 0u);
}

TEST_F(UnsealerTest, InitHappensOnce) {
  const auto unsealer = Open();
  EXPECT_EQ(RefusalOf(unsealer->Unseal(kAlice, "x")), v1::NOT_INITIALIZED);
  EXPECT_EQ(RefusalOf(unsealer->Seal(Soon())), v1::NOT_INITIALIZED);
  EXPECT_EQ(RefusalOf(unsealer->Init(kAlice, 3, 1).status()),
            v1::REQUEST_MALFORMED);
  EXPECT_FALSE(unsealer->state().initialized);
  Init(*unsealer, 3, 2);
  EXPECT_EQ(RefusalOf(unsealer->Init(kAlice, 3, 2).status()),
            v1::ALREADY_INITIALIZED);
}

TEST_F(UnsealerTest, AnInitThatACrashCutShortIsForgotten) {
  std::filesystem::create_directories(options_.data_dir + "/cluster.new/log");
  std::filesystem::permissions(options_.data_dir,
                               std::filesystem::perms::owner_all);
  const auto unsealer = Open();
  EXPECT_FALSE(unsealer->state().initialized);
  Init(*unsealer, 3, 2);
  EXPECT_FALSE(std::filesystem::exists(options_.data_dir + "/cluster.new"));
}

TEST_F(UnsealerTest, AClusterWithoutItsSealFileIsDataLossNotANewStart) {
  {
    const auto unsealer = Open();
    Init(*unsealer, 3, 2);
  }
  std::filesystem::remove(options_.data_dir + "/cluster/seal");
  EXPECT_EQ(RefusalOf(Unsealer::Open(options_).status()), v1::DATA_LOSS);
}

TEST_F(UnsealerTest, ADamagedSealFileIsDataLoss) {
  {
    const auto unsealer = Open();
    Init(*unsealer, 3, 2);
  }
  const std::string path = options_.data_dir + "/cluster/seal";
  std::string bytes = ReadPrivateFile(path, 1 << 20).value();
  bytes[100] = static_cast<char>(bytes[100] ^ 1);
  ASSERT_TRUE(WritePrivateFile(path, AsBytes(bytes)).ok());
  EXPECT_EQ(RefusalOf(Unsealer::Open(options_).status()), v1::DATA_LOSS);
}

TEST_F(UnsealerTest, OneProcessHasTheDirectory) {
  const auto unsealer = Open();
  EXPECT_EQ(Unsealer::Open(options_).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(UnsealerTest, RefusesADirectoryOpenToOthers) {
  ASSERT_EQ(mkdir(options_.data_dir.c_str(), 0755), 0);
  ASSERT_EQ(chmod(options_.data_dir.c_str(), 0755), 0);
  EXPECT_EQ(Unsealer::Open(options_).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(UnsealerTest, TheLastCheckpointShowsWhileSealed) {
  {
    const auto unsealer = Open();
    Init(*unsealer, 3, 2);
    ASSERT_TRUE(unsealer->KeepCheckpoint("origin\n7\nroot\n").ok());
  }
  EXPECT_EQ(Open()->state().last_checkpoint, "origin\n7\nroot\n");
}

// What was restored is not what this instance vouched for.
TEST_F(UnsealerTest, RefusesAStateThatTheKeptCheckpointContradicts) {
  const auto unsealer = Open();
  const std::string share = Init(*unsealer, 1, 1).front();
  std::shared_ptr<const Instance> instance = *holder_.Get();
  auto view = instance->replica->View();
  const auto note = [&](uint64_t size, const std::string& root) {
    const std::string origin = release::CheckpointOrigin(
        AsBytes(instance->cluster_id), view->position().epoch);
    return *crypto::SignNote(*crypto::FormatCheckpoint({origin, size, root}),
                             origin, instance->checkpoint_key);
  };
  const uint64_t size = view->tree_size();
  const std::string root = view->tree_root();
  const std::string good = note(size, root);
  const std::string newer = note(size + 1, root);
  const std::string forked = note(size, std::string(32, 'f'));
  std::string foreign = good;
  foreign[0] = static_cast<char>(foreign[0] ^ 1);
  const auto reopen = [&](const std::string& kept) {
    EXPECT_TRUE(unsealer->KeepCheckpoint(kept).ok());
    const absl::Status opened = unsealer->Unseal(kAlice, share);
    EXPECT_EQ(opened.ok(), holder_.Get().ok());
    return RefusalOf(opened);
  };
  view.reset();
  instance.reset();
  ASSERT_TRUE(unsealer->Seal(Soon()).ok());
  EXPECT_EQ(reopen(newer), v1::DATA_LOSS);
  EXPECT_EQ(reopen(forked), v1::DATA_LOSS);
  EXPECT_EQ(reopen(foreign), v1::DATA_LOSS);
  EXPECT_EQ(reopen(good), v1::REFUSAL_CODE_UNSPECIFIED);
}

TEST_F(UnsealerTest, ADevelopmentSealOpensByItself) {
  options_.seal.kind = SealKind::kDevelopment;
  options_.seal.key_file = root_ + "/root.key";
  std::string cluster_id;
  {
    const auto unsealer = Open();
    EXPECT_EQ(unsealer->state().kind, SealKind::kDevelopment);
    EXPECT_EQ(RefusalOf(unsealer->Init(kAlice, 3, 2).status()),
              v1::REQUEST_MALFORMED);
    EXPECT_TRUE(Init(*unsealer, 0, 0).empty());
    cluster_id = unsealer->state().cluster_id;
  }
  {
    const auto unsealer = Open();
    EXPECT_FALSE(unsealer->state().sealed);
    EXPECT_EQ(unsealer->state().kind, SealKind::kDevelopment);
    EXPECT_EQ(unsealer->state().cluster_id, cluster_id);
    ASSERT_TRUE(unsealer->Seal(Soon()).ok());
    EXPECT_EQ(RefusalOf(unsealer->Unseal(kAlice, "share")), v1::SHARE_REJECTED);
    ASSERT_TRUE(unsealer->Unseal(kAlice, "").ok());
  }
  // Others may read the key file: refused.
  ASSERT_EQ(chmod(options_.seal.key_file.c_str(), 0640), 0);
  EXPECT_EQ(Unsealer::Open(options_).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(UnsealerTest, KeepsEvidenceThroughARestart) {
  const std::string digest(32, 'd');
  std::vector<std::string> shares;
  {
    const auto unsealer = Open();
    shares = Init(*unsealer, 1, 1);
    const auto kept =
        (*holder_.Get())
            ->evidence_archive->Put(AsBytes(digest), AsBytes("evidence"),
                                    clock_.Now());
    ASSERT_TRUE(kept.ok()) << kept;
  }
  const auto unsealer = Open();
  ASSERT_TRUE(unsealer->Unseal(kAlice, shares[0]).ok());
  const auto evidence =
      (*holder_.Get())->evidence_archive->Get(AsBytes(digest));
  ASSERT_TRUE(evidence.ok()) << evidence.status();
  EXPECT_EQ(*evidence, "evidence");
}

TEST_F(UnsealerTest, KeepsNoEvidenceWhereNoneIsWanted) {
  options_.evidence_retention = absl::ZeroDuration();
  const auto unsealer = Open();
  Init(*unsealer, 1, 1);
  EXPECT_EQ((*holder_.Get())->evidence_archive, nullptr);
  EXPECT_FALSE(
      std::filesystem::exists(options_.data_dir + "/cluster/evidence"));
}

TEST_F(UnsealerTest, LostEvidenceLosesNoKeys) {
  std::vector<std::string> shares;
  {
    const auto unsealer = Open();
    shares = Init(*unsealer, 1, 1);
  }
  const std::string path = options_.data_dir + "/cluster/evidence";
  std::filesystem::remove_all(path);
  std::ofstream(path) << "in the way";
  const auto unsealer = Open();
  ASSERT_TRUE(unsealer->Unseal(kAlice, shares[0]).ok());
  EXPECT_FALSE(evidence_lost_.ok());
  const auto instance = holder_.Get().value();
  EXPECT_TRUE(instance->replica->health().ok());
  ASSERT_NE(instance->evidence_archive, nullptr);
  EXPECT_FALSE(instance->evidence_archive->health().ok());
}

TEST_F(UnsealerTest, TheConfiguredKindMustBeTheDirectorys) {
  {
    const auto unsealer = Open();
    Init(*unsealer, 3, 2);
  }
  options_.seal.kind = SealKind::kDevelopment;
  options_.seal.key_file = root_ + "/root.key";
  EXPECT_EQ(Unsealer::Open(options_).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

// The seed, the root key and the shares are nowhere on the disk.
TEST_F(UnsealerTest, NothingOnTheDiskHoldsAShare) {
  std::vector<std::string> shares;
  {
    const auto unsealer = Open();
    shares = Init(*unsealer, 3, 2);
  }
  size_t files = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(options_.data_dir)) {
    if (!entry.is_regular_file()) continue;
    ++files;
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    for (const std::string& text : shares) {
      const Share share = ParseShare(text).value();
      EXPECT_EQ(bytes.find(text.substr(40)), std::string::npos);
      EXPECT_EQ(bytes.find(std::string(
                    AsStringView(share.data.Expose(GrantSecretAccess())))),
                std::string::npos)
          << entry.path();
    }
    struct stat info;
    ASSERT_EQ(stat(entry.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 077, 0u) << entry.path();
  }
  EXPECT_GT(files, 5u);
}

// --- A log in etcd ---

class EtcdUnsealerTest : public UnsealerTest {
 protected:
  EtcdUnsealerTest() { options_.etcd = Etcd(etcd_); }

  static storage::EtcdLogOptions Etcd(const storage::TestEtcd& etcd) {
    return {etcd.endpoints(), "kms"};
  }

  storage::TestEtcd etcd_;
};

TEST_F(EtcdUnsealerTest, InitSealAndUnsealWorkAsOnALocalLog) {
  std::vector<std::string> shares;
  uint64_t index = 0;
  {
    const auto unsealer = Open();
    shares = Init(*unsealer, 3, 2);
    const auto instance = holder_.Get();
    ASSERT_TRUE(instance.ok());
    const auto applied = Propose(**instance, [&] {
      auto command = NewCommand(**instance, {true, kAlice, "test"}, "default");
      command.mutable_set_kill_switch()->set_evidence_type(1);
      command.mutable_set_kill_switch()->set_on(true);
      return command;
    }());
    ASSERT_TRUE(applied.ok()) << applied.status();
    index = applied->position.index;
  }
  EXPECT_FALSE(std::filesystem::exists(options_.data_dir + "/cluster/log"));
  const auto unsealer = Open();
  EXPECT_TRUE(unsealer->state().sealed);
  ASSERT_TRUE(unsealer->Unseal(kAlice, shares[2]).ok());
  const absl::Status unsealed = unsealer->Unseal(kAlice, shares[0]);
  ASSERT_TRUE(unsealed.ok()) << unsealed;
  EXPECT_GT((*holder_.Get())->replica->View()->position().index, index);
}

TEST_F(EtcdUnsealerTest, OfTwoFirstStartsOneWinsAndTheOtherIsToldToJoin) {
  const auto first = Open();
  options_.data_dir = root_ + "/second";
  InstanceHolder second_holder;
  options_.holder = &second_holder;
  const auto second = Open();
  Init(*first, 1, 1);
  const auto made = second->Init(kAlice, 1, 1);
  EXPECT_EQ(RefusalOf(made.status()), v1::ALREADY_INITIALIZED);
  EXPECT_NE(made.status().message().find("join"), std::string::npos);
  EXPECT_FALSE(second->state().initialized);
  EXPECT_TRUE((*holder_.Get())->replica->health().ok());
}

TEST_F(EtcdUnsealerTest, TheLogIsWhereItWasBegun) {
  const auto unseal = [this](const std::string& share) {
    return Open()->Unseal(kAlice, share).code();
  };
  const std::string share = Init(*Open(), 1, 1).front();
  const auto etcd = std::exchange(options_.etcd, std::nullopt);
  EXPECT_EQ(unseal(share), absl::StatusCode::kFailedPrecondition);
  storage::TestEtcd other;
  options_.etcd = Etcd(other);
  EXPECT_EQ(unseal(share), absl::StatusCode::kFailedPrecondition);
  options_.etcd = etcd;
  EXPECT_EQ(unseal(share), absl::StatusCode::kOk);
  options_.etcd->prefix = "other";
  EXPECT_EQ(unseal(share), absl::StatusCode::kNotFound);

  options_.data_dir = root_ + "/local";
  options_.etcd = std::nullopt;
  const std::string local = Init(*Open(), 1, 1).front();
  options_.etcd = etcd;
  EXPECT_EQ(unseal(local), absl::StatusCode::kFailedPrecondition);
}

// --- New epochs ---

class NewEpochTest : public EtcdUnsealerTest {
 protected:
  static constexpr char kReason[] = "etcd was lost";

  // Makes a cluster, with a kill switch that shows what was kept.
  void InitWithMark() {
    const auto unsealer = Open();
    share_ = Init(*unsealer, 1, 1).front();
    const auto instance = holder_.Get();
    auto command = NewCommand(**instance, {true, kAlice, "test"}, "default");
    command.mutable_set_kill_switch()->set_evidence_type(1);
    command.mutable_set_kill_switch()->set_on(true);
    ASSERT_TRUE(Propose(**instance, command).ok());
    tree_size_ = (*instance)->replica->View()->tree_size();
  }

  absl::Status BeginAndUnseal(Unsealer& unsealer) {
    KMS_RETURN_IF_ERROR(unsealer.NewEpoch(kAlice, kReason));
    return unsealer.Unseal(kAlice, share_);
  }

  void ExpectServing(uint64_t epoch) {
    const auto instance = holder_.Get();
    ASSERT_TRUE(instance.ok()) << instance.status();
    const auto view = (*instance)->replica->View();
    EXPECT_EQ(view->position().epoch, epoch);
    EXPECT_GT(view->tree_size(), tree_size_);
    auto command = NewCommand(**instance, {true, kAlice, "test"}, "default");
    command.mutable_set_kill_switch()->set_evidence_type(2);
    command.mutable_set_kill_switch()->set_on(true);
    const auto applied = Propose(**instance, command);
    EXPECT_TRUE(applied.ok()) << applied.status();
  }

  std::string share_;
  uint64_t tree_size_ = 0;
};

TEST_F(NewEpochTest, ALostEtcdIsFollowedByANewOne) {
  InitWithMark();
  storage::TestEtcd other;
  options_.etcd = Etcd(other);
  {
    const auto unsealer = Open();
    EXPECT_EQ(unsealer->Unseal(kAlice, share_).code(),
              absl::StatusCode::kFailedPrecondition);
    const absl::Status begun = BeginAndUnseal(*unsealer);
    ASSERT_TRUE(begun.ok()) << begun;
    ExpectServing(2);
    const absl::Status again = unsealer->NewEpoch(kAlice, kReason);
    EXPECT_EQ(RefusalOf(again), v1::NOT_SEALED);
    EXPECT_THAT(std::string(again.message()),
                testing::HasSubstr("seal this instance first"));
  }
  const auto unsealer = Open();
  const absl::Status unsealed = unsealer->Unseal(kAlice, share_);
  ASSERT_TRUE(unsealed.ok()) << unsealed;
  ExpectServing(2);
}

TEST_F(NewEpochTest, ALocalLogMovesToEtcd) {
  const auto etcd = std::exchange(options_.etcd, std::nullopt);
  InitWithMark();
  EXPECT_EQ(Open()->NewEpoch(kAlice, kReason).code(),
            absl::StatusCode::kFailedPrecondition);
  options_.etcd = etcd;
  const std::string cluster = options_.data_dir + "/cluster";
  {
    const auto unsealer = Open();
    EXPECT_EQ(unsealer->Unseal(kAlice, share_).code(),
              absl::StatusCode::kFailedPrecondition);
    const absl::Status begun = BeginAndUnseal(*unsealer);
    ASSERT_TRUE(begun.ok()) << begun;
    ExpectServing(2);
  }
  EXPECT_FALSE(std::filesystem::exists(cluster + "/log"));
  EXPECT_TRUE(std::filesystem::exists(cluster + "/log.ended"));
  const auto unsealer = Open();
  const absl::Status unsealed = unsealer->Unseal(kAlice, share_);
  ASSERT_TRUE(unsealed.ok()) << unsealed;
  ExpectServing(2);
}

TEST_F(NewEpochTest, InTheSameEtcdTheOldEpochIsAppliedToItsEnd) {
  InitWithMark();
  const auto unsealer = Open();
  const absl::Status begun = BeginAndUnseal(*unsealer);
  ASSERT_TRUE(begun.ok()) << begun;
  ExpectServing(2);
  // And once more.
  ASSERT_TRUE(unsealer->Seal(Soon()).ok());
  ASSERT_TRUE(BeginAndUnseal(*unsealer).ok());
  ExpectServing(3);
}

TEST_F(NewEpochTest, NotFromAnOlderStateThatWasPutBack) {
  InitWithMark();
  storage::TestEtcd other;
  options_.etcd = Etcd(other);
  const auto unsealer = Open();
  ASSERT_TRUE(unsealer->KeepCheckpoint("kms.v1/00/1\n9\nroot\n").ok());
  EXPECT_EQ(RefusalOf(BeginAndUnseal(*unsealer)), v1::DATA_LOSS);
  // Nothing was begun.
  EXPECT_EQ(storage::EtcdLog::Open(*options_.etcd, Soon()).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(NewEpochTest, IsTakenBackByAResetAndWantsAReason) {
  InitWithMark();
  const auto unsealer = Open();
  EXPECT_EQ(RefusalOf(unsealer->NewEpoch(kAlice, "")), v1::REQUEST_MALFORMED);
  EXPECT_EQ(RefusalOf(unsealer->NewEpoch(kAlice, std::string(257, 'x'))),
            v1::REQUEST_MALFORMED);
  ASSERT_TRUE(unsealer->NewEpoch(kAlice, kReason).ok());
  ASSERT_TRUE(unsealer->ResetUnseal().ok());
  ASSERT_TRUE(unsealer->Unseal(kAlice, share_).ok());
  EXPECT_EQ((*holder_.Get())->replica->View()->position().epoch, 1u);
}

TEST_F(UnsealerTest, TheRootKeyIsGivenOnlyWhileUnsealed) {
  const auto unsealer = Open();
  EXPECT_EQ(RefusalOf(unsealer->CopyRoot().status()), v1::SEALED);
  Init(*unsealer, 3, 2);
  const auto copy = unsealer->CopyRoot();
  ASSERT_TRUE(copy.ok()) << copy.status();
  const auto seal = DecodeSealFile(AsBytes(copy->seal_file));
  ASSERT_TRUE(seal.ok());
  EXPECT_TRUE(OpenKeyringOf(*seal, copy->root).ok());
  ASSERT_TRUE(unsealer->Seal(Soon()).ok());
  EXPECT_EQ(RefusalOf(unsealer->CopyRoot().status()), v1::SEALED);
}

TEST_F(UnsealerTest, ReopeningNeedsNoShares) {
  const auto unsealer = Open();
  EXPECT_EQ(RefusalOf(unsealer->Reopen(Soon())), v1::SEALED);
  Init(*unsealer, 3, 2);
  const uint64_t index = (*holder_.Get())->replica->View()->position().index;
  const absl::Status reopened = unsealer->Reopen(Soon());
  ASSERT_TRUE(reopened.ok()) << reopened;
  EXPECT_FALSE(unsealer->state().sealed);
  EXPECT_GT((*holder_.Get())->replica->View()->position().index, index);
  EXPECT_TRUE(unsealer->CopyRoot().ok());
}

// What a donor of another data directory would have given.
class UnsealerJoinTest : public UnsealerTest {
 protected:
  JoinedCluster Given() {
    UnsealerOptions options = options_;
    options.data_dir = root_ + "/donor";
    InstanceHolder holder;
    options.holder = &holder;
    auto donor = Unsealer::Open(options);
    EXPECT_TRUE(donor.ok()) << donor.status();
    Init(**donor, 3, 2);
    auto copy = (*donor)->CopyRoot();
    return {*DecodeSealFile(AsBytes(copy->seal_file)), std::move(copy->root),
            std::string(16, 'i'), *crypto::Ed25519SigningKey::Generate()};
  }
};

TEST_F(UnsealerJoinTest, AnInstanceOfAClusterJoinsNoOther) {
  const auto unsealer = Open();
  Init(*unsealer, 3, 2);
  EXPECT_EQ(RefusalOf(unsealer->Join(Given())), v1::ALREADY_INITIALIZED);
}

TEST_F(UnsealerJoinTest, TheSealsKindMustBeTheConfiguredOne) {
  JoinedCluster given = Given();
  options_.seal.kind = SealKind::kDevelopment;
  options_.seal.key_file = root_ + "/key";
  const auto unsealer = Open();
  EXPECT_EQ(unsealer->Join(std::move(given)).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(unsealer->state().initialized);
}

TEST_F(UnsealerJoinTest, UnderATokenAnInstanceHasARootKeyOfItsOwn) {
  UseSoftHsm(root_);
  ASSERT_TRUE(MakeToken("kms", "1234"));
  ASSERT_TRUE(WritePrivateFile(root_ + "/pin", AsBytes("1234")).ok());
  JoinedCluster given = Given();
  const Secret donors = *given.root.Clone();
  options_.seal.kind = SealKind::kPkcs11;
  options_.seal.pkcs11 = {kSoftHsm, "kms", root_ + "/pin", "kms-root"};
  const auto unsealer = Open();
  // There is no log of this cluster here: it joined, and does not open.
  EXPECT_FALSE(unsealer->Join(std::move(given)).ok());
  EXPECT_EQ(unsealer->state().kind, SealKind::kPkcs11);
  EXPECT_EQ(unsealer->state().shares, 0u);
  const auto file =
      ReadPrivateFile(options_.data_dir + "/cluster/seal", kSealFileBytesMax);
  ASSERT_TRUE(file.ok()) << file.status();
  const SealFile seal = *DecodeSealFile(AsBytes(*file));
  EXPECT_EQ(RefusalOf(OpenKeyringOf(seal, donors).status()), v1::DATA_LOSS);
  const auto own = DeviceOf(options_.seal)->Unwrap(AsBytes(seal.wrapped));
  ASSERT_TRUE(own.ok()) << own.status();
  EXPECT_TRUE(OpenKeyringOf(seal, *own).ok());
}

TEST_F(UnsealerJoinTest, JoiningKeepsIdentityAndSealOnDisk) {
  JoinedCluster given = Given();
  const std::string cluster_id = given.seal.commitments.cluster_id;
  {
    const auto unsealer = Open();
    // There is no log of this cluster here: it joined, and does not open.
    EXPECT_FALSE(unsealer->Join(std::move(given)).ok());
    EXPECT_TRUE(unsealer->state().initialized);
  }
  const auto unsealer = Open();
  EXPECT_TRUE(unsealer->state().initialized);
  EXPECT_EQ(unsealer->state().cluster_id, cluster_id);
  EXPECT_EQ(unsealer->state().instance_id, std::string(16, 'i'));
  EXPECT_EQ(unsealer->state().threshold, 2u);
}

}  // namespace
}  // namespace kms::seal

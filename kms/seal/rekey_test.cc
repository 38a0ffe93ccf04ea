// A root key on its way from one seal to another, through crashes: Unsealer
// with custodians and a real PKCS#11 token.
#include "kms/seal/rekey.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kms/base/clock.h"
#include "kms/base/refusal.h"
#include "kms/base/secret_access.h"
#include "kms/instance/instance.h"
#include "kms/seal/pkcs11/testing.h"
#include "kms/seal/private_file.h"
#include "kms/seal/unsealer.h"
#include "proto/kms/v1/audit_entry.pb.h"
#include "storage/replica/replica.h"

namespace kms::seal {
namespace {

constexpr char kAlice[] = "alice";

class RekeyTest : public testing::Test {
 protected:
  RekeyTest() {
    std::string name = testing::TempDir() + "/rekey.XXXXXX";
    root_ = mkdtemp(name.data());
    options_.data_dir = root_ + "/data";
    options_.clock = &clock_;
    options_.holder = &holder_;
    options_.on_fatal = [](const absl::Status& status) {
      ADD_FAILURE() << status;
    };
    UseSoftHsm(root_);
    EXPECT_TRUE(MakeToken("kms", "1234"));
    token_.kind = SealKind::kPkcs11;
    token_.pkcs11 = {kSoftHsm, "kms", root_ + "/pin", "kms-root"};
    EXPECT_TRUE(WritePrivateFile(token_.pkcs11.pin_file, AsBytes("1234")).ok());
  }
  ~RekeyTest() override { std::filesystem::remove_all(root_); }

  std::unique_ptr<Unsealer> Open() {
    auto unsealer = Unsealer::Open(options_);
    EXPECT_TRUE(unsealer.ok()) << unsealer.status();
    return *std::move(unsealer);
  }
  static std::vector<std::string> Texts(const std::vector<Secret>& shares) {
    std::vector<std::string> texts;
    for (const Secret& share : shares) {
      texts.push_back(ToString(share.Expose(GrantSecretAccess())));
    }
    return texts;
  }
  std::vector<std::string> Init(Unsealer& unsealer, uint32_t n, uint32_t k) {
    const auto made = unsealer.Init(kAlice, n, k);
    EXPECT_TRUE(made.ok()) << made.status();
    EXPECT_TRUE(made->opened.ok()) << made->opened;
    return Texts(made->shares);
  }
  // Offers each; the state after the last.
  RekeyState Offer(Unsealer& unsealer, const std::string& id,
                   const std::vector<std::string>& shares) {
    RekeyState last;
    for (const std::string& share : shares) {
      auto state = unsealer.ContinueRekey(kAlice, id, share);
      EXPECT_TRUE(state.ok()) << state.status();
      if (state.ok()) last = *std::move(state);
    }
    return last;
  }
  v1::AuditEntry LastLeaf() const {
    const auto view = (*holder_.Get())->replica->View();
    v1::AuditEntry entry;
    EXPECT_TRUE(entry.ParseFromString(*view->GetLeaf(view->tree_size() - 1)));
    return entry;
  }
  std::string Cluster(const std::string& name) const {
    return options_.data_dir + "/cluster/" + name;
  }

  SystemClock clock_;
  InstanceHolder holder_;
  std::string root_;
  UnsealerOptions options_;
  SealOptions token_;
};

TEST_F(RekeyTest, NewSharesOpenAndOldOnesAreOfAnotherCeremony) {
  std::vector<std::string> old_shares;
  std::vector<std::string> new_shares;
  {
    const auto unsealer = Open();
    old_shares = Init(*unsealer, 3, 2);
    auto begun = unsealer->BeginRekey(kAlice, "shamir", 5, 3);
    ASSERT_TRUE(begun.ok()) << begun.status();
    EXPECT_EQ(begun->threshold, 2u);
    EXPECT_FALSE(begun->confirming);
    const RekeyState agreed =
        Offer(*unsealer, begun->id, {old_shares[0], old_shares[2]});
    EXPECT_TRUE(agreed.confirming);
    EXPECT_EQ(agreed.threshold, 3u);
    new_shares = Texts(agreed.shares);
    ASSERT_EQ(new_shares.size(), 5u);
    const v1::AuditEntry leaf = LastLeaf();
    EXPECT_EQ(leaf.principal(), kAlice);
    EXPECT_EQ(leaf.rekeyed().previous_kind(), "shamir");
    EXPECT_EQ(leaf.rekeyed().kind(), "shamir");
    EXPECT_EQ(leaf.rekeyed().shares(), 5u);
    EXPECT_EQ(leaf.rekeyed().threshold(), 3u);
    const RekeyState done = Offer(
        *unsealer, begun->id, {new_shares[4], new_shares[1], new_shares[0]});
    EXPECT_EQ(done.id, "");
    EXPECT_TRUE(done.shares.empty());
    // It serves on, and the next joiner gets the new root key.
    EXPECT_TRUE(holder_.Get().ok());
    const auto copy = unsealer->CopyRoot();
    ASSERT_TRUE(copy.ok());
    EXPECT_TRUE(
        OpenKeyringOf(*DecodeSealFile(AsBytes(copy->seal_file)), copy->root)
            .ok());
  }
  EXPECT_FALSE(std::filesystem::exists(Cluster("instance.next")));
  const auto unsealer = Open();
  EXPECT_EQ(unsealer->state().threshold, 3u);
  EXPECT_EQ(RefusalOf(unsealer->Unseal(kAlice, old_shares[0])),
            v1::SHARE_REJECTED);
  for (const int i : {0, 2, 3}) {
    ASSERT_TRUE(unsealer->Unseal(kAlice, new_shares[i]).ok());
  }
  EXPECT_FALSE(unsealer->state().sealed);
}

TEST_F(RekeyTest, UntilItIsConfirmedNothingHasChanged) {
  std::vector<std::string> shares;
  std::vector<std::string> void_shares;
  {
    const auto unsealer = Open();
    shares = Init(*unsealer, 3, 2);
    auto begun = unsealer->BeginRekey(kAlice, "shamir", 3, 2);
    ASSERT_TRUE(begun.ok());
    void_shares =
        Texts(Offer(*unsealer, begun->id, {shares[0], shares[1]}).shares);
    Offer(*unsealer, begun->id, {void_shares[0]});
  }
  const auto unsealer = Open();
  EXPECT_EQ(RefusalOf(unsealer->Unseal(kAlice, void_shares[0])),
            v1::SHARE_REJECTED);
  EXPECT_TRUE(unsealer->Unseal(kAlice, shares[0]).ok());
  EXPECT_TRUE(unsealer->Unseal(kAlice, shares[2]).ok());
  EXPECT_FALSE(unsealer->state().sealed);
}

TEST_F(RekeyTest, AWrongShareChangesNothingInEitherPhase) {
  const auto unsealer = Open();
  const std::vector<std::string> shares = Init(*unsealer, 3, 2);
  auto begun = unsealer->BeginRekey(kAlice, "shamir", 2, 2);
  ASSERT_TRUE(begun.ok());
  const auto refused = [&](const std::string& share) {
    return RefusalOf(
        unsealer->ContinueRekey(kAlice, begun->id, share).status());
  };
  EXPECT_EQ(refused("kms1"), v1::SHARE_REJECTED);
  const RekeyState agreed = Offer(*unsealer, begun->id, {shares[0], shares[1]});
  const std::vector<std::string> fresh = Texts(agreed.shares);
  EXPECT_EQ(refused(shares[2]), v1::SHARE_REJECTED);  // An old one.
  Offer(*unsealer, begun->id, {fresh[0]});
  EXPECT_EQ(refused(fresh[0]), v1::SHARE_REJECTED);  // Given already.
  EXPECT_EQ(Offer(*unsealer, begun->id, {fresh[1]}).id, "");
}

TEST_F(RekeyTest, OneAtATimeByItsIdAndOnlyToTheConfiguredSeal) {
  const auto unsealer = Open();
  EXPECT_EQ(RefusalOf(unsealer->BeginRekey(kAlice, "shamir", 3, 2).status()),
            v1::SEALED);
  const std::vector<std::string> shares = Init(*unsealer, 3, 2);
  EXPECT_EQ(RefusalOf(unsealer->BeginRekey(kAlice, "pkcs11", 0, 0).status()),
            v1::REKEY_CONFLICT);
  EXPECT_EQ(RefusalOf(unsealer->BeginRekey(kAlice, "shamir", 3, 1).status()),
            v1::REQUEST_MALFORMED);
  auto begun = unsealer->BeginRekey(kAlice, "shamir", 3, 2);
  ASSERT_TRUE(begun.ok());
  EXPECT_EQ(RefusalOf(unsealer->BeginRekey(kAlice, "shamir", 3, 2).status()),
            v1::REKEY_CONFLICT);
  EXPECT_EQ(
      RefusalOf(
          unsealer->ContinueRekey(kAlice, "12345678", shares[0]).status()),
      v1::REKEY_CONFLICT);
  unsealer->CancelRekey();
  EXPECT_EQ(
      RefusalOf(unsealer->ContinueRekey(kAlice, begun->id, shares[0]).status()),
      v1::REKEY_CONFLICT);
  auto second = unsealer->BeginRekey(kAlice, "shamir", 3, 2);
  ASSERT_TRUE(second.ok());
  EXPECT_NE(second->id, begun->id);
  // A seal ends it, too.
  ASSERT_TRUE(unsealer->Seal(clock_.Now() + absl::Seconds(10)).ok());
  EXPECT_EQ(
      RefusalOf(
          unsealer->ContinueRekey(kAlice, second->id, shares[0]).status()),
      v1::SEALED);
}

TEST_F(RekeyTest, FromCustodiansToATokenAndBack) {
  std::vector<std::string> shares;
  {
    const auto unsealer = Open();
    shares = Init(*unsealer, 1, 1);
  }
  const SealOptions custodians = options_.seal;
  options_.seal = token_;
  EXPECT_EQ(Unsealer::Open(options_).status().code(),
            absl::StatusCode::kFailedPrecondition);
  options_.seal_before = custodians;
  {
    const auto unsealer = Open();
    EXPECT_EQ(unsealer->state().kind, SealKind::kShamir);
    EXPECT_EQ(unsealer->state().configured_kind, SealKind::kPkcs11);
    ASSERT_TRUE(unsealer->Unseal(kAlice, shares[0]).ok());
    auto begun = unsealer->BeginRekey(kAlice, "pkcs11", 0, 0);
    ASSERT_TRUE(begun.ok()) << begun.status();
    EXPECT_EQ(Offer(*unsealer, begun->id, {shares[0]}).id, "");
    EXPECT_EQ(unsealer->state().kind, SealKind::kPkcs11);
    EXPECT_EQ(LastLeaf().rekeyed().kind(), "pkcs11");
  }
  options_.seal_before.reset();
  {
    const auto unsealer = Open();
    EXPECT_TRUE(unsealer->state().sealed);  // Until somebody asks the token.
    EXPECT_EQ(RefusalOf(unsealer->Unseal(kAlice, shares[0])),
              v1::SHARE_REJECTED);
    ASSERT_TRUE(unsealer->Unseal("", "").ok());
  }
  options_.seal_before = token_;
  options_.seal = custodians;
  {
    const auto unsealer = Open();
    ASSERT_TRUE(unsealer->Unseal("", "").ok());
    // No custodian has it, so none has to agree.
    auto begun = unsealer->BeginRekey(kAlice, "shamir", 2, 2);
    ASSERT_TRUE(begun.ok()) << begun.status();
    EXPECT_TRUE(begun->confirming);
    shares = Texts(begun->shares);
    EXPECT_EQ(Offer(*unsealer, begun->id, shares).id, "");
  }
  options_.seal_before.reset();
  const auto unsealer = Open();
  EXPECT_TRUE(unsealer->Unseal(kAlice, shares[0]).ok());
  EXPECT_TRUE(unsealer->Unseal(kAlice, shares[1]).ok());
  EXPECT_FALSE(unsealer->state().sealed);
}

TEST_F(RekeyTest, ATokenThatRefusesLeavesTheOldSeal) {
  std::vector<std::string> shares;
  {
    const auto unsealer = Open();
    shares = Init(*unsealer, 1, 1);
  }
  options_.seal_before = options_.seal;
  options_.seal = token_;
  ASSERT_TRUE(WritePrivateFile(token_.pkcs11.pin_file, AsBytes("9999")).ok());
  const auto unsealer = Open();
  ASSERT_TRUE(unsealer->Unseal(kAlice, shares[0]).ok());
  auto begun = unsealer->BeginRekey(kAlice, "pkcs11", 0, 0);
  ASSERT_TRUE(begun.ok());
  EXPECT_EQ(
      RefusalOf(unsealer->ContinueRekey(kAlice, begun->id, shares[0]).status()),
      v1::SEAL_PIN_REJECTED);
  EXPECT_EQ(unsealer->state().kind, SealKind::kShamir);
  EXPECT_TRUE(unsealer->BeginRekey(kAlice, "pkcs11", 0, 0).ok());
}

TEST_F(RekeyTest, WhatADeviceSaysIsKeptForTheStatus) {
  options_.seal = token_;
  {
    const auto unsealer = Open();
    EXPECT_EQ(RefusalOf(unsealer->Init(kAlice, 3, 2).status()),
              v1::REQUEST_MALFORMED);
    EXPECT_TRUE(Init(*unsealer, 0, 0).empty());
  }
  ASSERT_TRUE(WritePrivateFile(token_.pkcs11.pin_file, AsBytes("9999")).ok());
  const auto unsealer = Open();
  EXPECT_EQ(RefusalOf(unsealer->Unseal("", "")), v1::SEAL_PIN_REJECTED);
  EXPECT_EQ(RefusalOf(unsealer->state().problem), v1::SEAL_PIN_REJECTED);
  ASSERT_TRUE(WritePrivateFile(token_.pkcs11.pin_file, AsBytes("1234")).ok());
  EXPECT_TRUE(unsealer->Unseal("", "").ok());
  EXPECT_TRUE(unsealer->state().problem.ok());
}

TEST_F(RekeyTest, ARotatedKeyringWritesAnewAndReadsOnThroughARestart) {
  std::vector<std::string> shares;
  const std::vector<storage::KeyKind> kinds = {storage::KeyKind::kStorage,
                                               storage::KeyKind::kLog,
                                               storage::KeyKind::kChallenge};
  {
    const auto unsealer = Open();
    EXPECT_EQ(RefusalOf(unsealer->RotateKeyring(kAlice, kinds).status()),
              v1::SEALED);
    shares = Init(*unsealer, 1, 1);
    const auto rotated = unsealer->RotateKeyring(kAlice, kinds);
    ASSERT_TRUE(rotated.ok()) << rotated.status();
    EXPECT_EQ(*rotated, (std::vector<uint32_t>{2, 2, 2}));
    EXPECT_EQ(LastLeaf().keyring_rotated().kind(), "challenge");
    EXPECT_EQ(LastLeaf().keyring_rotated().version(), 2u);
    const auto instance = holder_.Get().value();
    const auto keyring = instance->envelope->keyring();
    for (const storage::KeyKind kind : kinds) {
      EXPECT_EQ(keyring->primary(kind), 2u);
    }
    EXPECT_EQ(keyring->primary(storage::KeyKind::kCheckpoint), 1u);
    // Both into the log: a batch under the new keys.
    ASSERT_TRUE(unsealer->RotateKeyring(kAlice, {kinds[1]}).ok());
    // A joiner is given all of it.
    const auto copy = unsealer->CopyRoot();
    ASSERT_TRUE(copy.ok());
    const auto given =
        OpenKeyringOf(*DecodeSealFile(AsBytes(copy->seal_file)), copy->root);
    ASSERT_TRUE(given.ok());
    EXPECT_EQ(given->primary(storage::KeyKind::kLog), 3u);
    EXPECT_TRUE(given->Contains(*keyring));
  }
  const auto unsealer = Open();
  const absl::Status unsealed = unsealer->Unseal(kAlice, shares[0]);
  ASSERT_TRUE(unsealed.ok()) << unsealed;
  EXPECT_EQ(
      (*holder_.Get())->envelope->keyring()->primary(storage::KeyKind::kLog),
      3u);
  // A rekey holds a copy of the keyring: not both at once.
  ASSERT_TRUE(unsealer->BeginRekey(kAlice, "shamir", 1, 1).ok());
  EXPECT_EQ(RefusalOf(unsealer->RotateKeyring(kAlice, kinds).status()),
            v1::REKEY_CONFLICT);
}

// The seal file is renamed between the two instance files. Whichever side of
// it the power went, the root key that opens the seal opens the instance.
TEST_F(RekeyTest, ACrashBetweenTheFilesIsFinishedOrForgotten) {
  options_.seal = token_;
  const auto read = [&](const char* name) {
    std::ifstream in(Cluster(name), std::ios::binary);
    return std::string{std::istreambuf_iterator<char>(in), {}};
  };
  const auto write = [&](const char* name, const std::string& bytes) {
    ASSERT_TRUE(WritePrivateFile(Cluster(name), AsBytes(bytes)).ok());
  };
  std::string old_seal, old_instance, new_seal, new_instance;
  {
    const auto unsealer = Open();
    Init(*unsealer, 0, 0);
    old_seal = read("seal");
    old_instance = read("instance");
    ASSERT_TRUE(unsealer->BeginRekey(kAlice, "pkcs11", 0, 0).ok());
    new_seal = read("seal");
    new_instance = read("instance");
  }
  ASSERT_NE(old_seal, new_seal);
  ASSERT_NE(old_instance, new_instance);
  const auto opens = [&] {
    const auto unsealer = Open();
    const absl::Status unsealed = unsealer->Unseal("", "");
    EXPECT_TRUE(unsealed.ok()) << unsealed;
    EXPECT_FALSE(std::filesystem::exists(Cluster("instance.next")));
  };
  // Before the rename of the seal file.
  write("seal", old_seal);
  write("instance", old_instance);
  write("instance.next", new_instance);
  opens();
  EXPECT_EQ(read("instance"), old_instance);
  // After it.
  write("seal", new_seal);
  write("instance.next", new_instance);
  opens();
  EXPECT_EQ(read("instance"), new_instance);
  // All done.
  opens();
  // The new seal file without the new instance file was never there.
  write("instance", old_instance);
  const auto unsealer = Open();
  EXPECT_EQ(RefusalOf(unsealer->Unseal("", "")), v1::DATA_LOSS);
}

}  // namespace
}  // namespace kms::seal

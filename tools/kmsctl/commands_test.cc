#include "tools/kmsctl/commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/secret_access.h"
#include "kms/base/shared_data.h"
#include "kms/crypto/checkpoint.h"
#include "kms/crypto/merkle.h"
#include "kms/crypto/note.h"
#include "kms/crypto/signing_key.h"
#include "kms/lifecycle/import_aad.h"
#include "kms/lifecycle/wrapped_blob.h"
#include "proto/kms/v1/audit_entry.pb.h"
#include "tools/client/endpoints.h"
#include "tools/client/file.h"
#include "tools/kms_agent/fake_kms.h"
#include "tools/kmsctl/fake_service.h"

namespace kms::kmsctl {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// kmsctl with its output kept, talking to `service` through `instances`
// equal addresses.
class CommandsTest : public ::testing::Test {
 protected:
  int Run(std::vector<std::string> arguments, const std::string& typed = "") {
    std::istringstream in(typed);
    std::ostringstream out, err;
    Context context(in, out, err);
    std::vector<std::shared_ptr<grpc::Channel>> channels;
    for (int i = 0; i < instances_; ++i) channels.push_back(service_.Channel());
    context.SetEndpoints(std::make_unique<client::Endpoints>(
        std::move(channels), absl::Seconds(5), absl::Seconds(5)));
    const int exit_code = RunCommand(std::move(arguments), context);
    out_ = out.str();
    err_ = err.str();
    return exit_code;
  }

  std::vector<std::string> Pinned(std::vector<std::string> arguments,
                                  const std::string& identity) {
    for (const std::string& word :
         {std::string("--cluster"), Hex(service_.keys.cluster_id),
          std::string("--identity"), Hex(identity)}) {
      arguments.push_back(word);
    }
    return arguments;
  }

  static std::string File(const std::string& name,
                          const std::string& contents) {
    const std::string path = ::testing::TempDir() + name;
    EXPECT_TRUE(client::WriteFile(path, AsBytes(contents)).ok());
    return path;
  }

  FakeService service_;
  int instances_ = 1;
  std::string out_;
  std::string err_;
};

// --- Usage ---

TEST_F(CommandsTest, RefusesAWrongCommandLineWithTwo) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{},
        {"nothing"},
        {"key"},
        {"key", "create"},
        {"key", "create", "a", "--bytes", "15"},
        {"key", "create", "a", "--bytes", "32", "--import-file", "x"},
        {"key", "enable", "a", "0"},
        {"key", "enable", "a", "x"},
        {"unseal", "--reset", "--share-file", "x"},
        {"status", "-o", "xml"},
        {"audit", "prove", "0"},  // Nothing is pinned.
        {"audit", "checkpoint", "--cluster", "00", "--identity", "00"},
        {"completion", "tcsh"}}) {
    EXPECT_EQ(Run(arguments), 2) << ::testing::PrintToString(arguments);
    EXPECT_THAT(err_, HasSubstr("kmsctl: USAGE: "));
    EXPECT_THAT(err_, HasSubstr("\nnext: "));
    EXPECT_EQ(out_, "");
  }
}

TEST_F(CommandsTest, ShowsHelpAndSucceeds) {
  EXPECT_EQ(Run({"--help"}), 0);
  EXPECT_THAT(out_, HasSubstr("Exit codes: "));
  EXPECT_EQ(Run({"key", "create", "--help"}), 0);
  EXPECT_THAT(out_, HasSubstr("--import-file"));
}

TEST_F(CommandsTest, TakesANameThatIsAlsoACommand) {
  EXPECT_EQ(Run({"key", "create", "audit"}), 0);
  ASSERT_EQ(service_.keys.created.size(), 1u);
  EXPECT_EQ(service_.keys.created[0].name(), "audit");
}

TEST_F(CommandsTest, PrintsARefusalWithItsCodeAndExitsThree) {
  service_.keys.answer = agent::Refusal(v1::ALREADY_EXISTS);
  EXPECT_EQ(Run({"key", "create", "a"}), 3);
  EXPECT_THAT(err_, HasSubstr("kmsctl: ALREADY_EXISTS: scripted\nnext: "));
  service_.keys.answer = agent::Refusal(v1::SEALED);
  EXPECT_EQ(Run({"key", "list"}), 4);
}

// --- The cluster ---

TEST_F(CommandsTest, ShowsTheClusterAtAGlance) {
  v1::ClusterStatus& status = service_.cluster.status;
  status.set_log("ok");
  status.set_log_epoch(1);
  status.set_log_tail(40);
  status.set_release_guard("majority: holds");
  v1::LogMember& leader = *status.add_log_members();
  leader.set_address("etcd1:2379");
  leader.set_version("3.4.23");
  leader.set_leads(true);
  leader.set_knows_leader(true);
  leader.set_bytes(int64_t{5} << 20);
  leader.add_alarms("NOSPACE");
  v1::LogMember& lost = *status.add_log_members();
  lost.set_address("etcd2:2379");
  lost.set_problem("UNAVAILABLE");
  service_.collateral.stored.add_collateral()->set_next_update_us(1);
  service_.collateral.stored.add_collateral();
  v1::InstanceStatus& self = *status.add_instances();
  self.set_instance_id(std::string(16, 'a'));
  self.set_agreement(v1::InstanceStatus::SELF);
  self.set_epoch(1);
  self.set_index(40);
  self.set_digest(std::string(32, 'd'));
  v1::InstanceStatus& other = *status.add_instances();
  other.set_instance_id(std::string(16, 'b'));
  other.set_agreement(v1::InstanceStatus::SILENT);
  other.set_head_age_ms(-1);
  other.set_development(true);
  EXPECT_EQ(Run({"cluster", "status"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("log: ok, 1/40  release guard: majority: holds"));
  EXPECT_THAT(out_, HasSubstr("etcd1:2379: leads, 3.4.23, 5 MiB, in use 0 MiB, "
                              "! NOSPACE\n"));
  EXPECT_THAT(out_, HasSubstr("etcd2:2379: ! UNAVAILABLE\n"));
  EXPECT_THAT(out_,
              HasSubstr("collateral: 1 ok, 1 past its next update\njoining: "));
  EXPECT_THAT(out_, HasSubstr(Hex(std::string(16, 'a')) + "  serving"));
  EXPECT_THAT(out_, HasSubstr(Hex(std::string(6, 'd'))));
  EXPECT_THAT(out_, HasSubstr(Hex(std::string(16, 'b')) + "  not asked"));
  EXPECT_THAT(out_, HasSubstr("DEVELOPMENT TOKEN"));
  EXPECT_EQ(Run({"cluster", "status", "-o", "json"}), 0);
  EXPECT_THAT(out_, HasSubstr("\"state\": \"serving\""));
  EXPECT_THAT(out_, HasSubstr("\"addresses_unreached\": 0"));
}

TEST_F(CommandsTest, RemovesAndUnfencesTheInstanceItIsTold) {
  const std::string id(16, 'b');
  EXPECT_EQ(Run({"cluster", "remove", Hex(id), "--reason", "lost"}), 0) << err_;
  ASSERT_EQ(service_.cluster.removed.size(), 1u);
  EXPECT_EQ(service_.cluster.removed[0].instance_id(), id);
  EXPECT_EQ(service_.cluster.removed[0].reason(), "lost");
  EXPECT_EQ(Run({"cluster", "unfence", Hex(id)}), 0) << err_;
  ASSERT_EQ(service_.cluster.unfenced.size(), 1u);
  EXPECT_EQ(Run({"cluster", "remove", "abc"}), 2);
  EXPECT_EQ(service_.cluster.removed.size(), 1u);
}

// --- Keys ---

TEST_F(CommandsTest, CreatesAKeyAsAsked) {
  EXPECT_EQ(Run({"key", "create", "weights", "--policy", "p", "--bytes", "64",
                 "-o", "json"}),
            0);
  ASSERT_EQ(service_.keys.created.size(), 1u);
  const v1::CreateKeyRequest& sent = service_.keys.created[0];
  EXPECT_EQ(sent.namespace_(), "default");
  EXPECT_EQ(sent.policy(), "p");
  EXPECT_EQ(sent.material().random_bytes(), 64u);
  EXPECT_EQ(nlohmann::json::parse(out_)["name"], "weights");
}

TEST_F(CommandsTest, SealsImportedMaterialToTheServiceAndToTheName) {
  const std::string marked = "MARKED-KEY-MATERIAL-0123456789ab";
  const std::vector<std::string> words = {"key",
                                          "create",
                                          "weights",
                                          "--namespace",
                                          "team",
                                          "--import-file",
                                          File("material", marked)};
  // To nobody before it is known whom: without pins, or another's key.
  EXPECT_EQ(Run(words), 2);
  EXPECT_EQ(Run(Pinned(words, std::string(32, 'x'))), 5);
  EXPECT_TRUE(service_.keys.created.empty());
  EXPECT_EQ(Run(Pinned(words, service_.keys.identity.public_key())), 0) << err_;
  ASSERT_EQ(service_.keys.created.size(), 1u);
  const v1::CreateKeyRequest& sent = service_.keys.created[0];
  EXPECT_THAT(sent.SerializeAsString(), Not(HasSubstr("MARKED")));
  const v1::NewMaterial::Sealed& sealed = sent.material().sealed();
  const auto opened = crypto::HpkeOpen(
      service_.keys.import_pair.private_key, AsBytes(sealed.enc()),
      AsBytes("kms.v1 import"),
      AsBytes(lifecycle::ImportAad("iiiiiiiiiiiiiiii", "team", "weights")),
      AsBytes(sealed.ciphertext()));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(AsStringView(opened->Expose(GrantSecretAccess())), marked);
}

TEST_F(CommandsTest, RefusesMaterialOfTheWrongSizeBeforeAskingAnyone) {
  EXPECT_EQ(Run({"key", "create", "a", "--import-file",
                 File("short", std::string(15, 'x'))}),
            2);
  EXPECT_EQ(Run({"key", "create", "a", "--import-file",
                 File("long", std::string(4097, 'x'))}),
            1);
  EXPECT_TRUE(service_.keys.created.empty());
}

TEST_F(CommandsTest, ReplacesABlobOnlyByOneOfTheSameKeyAndArtifact) {
  const auto pair = crypto::HpkeGenerateKeyPair(crypto::Kem::kX25519);
  lifecycle::BlobHeader header;
  header.cluster_id = service_.keys.cluster_id;
  header.name_space = "default";
  header.key_id = std::string(16, 'k');
  header.version = 1;
  header.artifact_digest = std::string(32, 'a');
  const auto seal = [&] {
    return *lifecycle::SealBlob(header, AsBytes(pair->public_key),
                                *Secret::Allocate(32));
  };
  const std::string before = seal();
  const std::string path = File("blob", before);
  const auto rewrap = [&](const std::string& blob, uint32_t version) {
    service_.keys.rewrapped.set_blob(blob);
    service_.keys.rewrapped.set_version(version);
    return Run({"key", "rewrap", path});
  };
  EXPECT_EQ(rewrap("", 2), 5);
  EXPECT_EQ(rewrap("not a blob", 2), 5);
  header.version = 2;
  EXPECT_EQ(rewrap(seal(), 3), 5);
  header.key_id = std::string(16, 'o');
  EXPECT_EQ(rewrap(seal(), 2), 5);
  header.key_id = std::string(16, 'k');
  header.artifact_digest.clear();
  EXPECT_EQ(rewrap(seal(), 2), 5);
  EXPECT_EQ(*client::ReadFile(path, lifecycle::kBlobSizeMax), before);
  header.artifact_digest = std::string(32, 'a');
  const std::string after = seal();
  EXPECT_EQ(rewrap(after, 2), 0) << err_;
  EXPECT_EQ(*client::ReadFile(path, lifecycle::kBlobSizeMax), after);
}

TEST_F(CommandsTest, ListsEveryPage) {
  EXPECT_EQ(Run({"key", "list", "--prefix", "k"}), 0);
  EXPECT_THAT(out_, HasSubstr("\nk1 "));
  EXPECT_THAT(out_, HasSubstr("\nk2 "));
  EXPECT_EQ(Run({"key", "list", "-o", "json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_)["keys"].size(), 2u);
}

TEST_F(CommandsTest, DestroysAtOnceOnlyWhenTheNameIsTyped) {
  EXPECT_EQ(Run({"key", "destroy", "weights", "3", "--now"}, "yes\n"), 2);
  EXPECT_EQ(Run({"key", "destroy", "weights", "3", "--now"}, ""), 2);
  EXPECT_TRUE(service_.keys.states.empty());
  EXPECT_EQ(Run({"key", "destroy", "weights", "3", "--now"}, "weights\n"), 0);
  EXPECT_EQ(Run({"key", "destroy", "weights", "3", "--now", "--yes"}), 0);
  ASSERT_EQ(service_.keys.states.size(), 2u);
  EXPECT_EQ(service_.keys.states[0].state(), v1::KeyVersion::DESTROYED);
  EXPECT_EQ(service_.keys.states[0].version(), 3u);
}

TEST_F(CommandsTest, DestroysAfterAWaitUnlessToldOtherwise) {
  EXPECT_EQ(Run({"key", "destroy", "weights", "3"}), 0);
  EXPECT_EQ(Run({"key", "destroy", "weights", "3", "--wait", "24h"}), 0);
  EXPECT_EQ(Run({"key", "destroy", "weights", "3", "--wait", "soon"}), 2);
  EXPECT_EQ(Run({"key", "destroy", "weights", "3", "--wait", "1h", "--now"}),
            2);
  ASSERT_EQ(service_.keys.scheduled.size(), 2u);
  EXPECT_EQ(service_.keys.scheduled[0].wait_us(), 0);
  EXPECT_EQ(service_.keys.scheduled[1].wait_us(), 86'400'000'000);
  EXPECT_EQ(service_.keys.scheduled[1].version(), 3u);
  EXPECT_TRUE(service_.keys.states.empty());
}

TEST_F(CommandsTest, UpdatesOnlyWhatIsGiven) {
  EXPECT_EQ(Run({"key", "update", "a", "--minimum-version", "0", "--label",
                 "team=research", "--label", "empty="}),
            0);
  EXPECT_EQ(Run({"key", "update", "a", "--rotation-period", "720h"}), 0);
  EXPECT_EQ(Run({"key", "update", "a", "--no-labels"}), 0);
  EXPECT_EQ(Run({"key", "update", "a", "--label", "no-value"}), 2);
  EXPECT_EQ(Run({"key", "update", "a", "--rotation-period", "monthly"}), 2);
  // Zero seconds would mean: none any more.
  EXPECT_EQ(Run({"key", "update", "a", "--rotation-period", "500ms"}), 2);
  ASSERT_EQ(service_.keys.updated.size(), 3u);
  const v1::UpdateKeyRequest& first = service_.keys.updated[0];
  EXPECT_TRUE(first.has_minimum_version());
  EXPECT_FALSE(first.has_description());
  EXPECT_FALSE(first.has_rotation_period_s());
  EXPECT_EQ(first.labels().labels().at("team"), "research");
  EXPECT_EQ(first.labels().labels().at("empty"), "");
  EXPECT_EQ(service_.keys.updated[1].rotation_period_s(), 2'592'000);
  EXPECT_FALSE(service_.keys.updated[1].has_labels());
  EXPECT_TRUE(service_.keys.updated[2].has_labels());
  EXPECT_TRUE(service_.keys.updated[2].labels().labels().empty());
}

TEST_F(CommandsTest, EnablesAndDisables) {
  EXPECT_EQ(Run({"key", "enable", "a", "1"}), 0);
  EXPECT_EQ(Run({"key", "disable", "a", "2"}), 0);
  ASSERT_EQ(service_.keys.states.size(), 2u);
  EXPECT_EQ(service_.keys.states[0].state(), v1::KeyVersion::ENABLED);
  EXPECT_EQ(service_.keys.states[1].state(), v1::KeyVersion::DISABLED);
}

// --- Seal ---

TEST_F(CommandsTest, InitShowsEachShareOnce) {
  EXPECT_EQ(Run({"init", "--shares", "3", "--threshold", "2"}), 0);
  EXPECT_THAT(out_, HasSubstr("share 3: share-text-3\n"));
  EXPECT_THAT(out_, HasSubstr("cluster id: 30313233343536373839616263646566"));
  EXPECT_EQ(Run({"init", "-o", "json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_)["shares"].size(), 5u);
}

TEST_F(CommandsTest, InitOfADevelopmentSealAsksForNoSharesAndSaysSo) {
  service_.status.kind = "development";
  EXPECT_EQ(Run({"init"}), 0);
  EXPECT_THAT(err_, HasSubstr("DEVELOPMENT SEAL: there are no shares."));
  EXPECT_THAT(out_, Not(HasSubstr("share")));
  EXPECT_EQ(Run({"init", "-o", "json"}), 0);
  EXPECT_THAT(err_, HasSubstr("DEVELOPMENT SEAL"));
  EXPECT_TRUE(nlohmann::json::accept(out_));
  // What was asked for is sent, for the server to judge.
  EXPECT_EQ(Run({"init", "--shares", "3"}), 0);
  EXPECT_THAT(out_, HasSubstr("share-text-3"));
}

TEST_F(CommandsTest, UnsealsWithAFileWithoutItsWhiteSpace) {
  EXPECT_EQ(Run({"unseal", "--share-file", File("share", " the-share \n")}), 0);
  EXPECT_EQ(service_.seals.shares, std::vector<std::string>{"the-share"});
  EXPECT_EQ(
      Run({"unseal", "--share-file", File("huge", std::string(513, 'x'))}), 1);
  EXPECT_EQ(Run({"unseal", "--reset"}), 0);
  EXPECT_EQ(service_.seals.resets, 1);
}

TEST_F(CommandsTest, ShowsTheLastSignedLogHeadToWhoeverUnseals) {
  service_.status.last_checkpoint = "kms/1\n7\nroot\n";
  EXPECT_EQ(Run({"unseal", "--share-file", File("share", "the-share")}), 0);
  EXPECT_THAT(err_, HasSubstr("kms/1\n7\nroot\n"));
}

TEST_F(CommandsTest, ADeviceIsAskedForTheRootKeyAndNobodyElse) {
  service_.status.kind = "tpm";
  EXPECT_EQ(Run({"init"}), 0);
  EXPECT_THAT(out_, Not(HasSubstr("share")));
  EXPECT_EQ(Run({"unseal"}), 0);
  EXPECT_EQ(service_.seals.shares, std::vector<std::string>{""});
}

TEST_F(CommandsTest, ARekeyKeepsTheSealAndAMigrationChangesIt) {
  EXPECT_EQ(Run({"seal", "migrate"}), 2);
  EXPECT_EQ(Run({"seal", "rekey", "--shares", "3", "--threshold", "2"}), 0);
  EXPECT_EQ(service_.seals.rekeys.back().kind(), "shamir");
  EXPECT_EQ(service_.seals.rekeys.back().shares(), 3u);
  EXPECT_EQ(service_.seals.rekeys.back().threshold(), 2u);
  EXPECT_THAT(err_, HasSubstr("next: 2 more shares of the present root key: "
                              "kmsctl seal rekey-share --rekey 0102"));
  service_.status.configured_kind = "pkcs11";
  EXPECT_EQ(Run({"seal", "rekey"}), 2);
  EXPECT_EQ(Run({"seal", "migrate"}), 0);
  EXPECT_EQ(service_.seals.rekeys.back().kind(), "pkcs11");
  EXPECT_EQ(service_.seals.rekeys.back().shares(), 0u);
  EXPECT_EQ(service_.seals.seals, 0);
}

TEST_F(CommandsTest, RotatesTheKindsOfKeyThatAreNamed) {
  EXPECT_EQ(Run({"seal", "rotate-keyring", "--kind", "log", "challenge"}), 0);
  EXPECT_THAT(out_, AllOf(HasSubstr("log"), HasSubstr("challenge")));
  EXPECT_EQ(service_.seals.seals, 0);
}

TEST_F(CommandsTest, ANewShareIsShownOnce) {
  EXPECT_EQ(Run({"seal", "rekey-share", "--rekey", "0102", "--share-file",
                 File("share", "the-share\n")}),
            0);
  EXPECT_EQ(service_.seals.shares, std::vector<std::string>{"the-share"});
  EXPECT_THAT(out_, HasSubstr("new share 2: new-share-2\n"));
  EXPECT_THAT(err_, HasSubstr("2 more shares of the NEW root key"));
  EXPECT_EQ(Run({"seal", "rekey-cancel"}), 0);
  EXPECT_EQ(service_.seals.cancels, 1);
  EXPECT_EQ(Run({"seal"}), 0);
  EXPECT_EQ(service_.seals.seals, 1);
}

TEST_F(CommandsTest, ANewEpochWantsAReason) {
  EXPECT_EQ(Run({"log", "new-epoch"}), 2);
  EXPECT_TRUE(service_.seals.epoch_reasons.empty());
  EXPECT_EQ(Run({"log", "new-epoch", "--reason", "etcd was lost"}), 0);
  EXPECT_EQ(service_.seals.epoch_reasons,
            std::vector<std::string>{"etcd was lost"});
  EXPECT_THAT(err_, HasSubstr("next: unseal this instance"));
  service_.seals.epoch_answer = agent::Refusal(v1::NOT_SEALED);
  EXPECT_EQ(Run({"log", "new-epoch", "--reason", "x"}), 3);
  EXPECT_THAT(err_, HasSubstr("next: seal this instance (kmsctl seal), "));
}

TEST_F(CommandsTest, ConcernsOneInstanceWhereItMust) {
  instances_ = 2;
  EXPECT_EQ(Run({"log", "new-epoch", "--reason", "x"}), 2);
  EXPECT_EQ(Run({"init"}), 2);
  EXPECT_EQ(Run({"unseal", "--reset"}), 2);
  EXPECT_EQ(service_.seals.resets, 0);
  EXPECT_EQ(Run({"key", "list"}), 0);
}

// --- Audit ---

// A log of three leaves under fresh keys.
class AuditTest : public CommandsTest {
 protected:
  AuditTest() {
    for (int i = 0; i < 3; ++i) {
      v1::AuditEntry entry;
      entry.set_index(static_cast<uint64_t>(i) + 1);
      leaves_.push_back(entry.SerializeAsString());
      hashes_.push_back(crypto::LeafHash(AsBytes(leaves_.back())));
    }
    root2_ = crypto::NodeHash(AsBytes(hashes_[0]), AsBytes(hashes_[1]));
    root3_ = crypto::NodeHash(AsBytes(root2_), AsBytes(hashes_[2]));
    service_.audits.checkpoint = Sign(3, root3_);
    service_.audits.inclusion.set_leaf_index(1);
    service_.audits.inclusion.set_leaf(leaves_[1]);
    service_.audits.inclusion.add_hashes(hashes_[0]);
    service_.audits.inclusion.add_hashes(hashes_[2]);
    *service_.audits.inclusion.mutable_checkpoint() =
        service_.audits.checkpoint;
    service_.audits.consistency.add_hashes(hashes_[2]);
  }

  v1::Checkpoint Sign(uint64_t size, const std::string& root) {
    return Sign(size, root, absl::StrCat("kms.v1/", Hex(kCluster), "/1"));
  }
  v1::Checkpoint Sign(uint64_t size, const std::string& root,
                      const std::string& origin) {
    v1::Checkpoint checkpoint;
    checkpoint.set_note(
        *crypto::SignNote(*crypto::FormatCheckpoint(
                              {.origin = origin, .size = size, .root = root}),
                          origin, checkpoint_key_));
    checkpoint.set_verifier_key(
        crypto::NoteVerifier::Create(origin,
                                     AsBytes(checkpoint_key_.public_key()))
            ->vkey());
    checkpoint.set_identity_signature(identity_key_.Sign(
        absl::StrCat("kms.v1 checkpoint key", absl::string_view("\0", 1),
                     checkpoint.verifier_key())));
    return checkpoint;
  }

  int RunPinned(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(),
                     {"--cluster", Hex(kCluster), "--identity",
                      Hex(identity_key_.public_key()), "-o", "json"});
    return Run(std::move(arguments));
  }

  static constexpr absl::string_view kCluster = "0123456789abcdef";
  const crypto::Ed25519SigningKey identity_key_ =
      *crypto::Ed25519SigningKey::Generate();
  const crypto::Ed25519SigningKey checkpoint_key_ =
      *crypto::Ed25519SigningKey::Generate();
  std::vector<std::string> leaves_;
  std::vector<std::string> hashes_;
  std::string root2_;
  std::string root3_;
};

TEST_F(AuditTest, VerifiesAndSavesTheCheckpoint) {
  const std::string saved = ::testing::TempDir() + "saved";
  EXPECT_EQ(RunPinned({"audit", "checkpoint", "--save", saved}), 0) << err_;
  EXPECT_EQ(nlohmann::json::parse(out_)["size"], 3);
  EXPECT_EQ(*client::ReadFile(saved, 10000), service_.audits.checkpoint.note());
}

TEST_F(AuditTest, BelievesNoCheckpointButThePinnedClusters) {
  const v1::Checkpoint good = service_.audits.checkpoint;
  v1::Checkpoint& served = service_.audits.checkpoint;
  served.mutable_identity_signature()->back() ^= 1;
  EXPECT_EQ(RunPinned({"audit", "checkpoint"}), 5);
  served = Sign(3, root3_, "kms.v1/00000000000000000000000000000000/1");
  EXPECT_EQ(RunPinned({"audit", "checkpoint"}), 5);
  served = good;
  served.set_note(Sign(3, root2_).note() + "x");
  EXPECT_EQ(RunPinned({"audit", "checkpoint"}), 5);
  served.Clear();
  EXPECT_EQ(RunPinned({"audit", "checkpoint"}), 5);
  served = good;
  EXPECT_EQ(Run({"audit", "checkpoint", "--cluster", Hex(kCluster),
                 "--identity", std::string(64, '0')}),
            5);
}

TEST_F(AuditTest, ProvesALeaf) {
  EXPECT_EQ(RunPinned({"audit", "prove", "1"}), 0) << err_;
  const auto json = nlohmann::json::parse(out_);
  EXPECT_EQ(json["proved"], true);
  EXPECT_EQ(json["entry"]["index"], 2);
}

TEST_F(AuditTest, RefusesAProofOfAnotherLeafNumberOrRoot) {
  // The service answers every question with the proof of leaf 1.
  EXPECT_EQ(RunPinned({"audit", "prove", "0"}), 5);
  v1::InclusionProof& proof = service_.audits.inclusion;
  const v1::InclusionProof good = proof;
  proof.mutable_hashes(0)->back() ^= 1;
  EXPECT_EQ(RunPinned({"audit", "prove", "1"}), 5);
  proof = good;
  proof.set_leaf(leaves_[0]);
  EXPECT_EQ(RunPinned({"audit", "prove", "1"}), 5);
  proof = good;
  proof.clear_checkpoint();
  EXPECT_EQ(RunPinned({"audit", "prove", "1"}), 5);
}

TEST_F(AuditTest, VerifiesThatTheLogOnlyGrew) {
  const std::string old = File("old", Sign(2, root2_).note());
  EXPECT_EQ(RunPinned({"audit", "verify-consistency", old}), 0) << err_;
  const std::string same = File("same", Sign(3, root3_).note());
  EXPECT_EQ(RunPinned({"audit", "verify-consistency", same}), 0) << err_;
}

TEST_F(AuditTest, ANewEpochGoesOnFromTheTreeOfAnEarlierOne) {
  const auto origin = [](int epoch) {
    return absl::StrCat("kms.v1/", Hex(kCluster), "/", epoch);
  };
  service_.audits.checkpoint = Sign(3, root3_, origin(2));
  const std::string old = File("old", Sign(2, root2_, origin(1)).note());
  EXPECT_EQ(RunPinned({"audit", "verify-consistency", old}), 0) << err_;
  EXPECT_THAT(err_, HasSubstr("began a new epoch"));
  EXPECT_THAT(out_, HasSubstr(origin(1)));
  const std::string forked = File("f", Sign(2, hashes_[2], origin(1)).note());
  EXPECT_EQ(RunPinned({"audit", "verify-consistency", forked}), 5);
  const std::string later = File("l", Sign(2, root2_, origin(3)).note());
  EXPECT_EQ(RunPinned({"audit", "verify-consistency", later}), 5);
  const std::string other = File(
      "o", Sign(2, root2_, "kms.v1/00000000000000000000000000000000/1").note());
  EXPECT_EQ(RunPinned({"audit", "verify-consistency", other}), 5);
  const std::string padded = File(
      "p",
      Sign(2, root2_, absl::StrCat("kms.v1/", Hex(kCluster), "/01")).note());
  EXPECT_EQ(RunPinned({"audit", "verify-consistency", padded}), 5);
}

TEST_F(AuditTest, NoticesAForkARollbackAndAForeignNote) {
  const std::string forked = File("forked", Sign(2, hashes_[2]).note());
  EXPECT_EQ(RunPinned({"audit", "verify-consistency", forked}), 5);
  const std::string split = File("split", Sign(3, root2_).note());
  EXPECT_EQ(RunPinned({"audit", "verify-consistency", split}), 5);
  const std::string longer = File("longer", Sign(4, root3_).note());
  EXPECT_EQ(RunPinned({"audit", "verify-consistency", longer}), 5);
  EXPECT_THAT(err_, HasSubstr("rolled back"));
  EXPECT_EQ(RunPinned({"audit", "verify-consistency", File("text", "x\n")}), 5);
}

TEST_F(CommandsTest, VerifiesAReceiptOffline) {
  agent::FakeKms kms;
  const auto stub = kms.NewStub();
  grpc::ClientContext context;
  v1::ReleaseKeyRequest request;
  request.set_kem_id(0x20);
  request.set_recipient_public_key(
      crypto::HpkeGenerateKeyPair(crypto::Kem::kX25519)->public_key);
  v1::ReleaseKeyResponse response;
  ASSERT_TRUE(stub->ReleaseKey(&context, request, &response).ok());
  const std::string receipt = response.receipt().SerializeAsString();
  const auto verify = [&](const std::string& bytes,
                          const std::string& identity) {
    return Run({"audit", "verify-receipt", File("receipt", bytes), "--cluster",
                Hex(kms.pinned().cluster_id), "--identity", Hex(identity)});
  };
  EXPECT_EQ(verify(receipt, kms.pinned().identity_public_key), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("This receipt proves"));
  EXPECT_EQ(verify(receipt, std::string(32, 'x')), 5);
  EXPECT_EQ(out_, "");
  for (size_t size = 0; size < receipt.size(); size += 7) {
    EXPECT_EQ(verify(receipt.substr(0, size), kms.pinned().identity_public_key),
              5)
        << size;
  }
}

// --- Policies, without a service ---

std::string PolicyDocument(const std::string& measurement) {
  return absl::StrCat(
      "name: p\nevidence:\n  - {type: sev-snp, count: 1}\n"
      "reference:\n  images: [\"",
      measurement,
      "\"]\n"
      "rules:\n  - id: image\n"
      "    expr: claims.cpu.measurement in reference.images\n"
      "    message: not an approved build\n"
      "release: {lease: 1h}\n");
}

TEST_F(CommandsTest, PolicyPutShowsAFaultWithoutACall) {
  EXPECT_EQ(Run({"policy", "put", File("bad.yaml", "name: [")}), 3);
  EXPECT_THAT(err_, HasSubstr("POLICY_INVALID"));
}

TEST_F(CommandsTest, PolicyTestExplainsEachRuleOnRealEvidence) {
  const std::string name = "evidence/snp/genoa-v3-vcek-tsm/";
  const auto expected = ReadShared(name + "expect.json");
  if (!expected.has_value()) return;
  const std::string measurement =
      nlohmann::json::parse(*expected)["claims"]["measurement"];
  const std::string bundle = SharedPath(name + "bundle.json");
  EXPECT_EQ(Run({"policy", "test",
                 File("good.yaml", PolicyDocument(measurement)), bundle}),
            0)
      << err_;
  EXPECT_THAT(out_, HasSubstr("TRUE  image\n"));
  EXPECT_THAT(out_, HasSubstr("allowed by p"));
  EXPECT_EQ(
      Run({"policy", "test",
           File("other.yaml", PolicyDocument(std::string(96, '0'))), bundle}),
      3);
  EXPECT_THAT(out_, HasSubstr("FALSE  image\n    not an approved build"));
  EXPECT_THAT(out_, HasSubstr(measurement));
  EXPECT_THAT(err_, HasSubstr("POLICY_DENIED"));
  EXPECT_EQ(
      Run({"policy", "test", File("good.yaml", PolicyDocument(measurement)),
           bundle, "--at", "2060-01-01T00:00:00Z"}),
      3);
  EXPECT_THAT(err_, HasSubstr("CERTIFICATE_EXPIRED"));
}

// --- Policies of the service ---

TEST_F(CommandsTest, PolicyPutTakesAState) {
  const std::string file = File("p.yaml", PolicyDocument(std::string(96, '0')));
  EXPECT_EQ(Run({"policy", "put", file}), 0) << err_;
  EXPECT_EQ(Run({"policy", "put", file, "--state", "shadow"}), 0) << err_;
  EXPECT_EQ(Run({"policy", "put", file, "--state", "retired"}), 2);
  ASSERT_EQ(service_.policies.put.size(), 2u);
  EXPECT_EQ(service_.policies.put[0].state(), v1::POLICY_ACTIVE);
  EXPECT_EQ(service_.policies.put[1].state(), v1::POLICY_SHADOW);
}

TEST_F(CommandsTest, PolicyStatesAreSetByVersion) {
  EXPECT_EQ(Run({"policy", "activate", "p@3", "--expected-active", "2"}), 0);
  EXPECT_EQ(Run({"policy", "shadow", "p@4"}), 0);
  EXPECT_EQ(Run({"policy", "retire", "p@1"}), 0);
  ASSERT_EQ(service_.policies.states.size(), 3u);
  const v1::SetPolicyStateRequest& activated = service_.policies.states[0];
  EXPECT_EQ(activated.name(), "p");
  EXPECT_EQ(activated.version(), 3u);
  EXPECT_EQ(activated.state(), v1::POLICY_ACTIVE);
  EXPECT_TRUE(activated.check_active());
  EXPECT_EQ(activated.expected_active(), 2u);
  EXPECT_EQ(service_.policies.states[1].state(), v1::POLICY_SHADOW);
  EXPECT_FALSE(service_.policies.states[1].check_active());
  EXPECT_EQ(service_.policies.states[2].state(), v1::POLICY_RETIRED);
  for (const char* subject : {"p", "p@", "p@0", "p@x", "p@-1"}) {
    EXPECT_EQ(Run({"policy", "activate", subject}), 2) << subject;
  }
  EXPECT_EQ(service_.policies.states.size(), 3u);
  EXPECT_EQ(Run({"policy", "revert", "p"}), 0);
  EXPECT_EQ(service_.policies.reverted, "p");
}

TEST_F(CommandsTest, PolicyHistoryAndDiffAreReadable) {
  EXPECT_EQ(Run({"policy", "history", "p"}), 0);
  EXPECT_THAT(out_, HasSubstr("active"));
  EXPECT_THAT(out_, HasSubstr("retired"));
  EXPECT_EQ(Run({"policy", "diff", "p@1", "p@2"}), 0);
  EXPECT_EQ(out_,
            "--- p@1\n+++ p@2\n@@ -1,2 +1,2 @@\n name: p\n-version 1\n"
            "+version 2\n");
  EXPECT_EQ(Run({"policy", "diff", "p@1", File("f", "name: p\nversion 1\n")}),
            0);
  EXPECT_EQ(out_, "");
  EXPECT_EQ(Run({"policy", "diff", "p", "p@2"}), 2);
}

TEST_F(CommandsTest, PolicyExplainsWhatWasDecided) {
  EXPECT_EQ(Run({"policy", "explain", "--decision", "17"}), 0) << err_;
  EXPECT_EQ(service_.policies.explained, 17u);
  EXPECT_THAT(out_, HasSubstr("FALSE  r\n"));
  EXPECT_THAT(out_,
              HasSubstr("    from:    claims.cpu.debug = true  (SEV_SNP)\n"));
  EXPECT_THAT(out_, HasSubstr("reference.images: guests@5, "));
  EXPECT_THAT(out_, HasSubstr("denied by p@3\nrecorded: POLICY_DENIED\n"));
  EXPECT_EQ(Run({"policy", "explain"}), 2);
  EXPECT_EQ(Run({"policy", "explain", "p"}), 2);
  EXPECT_EQ(Run({"policy", "explain", "p", "--decision", "17"}), 2);
}

TEST_F(CommandsTest, PolicyDryRunGroupsTheRecordedRequests) {
  EXPECT_EQ(Run({"policy", "dry-run", "p@4", "--against", "recorded", "--last",
                 "7", "--decided-by", "q"}),
            0)
      << err_;
  EXPECT_EQ(service_.policies.dry_run.name(), "p");
  EXPECT_EQ(service_.policies.dry_run.version(), 4u);
  EXPECT_EQ(service_.policies.dry_run.limit(), 7u);
  EXPECT_EQ(service_.policies.dry_run.decided_by(), "q");
  EXPECT_THAT(out_, HasSubstr("policy: rule r is false"));
  EXPECT_THAT(out_, HasSubstr("7 judged, 0 without Evidence here"));
  EXPECT_EQ(Run({"policy", "dry-run", File("d.yaml", "name: d\n")}), 0);
  EXPECT_EQ(service_.policies.dry_run.document(), "name: d\n");
  EXPECT_EQ(Run({"policy", "dry-run", "p", "--against", "guesses"}), 2);
  EXPECT_EQ(Run({"policy", "dry-run", "p", "--last", "1001"}), 2);
}

TEST_F(CommandsTest, ReferenceSetsAreFilesAndSigners) {
  EXPECT_EQ(Run({"reference", "put", "guests", File("g.corim", "\xd2"),
                 "--signer", "acme", "--measurement-key", "kernel"}),
            0)
      << err_;
  EXPECT_EQ(service_.policies.reference.name(), "guests");
  EXPECT_EQ(service_.policies.reference.file(), "\xd2");
  EXPECT_EQ(service_.policies.reference.signer(), "acme");
  EXPECT_EQ(service_.policies.reference.measurement_key(), "kernel");
  EXPECT_EQ(Run({"reference", "end", "guests@2"}), 0);
  EXPECT_EQ(service_.policies.ended.version(), 2u);
  EXPECT_EQ(Run({"reference", "end", "guests"}), 2);
}

// --- Completion ---

TEST_F(CommandsTest, CompletionNamesEveryCommand) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    EXPECT_EQ(Run({"completion", shell}), 0);
    for (const char* word : {"unseal", "set-policy", "verify-receipt",
                             "--import-file", "put", "evidence", "--address"}) {
      EXPECT_THAT(out_, HasSubstr(word)) << shell;
    }
  }
}

}  // namespace
}  // namespace kms::kmsctl

#include "kms/instance/testing.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "kms/base/bytes.h"
#include "kms/base/status.h"
#include "kms/crypto/random.h"
#include "storage/archive/evidence_archive.h"
#include "storage/envelope/envelope.h"
#include "storage/envelope/keyring.h"
#include "storage/replica/replica.h"

namespace kms {
namespace {

// As kms/seal makes them: seeds of the keyring.
absl::StatusOr<crypto::Ed25519SigningKey> SigningKey(
    const storage::Keyring& keyring, storage::KeyKind kind) {
  KMS_ASSIGN_OR_RETURN(const Secret* const seed,
                       keyring.Get(kind, keyring.primary(kind)));
  return crypto::Ed25519SigningKey::FromSeed(*seed);
}

std::string AcknowledgedPath() {
  static std::atomic<int> count{0};
  return absl::StrCat(testing::TempDir(), "/acknowledged_", ++count);
}

}  // namespace

absl::Time TestStartTime() {
  return absl::FromCivil(absl::CivilSecond(2100, 1, 1), absl::UTCTimeZone());
}

Caller TestAdministrator() {
  return {.administrator = true, .principal = "alice", .peer = "ipv4:test"};
}

Caller TestWorkload() {
  return {.administrator = false, .principal = "", .peer = "ipv4:test"};
}

TestInstance::TestInstance()
    : clock(TestStartTime()), boot_clock(absl::UnixEpoch()) {}

TestInstance::~TestInstance() { Seal(); }

absl::StatusOr<std::unique_ptr<TestInstance>> TestInstance::Make(
    const TestInstanceOptions& options) {
  auto made = std::unique_ptr<TestInstance>(new TestInstance());
  KMS_RETURN_IF_ERROR(made->Open(options));
  return made;
}

absl::Status TestInstance::Open(const TestInstanceOptions& options) {
  KMS_ASSIGN_OR_RETURN(storage::Keyring keyring, storage::Keyring::Generate());
  KMS_ASSIGN_OR_RETURN(crypto::Ed25519SigningKey identity_key,
                       SigningKey(keyring, storage::KeyKind::kClusterIdentity));
  KMS_ASSIGN_OR_RETURN(crypto::Ed25519SigningKey checkpoint_key,
                       SigningKey(keyring, storage::KeyKind::kCheckpoint));
  KMS_ASSIGN_OR_RETURN(
      std::shared_ptr<const storage::Envelope> envelope,
      storage::Envelope::Create(
          std::make_shared<const storage::Keyring>(std::move(keyring))));
  KMS_ASSIGN_OR_RETURN(crypto::Ed25519SigningKey instance_key,
                       crypto::Ed25519SigningKey::Generate());
  instance_key_ =
      std::make_unique<crypto::Ed25519SigningKey>(std::move(instance_key));
  KMS_ASSIGN_OR_RETURN(
      log_, storage::LocalLog::Create(
                &log_engine_, {.acknowledged_path = AcknowledgedPath()}, 1));

  const std::string cluster_id = crypto::RandomString(16);
  storage::InstanceId instance_id;
  crypto::RandomBytes(absl::MakeSpan(instance_id.bytes));

  storage::BootstrapOptions genesis;
  genesis.log = log_.get();
  genesis.envelope = envelope.get();
  genesis.clock = &clock;
  genesis.instance = instance_id;
  genesis.signing_key = instance_key_.get();
  genesis.cluster_id = cluster_id;
  genesis.salt = crypto::RandomString(16);
  genesis.principal = TestAdministrator().principal;
  genesis.approval_threshold = options.approval_threshold;
  KMS_RETURN_IF_ERROR(
      storage::Replica::Bootstrap(genesis, absl::InfiniteFuture()));

  storage::ReplicaOptions replica_options;
  replica_options.state = &state_engine_;
  replica_options.log = log_.get();
  replica_options.envelope = envelope.get();
  replica_options.clock = &clock;
  replica_options.boot_time = [this] {
    return boot_clock.Now() - absl::UnixEpoch();
  };
  replica_options.instance = instance_id;
  replica_options.signing_key = instance_key_.get();
  replica_options.cluster_id = cluster_id;
  replica_options.on_fatal = [](const absl::Status& status) {
    std::fprintf(stderr, "test instance: %s\n", status.ToString().c_str());
    std::abort();
  };
  KMS_ASSIGN_OR_RETURN(
      std::unique_ptr<storage::Replica> replica,
      storage::Replica::Open(replica_options, absl::InfiniteFuture()));

  auto evidence = std::make_unique<storage::EvidenceArchive>(
      &evidence_engine, envelope, absl::Hours(1));
  holder.Set(std::make_shared<const Instance>(
      Instance{.cluster_id = cluster_id,
               .instance_id = ToString(instance_id.bytes),
               .clock = clock,
               .envelope = envelope,
               .replica = std::move(replica),
               .evidence_archive = std::move(evidence),
               .identity_key = std::move(identity_key),
               .checkpoint_key = std::move(checkpoint_key),
               .simulated_anchors = options.simulated_anchors,
               .collateral_max_ages = options.collateral_max_ages}));
  return absl::OkStatus();
}

void TestInstance::Seal() {
  view_.reset();
  holder.Set(nullptr);
}

std::shared_ptr<const Instance> TestInstance::get() const {
  return holder.Get().value();
}

const storage::StateView& TestInstance::View() {
  view_ = get()->replica->View();
  return *view_;
}

std::unique_ptr<TestInstance> MakeTestInstance(
    const TestInstanceOptions& options) {
  absl::StatusOr<std::unique_ptr<TestInstance>> made =
      TestInstance::Make(options);
  if (!made.ok()) {
    std::fprintf(stderr, "test instance: %s\n",
                 made.status().ToString().c_str());
    std::abort();
  }
  return *std::move(made);
}

}  // namespace kms

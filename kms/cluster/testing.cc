#include "kms/cluster/testing.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "kms/base/status.h"
#include "kms/crypto/random.h"
#include "kms/seal/limits.h"
#include "kms/seal/share.h"
#include "storage/archive/evidence_archive.h"
#include "storage/envelope/envelope.h"
#include "storage/replica/replica.h"

namespace kms::cluster {
namespace {

// A client of the shared service, with a lock around it, time that moves with
// every call, and a Read that waits until something happens.
class ServiceLog : public storage::SharedLog {
 public:
  explicit ServiceLog(SharedService& service) : service_(service) {
    absl::MutexLock lock(&service_.mutex);
    client_ = service_.log.Attach();
  }

  absl::StatusOr<storage::LogPosition> Append(const storage::BatchId& id,
                                              BytesView sealed) override {
    absl::MutexLock lock(&service_.mutex);
    service_.log.Step();
    service_.changed.SignalAll();
    return client_->Append(id, sealed);
  }
  absl::StatusOr<std::vector<storage::LogEntry>> Read(
      storage::LogPosition after, size_t bytes_max,
      absl::Duration wait) override {
    absl::MutexLock lock(&service_.mutex);
    const absl::Time until = absl::Now() + wait;
    for (;;) {
      service_.log.Step();
      auto entries = client_->Read(after, bytes_max, wait);
      if (!entries.ok() || !entries->empty() || interrupted_ ||
          absl::Now() >= until) {
        interrupted_ = false;
        return entries;
      }
      service_.changed.WaitWithTimeout(&service_.mutex, absl::Milliseconds(5));
    }
  }
  absl::StatusOr<storage::LogPosition> Tail() override {
    absl::MutexLock lock(&service_.mutex);
    return client_->Tail();
  }
  absl::Status Trim(storage::LogPosition through) override {
    absl::MutexLock lock(&service_.mutex);
    return client_->Trim(through);
  }
  void Interrupt() override {
    absl::MutexLock lock(&service_.mutex);
    interrupted_ = true;
    service_.changed.SignalAll();
  }
  std::vector<storage::LogMember> Members() override {
    absl::MutexLock lock(&service_.mutex);
    return service_.members;
  }
  storage::SimulatedLog::Peer peer() const { return client_->peer(); }

 private:
  SharedService& service_;
  std::unique_ptr<storage::SimulatedLogClient> client_;
  bool interrupted_ = false;
};

// Of a test that cannot go on.
template <typename T>
T Must(absl::StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  std::fprintf(stderr, "test cluster: %s\n", value.status().ToString().c_str());
  std::abort();
}

crypto::Ed25519SigningKey KeyOf(const storage::Keyring& keyring,
                                storage::KeyKind kind) {
  return Must(crypto::Ed25519SigningKey::FromSeed(
      *Must(keyring.Get(kind, keyring.primary(kind)))));
}

std::unique_ptr<storage::Envelope> EnvelopeOf(const storage::Keyring& keyring) {
  return Must(storage::Envelope::Create(
      std::make_shared<const storage::Keyring>(Must(keyring.Clone()))));
}

storage::InstanceId IdOf(const std::string& id) {
  storage::InstanceId instance;
  std::copy(id.begin(), id.end(), instance.bytes.begin());
  return instance;
}

// As kms/seal makes one; its root key is in memory only.
seal::JoinedCluster NewCluster() {
  const storage::Keyring keyring = Must(storage::Keyring::Generate());
  Secret root = Must(crypto::RandomSecret(seal::kRootKeyBytes));
  seal::SealFile seal;
  seal.kind = seal::SealKind::kDevelopment;
  seal.commitments.cluster_id = crypto::RandomString(seal::kClusterIdBytes);
  seal.commitments.ceremony_id = crypto::RandomString(seal::kCeremonyIdBytes);
  seal.commitments.salt = crypto::RandomString(seal::kCommitmentSaltBytes);
  seal.identity_public_key =
      KeyOf(keyring, storage::KeyKind::kClusterIdentity).public_key();
  seal.verifier_key = "test";
  if (!seal::SealKeyringInto(seal, root, keyring).ok()) std::abort();
  return {std::move(seal), std::move(root),
          crypto::RandomString(seal::kInstanceIdBytes),
          Must(crypto::Ed25519SigningKey::Generate())};
}

}  // namespace

TestNode::TestNode(TestCluster& cluster, seal::JoinedCluster joined)
    : cluster_(cluster),
      seal_(std::move(joined.seal)),
      root_(std::move(joined.root)),
      id_(std::move(joined.instance_id)),
      key_(std::move(joined.instance_key)),
      state_(std::make_unique<storage::MemoryEngine>()),
      evidence_(std::make_unique<storage::MemoryEngine>()),
      log_(std::make_unique<ServiceLog>(cluster.service)) {}

absl::Status TestNode::fatal() const {
  absl::MutexLock lock(&mutex_);
  return fatal_;
}

absl::Status TestNode::AwaitFatal() const {
  absl::MutexLock lock(&mutex_);
  const auto over = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return !fatal_.ok();
  };
  mutex_.Await(absl::Condition(&over));
  return fatal_;
}

storage::SimulatedLog::Peer TestNode::log_peer() const {
  return static_cast<const ServiceLog&>(*log_).peer();
}

absl::StatusOr<seal::RootCopy> TestNode::CopyRoot() const {
  KMS_RETURN_IF_ERROR(holder.Get().status());
  KMS_ASSIGN_OR_RETURN(Secret root, root_.Clone());
  return seal::RootCopy{std::move(root), seal::EncodeSealFile(seal_)};
}

absl::Status TestNode::Open(storage::Engine* state) {
  const storage::Keyring keyring = Must(seal::OpenKeyringOf(seal_, root_));
  std::shared_ptr<const storage::Envelope> envelope = EnvelopeOf(keyring);
  storage::ReplicaOptions options;
  options.state = state == nullptr ? state_.get() : state;
  options.log = log_.get();
  options.envelope = envelope.get();
  options.clock = &cluster_.clock;
  options.boot_time = [this] {
    return cluster_.boot_clock.Now() - absl::UnixEpoch();
  };
  options.instance = IdOf(id_);
  options.signing_key = &key_;
  options.cluster_id = seal_.commitments.cluster_id;
  options.retry_delay = absl::Milliseconds(1);
  options.on_fatal = [this](const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    fatal_ = status;
  };
  KMS_ASSIGN_OR_RETURN(std::unique_ptr<storage::Replica> replica,
                       storage::Replica::Open(options, absl::InfiniteFuture()));
  auto evidence = std::make_unique<storage::EvidenceArchive>(
      evidence_.get(), envelope, absl::Hours(1));
  holder.Set(std::make_shared<const Instance>(Instance{
      .cluster_id = seal_.commitments.cluster_id,
      .instance_id = id_,
      .clock = cluster_.clock,
      .envelope = std::move(envelope),
      .replica = std::move(replica),
      .evidence_archive = std::move(evidence),
      .identity_key = KeyOf(keyring, storage::KeyKind::kClusterIdentity),
      .checkpoint_key = KeyOf(keyring, storage::KeyKind::kCheckpoint),
      .simulated_anchors = cluster_.simulated_anchors_,
      .instance_key = &key_}));
  return absl::OkStatus();
}

// Deadlines are times of this clock plus a timeout, measured by the machine's:
// far enough in the future that they never run out.
TestCluster::TestCluster(std::vector<std::string> simulated_anchors)
    : clock(
          absl::FromCivil(absl::CivilSecond(2100, 1, 1), absl::UTCTimeZone())),
      boot_clock(absl::UnixEpoch()),
      simulated_anchors_(std::move(simulated_anchors)) {
  TestNode& node = Add(NewCluster());
  const storage::Keyring keyring =
      Must(seal::OpenKeyringOf(node.seal_, node.root_));
  const std::unique_ptr<storage::Envelope> envelope = EnvelopeOf(keyring);
  storage::BootstrapOptions genesis;
  genesis.log = node.log_.get();
  genesis.envelope = envelope.get();
  genesis.clock = &clock;
  genesis.instance = IdOf(node.id_);
  genesis.signing_key = &node.key_;
  genesis.cluster_id = node.seal_.commitments.cluster_id;
  genesis.salt = crypto::RandomString(16);
  genesis.principal = "alice";
  const absl::Status begun =
      storage::Replica::Bootstrap(genesis, absl::InfiniteFuture());
  if (!begun.ok() || !node.Open().ok()) std::abort();
}

TestCluster::~TestCluster() {
  for (const auto& node : nodes_) node->Seal();
}

PinnedCluster TestCluster::pinned() const {
  const seal::SealFile& seal = nodes_.front()->seal_;
  return {seal.commitments.cluster_id, seal.identity_public_key};
}

TestNode& TestCluster::Add(seal::JoinedCluster joined) {
  nodes_.push_back(
      std::unique_ptr<TestNode>(new TestNode(*this, std::move(joined))));
  return *nodes_.back();
}

void TestCluster::CatchUp(const TestNode& node) {
  const storage::LogPosition tail = Must(node.log_->Tail());
  while (node.get()->replica->View()->position() < tail) {
    if (!node.fatal().ok()) return;
    // What changes the log does not say when it was applied.
    absl::MutexLock lock(&service.mutex);
    service.changed.WaitWithTimeout(&service.mutex, absl::Milliseconds(1));
  }
}

}  // namespace kms::cluster

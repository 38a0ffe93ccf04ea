// Several instances in one process, over one simulated log: real replicas,
// real keyring and seal file, memory for disks, a clock that stands still until
// it is moved. What is missing is the network: tests carry the messages.
// Thread-compatible; the instances in it are thread-safe.
#ifndef KMS_CLUSTER_TESTING_H_
#define KMS_CLUSTER_TESTING_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "kms/base/clock.h"
#include "kms/cluster/joiner.h"
#include "kms/instance/instance.h"
#include "kms/seal/root_source.h"
#include "storage/engine/memory_engine.h"
#include "storage/log/simulated/simulated_log.h"

namespace kms::cluster {

// One simulated service for many threads.
struct SharedService {
  absl::Mutex mutex;
  absl::CondVar changed;
  storage::SimulatedLog log{1, /*seed=*/1};
  std::vector<storage::LogMember> members;  // What Members answers.
};

class TestCluster;

// One instance and what it stands on.
class TestNode : public seal::RootSource {
 public:
  // Whether it is unsealed.
  InstanceHolder holder;
  // What ended its replica, if anything did; and once something has.
  absl::Status fatal() const;
  absl::Status AwaitFatal() const;

  std::shared_ptr<const Instance> get() const { return holder.Get().value(); }
  const crypto::Ed25519SigningKey& instance_key() const { return key_; }
  const std::string& id() const { return id_; }
  storage::SimulatedLog::Peer log_peer() const;

  absl::StatusOr<seal::RootCopy> CopyRoot() const override;

  // As an operator's Seal, and as a process that ends.
  void Seal() { holder.Set(nullptr); }
  // Opens it again over `state`, or over its own.
  absl::Status Open(storage::Engine* state = nullptr);
  storage::MemoryEngine& state() { return *state_; }

 private:
  friend class TestCluster;
  TestNode(TestCluster& cluster, seal::JoinedCluster joined);

  TestCluster& cluster_;
  seal::SealFile seal_;
  Secret root_;
  std::string id_;
  crypto::Ed25519SigningKey key_;
  std::unique_ptr<storage::MemoryEngine> state_;
  std::unique_ptr<storage::MemoryEngine> evidence_;
  std::unique_ptr<storage::SharedLog> log_;
  mutable absl::Mutex mutex_;
  absl::Status fatal_ ABSL_GUARDED_BY(mutex_);
};

class TestCluster {
 public:
  // A cluster of one instance. `simulated_anchors`: of every instance.
  explicit TestCluster(std::vector<std::string> simulated_anchors = {});
  ~TestCluster();

  TestNode& first() { return *nodes_.front(); }
  PinnedCluster pinned() const;

  // What a donor gave, as an instance: sealed until Open.
  TestNode& Add(seal::JoinedCluster joined);

  // Waits until `node` has applied what the log holds.
  void CatchUp(const TestNode& node);

  ManualClock clock;
  ManualClock boot_clock;
  SharedService service;

 private:
  friend class TestNode;
  std::vector<std::string> simulated_anchors_;
  std::vector<std::unique_ptr<TestNode>> nodes_;
};

}  // namespace kms::cluster

#endif  // KMS_CLUSTER_TESTING_H_

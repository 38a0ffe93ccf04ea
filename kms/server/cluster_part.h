// All of kmsd that concerns other instances, in one place: the peers' port and
// connections, heads, joining, and what happens to an instance that the log's
// trim has passed. Made only where the configuration has a `cluster`.
//
// It is made in two steps, because the unsealer opens an instance before it
// exists for anybody: Create (connections; what the unsealer asks), then Start
// (the port, the threads).
// Thread-safe after Start.
#ifndef KMS_SERVER_CLUSTER_PART_H_
#define KMS_SERVER_CLUSTER_PART_H_

#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/server.h"
#include "kms/attester/attester.h"
#include "kms/base/clock.h"
#include "kms/cluster/donor.h"
#include "kms/cluster/head_exchange.h"
#include "kms/cluster/head_keeper.h"
#include "kms/cluster/joiner.h"
#include "kms/instance/instance.h"
#include "kms/seal/unsealer.h"
#include "kms/server/config.h"
#include "kms/server/event_log.h"
#include "kms/server/grpc_peer.h"
#include "kms/server/peer_service.h"

namespace kms::server {

class ClusterPart {
 public:
  // All but `config` outlive it. `attester`: what it joins by; null: it can
  // only join by the development token. kInvalidArgument and the files' codes:
  // a file of the configuration cannot be used.
  static absl::StatusOr<std::unique_ptr<ClusterPart>> Create(
      const ClusterConfig& config, attester::Attester* attester,
      const InstanceHolder& holder, const Clock& clock, const EventLog& log,
      std::function<absl::Duration()> boot_time);
  ~ClusterPart() { Stop(); }

  // For the unsealer's options.
  seal::SnapshotSource& snapshots() { return *snapshots_; }
  void CameBySnapshot(storage::LogPosition position);

  const cluster::HeadKeeper& keeper() const { return keeper_; }
  const cluster::HeadExchange& exchange() const { return *exchange_; }

  // HeadKeeper::Guard of now.
  absl::Status Guard() const { return exchange_->Guard(); }

  // Listens; joins a cluster in the background if the configuration names one
  // and `unsealer` has none yet. `changed`: told after the instance came or
  // went. kUnavailable: the address cannot be bound.
  absl::Status Start(seal::Unsealer& unsealer, std::function<void()> changed);

  // The replica of the instance ended with `status`. True: the trim has passed
  // it, and it is opened anew in the background.
  bool TakesOver(const absl::Status& status);

  // The port that peers reach.
  int port() const { return port_; }

  // Ends port and threads. Idempotent.
  void Stop();

 private:
  ClusterPart(const ClusterConfig& config, attester::Attester* attester,
              const InstanceHolder& holder, const Clock& clock,
              const EventLog& log, std::function<absl::Duration()> boot_time,
              PeerTls tls, std::optional<Secret> token);

  void Run(seal::Unsealer* unsealer, std::function<void()> changed);
  bool TryJoin(seal::Unsealer& unsealer,
               std::optional<cluster::JoinAttempt>& attempt);
  absl::StatusOr<seal::JoinedCluster> AskToJoin(
      GrpcPeer& peer, std::optional<cluster::JoinAttempt>& attempt);
  absl::StatusOr<cluster::ProveFn> Prover() const;
  void Tell(LogLevel level, const char* event, const std::string& peer,
            const absl::Status& status) const;

  const ClusterConfig config_;
  attester::Attester* const attester_;
  const InstanceHolder& holder_;
  const Clock& clock_;
  const EventLog& log_;
  const PeerTls tls_;
  const std::optional<Secret> token_;

  std::vector<std::unique_ptr<GrpcPeer>> peers_;
  std::unique_ptr<PeerSnapshots> snapshots_;
  cluster::HeadKeeper keeper_;
  std::unique_ptr<cluster::HeadExchange> exchange_;
  std::unique_ptr<cluster::Donor> donor_;
  std::unique_ptr<PeerService> service_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
  std::thread thread_;

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool reopen_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace kms::server

#endif  // KMS_SERVER_CLUSTER_PART_H_

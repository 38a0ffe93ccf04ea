// kms.v1.Cluster as gRPC calls it, on the peers' port. TLS has demanded a
// certificate of the peers' CA; who may do what beyond a join is a vouch's to
// say. One line of log a refusal.
// Thread-safe. What the options name outlives it.
#ifndef KMS_SERVER_PEER_SERVICE_H_
#define KMS_SERVER_PEER_SERVICE_H_

#include <atomic>

#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"
#include "grpcpp/support/sync_stream.h"
#include "kms/base/clock.h"
#include "kms/cluster/donor.h"
#include "kms/cluster/head_exchange.h"
#include "kms/instance/instance.h"
#include "kms/server/event_log.h"
#include "proto/kms/v1/cluster.grpc.pb.h"

namespace kms::server {

struct PeerServiceOptions {
  const InstanceHolder* holder = nullptr;
  cluster::Donor* donor = nullptr;
  cluster::HeadExchange* exchange = nullptr;
  const Clock* clock = nullptr;
  const EventLog* log = nullptr;
};

class PeerService final : public v1::Cluster::Service {
 public:
  explicit PeerService(PeerServiceOptions options) : options_(options) {}

  grpc::Status GetJoinChallenge(
      grpc::ServerContext* context, const v1::GetJoinChallengeRequest* request,
      v1::GetJoinChallengeResponse* response) override;
  grpc::Status Join(grpc::ServerContext* context,
                    const v1::JoinRequest* request,
                    v1::JoinResponse* response) override;
  grpc::Status Exchange(grpc::ServerContext* context,
                        const v1::ExchangeRequest* request,
                        v1::ExchangeResponse* response) override;
  grpc::Status CopySnapshot(
      grpc::ServerContext* context, const v1::CopySnapshotRequest* request,
      grpc::ServerWriter<v1::SnapshotChunk>* writer) override;

 private:
  // The status that travels, and a line of log where it is no success.
  grpc::Status End(const char* rpc, const grpc::ServerContext& context,
                   const absl::Status& status) const;
  absl::Status Copy(const grpc::ServerContext& context,
                    const v1::CopySnapshotRequest& request,
                    grpc::ServerWriter<v1::SnapshotChunk>& writer);

  const PeerServiceOptions options_;
  std::atomic<int> copies_ = 0;
};

}  // namespace kms::server

#endif  // KMS_SERVER_PEER_SERVICE_H_

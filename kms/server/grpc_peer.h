// A connection to one peer's port: kms.v1.Cluster as this instance calls it.
// Thread-safe.
#ifndef KMS_SERVER_GRPC_PEER_H_
#define KMS_SERVER_GRPC_PEER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/channel.h"
#include "kms/cluster/head_exchange.h"
#include "kms/seal/snapshot_source.h"
#include "kms/server/peer_tls.h"
#include "proto/kms/v1/cluster.grpc.pb.h"

namespace kms::server {

class GrpcPeer final : public cluster::PeerClient {
 public:
  GrpcPeer(std::string address, const PeerTls& tls);

  const std::string& address() const override { return address_; }
  absl::StatusOr<Exchanged> Exchange(
      const v1::ExchangeRequest& request) override;

  absl::StatusOr<v1::GetJoinChallengeResponse> GetJoinChallenge();
  absl::StatusOr<v1::JoinResponse> Join(const v1::JoinRequest& request);

  absl::Status CopySnapshot(
      const v1::CopySnapshotRequest& request,
      absl::FunctionRef<absl::Status(storage::LogPosition)> begin,
      absl::FunctionRef<absl::Status(absl::string_view chunk)> add);

 private:
  const std::string address_;
  const std::unique_ptr<v1::Cluster::Stub> stub_;
};

// Snapshots from any of `peers`, which outlive it.
class PeerSnapshots final : public seal::SnapshotSource {
 public:
  PeerSnapshots(std::vector<GrpcPeer*> peers, std::string certificate_digest)
      : peers_(std::move(peers)),
        certificate_digest_(std::move(certificate_digest)) {}

  size_t donors() const override { return peers_.size(); }
  absl::Status Copy(
      size_t donor, const seal::SnapshotAsker& asker,
      absl::FunctionRef<absl::Status(storage::LogPosition)> begin,
      absl::FunctionRef<absl::Status(absl::string_view chunk)> add) override;

 private:
  const std::vector<GrpcPeer*> peers_;
  const std::string certificate_digest_;
};

}  // namespace kms::server

#endif  // KMS_SERVER_GRPC_PEER_H_

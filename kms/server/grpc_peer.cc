#include "kms/server/grpc_peer.h"

#include <utility>

#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/support/channel_arguments.h"
#include "kms/base/clock.h"
#include "kms/base/status.h"
#include "kms/cluster/limits.h"
#include "kms/cluster/vouch.h"
#include "kms/server/grpc_status.h"
#include "kms/server/limits.h"

namespace kms::server {
namespace {

// A join's Evidence is never received, only sent; a chunk is under 2 MiB.
constexpr int kReplyBytesMax = 4 * 1024 * 1024;

std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address,
                                         const PeerTls& tls) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kReplyBytesMax);
  // A proxy named in the environment has no business between instances.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // A peer that restarts is found again within a head's life.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 500);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, tls.client, arguments);
}

// By the system's clock: gRPC knows no other.
void SetTimeout(grpc::ClientContext& context, absl::Duration timeout) {
  context.set_deadline(absl::ToChronoTime(SystemClock().Now() + timeout));
}

}  // namespace

GrpcPeer::GrpcPeer(std::string address, const PeerTls& tls)
    : address_(std::move(address)),
      stub_(v1::Cluster::NewStub(ChannelTo(address_, tls))) {}

absl::StatusOr<cluster::PeerClient::Exchanged> GrpcPeer::Exchange(
    const v1::ExchangeRequest& request) {
  grpc::ClientContext context;
  SetTimeout(context, cluster::kExchangeTimeout);
  Exchanged exchanged;
  KMS_RETURN_IF_ERROR(
      FromGrpcStatus(stub_->Exchange(&context, request, &exchanged.response)));
  exchanged.certificate_digest = PeerCertificateDigest(*context.auth_context());
  return exchanged;
}

absl::StatusOr<v1::GetJoinChallengeResponse> GrpcPeer::GetJoinChallenge() {
  grpc::ClientContext context;
  SetTimeout(context, kDeadlineDefault);
  v1::GetJoinChallengeResponse response;
  KMS_RETURN_IF_ERROR(
      FromGrpcStatus(stub_->GetJoinChallenge(&context, {}, &response)));
  return response;
}

absl::StatusOr<v1::JoinResponse> GrpcPeer::Join(
    const v1::JoinRequest& request) {
  grpc::ClientContext context;
  SetTimeout(context, kDeadlineDefault);
  v1::JoinResponse response;
  KMS_RETURN_IF_ERROR(
      FromGrpcStatus(stub_->Join(&context, request, &response)));
  return response;
}

absl::Status GrpcPeer::CopySnapshot(
    const v1::CopySnapshotRequest& request,
    absl::FunctionRef<absl::Status(storage::LogPosition)> begin,
    absl::FunctionRef<absl::Status(absl::string_view chunk)> add) {
  grpc::ClientContext context;
  SetTimeout(context, cluster::kCopyTimeout);
  const auto reader = stub_->CopySnapshot(&context, request);
  absl::Status status;
  bool begun = false;
  for (v1::SnapshotChunk message; status.ok() && reader->Read(&message);) {
    status = begun ? add(message.chunk())
                   : begin({message.epoch(), message.index()});
    begun = true;
  }
  if (!status.ok()) context.TryCancel();
  const absl::Status finished = FromGrpcStatus(reader->Finish());
  return status.ok() ? finished : status;
}

absl::Status PeerSnapshots::Copy(
    size_t donor, const seal::SnapshotAsker& asker,
    absl::FunctionRef<absl::Status(storage::LogPosition)> begin,
    absl::FunctionRef<absl::Status(absl::string_view chunk)> add) {
  v1::CopySnapshotRequest request;
  *request.mutable_vouch() =
      cluster::MakeVouch(asker.cluster_id, asker.instance_id,
                         *asker.instance_key, certificate_digest_);
  request.set_after_epoch(asker.after.epoch);
  request.set_after_index(asker.after.index);
  return peers_[donor]->CopySnapshot(request, begin, add);
}

}  // namespace kms::server

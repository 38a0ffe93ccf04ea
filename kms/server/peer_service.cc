#include "kms/server/peer_service.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/cluster/limits.h"
#include "kms/cluster/vouch.h"
#include "kms/server/grpc_status.h"
#include "kms/server/limits.h"
#include "kms/server/peer_network.h"
#include "kms/server/peer_tls.h"
#include "storage/replica/replica.h"
#include "storage/snapshot/snapshot_writer.h"

namespace kms::server {
namespace {

template <typename Response>
absl::Status Put(absl::StatusOr<Response> answer, Response* response) {
  if (answer.ok()) *response = *std::move(answer);
  return answer.status();
}

}  // namespace

grpc::Status PeerService::End(const char* rpc,
                              const grpc::ServerContext& context,
                              const absl::Status& status) const {
  if (!status.ok()) {
    options_.log->Write(
        LogLevel::kWarning, "peer",
        {{"rpc", rpc},
         {"peer", PeerNetwork(context.peer())},
         {"refusal", RefusalName(RefusalOf(status))},
         {"reason", std::string(status.message().substr(0, 512))}});
  }
  return ToGrpcStatus(status);
}

grpc::Status PeerService::GetJoinChallenge(
    grpc::ServerContext* context, const v1::GetJoinChallengeRequest*,
    v1::GetJoinChallengeResponse* response) {
  return End("Cluster.GetJoinChallenge", *context,
             Put(options_.donor->GetJoinChallenge(), response));
}

grpc::Status PeerService::Join(grpc::ServerContext* context,
                               const v1::JoinRequest* request,
                               v1::JoinResponse* response) {
  const absl::Time latest = options_.clock->Now() + kDeadlineDefault;
  const absl::Time deadline =
      std::min(absl::FromChrono(context->deadline()), latest);
  const absl::Status joined = Put(
      options_.donor->Join(PeerNetwork(context->peer()), *request, deadline),
      response);
  if (joined.ok()) {
    const bool token = !request->development_token_mac().empty();
    options_.log->Write(
        token ? LogLevel::kWarning : LogLevel::kInfo, "joined",
        {{"peer", PeerNetwork(context->peer())},
         {"proof", token ? "DEVELOPMENT JOIN TOKEN: nothing was proven, and "
                           "this machine has every key now"
                         : "evidence"}});
  }
  return End("Cluster.Join", *context, joined);
}

grpc::Status PeerService::Exchange(grpc::ServerContext* context,
                                   const v1::ExchangeRequest* request,
                                   v1::ExchangeResponse* response) {
  return End("Cluster.Exchange", *context,
             Put(options_.exchange->Answer(
                     *request, PeerCertificateDigest(*context->auth_context())),
                 response));
}

grpc::Status PeerService::CopySnapshot(
    grpc::ServerContext* context, const v1::CopySnapshotRequest* request,
    grpc::ServerWriter<v1::SnapshotChunk>* writer) {
  absl::Status copied =
      Refuse(v1::RATE_LIMITED, "snapshot: others are copying; ask another");
  if (++copies_ <= cluster::kCopiesMax) {
    copied = Copy(*context, *request, *writer);
  }
  --copies_;
  return End("Cluster.CopySnapshot", *context, copied);
}

absl::Status PeerService::Copy(const grpc::ServerContext& context,
                               const v1::CopySnapshotRequest& request,
                               grpc::ServerWriter<v1::SnapshotChunk>& writer) {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       options_.holder->Get());
  KMS_RETURN_IF_ERROR(instance->replica->health());
  const auto view = instance->replica->View();
  KMS_RETURN_IF_ERROR(
      cluster::CheckVouch(*view, request.vouch(),
                          PeerCertificateDigest(*context.auth_context()))
          .status());
  const storage::LogPosition after = {request.after_epoch(),
                                      request.after_index()};
  if (view->position() <= after) {
    return Refuse(v1::LOG_UNAVAILABLE,
                  "snapshot: this instance is no further than who asks");
  }
  storage::SnapshotWriter snapshot(view, *instance->envelope);
  v1::SnapshotChunk message;
  message.set_epoch(snapshot.position().epoch);
  message.set_index(snapshot.position().index);
  while (writer.Write(message)) {
    KMS_ASSIGN_OR_RETURN(std::optional<std::string> chunk, snapshot.Next());
    if (!chunk.has_value()) return absl::OkStatus();
    message.set_chunk(*std::move(chunk));
  }
  return absl::CancelledError("snapshot: the receiver left");
}

}  // namespace kms::server

// kms.v1.ClusterAdminService as gRPC calls it. Administrators only.
// Thread-safe. The gate and the handlers outlive it.
#ifndef KMS_SERVER_CLUSTER_SERVICE_H_
#define KMS_SERVER_CLUSTER_SERVICE_H_

#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"
#include "kms/cluster/cluster_handlers.h"
#include "kms/server/gate.h"
#include "proto/kms/v1/cluster.grpc.pb.h"

namespace kms::server {

class ClusterService final : public v1::ClusterAdminService::Service {
 public:
  ClusterService(Gate& gate, cluster::ClusterHandlers handlers)
      : gate_(gate), handlers_(std::move(handlers)) {}

  grpc::Status GetClusterStatus(grpc::ServerContext* context,
                                const v1::GetClusterStatusRequest* request,
                                v1::ClusterStatus* response) override {
    return gate_.Answer(
        AdministratorRpc("ClusterAdminService.GetClusterStatus"), *context,
        *request, *response, [&](const Call& call) {
          return handlers_.GetClusterStatus(call.caller, *request);
        });
  }

  grpc::Status RemoveInstance(grpc::ServerContext* context,
                              const v1::RemoveInstanceRequest* request,
                              v1::RemoveInstanceResponse* response) override {
    return gate_.Answer(AdministratorRpc("ClusterAdminService.RemoveInstance"),
                        *context, *request, *response, [&](const Call& call) {
                          return handlers_.RemoveInstance(call.caller,
                                                          *request);
                        });
  }

  grpc::Status UnfenceInstance(grpc::ServerContext* context,
                               const v1::UnfenceInstanceRequest* request,
                               v1::UnfenceInstanceResponse* response) override {
    return gate_.Answer(AdministratorRpc("ClusterAdminService.UnfenceInstance"),
                        *context, *request, *response, [&](const Call& call) {
                          return handlers_.UnfenceInstance(call.caller,
                                                           *request);
                        });
  }

 private:
  Gate& gate_;
  const cluster::ClusterHandlers handlers_;
};

}  // namespace kms::server

#endif  // KMS_SERVER_CLUSTER_SERVICE_H_

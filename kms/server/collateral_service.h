// kms.v1.CollateralService as gRPC calls it. Administrators only.
// Names what each rpc demands and hands the call on; decides nothing else.
// Thread-safe. The gate and the handlers outlive it.
#ifndef KMS_SERVER_COLLATERAL_SERVICE_H_
#define KMS_SERVER_COLLATERAL_SERVICE_H_

#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"
#include "kms/collateral/collateral_handlers.h"
#include "kms/server/gate.h"
#include "proto/kms/v1/collateral.grpc.pb.h"

namespace kms::server {

class CollateralService final : public v1::CollateralService::Service {
 public:
  CollateralService(Gate& gate, collateral::CollateralHandlers& handlers)
      : gate_(gate), handlers_(handlers) {}

  grpc::Status ImportCollateral(
      grpc::ServerContext* context, const v1::ImportCollateralRequest* request,
      v1::ImportCollateralResponse* response) override {
    return gate_.Answer(AdministratorRpc("CollateralService.ImportCollateral"),
                        *context, *request, *response, [&](const Call& call) {
                          return handlers_.ImportCollateral(call.caller,
                                                            *request);
                        });
  }

  grpc::Status ListCollateral(grpc::ServerContext* context,
                              const v1::ListCollateralRequest* request,
                              v1::ListCollateralResponse* response) override {
    return gate_.Answer(AdministratorRpc("CollateralService.ListCollateral"),
                        *context, *request, *response, [&](const Call& call) {
                          return handlers_.ListCollateral(call.caller,
                                                          *request);
                        });
  }

  grpc::Status GetCollateral(grpc::ServerContext* context,
                             const v1::GetCollateralRequest* request,
                             v1::Collateral* response) override {
    return gate_.Answer(AdministratorRpc("CollateralService.GetCollateral"),
                        *context, *request, *response, [&](const Call& call) {
                          return handlers_.GetCollateral(call.caller, *request);
                        });
  }

  grpc::Status RemoveCollateral(
      grpc::ServerContext* context, const v1::RemoveCollateralRequest* request,
      v1::RemoveCollateralResponse* response) override {
    return gate_.Answer(AdministratorRpc("CollateralService.RemoveCollateral"),
                        *context, *request, *response, [&](const Call& call) {
                          return handlers_.RemoveCollateral(call.caller,
                                                            *request);
                        });
  }

  grpc::Status PutDenyList(grpc::ServerContext* context,
                           const v1::PutDenyListRequest* request,
                           v1::DenyList* response) override {
    return gate_.Answer(AdministratorRpc("CollateralService.PutDenyList"),
                        *context, *request, *response, [&](const Call& call) {
                          return handlers_.PutDenyList(call.caller, *request);
                        });
  }

  grpc::Status ListDenyLists(grpc::ServerContext* context,
                             const v1::ListDenyListsRequest* request,
                             v1::ListDenyListsResponse* response) override {
    return gate_.Answer(AdministratorRpc("CollateralService.ListDenyLists"),
                        *context, *request, *response, [&](const Call& call) {
                          return handlers_.ListDenyLists(call.caller, *request);
                        });
  }

  grpc::Status SetKillSwitch(grpc::ServerContext* context,
                             const v1::SetKillSwitchRequest* request,
                             v1::KillSwitch* response) override {
    return gate_.Answer(AdministratorRpc("CollateralService.SetKillSwitch"),
                        *context, *request, *response, [&](const Call& call) {
                          return handlers_.SetKillSwitch(call.caller, *request);
                        });
  }

  grpc::Status ListKillSwitches(
      grpc::ServerContext* context, const v1::ListKillSwitchesRequest* request,
      v1::ListKillSwitchesResponse* response) override {
    return gate_.Answer(AdministratorRpc("CollateralService.ListKillSwitches"),
                        *context, *request, *response, [&](const Call& call) {
                          return handlers_.ListKillSwitches(call.caller,
                                                            *request);
                        });
  }

 private:
  Gate& gate_;
  collateral::CollateralHandlers& handlers_;
};

}  // namespace kms::server

#endif  // KMS_SERVER_COLLATERAL_SERVICE_H_

// kms.v1.StatusService as gRPC calls it. Anyone may call, sealed or not.
// Thread-safe. Gate and handler outlive it.
#ifndef KMS_SERVER_STATUS_SERVICE_H_
#define KMS_SERVER_STATUS_SERVICE_H_

#include "absl/status/statusor.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"
#include "kms/server/gate.h"
#include "kms/server/status_handler.h"
#include "proto/kms/v1/seal.grpc.pb.h"

namespace kms::server {

class StatusService final : public v1::StatusService::Service {
 public:
  StatusService(Gate& gate, const StatusHandler& handler)
      : gate_(gate), handler_(handler) {}

  grpc::Status GetStatus(grpc::ServerContext* context,
                         const v1::GetStatusRequest* request,
                         v1::Status* response) override {
    return gate_.Answer(
        StatusRpc("StatusService.GetStatus"), *context, *request, *response,
        [&](const Call&) {
          return absl::StatusOr<v1::Status>(handler_.GetStatus());
        });
  }

 private:
  Gate& gate_;
  const StatusHandler& handler_;
};

}  // namespace kms::server

#endif  // KMS_SERVER_STATUS_SERVICE_H_

// kms.v1.KeyService as gRPC calls it. Administrators only.
// Names what each rpc demands and hands the call on; decides nothing else.
// Thread-safe. The gate and the handlers outlive it.
#ifndef KMS_SERVER_KEY_SERVICE_H_
#define KMS_SERVER_KEY_SERVICE_H_

#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"
#include "kms/lifecycle/key_handlers.h"
#include "kms/server/gate.h"
#include "proto/kms/v1/keys.grpc.pb.h"

namespace kms::server {

class KeyService final : public v1::KeyService::Service {
 public:
  KeyService(Gate& gate, lifecycle::KeyHandlers& handlers)
      : gate_(gate), handlers_(handlers) {}

  grpc::Status CreateKey(grpc::ServerContext* context,
                         const v1::CreateKeyRequest* request,
                         v1::Key* response) override {
    return gate_.Answer(AdministratorRpc("KeyService.CreateKey"), *context,
                        *request, *response, [&](const Call& call) {
                          return handlers_.CreateKey(call.caller, *request);
                        });
  }

  grpc::Status GetKey(grpc::ServerContext* context,
                      const v1::GetKeyRequest* request,
                      v1::Key* response) override {
    return gate_.Answer(AdministratorRpc("KeyService.GetKey"), *context,
                        *request, *response, [&](const Call& call) {
                          return handlers_.GetKey(call.caller, *request);
                        });
  }

  grpc::Status ListKeys(grpc::ServerContext* context,
                        const v1::ListKeysRequest* request,
                        v1::ListKeysResponse* response) override {
    return gate_.Answer(AdministratorRpc("KeyService.ListKeys"), *context,
                        *request, *response, [&](const Call& call) {
                          return handlers_.ListKeys(call.caller, *request);
                        });
  }

  grpc::Status RotateKey(grpc::ServerContext* context,
                         const v1::RotateKeyRequest* request,
                         v1::Key* response) override {
    return gate_.Answer(AdministratorRpc("KeyService.RotateKey"), *context,
                        *request, *response, [&](const Call& call) {
                          return handlers_.RotateKey(call.caller, *request);
                        });
  }

  grpc::Status SetKeyVersionState(grpc::ServerContext* context,
                                  const v1::SetKeyVersionStateRequest* request,
                                  v1::Key* response) override {
    return gate_.Answer(AdministratorRpc("KeyService.SetKeyVersionState"),
                        *context, *request, *response, [&](const Call& call) {
                          return handlers_.SetKeyVersionState(call.caller,
                                                              *request);
                        });
  }

  grpc::Status SetKeyPolicy(grpc::ServerContext* context,
                            const v1::SetKeyPolicyRequest* request,
                            v1::Key* response) override {
    return gate_.Answer(AdministratorRpc("KeyService.SetKeyPolicy"), *context,
                        *request, *response, [&](const Call& call) {
                          return handlers_.SetKeyPolicy(call.caller, *request);
                        });
  }

  grpc::Status UpdateKey(grpc::ServerContext* context,
                         const v1::UpdateKeyRequest* request,
                         v1::Key* response) override {
    return gate_.Answer(AdministratorRpc("KeyService.UpdateKey"), *context,
                        *request, *response, [&](const Call& call) {
                          return handlers_.UpdateKey(call.caller, *request);
                        });
  }

  grpc::Status GetWrappingKey(grpc::ServerContext* context,
                              const v1::GetWrappingKeyRequest* request,
                              v1::SignedWrappingKey* response) override {
    return gate_.Answer(AdministratorRpc("KeyService.GetWrappingKey"), *context,
                        *request, *response, [&](const Call& call) {
                          return handlers_.GetWrappingKey(call.caller,
                                                          *request);
                        });
  }

  grpc::Status RewrapBlob(grpc::ServerContext* context,
                          const v1::RewrapBlobRequest* request,
                          v1::RewrapBlobResponse* response) override {
    return gate_.Answer(AdministratorRpc("KeyService.RewrapBlob"), *context,
                        *request, *response, [&](const Call& call) {
                          return handlers_.RewrapBlob(call.caller, *request);
                        });
  }

  grpc::Status ScheduleKeyVersionDestruction(
      grpc::ServerContext* context,
      const v1::ScheduleKeyVersionDestructionRequest* request,
      v1::Key* response) override {
    return gate_.Answer(
        AdministratorRpc("KeyService.ScheduleKeyVersionDestruction"), *context,
        *request, *response, [&](const Call& call) {
          return handlers_.ScheduleKeyVersionDestruction(call.caller, *request);
        });
  }

  grpc::Status CancelKeyVersionDestruction(
      grpc::ServerContext* context,
      const v1::CancelKeyVersionDestructionRequest* request,
      v1::Key* response) override {
    return gate_.Answer(
        AdministratorRpc("KeyService.CancelKeyVersionDestruction"), *context,
        *request, *response, [&](const Call& call) {
          return handlers_.CancelKeyVersionDestruction(call.caller, *request);
        });
  }

  grpc::Status ConfirmClock(grpc::ServerContext* context,
                            const v1::ConfirmClockRequest* request,
                            v1::ClockJump* response) override {
    return gate_.Answer(AdministratorRpc("KeyService.ConfirmClock"), *context,
                        *request, *response, [&](const Call& call) {
                          return handlers_.ConfirmClock(call.caller, *request);
                        });
  }

  grpc::Status GetImportKey(grpc::ServerContext* context,
                            const v1::GetImportKeyRequest* request,
                            v1::ImportKey* response) override {
    return gate_.Answer(AdministratorRpc("KeyService.GetImportKey"), *context,
                        *request, *response, [&](const Call& call) {
                          return handlers_.GetImportKey(call.caller, *request);
                        });
  }

 private:
  Gate& gate_;
  lifecycle::KeyHandlers& handlers_;
};

}  // namespace kms::server

#endif  // KMS_SERVER_KEY_SERVICE_H_

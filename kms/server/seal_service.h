// kms.v1.SealService as gRPC calls it. Administrators only; the one service
// beside StatusService that a sealed instance answers.
// Shares pass through gRPC's own buffers, which are neither locked nor wiped. A
// request with one is wiped here; the answers to Init and to a rekey belong to
// gRPC.
// Thread-safe. Gate, handlers and heartbeat outlive it.
#ifndef KMS_SERVER_SEAL_SERVICE_H_
#define KMS_SERVER_SEAL_SERVICE_H_

#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"
#include "kms/base/secret.h"
#include "kms/seal/seal_handlers.h"
#include "kms/server/gate.h"
#include "kms/server/heartbeat.h"
#include "proto/kms/v1/seal.grpc.pb.h"

namespace kms::server {

class SealService final : public v1::SealService::Service {
 public:
  SealService(Gate& gate, seal::SealHandlers& handlers, Heartbeat& heartbeat)
      : gate_(gate), handlers_(handlers), heartbeat_(heartbeat) {}

  grpc::Status Init(grpc::ServerContext* context,
                    const v1::InitRequest* request,
                    v1::InitResponse* response) override {
    return gate_.Answer(SealRpc("SealService.Init"), *context, *request,
                        *response, [&](const Call& call) {
                          auto answer = handlers_.Init(call.caller, *request);
                          heartbeat_.ShowHealth();
                          return answer;
                        });
  }

  grpc::Status Unseal(grpc::ServerContext* context,
                      const v1::UnsealRequest* request,
                      v1::SealStatus* response) override {
    return gate_.Answer(
        SealRpc("SealService.Unseal"), *context, *request, *response,
        [&](const Call& call) {
          auto answer = handlers_.Unseal(call.caller, *request);
          // gRPC owns the message and is done with it.
          Wipe(*const_cast<v1::UnsealRequest*>(request)->mutable_share());
          heartbeat_.ShowHealth();
          return answer;
        });
  }

  grpc::Status ResetUnseal(grpc::ServerContext* context,
                           const v1::ResetUnsealRequest* request,
                           v1::SealStatus* response) override {
    return gate_.Answer(SealRpc("SealService.ResetUnseal"), *context, *request,
                        *response, [&](const Call& call) {
                          return handlers_.ResetUnseal(call.caller, *request);
                        });
  }

  grpc::Status NewEpoch(grpc::ServerContext* context,
                        const v1::NewEpochRequest* request,
                        v1::SealStatus* response) override {
    return gate_.Answer(SealRpc("SealService.NewEpoch"), *context, *request,
                        *response, [&](const Call& call) {
                          return handlers_.NewEpoch(call.caller, *request);
                        });
  }

  grpc::Status BeginRekey(grpc::ServerContext* context,
                          const v1::BeginRekeyRequest* request,
                          v1::RekeyStatus* response) override {
    return gate_.Answer(SealRpc("SealService.BeginRekey"), *context, *request,
                        *response, [&](const Call& call) {
                          return handlers_.BeginRekey(call.caller, *request);
                        });
  }

  grpc::Status ContinueRekey(grpc::ServerContext* context,
                             const v1::ContinueRekeyRequest* request,
                             v1::RekeyStatus* response) override {
    return gate_.Answer(
        SealRpc("SealService.ContinueRekey"), *context, *request, *response,
        [&](const Call& call) {
          auto answer = handlers_.ContinueRekey(call.caller, *request);
          Wipe(
              *const_cast<v1::ContinueRekeyRequest*>(request)->mutable_share());
          return answer;
        });
  }

  grpc::Status CancelRekey(grpc::ServerContext* context,
                           const v1::CancelRekeyRequest* request,
                           v1::RekeyStatus* response) override {
    return gate_.Answer(SealRpc("SealService.CancelRekey"), *context, *request,
                        *response, [&](const Call& call) {
                          return handlers_.CancelRekey(call.caller, *request);
                        });
  }

  grpc::Status RotateKeyring(grpc::ServerContext* context,
                             const v1::RotateKeyringRequest* request,
                             v1::RotateKeyringResponse* response) override {
    return gate_.Answer(SealRpc("SealService.RotateKeyring"), *context,
                        *request, *response, [&](const Call& call) {
                          return handlers_.RotateKeyring(call.caller, *request);
                        });
  }

  grpc::Status Seal(grpc::ServerContext* context,
                    const v1::SealRequest* request,
                    v1::SealStatus* response) override {
    return gate_.Answer(SealRpc("SealService.Seal"), *context, *request,
                        *response, [&](const Call& call) {
                          auto answer = handlers_.Seal(call.caller, *request,
                                                       call.deadline);
                          heartbeat_.ShowHealth();
                          return answer;
                        });
  }

 private:
  Gate& gate_;
  seal::SealHandlers& handlers_;
  Heartbeat& heartbeat_;
};

}  // namespace kms::server

#endif  // KMS_SERVER_SEAL_SERVICE_H_

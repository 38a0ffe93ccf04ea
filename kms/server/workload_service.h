// kms.v1.WorkloadService as gRPC calls it. Anyone may call; the Evidence is the
// credential. Names what each rpc demands and hands the call on; decides
// nothing else. Thread-safe. The gate and the handlers outlive it.
#ifndef KMS_SERVER_WORKLOAD_SERVICE_H_
#define KMS_SERVER_WORKLOAD_SERVICE_H_

#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"
#include "kms/release/release_handler.h"
#include "kms/server/gate.h"
#include "proto/kms/v1/release.grpc.pb.h"

namespace kms::server {

class WorkloadService final : public v1::WorkloadService::Service {
 public:
  WorkloadService(Gate& gate, release::ReleaseHandler& handlers)
      : gate_(gate), handlers_(handlers) {}

  grpc::Status GetChallenge(grpc::ServerContext* context,
                            const v1::GetChallengeRequest* request,
                            v1::GetChallengeResponse* response) override {
    return gate_.Answer(ChallengeRpc("WorkloadService.GetChallenge"), *context,
                        *request, *response, [&](const Call& call) {
                          return handlers_.GetChallenge(call.caller, *request);
                        });
  }

  grpc::Status ReleaseKey(grpc::ServerContext* context,
                          const v1::ReleaseKeyRequest* request,
                          v1::ReleaseKeyResponse* response) override {
    return gate_.Answer(WorkloadRpc("WorkloadService.ReleaseKey"), *context,
                        *request, *response, [&](const Call& call) {
                          return handlers_.ReleaseKey(call.caller, *request,
                                                      call.deadline);
                        });
  }

 private:
  Gate& gate_;
  release::ReleaseHandler& handlers_;
};

}  // namespace kms::server

#endif  // KMS_SERVER_WORKLOAD_SERVICE_H_

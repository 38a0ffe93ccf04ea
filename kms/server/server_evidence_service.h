// kms.v1.ServerEvidenceService as gRPC calls it. Anyone may call, sealed or
// not. Thread-safe. Gate and handler outlive it.
#ifndef KMS_SERVER_SERVER_EVIDENCE_SERVICE_H_
#define KMS_SERVER_SERVER_EVIDENCE_SERVICE_H_

#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"
#include "kms/server/gate.h"
#include "kms/server/server_evidence.h"
#include "proto/kms/v1/server_evidence.grpc.pb.h"

namespace kms::server {

class ServerEvidenceService final : public v1::ServerEvidenceService::Service {
 public:
  ServerEvidenceService(Gate& gate, ServerEvidence& handler)
      : gate_(gate), handler_(handler) {}

  grpc::Status GetServerEvidence(
      grpc::ServerContext* context, const v1::GetServerEvidenceRequest* request,
      v1::GetServerEvidenceResponse* response) override {
    return gate_.Answer(StatusRpc("ServerEvidenceService.GetServerEvidence"),
                        *context, *request, *response, [&](const Call& call) {
                          return handler_.GetServerEvidence(
                              call.caller, *request, call.deadline);
                        });
  }

 private:
  Gate& gate_;
  ServerEvidence& handler_;
};

}  // namespace kms::server

#endif  // KMS_SERVER_SERVER_EVIDENCE_SERVICE_H_

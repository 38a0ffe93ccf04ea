// kms.v1.AuditService as gRPC calls it. Administrators only.
// Names what each rpc demands and hands the call on; decides nothing else.
// Thread-safe. The gate and the handlers outlive it.
#ifndef KMS_SERVER_AUDIT_SERVICE_H_
#define KMS_SERVER_AUDIT_SERVICE_H_

#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"
#include "kms/audit/audit_handlers.h"
#include "kms/server/gate.h"
#include "proto/kms/v1/audit.grpc.pb.h"

namespace kms::server {

class AuditService final : public v1::AuditService::Service {
 public:
  AuditService(Gate& gate, audit::AuditHandlers& handlers)
      : gate_(gate), handlers_(handlers) {}

  grpc::Status GetCheckpoint(grpc::ServerContext* context,
                             const v1::GetCheckpointRequest* request,
                             v1::Checkpoint* response) override {
    return gate_.Answer(AdministratorRpc("AuditService.GetCheckpoint"),
                        *context, *request, *response, [&](const Call& call) {
                          return handlers_.GetCheckpoint(call.caller, *request);
                        });
  }

  grpc::Status ListEntries(grpc::ServerContext* context,
                           const v1::ListEntriesRequest* request,
                           v1::ListEntriesResponse* response) override {
    return gate_.Answer(AdministratorRpc("AuditService.ListEntries"), *context,
                        *request, *response, [&](const Call& call) {
                          return handlers_.ListEntries(call.caller, *request);
                        });
  }

  grpc::Status GetInclusionProof(grpc::ServerContext* context,
                                 const v1::GetInclusionProofRequest* request,
                                 v1::InclusionProof* response) override {
    return gate_.Answer(AdministratorRpc("AuditService.GetInclusionProof"),
                        *context, *request, *response, [&](const Call& call) {
                          return handlers_.GetInclusionProof(call.caller,
                                                             *request);
                        });
  }

  grpc::Status GetConsistencyProof(
      grpc::ServerContext* context,
      const v1::GetConsistencyProofRequest* request,
      v1::ConsistencyProof* response) override {
    return gate_.Answer(AdministratorRpc("AuditService.GetConsistencyProof"),
                        *context, *request, *response, [&](const Call& call) {
                          return handlers_.GetConsistencyProof(call.caller,
                                                               *request);
                        });
  }

  grpc::Status GetEvidence(grpc::ServerContext* context,
                           const v1::GetEvidenceRequest* request,
                           v1::ArchivedEvidence* response) override {
    return gate_.Answer(AdministratorRpc("AuditService.GetEvidence"), *context,
                        *request, *response, [&](const Call& call) {
                          return handlers_.GetEvidence(call.caller, *request);
                        });
  }

 private:
  Gate& gate_;
  audit::AuditHandlers& handlers_;
};

}  // namespace kms::server

#endif  // KMS_SERVER_AUDIT_SERVICE_H_

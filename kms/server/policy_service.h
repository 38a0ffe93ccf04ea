// kms.v1.PolicyService as gRPC calls it. Administrators only.
// Names what each rpc demands and hands the call on; decides nothing else.
// Thread-safe. The gate and the handlers outlive it.
#ifndef KMS_SERVER_POLICY_SERVICE_H_
#define KMS_SERVER_POLICY_SERVICE_H_

#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"
#include "kms/admin/policy_handlers.h"
#include "kms/server/gate.h"
#include "proto/kms/v1/policies.grpc.pb.h"

namespace kms::server {

class PolicyService final : public v1::PolicyService::Service {
 public:
  PolicyService(Gate& gate, admin::PolicyHandlers& handlers)
      : gate_(gate), handlers_(handlers) {}

  grpc::Status PutPolicy(grpc::ServerContext* context,
                         const v1::PutPolicyRequest* request,
                         v1::Policy* response) override {
    return gate_.Answer(AdministratorRpc("PolicyService.PutPolicy"), *context,
                        *request, *response, [&](const Call& call) {
                          return handlers_.PutPolicy(call.caller, *request);
                        });
  }

  grpc::Status GetPolicy(grpc::ServerContext* context,
                         const v1::GetPolicyRequest* request,
                         v1::Policy* response) override {
    return gate_.Answer(AdministratorRpc("PolicyService.GetPolicy"), *context,
                        *request, *response, [&](const Call& call) {
                          return handlers_.GetPolicy(call.caller, *request);
                        });
  }

  grpc::Status ListPolicies(grpc::ServerContext* context,
                            const v1::ListPoliciesRequest* request,
                            v1::ListPoliciesResponse* response) override {
    return gate_.Answer(AdministratorRpc("PolicyService.ListPolicies"),
                        *context, *request, *response, [&](const Call& call) {
                          return handlers_.ListPolicies(call.caller, *request);
                        });
  }

  grpc::Status ListPolicyVersions(grpc::ServerContext* context,
                                  const v1::ListPolicyVersionsRequest* request,
                                  v1::ListPoliciesResponse* response) override {
    return gate_.Answer(AdministratorRpc("PolicyService.ListPolicyVersions"),
                        *context, *request, *response, [&](const Call& call) {
                          return handlers_.ListPolicyVersions(call.caller,
                                                              *request);
                        });
  }

  grpc::Status SetPolicyState(grpc::ServerContext* context,
                              const v1::SetPolicyStateRequest* request,
                              v1::Policy* response) override {
    return gate_.Answer(AdministratorRpc("PolicyService.SetPolicyState"),
                        *context, *request, *response, [&](const Call& call) {
                          return handlers_.SetPolicyState(call.caller,
                                                          *request);
                        });
  }

  grpc::Status RevertPolicy(grpc::ServerContext* context,
                            const v1::RevertPolicyRequest* request,
                            v1::Policy* response) override {
    return gate_.Answer(AdministratorRpc("PolicyService.RevertPolicy"),
                        *context, *request, *response, [&](const Call& call) {
                          return handlers_.RevertPolicy(call.caller, *request);
                        });
  }

  grpc::Status TestPolicy(grpc::ServerContext* context,
                          const v1::TestPolicyRequest* request,
                          v1::TestPolicyResponse* response) override {
    return gate_.Answer(AdministratorRpc("PolicyService.TestPolicy"), *context,
                        *request, *response, [&](const Call& call) {
                          return handlers_.TestPolicy(call.caller, *request);
                        });
  }

  grpc::Status PutReferenceSet(grpc::ServerContext* context,
                               const v1::PutReferenceSetRequest* request,
                               v1::ReferenceSetVersion* response) override {
    return gate_.Answer(AdministratorRpc("PolicyService.PutReferenceSet"),
                        *context, *request, *response, [&](const Call& call) {
                          return handlers_.PutReferenceSet(call.caller,
                                                           *request);
                        });
  }

  grpc::Status GetReferenceSet(grpc::ServerContext* context,
                               const v1::GetReferenceSetRequest* request,
                               v1::ReferenceSetVersion* response) override {
    return gate_.Answer(AdministratorRpc("PolicyService.GetReferenceSet"),
                        *context, *request, *response, [&](const Call& call) {
                          return handlers_.GetReferenceSet(call.caller,
                                                           *request);
                        });
  }

  grpc::Status ListReferenceSets(
      grpc::ServerContext* context, const v1::ListReferenceSetsRequest* request,
      v1::ListReferenceSetsResponse* response) override {
    return gate_.Answer(AdministratorRpc("PolicyService.ListReferenceSets"),
                        *context, *request, *response, [&](const Call& call) {
                          return handlers_.ListReferenceSets(call.caller,
                                                             *request);
                        });
  }

  grpc::Status EndReferenceVersion(
      grpc::ServerContext* context,
      const v1::EndReferenceVersionRequest* request,
      v1::ReferenceSetVersion* response) override {
    return gate_.Answer(AdministratorRpc("PolicyService.EndReferenceVersion"),
                        *context, *request, *response, [&](const Call& call) {
                          return handlers_.EndReferenceVersion(call.caller,
                                                               *request);
                        });
  }

  grpc::Status DryRunPolicy(grpc::ServerContext* context,
                            const v1::DryRunPolicyRequest* request,
                            v1::DryRunPolicyResponse* response) override {
    return gate_.Answer(AdministratorRpc("PolicyService.DryRunPolicy"),
                        *context, *request, *response, [&](const Call& call) {
                          return handlers_.DryRunPolicy(call.caller, *request);
                        });
  }

  grpc::Status ExplainDecision(grpc::ServerContext* context,
                               const v1::ExplainDecisionRequest* request,
                               v1::ExplainDecisionResponse* response) override {
    return gate_.Answer(AdministratorRpc("PolicyService.ExplainDecision"),
                        *context, *request, *response, [&](const Call& call) {
                          return handlers_.ExplainDecision(call.caller,
                                                           *request);
                        });
  }

  grpc::Status PutAnchor(grpc::ServerContext* context,
                         const v1::PutAnchorRequest* request,
                         v1::Anchor* response) override {
    return gate_.Answer(AdministratorRpc("PolicyService.PutAnchor"), *context,
                        *request, *response, [&](const Call& call) {
                          return handlers_.PutAnchor(call.caller, *request);
                        });
  }

  grpc::Status RemoveAnchor(grpc::ServerContext* context,
                            const v1::RemoveAnchorRequest* request,
                            v1::RemoveAnchorResponse* response) override {
    return gate_.Answer(AdministratorRpc("PolicyService.RemoveAnchor"),
                        *context, *request, *response, [&](const Call& call) {
                          return handlers_.RemoveAnchor(call.caller, *request);
                        });
  }

  grpc::Status ListAnchors(grpc::ServerContext* context,
                           const v1::ListAnchorsRequest* request,
                           v1::ListAnchorsResponse* response) override {
    return gate_.Answer(AdministratorRpc("PolicyService.ListAnchors"), *context,
                        *request, *response, [&](const Call& call) {
                          return handlers_.ListAnchors(call.caller, *request);
                        });
  }

 private:
  Gate& gate_;
  admin::PolicyHandlers& handlers_;
};

}  // namespace kms::server

#endif  // KMS_SERVER_POLICY_SERVICE_H_

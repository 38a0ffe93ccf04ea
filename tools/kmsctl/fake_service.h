// The administrators' services in the test's own process: each answer and each
// refusal is scripted by a test, each request is kept for it.
#ifndef TOOLS_KMSCTL_FAKE_SERVICE_H_
#define TOOLS_KMSCTL_FAKE_SERVICE_H_

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <memory>
#include <string>
#include <vector>

#include "kms/base/bytes.h"
#include "kms/crypto/hpke.h"
#include "kms/crypto/signing_key.h"
#include "kms/lifecycle/signed_import_key.h"
#include "proto/kms/v1/audit.grpc.pb.h"
#include "proto/kms/v1/cluster.grpc.pb.h"
#include "proto/kms/v1/collateral.grpc.pb.h"
#include "proto/kms/v1/keys.grpc.pb.h"
#include "proto/kms/v1/policies.grpc.pb.h"
#include "proto/kms/v1/seal.grpc.pb.h"

namespace kms::kmsctl {

class FakeKeys : public v1::KeyService::Service {
 public:
  grpc::Status CreateKey(grpc::ServerContext*,
                         const v1::CreateKeyRequest* request,
                         v1::Key* key) override {
    created.push_back(*request);
    key->set_name(request->name());
    key->set_primary_version(1);
    return answer;
  }
  grpc::Status ListKeys(grpc::ServerContext*,
                        const v1::ListKeysRequest* request,
                        v1::ListKeysResponse* response) override {
    // Two pages, one key on each.
    const bool first = request->page_token().empty();
    v1::Key& key = *response->add_keys();
    key.set_name(request->prefix() + (first ? "1" : "2"));
    if (first) response->set_next_page_token("more");
    return answer;
  }
  grpc::Status SetKeyVersionState(grpc::ServerContext*,
                                  const v1::SetKeyVersionStateRequest* request,
                                  v1::Key* key) override {
    states.push_back(*request);
    key->set_name(request->name());
    return answer;
  }
  grpc::Status ScheduleKeyVersionDestruction(
      grpc::ServerContext*,
      const v1::ScheduleKeyVersionDestructionRequest* request,
      v1::Key* key) override {
    scheduled.push_back(*request);
    key->set_name(request->name());
    return answer;
  }
  grpc::Status UpdateKey(grpc::ServerContext*,
                         const v1::UpdateKeyRequest* request,
                         v1::Key* key) override {
    updated.push_back(*request);
    key->set_name(request->name());
    return answer;
  }
  grpc::Status GetImportKey(grpc::ServerContext*,
                            const v1::GetImportKeyRequest*,
                            v1::ImportKey* key) override {
    key->set_import_key_id("iiiiiiiiiiiiiiii");
    key->set_kem_id(0x20);
    key->set_public_key(import_pair.public_key);
    lifecycle::SignImportKey(identity, AsBytes(cluster_id), *key);
    return answer;
  }
  grpc::Status RewrapBlob(grpc::ServerContext*, const v1::RewrapBlobRequest*,
                          v1::RewrapBlobResponse* response) override {
    *response = rewrapped;
    return answer;
  }

  grpc::Status answer;
  crypto::HpkeKeyPair import_pair =
      *crypto::HpkeGenerateKeyPair(crypto::Kem::kX25519);
  std::string cluster_id = std::string(16, 'c');
  crypto::Ed25519SigningKey identity = *crypto::Ed25519SigningKey::Generate();
  v1::RewrapBlobResponse rewrapped;
  std::vector<v1::CreateKeyRequest> created;
  std::vector<v1::SetKeyVersionStateRequest> states;
  std::vector<v1::ScheduleKeyVersionDestructionRequest> scheduled;
  std::vector<v1::UpdateKeyRequest> updated;
};

class FakeSeals : public v1::SealService::Service {
 public:
  grpc::Status Init(grpc::ServerContext*, const v1::InitRequest* request,
                    v1::InitResponse* response) override {
    for (uint32_t i = 1; i <= request->shares(); ++i) {
      response->add_shares("share-text-" + std::to_string(i));
    }
    response->set_cluster_id("0123456789abcdef");
    return grpc::Status::OK;
  }
  grpc::Status Unseal(grpc::ServerContext*, const v1::UnsealRequest* request,
                      v1::SealStatus* status) override {
    shares.push_back(request->share());
    status->set_progress(1);
    return grpc::Status::OK;
  }
  grpc::Status ResetUnseal(grpc::ServerContext*, const v1::ResetUnsealRequest*,
                           v1::SealStatus*) override {
    ++resets;
    return grpc::Status::OK;
  }

  grpc::Status BeginRekey(grpc::ServerContext*,
                          const v1::BeginRekeyRequest* request,
                          v1::RekeyStatus* status) override {
    rekeys.push_back(*request);
    status->set_phase(v1::RekeyStatus::AGREEING);
    status->set_rekey_id("\x01\x02");
    status->set_threshold(2);
    return grpc::Status::OK;
  }
  grpc::Status ContinueRekey(grpc::ServerContext*,
                             const v1::ContinueRekeyRequest* request,
                             v1::RekeyStatus* status) override {
    shares.push_back(request->share());
    status->set_phase(v1::RekeyStatus::CONFIRMING);
    status->set_rekey_id(request->rekey_id());
    status->set_threshold(2);
    status->add_shares("new-share-1");
    status->add_shares("new-share-2");
    return grpc::Status::OK;
  }
  grpc::Status CancelRekey(grpc::ServerContext*, const v1::CancelRekeyRequest*,
                           v1::RekeyStatus*) override {
    ++cancels;
    return grpc::Status::OK;
  }
  grpc::Status RotateKeyring(grpc::ServerContext*,
                             const v1::RotateKeyringRequest* request,
                             v1::RotateKeyringResponse* response) override {
    for (const std::string& kind : request->kinds()) {
      response->add_rotated()->set_kind(kind);
    }
    return grpc::Status::OK;
  }
  grpc::Status Seal(grpc::ServerContext*, const v1::SealRequest*,
                    v1::SealStatus*) override {
    ++seals;
    return grpc::Status::OK;
  }

  grpc::Status NewEpoch(grpc::ServerContext*,
                        const v1::NewEpochRequest* request,
                        v1::SealStatus*) override {
    epoch_reasons.push_back(request->reason());
    return epoch_answer;
  }

  std::vector<std::string> shares;
  int resets = 0;
  int cancels = 0;
  int seals = 0;
  std::vector<v1::BeginRekeyRequest> rekeys;
  std::vector<std::string> epoch_reasons;
  grpc::Status epoch_answer;
};

class FakeStatus : public v1::StatusService::Service {
 public:
  grpc::Status GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                         v1::Status* response) override {
    response->mutable_seal()->set_kind(kind);
    response->mutable_seal()->set_configured_kind(configured_kind);
    response->mutable_seal()->set_last_checkpoint(last_checkpoint);
    response->mutable_seal()->set_initialized(true);
    response->set_instance_id(instance_id);
    response->set_serving(true);
    return grpc::Status::OK;
  }

  std::string kind = "shamir";
  std::string configured_kind = "shamir";
  std::string last_checkpoint;
  std::string instance_id = std::string(16, 'a');
};

class FakeCollateral : public v1::CollateralService::Service {
 public:
  grpc::Status ListCollateral(grpc::ServerContext*,
                              const v1::ListCollateralRequest*,
                              v1::ListCollateralResponse* response) override {
    *response = stored;
    return grpc::Status::OK;
  }

  v1::ListCollateralResponse stored;
};

class FakeCluster : public v1::ClusterAdminService::Service {
 public:
  grpc::Status GetClusterStatus(grpc::ServerContext*,
                                const v1::GetClusterStatusRequest*,
                                v1::ClusterStatus* response) override {
    *response = status;
    return grpc::Status::OK;
  }
  grpc::Status RemoveInstance(grpc::ServerContext*,
                              const v1::RemoveInstanceRequest* request,
                              v1::RemoveInstanceResponse*) override {
    removed.push_back(*request);
    return grpc::Status::OK;
  }
  grpc::Status UnfenceInstance(grpc::ServerContext*,
                               const v1::UnfenceInstanceRequest* request,
                               v1::UnfenceInstanceResponse*) override {
    unfenced.push_back(*request);
    return grpc::Status::OK;
  }

  v1::ClusterStatus status;
  std::vector<v1::RemoveInstanceRequest> removed;
  std::vector<v1::UnfenceInstanceRequest> unfenced;
};

class FakeAudits : public v1::AuditService::Service {
 public:
  grpc::Status GetCheckpoint(grpc::ServerContext*,
                             const v1::GetCheckpointRequest*,
                             v1::Checkpoint* response) override {
    *response = checkpoint;
    return grpc::Status::OK;
  }
  grpc::Status GetInclusionProof(grpc::ServerContext*,
                                 const v1::GetInclusionProofRequest*,
                                 v1::InclusionProof* response) override {
    *response = inclusion;
    return grpc::Status::OK;
  }
  grpc::Status GetConsistencyProof(grpc::ServerContext*,
                                   const v1::GetConsistencyProofRequest*,
                                   v1::ConsistencyProof* response) override {
    *response = consistency;
    return grpc::Status::OK;
  }

  v1::Checkpoint checkpoint;
  v1::InclusionProof inclusion;
  v1::ConsistencyProof consistency;
};

class FakePolicies : public v1::PolicyService::Service {
 public:
  grpc::Status PutPolicy(grpc::ServerContext*,
                         const v1::PutPolicyRequest* request,
                         v1::Policy* policy) override {
    put.push_back(*request);
    policy->set_state(request->state());
    return grpc::Status::OK;
  }
  grpc::Status GetPolicy(grpc::ServerContext*,
                         const v1::GetPolicyRequest* request,
                         v1::Policy* policy) override {
    policy->set_document("name: " + request->name() + "\nversion " +
                         std::to_string(request->version()) + "\n");
    return grpc::Status::OK;
  }
  grpc::Status ListPolicyVersions(grpc::ServerContext*,
                                  const v1::ListPolicyVersionsRequest* request,
                                  v1::ListPoliciesResponse* response) override {
    // Two pages, one version on each.
    const bool first = request->page_token().empty();
    v1::Policy& policy = *response->add_policies();
    policy.set_version(first ? 2 : 1);
    policy.set_state(first ? v1::POLICY_ACTIVE : v1::POLICY_RETIRED);
    policy.set_replaced_version(first ? 1 : 0);
    if (first) response->set_next_page_token("2");
    return grpc::Status::OK;
  }
  grpc::Status SetPolicyState(grpc::ServerContext*,
                              const v1::SetPolicyStateRequest* request,
                              v1::Policy* policy) override {
    states.push_back(*request);
    policy->set_version(request->version());
    return grpc::Status::OK;
  }
  grpc::Status RevertPolicy(grpc::ServerContext*,
                            const v1::RevertPolicyRequest* request,
                            v1::Policy* policy) override {
    reverted = request->name();
    policy->set_version(1);
    return grpc::Status::OK;
  }
  grpc::Status DryRunPolicy(grpc::ServerContext*,
                            const v1::DryRunPolicyRequest* request,
                            v1::DryRunPolicyResponse* response) override {
    dry_run = *request;
    auto& group = *response->add_groups();
    group.set_allowed_then(true);
    group.set_code_now(v1::POLICY_DENIED);
    group.set_reason_now("policy: rule r is false");
    group.set_count(7);
    response->set_judged(7);
    return grpc::Status::OK;
  }
  grpc::Status ExplainDecision(grpc::ServerContext*,
                               const v1::ExplainDecisionRequest* request,
                               v1::ExplainDecisionResponse* response) override {
    explained = request->leaf_index();
    response->set_code_then(v1::POLICY_DENIED);
    v1::Decision& decision = *response->mutable_decision();
    decision.set_policy("p");
    decision.set_policy_version(3);
    v1::RuleResult& rule = *decision.add_rules();
    rule.set_id("r");
    rule.set_outcome(v1::RuleResult::FALSE);
    v1::ValueSource& source = *rule.add_sources();
    source.set_path("claims.cpu.debug");
    source.set_value("true");
    source.set_evidence("SEV_SNP");
    v1::ReferenceInput& input = *decision.add_references();
    input.set_name("images");
    input.set_set("guests");
    input.set_version(5);
    return grpc::Status::OK;
  }
  grpc::Status PutReferenceSet(grpc::ServerContext*,
                               const v1::PutReferenceSetRequest* request,
                               v1::ReferenceSetVersion* set) override {
    reference = *request;
    set->set_version(1);
    return grpc::Status::OK;
  }
  grpc::Status EndReferenceVersion(
      grpc::ServerContext*, const v1::EndReferenceVersionRequest* request,
      v1::ReferenceSetVersion*) override {
    ended = *request;
    return grpc::Status::OK;
  }

  std::vector<v1::PutPolicyRequest> put;
  std::vector<v1::SetPolicyStateRequest> states;
  std::string reverted;
  v1::DryRunPolicyRequest dry_run;
  uint64_t explained = 0;
  v1::PutReferenceSetRequest reference;
  v1::EndReferenceVersionRequest ended;
};

// On a port of the loopback interface: a channel within the process cannot be
// waited for, and waiting is part of what the tests go through.
struct FakeService {
  FakeKeys keys;
  FakeSeals seals;
  FakeStatus status;
  FakeCluster cluster;
  FakeCollateral collateral;
  FakeAudits audits;
  FakePolicies policies;
  int port = 0;
  std::unique_ptr<grpc::Server> server = Start();

  std::shared_ptr<grpc::Channel> Channel() {
    return grpc::CreateChannel("localhost:" + std::to_string(port),
                               grpc::InsecureChannelCredentials());
  }

 private:
  std::unique_ptr<grpc::Server> Start() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("localhost:0", grpc::InsecureServerCredentials(),
                             &port);
    builder.RegisterService(&keys);
    builder.RegisterService(&seals);
    builder.RegisterService(&status);
    builder.RegisterService(&cluster);
    builder.RegisterService(&collateral);
    builder.RegisterService(&audits);
    builder.RegisterService(&policies);
    return builder.BuildAndStart();
  }
};

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_FAKE_SERVICE_H_

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
#include "proto/kms/v1/keys.grpc.pb.h"
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

  grpc::Status NewEpoch(grpc::ServerContext*,
                        const v1::NewEpochRequest* request,
                        v1::SealStatus*) override {
    epoch_reasons.push_back(request->reason());
    return epoch_answer;
  }

  std::vector<std::string> shares;
  int resets = 0;
  std::vector<std::string> epoch_reasons;
  grpc::Status epoch_answer;
};

class FakeStatus : public v1::StatusService::Service {
 public:
  grpc::Status GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                         v1::Status* response) override {
    response->mutable_seal()->set_kind(kind);
    return grpc::Status::OK;
  }

  std::string kind = "shamir";
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

// On a port of the loopback interface: a channel within the process cannot be
// waited for, and waiting is part of what the tests go through.
struct FakeService {
  FakeKeys keys;
  FakeSeals seals;
  FakeStatus status;
  FakeAudits audits;
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
    builder.RegisterService(&audits);
    return builder.BuildAndStart();
  }
};

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_FAKE_SERVICE_H_

// A KMS in the test's own process: it issues challenges, releases a marked key
// with a correct receipt, and lies on request, one lie at a time.
#ifndef TOOLS_KMS_AGENT_FAKE_KMS_H_
#define TOOLS_KMS_AGENT_FAKE_KMS_H_

#include <grpcpp/server.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kms/crypto/signing_key.h"
#include "proto/kms/v1/receipt.pb.h"
#include "proto/kms/v1/refusal.pb.h"
#include "proto/kms/v1/release.grpc.pb.h"
#include "tools/kms_agent/agent.h"

namespace kms::agent {

// Shared by the instances of one fake cluster, and recognisable in a dump.
inline constexpr char kMarkedKey[] = "MARKED-KEY-MATERIAL-0123456789ab";

// A gRPC status as the service makes it.
grpc::Status Refusal(v1::RefusalCode code);

class FakeKms : public v1::WorkloadService::Service {
 public:
  static constexpr char kClusterId[] = "0123456789abcdef";

  // What a release is made of before it is sealed and signed.
  struct Making {
    std::string transcript_digest;  // Receipt's, leaf's and HPKE's.
    std::string hpke_info;
    std::string hpke_aad;
    v1::Released released;
    v1::ReceiptBody body;
  };

  FakeKms();

  PinnedCluster pinned() const;
  std::unique_ptr<v1::WorkloadService::StubInterface> NewStub();

  // --- Lies; each is called where its name says ---
  // Before sealing; hpke_info and hpke_aad are what counts.
  std::function<void(Making&)> before_sealing;
  // Before the leaf is made and the receipt is signed.
  std::function<void(Making&)> before_signing;
  // On the finished answer.
  std::function<void(v1::ReleaseKeyResponse&)> before_sending;
  // Given out instead of its own.
  std::string claimed_cluster_id = kClusterId;
  // Signs instead of the identity key.
  std::unique_ptr<crypto::Ed25519SigningKey> impostor;

  // The next answers to ReleaseKey and to GetChallenge, in order, instead of a
  // release or a challenge; Status::OK stands for the ordinary answer.
  std::vector<grpc::Status> release_script;
  std::vector<grpc::Status> challenge_script;

  // --- What arrived ---
  int challenges = 0;
  std::vector<v1::ReleaseKeyRequest> requests;

  grpc::Status GetChallenge(grpc::ServerContext*,
                            const v1::GetChallengeRequest*,
                            v1::GetChallengeResponse* response) override;
  grpc::Status ReleaseKey(grpc::ServerContext*,
                          const v1::ReleaseKeyRequest* request,
                          v1::ReleaseKeyResponse* response) override;

 private:
  v1::ReleaseKeyResponse Answer(const v1::ReleaseKeyRequest& request);
  void SignAnswer(Making& making, v1::ReleaseKeyResponse& response);

  const crypto::Ed25519SigningKey identity_key_;
  const crypto::Ed25519SigningKey checkpoint_key_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace kms::agent

#endif  // TOOLS_KMS_AGENT_FAKE_KMS_H_

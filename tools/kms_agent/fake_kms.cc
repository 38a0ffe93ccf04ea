#include "tools/kms_agent/fake_kms.h"

#include <grpcpp/server_builder.h>
#include <grpcpp/support/channel_arguments.h>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/secret_access.h"
#include "kms/crypto/checkpoint.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/hpke.h"
#include "kms/crypto/merkle.h"
#include "kms/crypto/note.h"
#include "kms/release/origin.h"
#include "kms/release/receipt.h"
#include "kms/release/transcript.h"

namespace kms::agent {
namespace {

// The next entry of a script, or OK when it has come to its end.
grpc::Status Next(std::vector<grpc::Status>& script) {
  if (script.empty()) return grpc::Status::OK;
  grpc::Status status = script.front();
  script.erase(script.begin());
  return status;
}

}  // namespace

grpc::Status Refusal(v1::RefusalCode code) {
  v1::RefusalDetail detail;
  detail.set_code(code);
  detail.set_reason("scripted");
  return grpc::Status(
      static_cast<grpc::StatusCode>(static_cast<int>(Refuse(code, "").code())),
      "scripted", detail.SerializeAsString());
}

FakeKms::FakeKms()
    : identity_key_(*crypto::Ed25519SigningKey::Generate()),
      checkpoint_key_(*crypto::Ed25519SigningKey::Generate()) {
  grpc::ServerBuilder builder;
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
}

PinnedCluster FakeKms::pinned() const {
  return {kClusterId, identity_key_.public_key()};
}

std::unique_ptr<v1::WorkloadService::StubInterface> FakeKms::NewStub() {
  return v1::WorkloadService::NewStub(
      server_->InProcessChannel(grpc::ChannelArguments()));
}

grpc::Status FakeKms::GetChallenge(grpc::ServerContext*,
                                   const v1::GetChallengeRequest*,
                                   v1::GetChallengeResponse* response) {
  if (grpc::Status status = Next(challenge_script); !status.ok()) {
    return status;
  }
  response->set_challenge(absl::StrCat("challenge ", ++challenges));
  response->set_cluster_id(claimed_cluster_id);
  return grpc::Status::OK;
}

grpc::Status FakeKms::ReleaseKey(grpc::ServerContext*,
                                 const v1::ReleaseKeyRequest* request,
                                 v1::ReleaseKeyResponse* response) {
  requests.push_back(*request);
  if (grpc::Status status = Next(release_script); !status.ok()) return status;
  *response = Answer(*request);
  return grpc::Status::OK;
}

v1::ReleaseKeyResponse FakeKms::Answer(const v1::ReleaseKeyRequest& request) {
  Making making;
  making.transcript_digest = release::TranscriptDigest(
      {.domain = release::kReleaseDomain,
       .cluster_id = AsBytes(kClusterId),
       .challenge = AsBytes(request.challenge()),
       .kem_id = static_cast<uint16_t>(request.kem_id()),
       .recipient_public_key = AsBytes(request.recipient_public_key()),
       .request = AsBytes(request.request())});
  v1::ReceiptBody& body = making.body;
  body.set_cluster_id(kClusterId);
  body.set_namespace_("default");
  body.set_key_id("kkkkkkkkkkkkkkkk");
  body.set_key_version(3);
  body.set_transcript_digest(making.transcript_digest);
  body.set_recipient_thumbprint(
      crypto::Sha256(AsBytes(request.recipient_public_key())));
  body.set_kem_id(request.kem_id());
  body.set_epoch(1);
  body.set_index(42);
  making.hpke_info = making.transcript_digest;
  making.hpke_aad =
      release::WrappedKeyAad(AsBytes(kClusterId), AsBytes(body.key_id()),
                             body.key_version(), body.index());
  if (before_sealing) before_sealing(making);

  const Secret key = *Secret::CopyOf(AsBytes(kMarkedKey), GrantSecretAccess());
  const crypto::HpkeSealed sealed = *crypto::HpkeSeal(
      *crypto::KemFromId(request.kem_id()),
      AsBytes(request.recipient_public_key()), AsBytes(making.hpke_info),
      AsBytes(making.hpke_aad), key);
  v1::ReleaseKeyResponse response;
  response.mutable_wrapped_key()->set_enc(sealed.enc);
  response.mutable_wrapped_key()->set_ciphertext(sealed.ciphertext);
  body.set_wrapped_key_digest(
      release::WrappedKeyDigest(response.wrapped_key()));
  if (before_signing) before_signing(making);
  SignAnswer(making, response);
  if (before_sending) before_sending(response);
  return response;
}

// The tree: one other leaf, then ours.
void FakeKms::SignAnswer(Making& making, v1::ReleaseKeyResponse& response) {
  v1::ReceiptBody& body = making.body;
  v1::AuditEntry leaf;
  leaf.set_epoch(body.epoch());
  leaf.set_index(body.index());
  leaf.set_namespace_(body.namespace_());
  v1::Released& released = *leaf.mutable_released();
  released.set_key_id(body.key_id());
  released.set_version(body.key_version());
  released.set_transcript_digest(body.transcript_digest());
  released.set_recipient_thumbprint(body.recipient_thumbprint());
  released.set_kem_id(body.kem_id());
  body.set_leaf(leaf.SerializeAsString());
  body.set_leaf_index(1);
  const std::string other = crypto::LeafHash(AsBytes("another leaf"));
  body.add_inclusion_proof(other);
  const std::string origin =
      release::CheckpointOrigin(AsBytes(kClusterId), body.epoch());
  const std::string text = *crypto::FormatCheckpoint(
      {.origin = origin,
       .size = 2,
       .root = crypto::NodeHash(
           AsBytes(other), AsBytes(crypto::LeafHash(AsBytes(body.leaf()))))});
  body.set_checkpoint(*crypto::SignNote(text, origin, checkpoint_key_));
  body.set_checkpoint_public_key(checkpoint_key_.public_key());
  *response.mutable_receipt() =
      release::SignReceipt(body, impostor ? *impostor : identity_key_);
}

}  // namespace kms::agent

#include "tools/loadgen/workload.h"

#include <chrono>
#include <utility>

#include "absl/time/clock.h"
#include "kms/base/status.h"
#include "kms/release/transcript.h"
#include "tools/client/grpc_status.h"

namespace kms::loadgen {

Workload::Workload(std::shared_ptr<grpc::Channel> channel,
                   const simtee::SimulatedSnp& attester, Pins pins,
                   absl::Duration call_timeout)
    : stub_(v1::WorkloadService::NewStub(std::move(channel))),
      attester_(attester),
      pins_(std::move(pins)),
      call_timeout_(call_timeout) {}

absl::StatusOr<std::string> Workload::GetChallenge() const {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       absl::ToChronoMilliseconds(call_timeout_));
  v1::GetChallengeResponse response;
  KMS_RETURN_IF_ERROR(client::FromGrpc(
      stub_->GetChallenge(&context, v1::GetChallengeRequest(), &response)));
  if (response.cluster_id() != pins_.cluster_id) {
    return absl::UnauthenticatedError("challenge: another cluster's");
  }
  return response.challenge();
}

absl::StatusOr<Prepared> Workload::Prepare(const std::string& challenge,
                                           const std::string& key,
                                           const simtee::SnpGuest& guest,
                                           uint32_t version,
                                           crypto::Kem kem) const {
  v1::ReleaseRequest wanted;
  wanted.set_key(key);
  wanted.set_version(version);
  return Prepare(challenge, wanted, guest, kem);
}

absl::StatusOr<Prepared> Workload::Prepare(const std::string& challenge,
                                           const v1::ReleaseRequest& wanted,
                                           const simtee::SnpGuest& guest,
                                           crypto::Kem kem) const {
  KMS_ASSIGN_OR_RETURN(crypto::HpkeKeyPair pair,
                       crypto::HpkeGenerateKeyPair(kem));
  Prepared prepared;
  wanted.SerializeToString(prepared.request.mutable_request());
  prepared.request.set_challenge(challenge);
  prepared.request.set_kem_id(static_cast<uint32_t>(kem));
  prepared.request.set_recipient_public_key(pair.public_key);
  prepared.transcript_digest = release::TranscriptDigest(
      {.domain = release::kReleaseDomain,
       .cluster_id = AsBytes(pins_.cluster_id),
       .challenge = AsBytes(challenge),
       .kem_id = static_cast<uint16_t>(kem),
       .recipient_public_key = AsBytes(pair.public_key),
       .request = AsBytes(prepared.request.request())});
  prepared.recipient = std::make_shared<const crypto::HpkePrivateKey>(
      std::move(pair.private_key));

  v1::EvidenceBundle bundle;
  *bundle.add_evidence() =
      attester_.Attest(AsBytes(prepared.transcript_digest), guest);
  bundle.SerializeToString(prepared.request.mutable_evidence());
  return prepared;
}

absl::StatusOr<v1::ReleaseKeyResponse> Workload::Send(
    const Prepared& prepared) const {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       absl::ToChronoMilliseconds(call_timeout_));
  v1::ReleaseKeyResponse response;
  KMS_RETURN_IF_ERROR(client::FromGrpc(
      stub_->ReleaseKey(&context, prepared.request, &response)));
  return response;
}

absl::StatusOr<Released> Workload::Open(
    const Prepared& prepared, const v1::ReleaseKeyResponse& response) const {
  KMS_ASSIGN_OR_RETURN(
      release::VerifiedReceipt receipt,
      release::VerifyReceipt(response.receipt(),
                             AsBytes(pins_.identity_public_key),
                             AsBytes(pins_.cluster_id)));
  v1::ReleaseRequest wanted;
  wanted.ParseFromString(prepared.request.request());
  KMS_RETURN_IF_ERROR(release::CheckReceiptFor(
      receipt,
      {.transcript_digest = AsBytes(prepared.transcript_digest),
       .kem_id = static_cast<uint16_t>(prepared.request.kem_id()),
       .recipient_public_key = AsBytes(prepared.request.recipient_public_key()),
       .artifact_digest = AsBytes(wanted.artifact_digest()),
       .blob = AsBytes(wanted.blob()),
       .new_blob = AsBytes(response.blob())},
      response.wrapped_key()));
  if (wanted.rewrap()) {
    return Released{Secret(), std::move(receipt), response.receipt()};
  }
  KMS_ASSIGN_OR_RETURN(
      Secret key,
      crypto::HpkeOpen(
          *prepared.recipient, AsBytes(response.wrapped_key().enc()),
          AsBytes(prepared.transcript_digest),
          AsBytes(release::WrappedKeyAad(
              AsBytes(pins_.cluster_id), AsBytes(receipt.body.key_id()),
              receipt.body.key_version(), receipt.body.index())),
          AsBytes(response.wrapped_key().ciphertext())));
  return Released{std::move(key), std::move(receipt), response.receipt()};
}

absl::StatusOr<Released> Workload::Release(
    const std::string& key, const simtee::SnpGuest& guest) const {
  KMS_ASSIGN_OR_RETURN(const std::string challenge, GetChallenge());
  KMS_ASSIGN_OR_RETURN(const Prepared prepared, Prepare(challenge, key, guest));
  KMS_ASSIGN_OR_RETURN(const v1::ReleaseKeyResponse response, Send(prepared));
  return Open(prepared, response);
}

}  // namespace kms::loadgen

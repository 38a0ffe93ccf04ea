#include "kms/release/receipt.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/status.h"
#include "kms/crypto/checkpoint.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/merkle.h"
#include "kms/crypto/note.h"
#include "kms/crypto/public_key.h"
#include "kms/release/origin.h"

namespace kms::release {
namespace {

// Bounds of what a client parses before anything about it is verified.
constexpr size_t kBodyBytesMax = 64 * 1024;
constexpr int kProofNodesMax = 64;  // A tree of 2^64 leaves has no more.

std::string SignedBytes(absl::string_view body) {
  return absl::StrCat("kms.v1 receipt", absl::string_view("\0", 1), body);
}

absl::Status Mismatch(absl::string_view what) {
  return absl::UnauthenticatedError(absl::StrCat("receipt: ", what));
}

std::string DigestOrNone(BytesView bytes) {
  return bytes.empty() ? "" : crypto::Sha256(bytes);
}

// The leaf is what the log recorded; the body is what the answering instance
// said. They must tell the same story.
absl::Status CheckLeaf(const v1::ReceiptBody& body,
                       const v1::AuditEntry& leaf) {
  if (!leaf.has_released()) return Mismatch("the leaf is not a release");
  const v1::Released& released = leaf.released();
  if (leaf.epoch() != body.epoch() || leaf.index() != body.index() ||
      leaf.log_time_us() != body.log_time_us() ||
      leaf.namespace_() != body.namespace_() ||
      released.key_id() != body.key_id() ||
      released.version() != body.key_version() ||
      released.policy() != body.policy() ||
      released.policy_version() != body.policy_version() ||
      released.appraisal_generation() != body.appraisal_generation() ||
      released.transcript_digest() != body.transcript_digest() ||
      released.evidence_digest() != body.evidence_digest() ||
      released.claims_digest() != body.claims_digest() ||
      released.recipient_thumbprint() != body.recipient_thumbprint() ||
      released.kem_id() != body.kem_id() ||
      released.lease_until_us() != body.lease_until_us() ||
      released.blob_digest() != body.blob_digest() ||
      released.new_blob_digest() != body.new_blob_digest() ||
      released.artifact_digest() != body.artifact_digest()) {
    return Mismatch("the leaf records another release");
  }
  return absl::OkStatus();
}

// Returns the checkpoint's tree size.
absl::StatusOr<uint64_t> CheckInclusion(const v1::ReceiptBody& body,
                                        BytesView cluster_id) {
  const std::string origin = CheckpointOrigin(cluster_id, body.epoch());
  KMS_ASSIGN_OR_RETURN(const crypto::NoteVerifier verifier,
                       crypto::NoteVerifier::Create(
                           origin, AsBytes(body.checkpoint_public_key())));
  KMS_ASSIGN_OR_RETURN(const crypto::VerifiedNote note,
                       crypto::OpenNote(body.checkpoint(), {verifier}));
  KMS_ASSIGN_OR_RETURN(const crypto::Checkpoint checkpoint,
                       crypto::ParseCheckpoint(note.text));
  if (checkpoint.origin != origin) {
    return Mismatch("the checkpoint is another log's");
  }
  const std::vector<std::string> proof(body.inclusion_proof().begin(),
                                       body.inclusion_proof().end());
  KMS_RETURN_IF_ERROR(
      crypto::VerifyInclusion(body.leaf_index(), checkpoint.size,
                              AsBytes(crypto::LeafHash(AsBytes(body.leaf()))),
                              proof, AsBytes(checkpoint.root)));
  return checkpoint.size;
}

}  // namespace

std::string WrappedKeyDigest(const v1::WrappedKey& wrapped) {
  return crypto::Sha256(
      AsBytes(absl::StrCat(wrapped.enc(), wrapped.ciphertext())));
}

v1::Receipt SignReceipt(const v1::ReceiptBody& body,
                        const crypto::Ed25519SigningKey& identity_key) {
  v1::Receipt receipt;
  body.SerializeToString(receipt.mutable_body());
  receipt.set_signature(
      identity_key.Sign(AsBytes(SignedBytes(receipt.body()))));
  return receipt;
}

absl::StatusOr<VerifiedReceipt> VerifyReceipt(const v1::Receipt& receipt,
                                              BytesView identity_public_key,
                                              BytesView cluster_id) {
  if (receipt.body().size() > kBodyBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("receipt: body of ", receipt.body().size(),
                     " bytes, at most ", kBodyBytesMax));
  }
  // The signature first: nothing unsigned is parsed.
  KMS_ASSIGN_OR_RETURN(const crypto::PublicKey identity,
                       crypto::PublicKey::Ed25519(identity_public_key));
  if (!identity
           .VerifyEd25519(AsBytes(SignedBytes(receipt.body())),
                          AsBytes(receipt.signature()))
           .ok()) {
    return Mismatch("not signed by the pinned cluster identity key");
  }
  VerifiedReceipt verified;
  if (!verified.body.ParseFromString(receipt.body())) {
    return absl::InvalidArgumentError("receipt: body does not parse");
  }
  const v1::ReceiptBody& body = verified.body;
  if (AsBytes(body.cluster_id()) != cluster_id) {
    return Mismatch("another cluster's");
  }
  if (body.inclusion_proof_size() > kProofNodesMax) {
    return absl::InvalidArgumentError("receipt: inclusion proof too long");
  }
  if (!verified.leaf.ParseFromString(body.leaf())) {
    return absl::InvalidArgumentError("receipt: leaf does not parse");
  }
  KMS_RETURN_IF_ERROR(CheckLeaf(body, verified.leaf));
  KMS_ASSIGN_OR_RETURN(verified.tree_size, CheckInclusion(body, cluster_id));
  return verified;
}

absl::Status CheckReceiptFor(const VerifiedReceipt& receipt,
                             const ExpectedRelease& expected,
                             const v1::WrappedKey& wrapped) {
  const v1::ReceiptBody& body = receipt.body;
  if (AsBytes(body.transcript_digest()) != expected.transcript_digest) {
    return Mismatch("for another transcript");
  }
  if (body.kem_id() != expected.kem_id ||
      body.recipient_thumbprint() !=
          crypto::Sha256(expected.recipient_public_key)) {
    return Mismatch("for another recipient key");
  }
  if (expected.key_version != 0 && body.key_version() != expected.key_version) {
    return Mismatch("for another key version");
  }
  if (AsBytes(body.artifact_digest()) != expected.artifact_digest) {
    return Mismatch("for another artifact");
  }
  if (body.blob_digest() != DigestOrNone(expected.blob) ||
      body.new_blob_digest() != DigestOrNone(expected.new_blob)) {
    return Mismatch("for another wrapped blob");
  }
  if (body.wrapped_key_digest() != WrappedKeyDigest(wrapped)) {
    return Mismatch("for another wrapped key");
  }
  return absl::OkStatus();
}

}  // namespace kms::release

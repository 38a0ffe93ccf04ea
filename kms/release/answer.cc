#include "kms/release/answer.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/secret.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/hpke.h"
#include "kms/lifecycle/key_material.h"
#include "kms/release/receipt.h"
#include "kms/release/transcript.h"

namespace kms::release {
namespace {

absl::StatusOr<v1::WrappedKey> Wrap(const Instance& instance,
                                    const Session& session,
                                    const Judgement& judgement,
                                    const storage::Applied& applied,
                                    const Secret& material) {
  KMS_ASSIGN_OR_RETURN(
      crypto::HpkeSealed sealed,
      crypto::HpkeSeal(
          static_cast<crypto::Kem>(session.kem_id),
          session.recipient_public_key, AsBytes(session.transcript_digest),
          AsBytes(WrappedKeyAad(AsBytes(instance.cluster_id),
                                AsBytes(judgement.key_id),
                                judgement.key_version, applied.position.index)),
          material));
  v1::WrappedKey wrapped;
  wrapped.set_enc(std::move(sealed.enc));
  wrapped.set_ciphertext(std::move(sealed.ciphertext));
  return wrapped;
}

// Where the log says so: the leaf, its proof, and the tree's checkpoint.
absl::Status ProveLeaf(const Instance& instance,
                       const audit::CheckpointSigner& checkpoints,
                       const storage::Applied& applied, v1::ReceiptBody& body) {
  const std::shared_ptr<const storage::StateView> view =
      instance.replica->View();
  KMS_ASSIGN_OR_RETURN(*body.mutable_leaf(),
                       view->GetLeaf(*applied.effect.leaf));
  KMS_ASSIGN_OR_RETURN(
      const std::vector<std::string> proof,
      view->InclusionProof(*applied.effect.leaf, applied.tree_size));
  for (const std::string& hash : proof) body.add_inclusion_proof(hash);
  body.set_leaf_index(*applied.effect.leaf);
  body.set_epoch(applied.position.epoch);
  body.set_index(applied.position.index);
  KMS_ASSIGN_OR_RETURN(
      const std::shared_ptr<const v1::Checkpoint> checkpoint,
      checkpoints.Sign(instance, {applied.position.epoch, applied.tree_size,
                                  applied.tree_root}));
  body.set_checkpoint(checkpoint->note());
  body.set_checkpoint_public_key(instance.checkpoint_key.public_key());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::ReleaseKeyResponse> AnswerRelease(
    const Instance& instance, const audit::CheckpointSigner& checkpoints,
    const Session& session, const Judgement& judgement, DataKey data_key,
    const storage::Applied& applied, absl::Time now) {
  if (!applied.effect.ok() || !applied.effect.leaf.has_value()) {
    return Refuse(v1::INTERNAL_ERROR, "release: not committed");
  }
  Secret material = std::move(data_key.key);
  if (!session.wants_data_key()) {
    KMS_ASSIGN_OR_RETURN(material, lifecycle::OpenKeyMaterial(
                                       *instance.envelope,
                                       {session.name_space, judgement.key_id,
                                        judgement.key_version},
                                       AsBytes(judgement.material.wrapped())));
  }
  v1::ReleaseKeyResponse response;
  if (!session.rewrap) {
    KMS_ASSIGN_OR_RETURN(*response.mutable_wrapped_key(),
                         Wrap(instance, session, judgement, applied, material));
  }
  response.set_blob(std::move(data_key.new_blob));

  v1::ReceiptBody body;
  body.set_cluster_id(instance.cluster_id);
  body.set_namespace_(session.name_space);
  body.set_key_id(judgement.key_id);
  body.set_key_version(judgement.key_version);
  body.set_transcript_digest(session.transcript_digest);
  body.set_evidence_digest(session.evidence_digest);
  body.set_claims_digest(judgement.claims_digest);
  body.set_policy(judgement.policy);
  body.set_policy_version(judgement.policy_version);
  body.set_policy_digest(judgement.policy_digest);
  body.set_appraisal_generation(judgement.appraisal_generation);
  body.set_collateral_digest(judgement.collateral_digest);
  body.set_recipient_thumbprint(crypto::Sha256(session.recipient_public_key));
  body.set_kem_id(session.kem_id);
  body.set_blob_digest(session.blob_digest);
  body.set_new_blob_digest(data_key.new_blob_digest);
  body.set_artifact_digest(session.artifact_digest);
  body.set_wrapped_key_digest(WrappedKeyDigest(response.wrapped_key()));
  body.set_log_time_us(applied.log_time_us);
  body.set_proposer_time_us(absl::ToUnixMicros(now));
  body.set_lease_until_us(applied.effect.lease_until_us);
  KMS_RETURN_IF_ERROR(ProveLeaf(instance, checkpoints, applied, body));
  *response.mutable_receipt() = SignReceipt(body, instance.identity_key);
  return response;
}

}  // namespace kms::release

#include "kms/audit/checkpoint_signer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/checkpoint.h"
#include "kms/crypto/note.h"
#include "kms/release/origin.h"

namespace kms::audit {
namespace {

// `previous`: another checkpoint of the same log, or null. What vouches for
// the checkpoint key is the same in all of them.
absl::StatusOr<v1::Checkpoint> MakeCheckpoint(const Instance& instance,
                                              const std::string& origin,
                                              const TreeHead& head,
                                              const v1::Checkpoint* previous) {
  KMS_ASSIGN_OR_RETURN(
      const std::string text,
      crypto::FormatCheckpoint({origin, head.size, head.root}));
  v1::Checkpoint checkpoint;
  // The origin is also the key's name, so that one vkey says which log it is
  // for (tlog-checkpoint recommends it).
  KMS_ASSIGN_OR_RETURN(*checkpoint.mutable_note(),
                       crypto::SignNote(text, origin, instance.checkpoint_key));
  if (previous != nullptr) {
    checkpoint.set_verifier_key(previous->verifier_key());
    checkpoint.set_identity_signature(previous->identity_signature());
    return checkpoint;
  }
  KMS_ASSIGN_OR_RETURN(
      const crypto::NoteVerifier verifier,
      crypto::NoteVerifier::Create(
          origin, AsBytes(instance.checkpoint_key.public_key())));
  checkpoint.set_verifier_key(verifier.vkey());
  checkpoint.set_identity_signature(instance.identity_key.Sign(
      AsBytes(CheckpointKeyStatement(checkpoint.verifier_key()))));
  return checkpoint;
}

}  // namespace

std::string CheckpointKeyStatement(absl::string_view verifier_key) {
  return absl::StrCat("kms.v1 checkpoint key", absl::string_view("\0", 1),
                      verifier_key);
}

absl::StatusOr<std::shared_ptr<const v1::Checkpoint>> CheckpointSigner::Sign(
    const Instance& instance, const TreeHead& head) const {
  const std::string origin =
      release::CheckpointOrigin(AsBytes(instance.cluster_id), head.epoch);
  const std::string& identity_key = instance.identity_key.public_key();
  const std::string& checkpoint_key = instance.checkpoint_key.public_key();
  // A seal and an unseal, or a new epoch, begin another log's checkpoints.
  const auto same_log = [&](const Signed& latest) {
    return latest.checkpoint != nullptr && latest.origin == origin &&
           latest.identity_key == identity_key &&
           latest.checkpoint_key == checkpoint_key;
  };
  std::shared_ptr<const v1::Checkpoint> previous;
  {
    absl::MutexLock lock(&mutex_);
    // The releases of a batch ask all at once: one signs, the others wait for
    // it, and then find what it signed.
    mutex_.Await(absl::Condition(
        +[](bool* signing) { return !*signing; }, &signing_));
    if (same_log(latest_) && latest_.head.size == head.size) {
      if (latest_.head.root == head.root) return latest_.checkpoint;
      return Refuse(v1::DATA_LOSS,
                    absl::StrCat("checkpoint: size ", head.size,
                                 " has two roots, want one: a fork"));
    }
    if (same_log(latest_)) previous = latest_.checkpoint;
    signing_ = true;
  }
  absl::StatusOr<v1::Checkpoint> made =
      MakeCheckpoint(instance, origin, head, previous.get());
  absl::MutexLock lock(&mutex_);
  signing_ = false;
  if (!made.ok()) {
    return Refuse(v1::INTERNAL_ERROR, made.status().message());
  }
  auto checkpoint = std::make_shared<const v1::Checkpoint>(*std::move(made));
  if (!same_log(latest_) || latest_.head.size < head.size) {
    latest_ = {origin, identity_key, checkpoint_key, head, checkpoint};
  }
  return checkpoint;
}

}  // namespace kms::audit

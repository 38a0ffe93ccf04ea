#include "kms/seal/kept_checkpoint.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/checkpoint.h"
#include "kms/crypto/note.h"
#include "kms/release/origin.h"
#include "storage/state/state_view.h"

namespace kms::seal {
namespace {

absl::Status Lost(absl::string_view fault) {
  return Refuse(v1::DATA_LOSS, absl::StrCat("unseal: ", fault));
}

absl::StatusOr<crypto::Checkpoint> OpenKept(absl::string_view note,
                                            absl::string_view origin,
                                            BytesView key) {
  KMS_ASSIGN_OR_RETURN(const crypto::NoteVerifier verifier,
                       crypto::NoteVerifier::Create(origin, key));
  KMS_ASSIGN_OR_RETURN(const crypto::VerifiedNote opened,
                       crypto::OpenNote(note, {&verifier, 1}));
  return crypto::ParseCheckpoint(opened.text);
}

}  // namespace

absl::Status CheckAgainstKept(absl::string_view note,
                              const Instance& instance) {
  if (note.empty()) return absl::OkStatus();
  const auto view = instance.replica->View();
  const std::string origin = release::CheckpointOrigin(
      AsBytes(instance.cluster_id), view->position().epoch);
  const absl::StatusOr<crypto::Checkpoint> kept =
      OpenKept(note, origin, AsBytes(instance.checkpoint_key.public_key()));
  if (!kept.ok() || kept->origin != origin) {
    return Lost(
        "the checkpoint kept beside the state is not of this cluster's log");
  }
  if (view->tree_size() < kept->size) {
    return Lost(absl::StrCat("the state has ", view->tree_size(),
                             " leaves, but this instance signed a checkpoint "
                             "of ",
                             kept->size, ": an older state was put back"));
  }
  KMS_ASSIGN_OR_RETURN(const std::string root, view->RootAt(kept->size));
  if (root != kept->root) {
    return Lost("the state is not the one whose checkpoint was kept: a fork");
  }
  return absl::OkStatus();
}

}  // namespace kms::seal

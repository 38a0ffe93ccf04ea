#include "kms/seal/kept_checkpoint.h"

#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/checkpoint.h"
#include "kms/crypto/note.h"
#include "kms/release/origin.h"

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

// Whether `origin` is this cluster's in an epoch from 1 to `epoch`.
bool IsOriginUpTo(absl::string_view origin, absl::string_view cluster_id,
                  uint64_t epoch) {
  uint64_t number = 0;
  return absl::SimpleAtoi(origin.substr(origin.rfind('/') + 1), &number) &&
         number >= 1 && number <= epoch &&
         origin == release::CheckpointOrigin(AsBytes(cluster_id), number);
}

}  // namespace

absl::Status CheckAgainstKept(absl::string_view note,
                              const crypto::Ed25519SigningKey& checkpoint_key,
                              const storage::StateView& view) {
  if (note.empty()) return absl::OkStatus();
  // Its first line names the epoch.
  const absl::string_view origin = note.substr(0, note.find('\n'));
  const absl::StatusOr<crypto::Checkpoint> kept =
      OpenKept(note, origin, AsBytes(checkpoint_key.public_key()));
  if (!kept.ok() || kept->origin != origin ||
      !IsOriginUpTo(origin, view.header().cluster_id(),
                    view.position().epoch)) {
    return Lost(
        "the checkpoint kept beside the state is not of this cluster's log");
  }
  if (view.tree_size() < kept->size) {
    return Lost(absl::StrCat("the state has ", view.tree_size(),
                             " leaves, but this instance signed a checkpoint "
                             "of ",
                             kept->size, ": an older state was put back"));
  }
  KMS_ASSIGN_OR_RETURN(const std::string root, view.RootAt(kept->size));
  if (root != kept->root) {
    return Lost("the state is not the one whose checkpoint was kept: a fork");
  }
  return absl::OkStatus();
}

}  // namespace kms::seal

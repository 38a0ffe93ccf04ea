#include "tools/kmsctl/checkpoint.h"

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/crypto/public_key.h"
#include "tools/client/outcome.h"

namespace kms::kmsctl {
namespace {

using client::AsIntegrityError;
using client::IntegrityError;

// proto/kms/v1/audit.proto, Checkpoint.identity_signature.
std::string KeyStatement(absl::string_view verifier_key) {
  return absl::StrCat("kms.v1 checkpoint key", absl::string_view("\0", 1),
                      verifier_key);
}

}  // namespace

absl::StatusOr<VerifiedCheckpoint> VerifyCheckpoint(
    const v1::Checkpoint& checkpoint, const PinnedCluster& pinned) {
  const absl::StatusOr<crypto::PublicKey> identity =
      crypto::PublicKey::Ed25519(AsBytes(pinned.identity_public_key));
  if (!identity.ok()) return identity.status();
  if (!identity
           ->VerifyEd25519(AsBytes(KeyStatement(checkpoint.verifier_key())),
                           AsBytes(checkpoint.identity_signature()))
           .ok()) {
    return IntegrityError(
        "checkpoint: its key is not vouched for by the pinned identity key");
  }
  absl::StatusOr<crypto::NoteVerifier> verifier =
      crypto::NoteVerifier::Parse(checkpoint.verifier_key());
  if (!verifier.ok()) return AsIntegrityError(verifier.status());
  absl::StatusOr<crypto::Checkpoint> head =
      OpenSavedCheckpoint(checkpoint.note(), *verifier);
  if (!head.ok()) return head.status();
  const std::string prefix =
      absl::StrCat("kms.v1/", Hex(pinned.cluster_id), "/");
  if (!absl::StartsWith(head->origin, prefix) ||
      head->origin != verifier->name()) {
    return IntegrityError("checkpoint: of another cluster or log");
  }
  return VerifiedCheckpoint{*std::move(head), *std::move(verifier)};
}

absl::StatusOr<crypto::Checkpoint> OpenSavedCheckpoint(
    absl::string_view note, const crypto::NoteVerifier& verifier) {
  const absl::StatusOr<crypto::VerifiedNote> opened =
      crypto::OpenNote(note, {verifier});
  if (!opened.ok()) return AsIntegrityError(opened.status());
  absl::StatusOr<crypto::Checkpoint> head =
      crypto::ParseCheckpoint(opened->text);
  if (!head.ok()) return AsIntegrityError(head.status());
  return head;
}

}  // namespace kms::kmsctl

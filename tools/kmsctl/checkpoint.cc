#include "tools/kmsctl/checkpoint.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
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

absl::StatusOr<crypto::Checkpoint> Open(absl::string_view note,
                                        const crypto::NoteVerifier& verifier) {
  const absl::StatusOr<crypto::VerifiedNote> opened =
      crypto::OpenNote(note, {verifier});
  if (!opened.ok()) return AsIntegrityError(opened.status());
  absl::StatusOr<crypto::Checkpoint> head =
      crypto::ParseCheckpoint(opened->text);
  if (!head.ok()) return AsIntegrityError(head.status());
  return head;
}

// An origin's epoch (kms/release/origin.h) and what stands before it. Nothing:
// no such origin.
std::optional<std::pair<absl::string_view, uint64_t>> SplitOrigin(
    absl::string_view origin) {
  const size_t slash = origin.rfind('/');
  if (slash == absl::string_view::npos) return std::nullopt;
  uint64_t epoch = 0;
  if (!absl::SimpleAtoi(origin.substr(slash + 1), &epoch) ||
      origin.substr(slash + 1) != absl::StrCat(epoch)) {
    return std::nullopt;
  }
  return std::pair(origin.substr(0, slash), epoch);
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
  absl::StatusOr<crypto::Checkpoint> head = Open(checkpoint.note(), *verifier);
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
    absl::string_view note, const VerifiedCheckpoint& now) {
  // The first line, which the signature will cover.
  const absl::string_view origin = note.substr(0, note.find('\n'));
  const auto then = SplitOrigin(origin);
  const auto current = SplitOrigin(now.head.origin);
  if (!then.has_value() || !current.has_value() ||
      then->first != current->first || then->second > current->second) {
    return IntegrityError("checkpoint: of another log, or a later epoch of it");
  }
  const absl::StatusOr<crypto::NoteVerifier> verifier =
      now.verifier.Named(origin);
  if (!verifier.ok()) return AsIntegrityError(verifier.status());
  return Open(note, *verifier);
}

}  // namespace kms::kmsctl

// RecordRekey, RotateKeyring: an instance gets a new root key, or its keyring a
// new key. Nothing of the state hangs on either, so all that is left is a leaf.
// Source: architecture.md, "At rest", "Seals".
#include "absl/strings/str_cat.h"
#include "storage/state/apply_context.h"
#include "storage/state/limits.h"

namespace kms::storage {

absl::StatusOr<Effect> ApplyRecordRekey(ApplyContext& context,
                                        const ::storage::v1::RecordRekey& op) {
  const Effect level = RequireLevel(context, kFeatureLevelSeals);
  if (!level.ok()) return level;
  if (!ValidName(op.previous_kind(), kSealKindBytesMax) ||
      !ValidName(op.kind(), kSealKindBytesMax) ||
      op.threshold() > op.shares()) {
    return Refused(v1::REQUEST_MALFORMED, "rekey: a field is ill-formed");
  }
  v1::AuditEntry entry;
  v1::Rekeyed& event = *entry.mutable_rekeyed();
  event.set_previous_kind(op.previous_kind());
  event.set_kind(op.kind());
  event.set_shares(op.shares());
  event.set_threshold(op.threshold());
  return Done(context, std::move(entry));
}

// Another instance would meet batches that it cannot open: keys travel with a
// join only.
absl::StatusOr<Effect> ApplyRotateKeyring(
    ApplyContext& context, const ::storage::v1::RotateKeyring& op) {
  const Effect level = RequireLevel(context, kFeatureLevelSeals);
  if (!level.ok()) return level;
  if (!ValidName(op.kind(), kSealKindBytesMax) || op.version() == 0) {
    return Refused(v1::REQUEST_MALFORMED, "keyring: a field is ill-formed");
  }
  if (context.header.instances() != 1) {
    return Refused(v1::REKEY_CONFLICT,
                   absl::StrCat("keyring: ", context.header.instances(),
                                " instances have it, want one alone"));
  }
  v1::AuditEntry entry;
  v1::KeyringRotated& event = *entry.mutable_keyring_rotated();
  event.set_kind(op.kind());
  event.set_version(op.version());
  return Done(context, std::move(entry));
}

}  // namespace kms::storage

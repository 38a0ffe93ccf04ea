// What happens to a key when log time comes to it: destructions, which Apply
// fires by itself, and rotations, for which an instance has to make the bytes.
// Both wait while a jump of the only clock is not confirmed (review.md 9).
#include "absl/strings/str_cat.h"
#include "storage/state/apply_context.h"
#include "storage/state/limits.h"

namespace kms::storage {
namespace {

using ::storage::v1::KeyRecord;

absl::Status StoreKey(ApplyContext& context, absl::string_view tag,
                      const KeyRecord& key) {
  return context.rows.PutRecord(KeyRow(tag, key.key_id()), key);
}

::storage::v1::KeyVersionInfo& InfoOf(KeyRecord& key, uint32_t version) {
  return *key.mutable_versions(static_cast<int>(version) - 1);
}

// The key of a command about one of its versions, which is there.
absl::StatusOr<std::optional<KeyRecord>> FindWithVersion(
    ApplyContext& context, absl::string_view key_id, uint32_t version) {
  KMS_ASSIGN_OR_RETURN(auto key, FindKey(context, key_id));
  if (key.has_value() && (version < 1 || version > key->last_version())) {
    key.reset();
  }
  return key;
}

Effect NoVersion() {
  return Refused(v1::NOT_FOUND, "key: no such key or version");
}

}  // namespace

absl::Status DestroyVersion(ApplyContext& context, absl::string_view tag,
                            KeyRecord& key, uint32_t version) {
  auto& info = InfoOf(key, version);
  if (info.destroy_at_us() != 0) {
    KMS_RETURN_IF_ERROR(context.rows.Delete(
        DestructionRow(info.destroy_at_us(), tag, key.key_id(), version)));
    info.clear_destroy_at_us();
  }
  info.set_state(::storage::v1::DESTROYED);
  if (key.primary_version() == version) key.set_primary_version(0);
  return context.rows.PutRecord(KeyVersionRow(tag, key.key_id(), version),
                                ::storage::v1::KeyVersionRecord());
}

absl::Status SetNextRotation(ApplyContext& context, KeyRecord& key,
                             int64_t next_us) {
  if (key.next_rotation_us() != 0) {
    KMS_RETURN_IF_ERROR(context.rows.Delete(RotationRow(
        key.next_rotation_us(), context.namespace_tag, key.key_id())));
  }
  key.set_next_rotation_us(next_us);
  if (next_us == 0) return absl::OkStatus();
  return context.rows.Put(
      RotationRow(next_us, context.namespace_tag, key.key_id()), "");
}

absl::StatusOr<Effect> ApplyScheduleDestruction(
    ApplyContext& context, const ::storage::v1::ScheduleDestruction& op) {
  const Effect level = RequireLevel(context, kFeatureLevelKeys);
  if (!level.ok()) return level;
  if (op.wait_us() < kDestructionWaitUsMin ||
      op.wait_us() > kDestructionWaitUsMax ||
      op.leaf_salt().size() != kSaltBytes) {
    return Refused(v1::REQUEST_MALFORMED,
                   "destruction: want a wait of an hour to a year");
  }
  KMS_ASSIGN_OR_RETURN(auto key,
                       FindWithVersion(context, op.key_id(), op.version()));
  if (!key.has_value()) return NoVersion();
  auto& info = InfoOf(*key, op.version());
  if (info.state() == ::storage::v1::DESTROYED) {
    return Refused(v1::VERSION_DESTROYED, "key version: destroyed");
  }
  if (info.destroy_at_us() != 0) {
    return Refused(v1::DESTRUCTION_SCHEDULED,
                   "key version: its destruction is scheduled");
  }
  info.set_state(::storage::v1::DISABLED);
  info.set_destroy_at_us(context.log_time_us() + op.wait_us());
  ::storage::v1::DestructionRecord record;
  record.set_leaf_salt(op.leaf_salt());
  KMS_RETURN_IF_ERROR(context.rows.PutRecord(
      DestructionRow(info.destroy_at_us(), context.namespace_tag, op.key_id(),
                     op.version()),
      record));
  KMS_RETURN_IF_ERROR(StoreKey(context, context.namespace_tag, *key));

  v1::AuditEntry entry;
  auto& event = *entry.mutable_destruction_scheduled();
  event.set_key_id(op.key_id());
  event.set_version(op.version());
  event.set_destroy_at_us(info.destroy_at_us());
  return Done(context, std::move(entry));
}

absl::StatusOr<Effect> ApplyCancelDestruction(
    ApplyContext& context, const ::storage::v1::CancelDestruction& op) {
  const Effect level = RequireLevel(context, kFeatureLevelKeys);
  if (!level.ok()) return level;
  KMS_ASSIGN_OR_RETURN(auto key,
                       FindWithVersion(context, op.key_id(), op.version()));
  if (!key.has_value()) return NoVersion();
  auto& info = InfoOf(*key, op.version());
  if (info.state() == ::storage::v1::DESTROYED) {
    return Refused(v1::VERSION_DESTROYED, "key version: destroyed");
  }
  if (info.destroy_at_us() == 0) {
    return Refused(v1::VERSION_CONFLICT,
                   "key version: no destruction is scheduled");
  }
  KMS_RETURN_IF_ERROR(context.rows.Delete(DestructionRow(
      info.destroy_at_us(), context.namespace_tag, op.key_id(), op.version())));
  info.clear_destroy_at_us();
  KMS_RETURN_IF_ERROR(StoreKey(context, context.namespace_tag, *key));

  v1::AuditEntry entry;
  entry.mutable_destruction_cancelled()->set_key_id(op.key_id());
  entry.mutable_destruction_cancelled()->set_version(op.version());
  return Done(context, std::move(entry));
}

absl::StatusOr<Effect> ApplyConfirmClock(
    ApplyContext& context, const ::storage::v1::ConfirmClock& op) {
  const Effect level = RequireLevel(context, kFeatureLevelKeys);
  if (!level.ok()) return level;
  if (context.header.clock_jump_to_us() == 0 ||
      op.clock_jump_to_us() != context.header.clock_jump_to_us()) {
    return Refused(v1::VERSION_CONFLICT,
                   "clock: not the jump that waits to be confirmed");
  }
  v1::AuditEntry entry;
  auto& event = *entry.mutable_clock_confirmed();
  event.set_clock_jump_from_us(context.header.clock_jump_from_us());
  event.set_clock_jump_to_us(context.header.clock_jump_to_us());
  context.header.clear_clock_jump_from_us();
  context.header.clear_clock_jump_to_us();
  return Done(context, std::move(entry));
}

absl::StatusOr<Effect> ApplyRotateDueKey(
    ApplyContext& context, const ::storage::v1::RotateDueKey& op) {
  const Effect level = RequireLevel(context, kFeatureLevelKeys);
  if (!level.ok()) return level;
  KMS_ASSIGN_OR_RETURN(const auto key,
                       FindKey(context, op.rotate_key().key_id()));
  if (!key.has_value()) return Refused(v1::NOT_FOUND, "key: no such key");
  if (key->next_rotation_us() == 0 ||
      key->next_rotation_us() > context.log_time_us() ||
      context.header.clock_jump_to_us() != 0) {
    return Refused(v1::VERSION_CONFLICT, "key: no rotation of it is due");
  }
  return Rotate(context, op.rotate_key(), /*due=*/true);
}

absl::Status FireDestruction(ApplyContext& context, const RowKey& row) {
  const DueKey due = ParseDueKey(row);
  KMS_ASSIGN_OR_RETURN(
      const auto record,
      context.rows.GetRecord<::storage::v1::DestructionRecord>(row));
  KMS_ASSIGN_OR_RETURN(
      auto key, context.rows.GetRecord<KeyRecord>(KeyRow(due.tag, due.key_id)));
  if (!record.has_value() || !key.has_value() || due.version < 1 ||
      due.version > key->last_version() ||
      InfoOf(*key, due.version).destroy_at_us() != due.due_us) {
    return RowLoss(Family::kDestruction, "is of no version");
  }
  KMS_RETURN_IF_ERROR(DestroyVersion(context, due.tag, *key, due.version));
  KMS_RETURN_IF_ERROR(StoreKey(context, due.tag, *key));
  v1::AuditEntry entry;
  entry.set_salt(record->leaf_salt());
  entry.set_namespace_(key->namespace_());
  auto& event = *entry.mutable_key_version_state_set();
  event.set_key_id(key->key_id());
  event.set_version(due.version);
  event.set_state("destroyed");
  event.set_due(true);
  return AddLeaf(context, std::move(entry)).status();
}

}  // namespace kms::storage

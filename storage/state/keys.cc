// CreateKey, RotateKey, SetKeyVersionState, SetKeyPolicy, ConfigureKey.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "storage/state/apply_context.h"
#include "storage/state/limits.h"

namespace kms::storage {
namespace {

using ::storage::v1::KeyRecord;
using ::storage::v1::KeyVersionRecord;

// RFC 9180, section 7.1: SerializePublicKey's size; 0 for a KEM that is none
// of ours.
size_t PublicKeySize(uint32_t kem_id) {
  switch (kem_id) {
    case 0x0010:
      return 65;
    case 0x0020:
      return 32;
    default:
      return 0;
  }
}

bool ValidMaterial(const ::storage::v1::KeyMaterial& material,
                   ::storage::v1::KeyPurpose purpose) {
  const bool wrapping = purpose == ::storage::v1::KEY_PURPOSE_WRAPPING;
  return !material.wrapped().empty() &&
         material.wrapped().size() <= kMaterialBytesMax &&
         wrapping == (material.kem_id() != 0) &&
         material.public_key().size() == PublicKeySize(material.kem_id()) &&
         wrapping == !material.public_key().empty() &&
         (material.artifact_digest().empty() ||
          material.artifact_digest().size() == kSha256Bytes);
}

using Labels = google::protobuf::RepeatedPtrField<::storage::v1::Label>;

bool ValidLabels(const Labels& labels) {
  absl::string_view before;
  for (const ::storage::v1::Label& label : labels) {
    if (!ValidName(label.name(), kLabelNameBytesMax) ||
        absl::string_view(label.name()) <= before ||
        label.value().size() > kLabelValueBytesMax ||
        !std::all_of(label.value().begin(), label.value().end(),
                     [](char c) { return c >= ' ' && c <= '~'; })) {
      return false;
    }
    before = label.name();
  }
  return labels.size() <= kLabelsMax;
}

// Whether a level 1 build would not know what the command says.
bool IsOfLevelTwo(const ::storage::v1::KeyMaterial& material) {
  return material.kem_id() != 0 || !material.public_key().empty() ||
         !material.artifact_digest().empty();
}

// Whether `policy` is one of the command's namespace.
absl::StatusOr<bool> HasPolicy(ApplyContext& context,
                               absl::string_view policy) {
  KMS_ASSIGN_OR_RETURN(const auto value,
                       context.rows.Get(context.names.Policy(
                           context.command->namespace_(), policy)));
  return value.has_value();
}

// Adds the next version to `key` and makes it primary; `key` is not stored.
absl::Status AddVersion(ApplyContext& context, KeyRecord& key,
                        const ::storage::v1::KeyMaterial& material) {
  const uint32_t version = key.last_version() + 1;
  key.set_last_version(version);
  key.set_primary_version(version);
  auto& info = *key.add_versions();
  info.set_version(version);
  info.set_state(::storage::v1::ENABLED);
  info.set_created_us(context.log_time_us());
  info.set_artifact_digest(material.artifact_digest());
  KeyVersionRecord record;
  *record.mutable_material() = material;
  return context.rows.PutRecord(
      KeyVersionRow(context.namespace_tag, key.key_id(), version), record);
}

absl::Status StoreKey(ApplyContext& context, const KeyRecord& key) {
  return context.rows.PutRecord(KeyRow(context.namespace_tag, key.key_id()),
                                key);
}

absl::string_view StateName(::storage::v1::KeyVersionState state) {
  switch (state) {
    case ::storage::v1::ENABLED:
      return "enabled";
    case ::storage::v1::DISABLED:
      return "disabled";
    default:
      return "destroyed";
  }
}

Effect NoKey() { return Refused(v1::NOT_FOUND, "key: no such key"); }

}  // namespace

Effect CheckUsable(const KeyRecord& key, uint32_t version) {
  if (version < 1 || version > key.last_version()) {
    return Refused(v1::NOT_FOUND, "key: no such version");
  }
  switch (key.versions(static_cast<int>(version) - 1).state()) {
    case ::storage::v1::ENABLED:
      break;
    case ::storage::v1::DISABLED:
      return Refused(v1::VERSION_DISABLED, "key version: disabled");
    default:
      return Refused(v1::VERSION_DESTROYED, "key version: destroyed");
  }
  if (version < key.minimum_version()) {
    return Refused(v1::VERSION_BELOW_MINIMUM,
                   absl::StrCat("key version ", version, ", the minimum is ",
                                key.minimum_version()));
  }
  return Effect();
}

absl::StatusOr<Effect> ApplyCreateKey(ApplyContext& context,
                                      const ::storage::v1::CreateKey& op) {
  if (IsOfLevelTwo(op.material()) || op.labels_size() > 0 ||
      op.purpose() != ::storage::v1::KEY_PURPOSE_STORED) {
    const Effect level = RequireLevel(context, kFeatureLevelKeys);
    if (!level.ok()) return level;
  }
  if (op.key_id().size() != kIdBytes ||
      !ValidName(op.name(), kKeyNameBytesMax) ||
      op.description().size() > kDescriptionBytesMax ||
      !ValidMaterial(op.material(), op.purpose()) ||
      !ValidLabels(op.labels())) {
    return Refused(v1::REQUEST_MALFORMED,
                   "key: bad id, name, description, labels or material");
  }
  const RowKey name_row =
      context.names.KeyName(context.command->namespace_(), op.name());
  KMS_ASSIGN_OR_RETURN(const auto same_name, context.rows.Get(name_row));
  KMS_ASSIGN_OR_RETURN(const auto same_id, FindKey(context, op.key_id()));
  if (same_name.has_value() || same_id.has_value()) {
    return Refused(v1::ALREADY_EXISTS, "key: the name or id is taken");
  }
  if (!op.policy().empty()) {
    KMS_ASSIGN_OR_RETURN(const bool found, HasPolicy(context, op.policy()));
    if (!found) return Refused(v1::NOT_FOUND, "key: no such policy");
  }
  KeyRecord key;
  key.set_key_id(op.key_id());
  key.set_namespace_(context.command->namespace_());
  key.set_name(op.name());
  key.set_policy(op.policy());
  key.set_description(op.description());
  key.set_created_us(context.log_time_us());
  key.set_purpose(op.purpose());
  *key.mutable_labels() = op.labels();
  KMS_RETURN_IF_ERROR(AddVersion(context, key, op.material()));
  KMS_RETURN_IF_ERROR(StoreKey(context, key));
  ::storage::v1::KeyNameRecord name;
  name.set_key_id(op.key_id());
  KMS_RETURN_IF_ERROR(context.rows.PutRecord(name_row, name));

  v1::AuditEntry entry;
  entry.mutable_key_created()->set_key_id(op.key_id());
  entry.mutable_key_created()->set_policy(op.policy());
  entry.mutable_key_created()->set_wrapping(
      op.purpose() == ::storage::v1::KEY_PURPOSE_WRAPPING);
  KMS_ASSIGN_OR_RETURN(Effect effect, Done(context, std::move(entry)));
  effect.version = 1;
  return effect;
}

absl::StatusOr<Effect> ApplyRotateKey(ApplyContext& context,
                                      const ::storage::v1::RotateKey& op) {
  return Rotate(context, op, /*due=*/false);
}

absl::StatusOr<Effect> Rotate(ApplyContext& context,
                              const ::storage::v1::RotateKey& op, bool due) {
  KMS_ASSIGN_OR_RETURN(auto key, FindKey(context, op.key_id()));
  if (!key.has_value()) return NoKey();
  if (IsOfLevelTwo(op.material())) {
    const Effect level = RequireLevel(context, kFeatureLevelKeys);
    if (!level.ok()) return level;
  }
  if (!ValidMaterial(op.material(), key->purpose())) {
    return Refused(v1::REQUEST_MALFORMED, "key version: bad material");
  }
  if (op.expected_primary() != key->primary_version() ||
      op.version() != key->last_version() + 1) {
    return Refused(
        v1::VERSION_CONFLICT,
        absl::StrCat("key: primary version ", key->primary_version(), " of ",
                     key->last_version(), ", want ", op.expected_primary()));
  }
  if (key->versions_size() >= static_cast<int>(kKeyVersionsPerKeyMax)) {
    return Refused(v1::LIMIT_REACHED,
                   absl::StrCat("key: ", kKeyVersionsPerKeyMax, " versions"));
  }
  KMS_RETURN_IF_ERROR(AddVersion(context, *key, op.material()));
  if (key->rotation_period_us() != 0) {
    KMS_RETURN_IF_ERROR(SetNextRotation(
        context, *key, context.log_time_us() + key->rotation_period_us()));
  }
  KMS_RETURN_IF_ERROR(StoreKey(context, *key));

  v1::AuditEntry entry;
  entry.mutable_key_rotated()->set_key_id(op.key_id());
  entry.mutable_key_rotated()->set_version(op.version());
  entry.mutable_key_rotated()->set_due(due);
  KMS_ASSIGN_OR_RETURN(Effect effect, Done(context, std::move(entry)));
  effect.version = op.version();
  return effect;
}

absl::StatusOr<Effect> ApplySetKeyVersionState(
    ApplyContext& context, const ::storage::v1::SetKeyVersionState& op) {
  KMS_ASSIGN_OR_RETURN(auto key, FindKey(context, op.key_id()));
  if (!key.has_value()) return NoKey();
  if (op.version() < 1 || op.version() > key->last_version()) {
    return Refused(v1::NOT_FOUND, "key: no such version");
  }
  if (op.state() == ::storage::v1::KEY_VERSION_STATE_UNSPECIFIED) {
    return Refused(v1::REQUEST_MALFORMED, "key version: no state");
  }
  // Versions are dense and ascending.
  auto& info = *key->mutable_versions(static_cast<int>(op.version()) - 1);
  if (info.state() == ::storage::v1::DESTROYED) {
    return Refused(v1::VERSION_DESTROYED, "key version: destroyed");
  }
  if (op.state() == ::storage::v1::ENABLED && info.destroy_at_us() != 0) {
    return Refused(v1::DESTRUCTION_SCHEDULED,
                   "key version: its destruction is scheduled");
  }
  if (op.state() == ::storage::v1::DESTROYED) {
    KMS_RETURN_IF_ERROR(
        DestroyVersion(context, context.namespace_tag, *key, op.version()));
  } else {
    info.set_state(op.state());
  }
  KMS_RETURN_IF_ERROR(StoreKey(context, *key));

  v1::AuditEntry entry;
  auto& event = *entry.mutable_key_version_state_set();
  event.set_key_id(op.key_id());
  event.set_version(op.version());
  event.set_state(std::string(StateName(op.state())));
  return Done(context, std::move(entry));
}

absl::StatusOr<Effect> ApplySetKeyPolicy(
    ApplyContext& context, const ::storage::v1::SetKeyPolicy& op) {
  KMS_ASSIGN_OR_RETURN(auto key, FindKey(context, op.key_id()));
  if (!key.has_value()) return NoKey();
  if (!op.policy().empty()) {
    KMS_ASSIGN_OR_RETURN(const bool found, HasPolicy(context, op.policy()));
    if (!found) return Refused(v1::NOT_FOUND, "key: no such policy");
  }
  key->set_policy(op.policy());
  KMS_RETURN_IF_ERROR(StoreKey(context, *key));
  MoveGeneration(context);

  v1::AuditEntry entry;
  entry.mutable_key_policy_set()->set_key_id(op.key_id());
  entry.mutable_key_policy_set()->set_policy(op.policy());
  return Done(context, std::move(entry));
}

absl::StatusOr<Effect> ApplyConfigureKey(
    ApplyContext& context, const ::storage::v1::ConfigureKey& op) {
  const Effect level = RequireLevel(context, kFeatureLevelKeys);
  if (!level.ok()) return level;
  KMS_ASSIGN_OR_RETURN(auto key, FindKey(context, op.key_id()));
  if (!key.has_value()) return NoKey();
  if (op.description().size() > kDescriptionBytesMax ||
      !ValidLabels(op.labels().labels())) {
    return Refused(v1::REQUEST_MALFORMED, "key: bad description or labels");
  }
  if (op.rotation_period_us() != 0 &&
      (op.rotation_period_us() < kRotationPeriodUsMin ||
       op.rotation_period_us() > kRotationPeriodUsMax)) {
    return Refused(v1::REQUEST_MALFORMED,
                   "key: a rotation period under an hour or over ten years");
  }
  // Above the primary version it would stop all that the key is for.
  if (op.minimum_version() > key->primary_version()) {
    return Refused(v1::VERSION_CONFLICT,
                   absl::StrCat("key: primary version ", key->primary_version(),
                                ", want a minimum of at most that"));
  }
  if (op.has_minimum_version()) key->set_minimum_version(op.minimum_version());
  if (op.has_description()) key->set_description(op.description());
  if (op.has_labels()) *key->mutable_labels() = op.labels().labels();
  if (op.has_rotation_period_us()) {
    key->set_rotation_period_us(op.rotation_period_us());
    const int64_t last_us = key->versions().rbegin()->created_us();
    KMS_RETURN_IF_ERROR(SetNextRotation(
        context, *key,
        op.rotation_period_us() == 0 ? 0 : last_us + op.rotation_period_us()));
  }
  KMS_RETURN_IF_ERROR(StoreKey(context, *key));

  v1::AuditEntry entry;
  entry.mutable_key_configured()->set_key_id(op.key_id());
  entry.mutable_key_configured()->set_minimum_version(key->minimum_version());
  entry.mutable_key_configured()->set_rotation_period_s(
      key->rotation_period_us() / kSecondUs);
  return Done(context, std::move(entry));
}

}  // namespace kms::storage

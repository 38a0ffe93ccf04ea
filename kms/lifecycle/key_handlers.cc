#include "kms/lifecycle/key_handlers.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"
#include "kms/base/names.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/random.h"
#include "kms/instance/admin_call.h"
#include "kms/lifecycle/key_material.h"
#include "kms/lifecycle/key_messages.h"
#include "kms/lifecycle/key_usable.h"
#include "kms/lifecycle/new_material.h"
#include "kms/lifecycle/stored_blob.h"
#include "kms/lifecycle/wrapped_blob.h"
#include "kms/lifecycle/wrapping_key.h"
#include "storage/state/state_view.h"

namespace kms::lifecycle {
namespace {

using ::storage::v1::Command;
using ::storage::v1::KeyRecord;

// Rotations by others that one open-ended RotateKey tries to get ahead of.
constexpr int kRotateTries = 4;

constexpr size_t kLeafSaltSize = 16;

// Keys read at a time from the state.
constexpr size_t kKeysPerRead = 100;

// A key as a request names it.
struct KeyName {
  absl::string_view name_space;  // Resolved.
  absl::string_view name;
};

absl::StatusOr<KeyName> ResolveKeyName(absl::string_view name_space,
                                       absl::string_view name) {
  KeyName key;
  KMS_ASSIGN_OR_RETURN(key.name_space, ResolveNamespace(name_space));
  KMS_RETURN_IF_ERROR(CheckKeyName(name));
  key.name = name;
  return key;
}

// A key may name no policy: then it releases nothing.
absl::Status CheckOptionalPolicy(absl::string_view policy) {
  return policy.empty() ? absl::OkStatus() : CheckPolicyName(policy);
}

// By name, as the state stores them.
using Labels = google::protobuf::RepeatedPtrField<::storage::v1::Label>;

Labels ToLabels(const google::protobuf::Map<std::string, std::string>& map) {
  Labels labels;
  for (const auto& [name, value] :
       std::map<std::string, std::string>(map.begin(), map.end())) {
    labels.Add()->set_name(name);
    labels.rbegin()->set_value(value);
  }
  return labels;
}

absl::Status CheckDescription(absl::string_view description) {
  if (description.size() > kDescriptionSizeMax) {
    return Refuse(v1::REQUEST_TOO_LARGE,
                  absl::StrCat("description: ", description.size(),
                               " bytes, want at most ", kDescriptionSizeMax));
  }
  return absl::OkStatus();
}

// A key as it is on `view`, with what holds its schedules.
absl::StatusOr<v1::Key> Show(const storage::StateView& view,
                             absl::StatusOr<KeyRecord> record) {
  if (!record.ok()) return record.status();
  v1::Key key = ToKey(*record);
  if (view.header().clock_jump_to_us() != 0) {
    key.mutable_held_by()->set_from_us(view.header().clock_jump_from_us());
    key.mutable_held_by()->set_to_us(view.header().clock_jump_to_us());
  }
  return key;
}

// What a change answers with: the key as it is after it.
absl::StatusOr<v1::Key> ReadKey(const Instance& instance,
                                absl::string_view name_space,
                                absl::string_view key_id) {
  const auto view = instance.replica->View();
  return Show(*view, view->GetKeyById(name_space, key_id));
}

absl::StatusOr<v1::Key> ProposeForKey(const Instance& instance,
                                      const Command& command,
                                      absl::string_view key_id) {
  KMS_RETURN_IF_ERROR(Propose(instance, command).status());
  return ReadKey(instance, command.namespace_(), key_id);
}

absl::Status CheckPageSize(uint32_t page_size) {
  if (page_size > kPageSizeMax) {
    return Refuse(v1::REQUEST_TOO_LARGE,
                  absl::StrCat("page size: ", page_size, ", want at most ",
                               kPageSizeMax));
  }
  return absl::OkStatus();
}

// A page token is the id of the last key that was read, in hex. It grants
// nothing: whoever makes one up reads on from there.
absl::StatusOr<std::string> ParsePageToken(const std::string& token) {
  if (token.empty()) return std::string();
  const absl::StatusOr<std::string> id =
      token.size() == 2 * kKeyIdSize ? Unhex(token) : std::string();
  // Only the spelling that ListKeys writes.
  if (!id.ok() || Hex(*id) != token) {
    return Refuse(v1::REQUEST_MALFORMED,
                  "page token: not one of ours, want the previous page's");
  }
  return *id;
}

absl::Status CheckVersion(uint32_t version) {
  if (version != 0) return absl::OkStatus();
  return Refuse(v1::REQUEST_MALFORMED,
                "key version: 0, want a version: they count from 1");
}

absl::Status TooSoon(absl::Duration wait_min) {
  return Refuse(v1::DESTRUCTION_TOO_SOON,
                absl::StrCat("destruction: this instance demands a wait of ",
                             absl::FormatDuration(wait_min)));
}

// The material of the next version of `key`.
absl::StatusOr<NewMaterial> MakeNext(
    const std::shared_ptr<const Instance>& instance, ImportKeys& import_keys,
    const KeyRecord& key, const v1::RotateKeyRequest& request) {
  if (key.purpose() != ::storage::v1::KEY_PURPOSE_WRAPPING) {
    return MakeNewMaterial(instance, import_keys, key.namespace_(), key.name(),
                           request.material());
  }
  const absl::StatusOr<::storage::v1::KeyMaterial> before =
      instance->replica->View()->GetKeyMaterial(key.namespace_(), key.key_id(),
                                                key.last_version());
  // Of a destroyed version nothing is left to take after.
  if (!before.ok() && RefusalOf(before.status()) != v1::VERSION_DESTROYED) {
    return before.status();
  }
  return MakeNewPair(request.material(), before.ok() ? before->kem_id() : 0);
}

}  // namespace

absl::StatusOr<v1::Key> KeyHandlers::CreateKey(
    const Caller& caller, const v1::CreateKeyRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_ASSIGN_OR_RETURN(const KeyName key,
                       ResolveKeyName(request.namespace_(), request.name()));
  KMS_RETURN_IF_ERROR(CheckOptionalPolicy(request.policy()));
  KMS_RETURN_IF_ERROR(CheckDescription(request.description()));
  KMS_ASSIGN_OR_RETURN(const ::storage::v1::KeyPurpose purpose,
                       ToKeyPurpose(request.purpose()));
  KMS_RETURN_IF_ERROR(CheckNewMaterial(request.material(), purpose));
  // Apply decides; looking first keeps a one-time import key from being spent
  // on a name that is taken.
  const absl::Status taken =
      instance->replica->View()->GetKey(key.name_space, key.name).status();
  if (taken.ok()) {
    return Refuse(v1::ALREADY_EXISTS, "key: the name is taken");
  }
  if (!absl::IsNotFound(taken)) return taken;

  const std::string key_id = crypto::RandomString(kKeyIdSize);
  KMS_ASSIGN_OR_RETURN(
      const NewMaterial material,
      purpose == ::storage::v1::KEY_PURPOSE_WRAPPING
          ? MakeNewPair(request.material(), 0)
          : MakeNewMaterial(instance, import_keys_, key.name_space, key.name,
                            request.material()));
  Command command = NewCommand(*instance, caller, key.name_space);
  ::storage::v1::CreateKey& op = *command.mutable_create_key();
  op.set_key_id(key_id);
  op.set_name(request.name());
  op.set_policy(request.policy());
  op.set_description(request.description());
  op.set_purpose(purpose);
  *op.mutable_labels() = ToLabels(request.labels());
  KMS_ASSIGN_OR_RETURN(
      *op.mutable_material(),
      SealNewMaterial(*instance, {key.name_space, key_id, 1}, material));
  return ProposeForKey(*instance, command, key_id);
}

absl::StatusOr<v1::Key> KeyHandlers::GetKey(
    const Caller& caller, const v1::GetKeyRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_ASSIGN_OR_RETURN(const KeyName key,
                       ResolveKeyName(request.namespace_(), request.name()));
  const auto view = instance->replica->View();
  return Show(*view, view->GetKey(key.name_space, key.name));
}

absl::StatusOr<v1::ListKeysResponse> KeyHandlers::ListKeys(
    const Caller& caller, const v1::ListKeysRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_ASSIGN_OR_RETURN(const absl::string_view name_space,
                       ResolveNamespace(request.namespace_()));
  // The beginning of a name is a name.
  if (!request.prefix().empty()) {
    KMS_RETURN_IF_ERROR(CheckKeyName(request.prefix()));
  }
  KMS_RETURN_IF_ERROR(CheckPageSize(request.page_size()));
  KMS_ASSIGN_OR_RETURN(std::string after_id,
                       ParsePageToken(request.page_token()));

  const size_t page_size =
      request.page_size() == 0 ? kPageSizeDefault : request.page_size();
  const auto view = instance->replica->View();
  v1::ListKeysResponse response;
  size_t bytes = 0;
  for (size_t scanned = 0; scanned < kKeysScannedMax;) {
    KMS_ASSIGN_OR_RETURN(const std::vector<KeyRecord> keys,
                         view->ListKeys(name_space, after_id, kKeysPerRead));
    for (const KeyRecord& listed : keys) {
      after_id = listed.key_id();
      ++scanned;
      if (!absl::StartsWith(listed.name(), request.prefix())) continue;
      // Read again for its count of releases, which a listing leaves out.
      KMS_ASSIGN_OR_RETURN(const KeyRecord record,
                           view->GetKeyById(name_space, listed.key_id()));
      *response.add_keys() = ToKey(record);
      bytes += response.keys(response.keys_size() - 1).ByteSizeLong();
      if (static_cast<size_t>(response.keys_size()) == page_size ||
          bytes >= kPageBytesMax) {
        response.set_next_page_token(Hex(after_id));
        return response;
      }
    }
    if (keys.size() < kKeysPerRead) return response;  // The last page.
  }
  response.set_next_page_token(Hex(after_id));
  return response;
}

absl::StatusOr<v1::Key> KeyHandlers::RotateKey(
    const Caller& caller, const v1::RotateKeyRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_ASSIGN_OR_RETURN(const KeyName key,
                       ResolveKeyName(request.namespace_(), request.name()));

  NewMaterial material;  // Made once: an import opens once.
  for (int tries = 1;; ++tries) {
    KMS_ASSIGN_OR_RETURN(
        const KeyRecord record,
        instance->replica->View()->GetKey(key.name_space, key.name));
    KMS_RETURN_IF_ERROR(CheckNewMaterial(request.material(), record.purpose()));
    if (request.expected_primary() != 0 &&
        request.expected_primary() != record.primary_version()) {
      return Refuse(
          v1::VERSION_CONFLICT,
          absl::StrCat("key: primary version ", record.primary_version(),
                       ", want ", request.expected_primary()));
    }
    if (material.secret.empty()) {
      KMS_ASSIGN_OR_RETURN(material,
                           MakeNext(instance, import_keys_, record, request));
    }
    // The material is bound to the version that it becomes; Apply refuses it
    // if it would become another.
    const uint32_t version = record.last_version() + 1;
    Command command = NewCommand(*instance, caller, key.name_space);
    ::storage::v1::RotateKey& op = *command.mutable_rotate_key();
    op.set_key_id(record.key_id());
    op.set_expected_primary(record.primary_version());
    op.set_version(version);
    KMS_ASSIGN_OR_RETURN(
        *op.mutable_material(),
        SealNewMaterial(*instance, {key.name_space, record.key_id(), version},
                        material));
    absl::StatusOr<v1::Key> rotated =
        ProposeForKey(*instance, command, record.key_id());
    const bool outrun = RefusalOf(rotated.status()) == v1::VERSION_CONFLICT &&
                        request.expected_primary() == 0;
    if (!outrun || tries == kRotateTries) return rotated;
  }
}

absl::StatusOr<v1::Key> KeyHandlers::SetKeyVersionState(
    const Caller& caller, const v1::SetKeyVersionStateRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_ASSIGN_OR_RETURN(const KeyName key,
                       ResolveKeyName(request.namespace_(), request.name()));
  KMS_RETURN_IF_ERROR(CheckVersion(request.version()));
  KMS_ASSIGN_OR_RETURN(const ::storage::v1::KeyVersionState state,
                       ToKeyVersionState(request.state()));
  if (state == ::storage::v1::DESTROYED &&
      destruction_wait_min_ > absl::ZeroDuration()) {
    return TooSoon(destruction_wait_min_);
  }
  KMS_ASSIGN_OR_RETURN(
      const KeyRecord record,
      instance->replica->View()->GetKey(key.name_space, key.name));
  Command command = NewCommand(*instance, caller, key.name_space);
  ::storage::v1::SetKeyVersionState& op =
      *command.mutable_set_key_version_state();
  op.set_key_id(record.key_id());
  op.set_version(request.version());
  op.set_state(state);
  return ProposeForKey(*instance, command, record.key_id());
}

absl::StatusOr<v1::Key> KeyHandlers::SetKeyPolicy(
    const Caller& caller, const v1::SetKeyPolicyRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_ASSIGN_OR_RETURN(const KeyName key,
                       ResolveKeyName(request.namespace_(), request.name()));
  KMS_RETURN_IF_ERROR(CheckOptionalPolicy(request.policy()));
  KMS_ASSIGN_OR_RETURN(
      const KeyRecord record,
      instance->replica->View()->GetKey(key.name_space, key.name));
  Command command = NewCommand(*instance, caller, key.name_space);
  ::storage::v1::SetKeyPolicy& op = *command.mutable_set_key_policy();
  op.set_key_id(record.key_id());
  op.set_policy(request.policy());
  return ProposeForKey(*instance, command, record.key_id());
}

absl::StatusOr<v1::Key> KeyHandlers::UpdateKey(
    const Caller& caller, const v1::UpdateKeyRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_ASSIGN_OR_RETURN(const KeyName key,
                       ResolveKeyName(request.namespace_(), request.name()));
  KMS_RETURN_IF_ERROR(CheckDescription(request.description()));
  KMS_ASSIGN_OR_RETURN(
      const KeyRecord record,
      instance->replica->View()->GetKey(key.name_space, key.name));
  Command command = NewCommand(*instance, caller, key.name_space);
  ::storage::v1::ConfigureKey& op = *command.mutable_configure_key();
  op.set_key_id(record.key_id());
  if (request.has_minimum_version()) {
    op.set_minimum_version(request.minimum_version());
  }
  if (request.has_description()) op.set_description(request.description());
  if (request.has_rotation_period_s()) {
    // What does not fit is no period either; the state refuses it.
    op.set_rotation_period_us(
        absl::ToInt64Microseconds(absl::Seconds(request.rotation_period_s())));
  }
  if (request.has_labels()) {
    *op.mutable_labels()->mutable_labels() =
        ToLabels(request.labels().labels());
  }
  return ProposeForKey(*instance, command, record.key_id());
}

absl::StatusOr<v1::Key> KeyHandlers::ScheduleKeyVersionDestruction(
    const Caller& caller,
    const v1::ScheduleKeyVersionDestructionRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_ASSIGN_OR_RETURN(const KeyName key,
                       ResolveKeyName(request.namespace_(), request.name()));
  KMS_RETURN_IF_ERROR(CheckVersion(request.version()));
  if (request.wait_us() < 0) {
    return Refuse(v1::REQUEST_MALFORMED, "destruction: a wait below zero");
  }
  const absl::Duration wait =
      request.wait_us() == 0
          ? std::max(kDestructionWaitDefault, destruction_wait_min_)
          : absl::Microseconds(request.wait_us());
  if (wait < destruction_wait_min_) return TooSoon(destruction_wait_min_);
  KMS_ASSIGN_OR_RETURN(
      const KeyRecord record,
      instance->replica->View()->GetKeyUncounted(key.name_space, key.name));
  Command command = NewCommand(*instance, caller, key.name_space);
  ::storage::v1::ScheduleDestruction& op =
      *command.mutable_schedule_destruction();
  op.set_key_id(record.key_id());
  op.set_version(request.version());
  op.set_wait_us(absl::ToInt64Microseconds(wait));
  op.set_leaf_salt(crypto::RandomString(kLeafSaltSize));
  return ProposeForKey(*instance, command, record.key_id());
}

absl::StatusOr<v1::Key> KeyHandlers::CancelKeyVersionDestruction(
    const Caller& caller,
    const v1::CancelKeyVersionDestructionRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_ASSIGN_OR_RETURN(const KeyName key,
                       ResolveKeyName(request.namespace_(), request.name()));
  KMS_RETURN_IF_ERROR(CheckVersion(request.version()));
  KMS_ASSIGN_OR_RETURN(
      const KeyRecord record,
      instance->replica->View()->GetKeyUncounted(key.name_space, key.name));
  Command command = NewCommand(*instance, caller, key.name_space);
  command.mutable_cancel_destruction()->set_key_id(record.key_id());
  command.mutable_cancel_destruction()->set_version(request.version());
  return ProposeForKey(*instance, command, record.key_id());
}

absl::StatusOr<v1::ClockJump> KeyHandlers::ConfirmClock(
    const Caller& caller, const v1::ConfirmClockRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  v1::ClockJump jump;
  jump.set_from_us(instance->replica->View()->header().clock_jump_from_us());
  jump.set_to_us(request.to_us());
  Command command = NewCommand(*instance, caller, kDefaultNamespace);
  command.mutable_confirm_clock()->set_clock_jump_to_us(request.to_us());
  KMS_RETURN_IF_ERROR(Propose(*instance, command).status());
  return jump;
}

absl::StatusOr<v1::SignedWrappingKey> KeyHandlers::GetWrappingKey(
    const Caller& caller, const v1::GetWrappingKeyRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_ASSIGN_OR_RETURN(const KeyName key,
                       ResolveKeyName(request.namespace_(), request.name()));
  const auto view = instance->replica->View();
  KMS_ASSIGN_OR_RETURN(const KeyRecord record,
                       view->GetKeyUncounted(key.name_space, key.name));
  if (record.purpose() != ::storage::v1::KEY_PURPOSE_WRAPPING) {
    return Refuse(v1::PURPOSE_MISMATCH,
                  "key: a stored key, which has no public half");
  }
  const uint32_t version =
      request.version() == 0 ? record.primary_version() : request.version();
  // Nobody shall seal to what opens no more.
  KMS_RETURN_IF_ERROR(CheckUsable(record, version));
  KMS_ASSIGN_OR_RETURN(
      const ::storage::v1::KeyMaterial material,
      view->GetKeyMaterial(key.name_space, record.key_id(), version));
  v1::WrappingKey wrapping;
  wrapping.set_cluster_id(instance->cluster_id);
  wrapping.set_namespace_(record.namespace_());
  wrapping.set_name(record.name());
  wrapping.set_key_id(record.key_id());
  wrapping.set_version(version);
  wrapping.set_kem_id(material.kem_id());
  wrapping.set_public_key(material.public_key());
  wrapping.set_artifact_digest(material.artifact_digest());
  return SignWrappingKey(wrapping, instance->identity_key);
}

absl::StatusOr<v1::RewrapBlobResponse> KeyHandlers::RewrapBlob(
    const Caller& caller, const v1::RewrapBlobRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_ASSIGN_OR_RETURN(const WrappedBlob blob,
                       ParseBlob(AsBytes(request.blob())));
  const BlobHeader& header = blob.header;
  if (header.cluster_id != instance->cluster_id) {
    return Refuse(v1::BLOB_MISMATCH, "wrapped blob: of another cluster");
  }
  const auto view = instance->replica->View();
  KMS_ASSIGN_OR_RETURN(const KeyRecord key,
                       view->GetKeyById(header.name_space, header.key_id));
  if (key.purpose() != ::storage::v1::KEY_PURPOSE_WRAPPING) {
    return Refuse(v1::PURPOSE_MISMATCH, "key: a stored key");
  }
  const uint32_t to = key.primary_version();
  KMS_RETURN_IF_ERROR(CheckUsable(key, header.version));
  KMS_RETURN_IF_ERROR(CheckUsable(key, to));
  KMS_ASSIGN_OR_RETURN(
      const ::storage::v1::KeyMaterial material,
      view->GetKeyMaterial(header.name_space, header.key_id, header.version));
  KMS_ASSIGN_OR_RETURN(
      const ::storage::v1::KeyMaterial primary,
      view->GetKeyMaterial(header.name_space, header.key_id, to));
  v1::RewrapBlobResponse response;
  KMS_ASSIGN_OR_RETURN(const Secret data_key,
                       OpenStoredBlob(*instance, blob, material));
  if (header.version == to) {  // It is where it should be.
    response.set_blob(request.blob());
    response.set_version(to);
    return response;
  }
  KMS_ASSIGN_OR_RETURN(
      *response.mutable_blob(),
      SealStoredBlob(*instance, {header.name_space, header.key_id, to}, primary,
                     header.artifact_digest, data_key));
  response.set_version(to);

  Command command = NewCommand(*instance, caller, header.name_space);
  ::storage::v1::RecordRewrap& op = *command.mutable_record_rewrap();
  op.set_key_id(header.key_id);
  op.set_version(header.version);
  op.set_new_version(to);
  op.set_blob_digest(crypto::Sha256(AsBytes(request.blob())));
  op.set_new_blob_digest(crypto::Sha256(AsBytes(response.blob())));
  op.set_artifact_digest(header.artifact_digest);
  KMS_RETURN_IF_ERROR(Propose(*instance, command).status());
  return response;
}

absl::StatusOr<v1::ImportKey> KeyHandlers::GetImportKey(
    const Caller& caller, const v1::GetImportKeyRequest&) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  return import_keys_.Make(instance);
}

}  // namespace kms::lifecycle

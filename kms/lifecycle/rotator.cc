#include "kms/lifecycle/rotator.h"

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/random.h"
#include "kms/lifecycle/new_material.h"
#include "proto/kms/v1/keys.pb.h"
#include "storage/state/limits.h"
#include "storage/state/state_view.h"

namespace kms::lifecycle {
namespace {

using ::storage::v1::Command;
using ::storage::v1::KeyRecord;

// As the version before, and for the same artifact: a pair of its KEM, or as
// many random bytes as it has.
absl::StatusOr<NewMaterial> MakeSuccessor(const storage::StateView& view,
                                          const KeyRecord& key) {
  const absl::StatusOr<::storage::v1::KeyMaterial> before =
      view.GetKeyMaterial(key.namespace_(), key.key_id(), key.last_version());
  if (!before.ok() && RefusalOf(before.status()) != v1::VERSION_DESTROYED) {
    return before.status();
  }
  // Stands in the key's record, so that destruction does not take it away.
  const std::string& artifact_digest =
      key.versions().rbegin()->artifact_digest();
  if (key.purpose() == ::storage::v1::KEY_PURPOSE_WRAPPING) {
    v1::NewMaterial like;
    like.set_artifact_digest(artifact_digest);
    return MakeNewPair(like, before.ok() ? before->kem_id() : 0);
  }
  const size_t size =
      before.ok() ? before->wrapped().size() - storage::kEnvelopeOverhead
                  : kRandomSizeDefault;
  NewMaterial made;
  made.artifact_digest = artifact_digest;
  KMS_ASSIGN_OR_RETURN(made.secret, crypto::RandomSecret(size));
  return made;
}

absl::Status RotateOne(const Instance& instance, const storage::StateView& view,
                       const KeyRecord& key, absl::Time deadline) {
  // Not proposed only to be refused, each minute anew.
  if (key.versions_size() >= static_cast<int>(storage::kKeyVersionsPerKeyMax)) {
    return Refuse(v1::LIMIT_REACHED,
                  "key: its rotation is due, and it has all the versions that "
                  "it may have");
  }
  KMS_ASSIGN_OR_RETURN(const NewMaterial material, MakeSuccessor(view, key));
  Command command;
  command.set_salt(crypto::RandomString(storage::kSaltBytes));
  command.set_namespace_(key.namespace_());
  command.set_proposed_at_us(absl::ToUnixMicros(instance.clock.Now()));
  ::storage::v1::RotateKey& op =
      *command.mutable_rotate_due_key()->mutable_rotate_key();
  op.set_key_id(key.key_id());
  op.set_expected_primary(key.primary_version());
  op.set_version(key.last_version() + 1);
  KMS_ASSIGN_OR_RETURN(
      *op.mutable_material(),
      SealNewMaterial(instance, {key.namespace_(), key.key_id(), op.version()},
                      material));
  KMS_ASSIGN_OR_RETURN(const storage::Applied applied,
                       instance.replica->Propose(command, deadline));
  if (applied.effect.refusal == v1::VERSION_CONFLICT) return absl::OkStatus();
  return applied.effect.status();
}

}  // namespace

absl::Duration RotationDelay(absl::string_view instance_id,
                             absl::string_view key_id) {
  const std::string hash =
      crypto::Sha256(AsBytes(absl::StrCat(instance_id, key_id)));
  const uint64_t number = ByteReader(AsBytes(hash)).U64Be();
  return absl::Microseconds(
      number %
      static_cast<uint64_t>(absl::ToInt64Microseconds(kRotationDelayMax)));
}

absl::Status Rotator::Tick(absl::Time deadline) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       holder_.Get());
  const auto view = instance->replica->View();
  KMS_ASSIGN_OR_RETURN(const std::vector<KeyRecord> due,
                       view->ListDueRotations(kRotationsPerTickMax));
  absl::Status first;
  for (const KeyRecord& key : due) {
    const int64_t delay_us = absl::ToInt64Microseconds(
        RotationDelay(instance->instance_id, key.key_id()));
    if (view->header().log_time_us() < key.next_rotation_us() + delay_us) {
      continue;
    }
    const absl::Status rotated = RotateOne(*instance, *view, key, deadline);
    if (first.ok()) first = rotated;
    // Without the log the others would wait for nothing too.
    if (absl::IsUnavailable(rotated)) break;
  }
  return first;
}

}  // namespace kms::lifecycle

#include "kms/lifecycle/key_messages.h"

#include "absl/time/time.h"
#include "kms/base/refusal.h"

namespace kms::lifecycle {
namespace {

// The state of a later build's record shows as unspecified: never as enabled.
v1::KeyVersion::State FromKeyVersionState(
    ::storage::v1::KeyVersionState state) {
  switch (state) {
    case ::storage::v1::ENABLED:
      return v1::KeyVersion::ENABLED;
    case ::storage::v1::DISABLED:
      return v1::KeyVersion::DISABLED;
    case ::storage::v1::DESTROYED:
      return v1::KeyVersion::DESTROYED;
    default:
      return v1::KeyVersion::STATE_UNSPECIFIED;
  }
}

}  // namespace

v1::Key ToKey(const ::storage::v1::KeyRecord& record) {
  v1::Key key;
  key.set_namespace_(record.namespace_());
  key.set_name(record.name());
  key.set_key_id(record.key_id());
  key.set_policy(record.policy());
  key.set_description(record.description());
  key.set_primary_version(record.primary_version());
  key.set_created_us(record.created_us());
  key.set_purpose(record.purpose() == ::storage::v1::KEY_PURPOSE_WRAPPING
                      ? v1::Key::WRAPPING
                      : v1::Key::STORED);
  key.set_minimum_version(record.minimum_version());
  key.set_rotation_period_s(
      absl::ToInt64Seconds(absl::Microseconds(record.rotation_period_us())));
  key.set_next_rotation_us(record.next_rotation_us());
  for (const ::storage::v1::Label& label : record.labels()) {
    (*key.mutable_labels())[label.name()] = label.value();
  }
  for (const ::storage::v1::KeyVersionInfo& info : record.versions()) {
    v1::KeyVersion& version = *key.add_versions();
    version.set_version(info.version());
    version.set_state(FromKeyVersionState(info.state()));
    version.set_created_us(info.created_us());
    version.set_releases(info.releases());
    version.set_artifact_digest(info.artifact_digest());
    version.set_last_used_us(info.last_used_us());
    version.set_destroy_at_us(info.destroy_at_us());
  }
  return key;
}

absl::StatusOr<::storage::v1::KeyVersionState> ToKeyVersionState(
    v1::KeyVersion::State state) {
  switch (state) {
    case v1::KeyVersion::ENABLED:
      return ::storage::v1::ENABLED;
    case v1::KeyVersion::DISABLED:
      return ::storage::v1::DISABLED;
    case v1::KeyVersion::DESTROYED:
      return ::storage::v1::DESTROYED;
    default:
      return Refuse(v1::REQUEST_MALFORMED,
                    "key version state: not a state, want ENABLED, DISABLED "
                    "or DESTROYED");
  }
}

absl::StatusOr<::storage::v1::KeyPurpose> ToKeyPurpose(
    v1::Key::Purpose purpose) {
  switch (purpose) {
    case v1::Key::PURPOSE_UNSPECIFIED:
    case v1::Key::STORED:
      return ::storage::v1::KEY_PURPOSE_STORED;
    case v1::Key::WRAPPING:
      return ::storage::v1::KEY_PURPOSE_WRAPPING;
    default:
      return Refuse(v1::REQUEST_MALFORMED,
                    "key purpose: not one, want STORED or WRAPPING");
  }
}

}  // namespace kms::lifecycle

// KeyService (proto/kms/v1/keys.proto) without gRPC: the life of a key from
// its making to the destruction of its versions, for administrators. Key
// material goes in here and never out; kms/release is the way out.
//
// Every call checks names and bounds before it looks at anything, and refuses
// with
//   SEALED                  the instance is sealed
//   ADMINISTRATOR_REQUIRED  the caller is not an administrator
//   REQUEST_MALFORMED       a name is not one (kms/base/names.h)
//   REQUEST_TOO_LARGE       a name or another field is over its bound
// Every change proposes one command, and besides refuses with
//   LOG_UNAVAILABLE         it could not be ordered, or nobody knows whether
//   LIMIT_REACHED           a limit of the state; the message names it
// and every call passes on DATA_LOSS: a stored row does not authenticate.
// Thread-safe.
#ifndef KMS_LIFECYCLE_KEY_HANDLERS_H_
#define KMS_LIFECYCLE_KEY_HANDLERS_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kms/base/caller.h"
#include "kms/instance/instance.h"
#include "kms/lifecycle/import_keys.h"
#include "proto/kms/v1/keys.pb.h"

namespace kms::lifecycle {

inline constexpr size_t kDescriptionSizeMax = 1024;  // Bytes.
inline constexpr uint32_t kPageSizeDefault = 100;
inline constexpr uint32_t kPageSizeMax = 1000;
// Keys read for one page, so that a rare prefix among a million keys cannot
// hold a thread for long: the page then ends early, with a token.
inline constexpr size_t kKeysScannedMax = 10000;
// A page also ends before its keys take more: a gRPC message is 4 MiB.
inline constexpr size_t kPageBytesMax = size_t{3} << 20;

// Between the request to destroy a version and its destruction, unless asked
// otherwise: a week, so that who needs it comes back from a holiday.
inline constexpr absl::Duration kDestructionWaitDefault = absl::Hours(7 * 24);

class KeyHandlers {
 public:
  // `holder` outlives the handlers. `destruction_wait_min`: what this instance
  // demands; over zero it also refuses to destroy at once.
  explicit KeyHandlers(
      const InstanceHolder& holder,
      absl::Duration destruction_wait_min = absl::ZeroDuration())
      : holder_(holder), destruction_wait_min_(destruction_wait_min) {}

  // ALREADY_EXISTS: the name is taken. NOT_FOUND: no such policy, or no such
  // import key. REQUEST_MALFORMED: CheckNewMaterial, MakeNewMaterial.
  absl::StatusOr<v1::Key> CreateKey(const Caller& caller,
                                    const v1::CreateKeyRequest& request) const;

  // NOT_FOUND: no such key.
  absl::StatusOr<v1::Key> GetKey(const Caller& caller,
                                 const v1::GetKeyRequest& request) const;

  // In the order of the keys' random ids. A page may be short, even empty,
  // and still have a next one.
  // REQUEST_MALFORMED: `page_token` is not one that this call makes.
  absl::StatusOr<v1::ListKeysResponse> ListKeys(
      const Caller& caller, const v1::ListKeysRequest& request) const;

  // NOT_FOUND: no such key, or no such import key.
  // VERSION_CONFLICT: expected_primary is not the primary version; or, if it
  // was left open, others rotated the key faster than this call could.
  absl::StatusOr<v1::Key> RotateKey(const Caller& caller,
                                    const v1::RotateKeyRequest& request) const;

  // REQUEST_MALFORMED: version 0, or not a state. NOT_FOUND: no such key or
  // version. VERSION_DESTROYED: it is gone, for ever. DESTRUCTION_SCHEDULED:
  // to be enabled, it must be cancelled first. DESTRUCTION_TOO_SOON: this
  // instance demands a waiting period.
  absl::StatusOr<v1::Key> SetKeyVersionState(
      const Caller& caller, const v1::SetKeyVersionStateRequest& request) const;

  // REQUEST_MALFORMED: version 0, or a wait out of bounds. NOT_FOUND: no such
  // key or version. DESTRUCTION_TOO_SOON: a wait under what this instance
  // demands. DESTRUCTION_SCHEDULED, VERSION_DESTROYED, FEATURE_LEVEL_TOO_LOW.
  absl::StatusOr<v1::Key> ScheduleKeyVersionDestruction(
      const Caller& caller,
      const v1::ScheduleKeyVersionDestructionRequest& request) const;

  // VERSION_CONFLICT: none is scheduled. Others as above.
  absl::StatusOr<v1::Key> CancelKeyVersionDestruction(
      const Caller& caller,
      const v1::CancelKeyVersionDestructionRequest& request) const;

  // VERSION_CONFLICT: not the jump that waits. FEATURE_LEVEL_TOO_LOW.
  absl::StatusOr<v1::ClockJump> ConfirmClock(
      const Caller& caller, const v1::ConfirmClockRequest& request) const;

  // Labels are not looked at here: the state refuses bad ones, as
  // REQUEST_MALFORMED.
  // NOT_FOUND: no such key. VERSION_CONFLICT: a minimum above the primary
  // version. FEATURE_LEVEL_TOO_LOW.
  absl::StatusOr<v1::Key> UpdateKey(const Caller& caller,
                                    const v1::UpdateKeyRequest& request) const;

  // NOT_FOUND: no such key or version. PURPOSE_MISMATCH: not a wrapping key.
  // VERSION_DISABLED, VERSION_DESTROYED, VERSION_BELOW_MINIMUM.
  absl::StatusOr<v1::SignedWrappingKey> GetWrappingKey(
      const Caller& caller, const v1::GetWrappingKeyRequest& request) const;

  // As keys.proto says. VERSION_CONFLICT: the key was rotated meanwhile.
  absl::StatusOr<v1::RewrapBlobResponse> RewrapBlob(
      const Caller& caller, const v1::RewrapBlobRequest& request) const;

  // An empty policy ends all releases of the key.
  // NOT_FOUND: no such key or policy.
  absl::StatusOr<v1::Key> SetKeyPolicy(
      const Caller& caller, const v1::SetKeyPolicyRequest& request) const;

  // LIMIT_REACHED: see ImportKeys::Make.
  absl::StatusOr<v1::ImportKey> GetImportKey(
      const Caller& caller, const v1::GetImportKeyRequest& request) const;

 private:
  const InstanceHolder& holder_;
  const absl::Duration destruction_wait_min_;
  mutable ImportKeys import_keys_;  // Thread-safe.
};

}  // namespace kms::lifecycle

#endif  // KMS_LIFECYCLE_KEY_HANDLERS_H_

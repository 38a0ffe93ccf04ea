// Rotations that a key's own period asks for: the instance finds what is due,
// makes the new version and proposes it. Whoever comes first wins, by the
// state's precondition; so that not all instances make the same keys at once,
// each waits a while of its own after the due time (review.md 36).
// Thread-safe: immutable. Decides nothing: storage/state/key_schedules.cc does.
#ifndef KMS_LIFECYCLE_ROTATOR_H_
#define KMS_LIFECYCLE_ROTATOR_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "kms/instance/instance.h"

namespace kms::lifecycle {

// An instance's own delay is below this.
inline constexpr absl::Duration kRotationDelayMax = absl::Seconds(30);
// More are the next call's: a million keys may come due together.
inline constexpr size_t kRotationsPerTickMax = 256;

// How long `instance_id` waits for the others before it rotates `key_id`.
absl::Duration RotationDelay(absl::string_view instance_id,
                             absl::string_view key_id);

class Rotator {
 public:
  // `holder` outlives it.
  explicit Rotator(const InstanceHolder& holder) : holder_(holder) {}

  // To be called about once a minute: rotates what has been due for longer than
  // this instance's delay. A key that cannot be rotated does not keep others
  // from it; the first refusal is returned. VERSION_CONFLICT is none: another
  // instance did it.
  // SEALED; what Replica::Propose returns; LIMIT_REACHED: a key has all the
  // versions it may have.
  absl::Status Tick(absl::Time deadline) const;

 private:
  const InstanceHolder& holder_;
};

}  // namespace kms::lifecycle

#endif  // KMS_LIFECYCLE_ROTATOR_H_

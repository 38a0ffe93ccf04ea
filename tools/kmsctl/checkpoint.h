// Checkpoints as an auditor takes them: believed only under what he pinned.
// Thread-safe: free functions.
#ifndef TOOLS_KMSCTL_CHECKPOINT_H_
#define TOOLS_KMSCTL_CHECKPOINT_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/crypto/checkpoint.h"
#include "kms/crypto/note.h"
#include "proto/kms/v1/audit.pb.h"
#include "tools/kmsctl/context.h"

namespace kms::kmsctl {

struct VerifiedCheckpoint {
  crypto::Checkpoint head;
  crypto::NoteVerifier verifier;  // The checkpoint key that signed it.
};

// The checkpoint key vouched for by the pinned identity key, the note signed
// by it, and its origin one of the pinned cluster's logs.
// IntegrityError: any of it does not hold.
absl::StatusOr<VerifiedCheckpoint> VerifyCheckpoint(
    const v1::Checkpoint& checkpoint, const PinnedCluster& pinned);

// A note that was saved earlier, under a checkpoint key verified now; of the
// same epoch of the log as `now`, or of an earlier one, whose tree it goes on
// from. IntegrityError: not signed by that key, not a checkpoint, of another
// log, or of a later epoch.
absl::StatusOr<crypto::Checkpoint> OpenSavedCheckpoint(
    absl::string_view note, const VerifiedCheckpoint& now);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_CHECKPOINT_H_

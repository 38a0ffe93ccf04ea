// The checkpoint that this instance kept beside its cluster's state, against
// the state that an unseal just opened.
//
// A state from an older disk image passes every check of its own: only what
// was known outside it can tell. This is the nearest outside; who puts back
// the whole data directory puts back the checkpoint too, and only another
// instance or a client with a later one can tell then.
// Source: architecture.md, promise 5; review.md on rolled-back replicas.
// Thread-safe: a free function.
#ifndef KMS_SEAL_KEPT_CHECKPOINT_H_
#define KMS_SEAL_KEPT_CHECKPOINT_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "kms/crypto/signing_key.h"
#include "storage/state/state_view.h"

namespace kms::seal {

// `note`: as Heartbeat kept it; empty where none was kept yet.
// The tree goes on through the log's epochs, so one of an earlier epoch binds a
// later state.
// DATA_LOSS: not signed by this cluster's checkpoint key for this log, or the
// state is smaller than it says, or has another root at that size.
absl::Status CheckAgainstKept(absl::string_view note,
                              const crypto::Ed25519SigningKey& checkpoint_key,
                              const storage::StateView& view);

}  // namespace kms::seal

#endif  // KMS_SEAL_KEPT_CHECKPOINT_H_

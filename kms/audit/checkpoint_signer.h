// Signs tree heads: C2SP checkpoints in signed notes, under the cluster's
// checkpoint key, with the cluster identity key vouching for that key.
// Sources: c2sp.org/tlog-checkpoint, c2sp.org/signed-note; architecture.md,
// "Snapshots".
//
// A checkpoint holds no time and Ed25519 is deterministic, so every instance
// of a cluster makes the same bytes for the same tree.
// Thread-safe. Does not read the log: the caller says what the tree head is.
#ifndef KMS_AUDIT_CHECKPOINT_SIGNER_H_
#define KMS_AUDIT_CHECKPOINT_SIGNER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "kms/instance/instance.h"
#include "proto/kms/v1/audit.pb.h"

namespace kms::audit {

// What the identity key signs to vouch for the checkpoint key that
// `verifier_key` (a C2SP vkey) names.
std::string CheckpointKeyStatement(absl::string_view verifier_key);

struct TreeHead {
  uint64_t epoch = 0;
  uint64_t size = 0;
  std::string root;  // 32 bytes.
};

class CheckpointSigner {
 public:
  // The checkpoint of `head` in the log of `instance`. The latest is kept:
  // the releases of one batch share it. Never null.
  // DATA_LOSS: another root was signed for this size before. Two such notes
  // would prove a fork to the world, so the second is not made.
  // kInternal: `head` is not one.
  absl::StatusOr<std::shared_ptr<const v1::Checkpoint>> Sign(
      const Instance& instance, const TreeHead& head) const;

 private:
  struct Signed {
    std::string origin;
    std::string identity_key;  // 32 bytes, public; as is the next.
    std::string checkpoint_key;
    TreeHead head;
    std::shared_ptr<const v1::Checkpoint> checkpoint;
  };

  mutable absl::Mutex mutex_;
  // The largest of the log that was last asked for.
  mutable Signed latest_ ABSL_GUARDED_BY(mutex_);
  mutable bool signing_ ABSL_GUARDED_BY(mutex_) = false;  // Outside the lock.
};

}  // namespace kms::audit

#endif  // KMS_AUDIT_CHECKPOINT_SIGNER_H_

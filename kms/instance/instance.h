// An unsealed instance: what every capability (release, lifecycle, admin,
// audit) works with. It exists only between unseal and seal, so code that
// holds one need not ask whether the root key is there.
// Thread-safe: immutable, or made of thread-safe parts.
#ifndef KMS_INSTANCE_INSTANCE_H_
#define KMS_INSTANCE_INSTANCE_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "kms/base/clock.h"
#include "kms/crypto/signing_key.h"
#include "storage/archive/evidence_archive.h"
#include "storage/envelope/envelope.h"
#include "storage/replica/replica.h"

namespace kms {

struct Instance {
  std::string cluster_id;   // 16 bytes.
  std::string instance_id;  // 16 bytes.
  const Clock& clock;       // Outlives the instance.

  std::shared_ptr<const storage::Envelope> envelope;
  std::unique_ptr<storage::Replica> replica;

  // Evidence that was judged here; null where the configuration keeps none.
  // One that failed stays here and refuses, and with it every release.
  std::unique_ptr<storage::EvidenceArchive> evidence_archive;

  // Signs receipts; its public half is what clients pin.
  crypto::Ed25519SigningKey identity_key;
  // Signs tree heads.
  crypto::Ed25519SigningKey checkpoint_key;

  // Simulated trust anchors that this instance's configuration names. Local
  // configuration only narrows: an anchor must also be in the state.
  std::vector<std::string> simulated_anchors;

  // How old collateral may be here, by role (policy/collateral/age.h).
  std::map<std::string, absl::Duration> collateral_max_ages = {};

  // Registered for this instance: it signs its batches, and what it says to its
  // peers. Outlives the instance; null only in tests of other folders.
  const crypto::Ed25519SigningKey* instance_key = nullptr;
};

// Where the server's adapters find the instance, or learn that it is sealed.
// Thread-safe.
class InstanceHolder {
 public:
  // Refuses with SEALED while there is none. The shared_ptr keeps an instance
  // alive for the calls that began before a seal.
  absl::StatusOr<std::shared_ptr<const Instance>> Get() const;

  // `instance` may be null: sealed.
  void Set(std::shared_ptr<const Instance> instance);

 private:
  mutable absl::Mutex mutex_;
  std::shared_ptr<const Instance> instance_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace kms

#endif  // KMS_INSTANCE_INSTANCE_H_

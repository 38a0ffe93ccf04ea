// Where an instance that the log's trim has passed gets its state: peers, asked
// one after the other. The network behind it is the server's.
#ifndef KMS_SEAL_SNAPSHOT_SOURCE_H_
#define KMS_SEAL_SNAPSHOT_SOURCE_H_

#include <cstddef>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "kms/crypto/signing_key.h"
#include "storage/log/log_position.h"

namespace kms::seal {

// Who asks: the instance is not open yet, so nothing else says it.
struct SnapshotAsker {
  std::string cluster_id;   // 16 bytes.
  std::string instance_id;  // 16 bytes.
  const crypto::Ed25519SigningKey* instance_key = nullptr;
  storage::LogPosition after;  // Only a later state is of use.
};

// Thread-compatible.
class SnapshotSource {
 public:
  virtual ~SnapshotSource() = default;

  // How many may be asked.
  virtual size_t donors() const = 0;

  // Gets a snapshot from `donor`, below donors(): tells its position, then each
  // chunk. An error of `begin` or `add` ends it and is returned.
  // OK: the donor has no more to send. Others: the network's, the donor's.
  virtual absl::Status Copy(
      size_t donor, const SnapshotAsker& asker,
      absl::FunctionRef<absl::Status(storage::LogPosition)> begin,
      absl::FunctionRef<absl::Status(absl::string_view chunk)> add) = 0;
};

}  // namespace kms::seal

#endif  // KMS_SEAL_SNAPSHOT_SOURCE_H_

// Where the released key goes. A delivery is opened before the key is asked
// for, so that no release is spent on a key that nobody can receive.
//
//   fd:N                     an open file descriptor, a pipe or memfd of the
//                            program that waits for the key
//   file:PATH                a new file, 0600, put in place at once; only on
//                            tmpfs or ramfs unless disks are allowed
//   credential-socket:PATH   a Unix socket that gives the key to whoever
//                            connects, for systemd's LoadCredential=; only to
//                            root and to this user
// Thread-compatible.
#ifndef TOOLS_KMS_AGENT_DELIVERY_H_
#define TOOLS_KMS_AGENT_DELIVERY_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kms/base/secret.h"

namespace kms::agent {

class Delivery {
 public:
  virtual ~Delivery() = default;

  // Blocks until the key is taken (a socket waits for its first reader, and
  // one that serves returns only on an error). Call once.
  virtual absl::Status Deliver(const Secret& key) = 0;
};

struct DeliveryOptions {
  bool allow_disk = false;  // file: on any file system.
  bool serve = false;  // credential-socket: every connection, not just one.
};

// UsageError: not one of the forms above. kFailedPrecondition: the file would
// lie on a disk. Others: the system's error.
absl::StatusOr<std::unique_ptr<Delivery>> OpenDelivery(
    const std::string& output, const DeliveryOptions& options);

}  // namespace kms::agent

#endif  // TOOLS_KMS_AGENT_DELIVERY_H_

// Where an unsealed instance's root key is to be had: for a peer that joins,
// and for nobody else.
#ifndef KMS_SEAL_ROOT_SOURCE_H_
#define KMS_SEAL_ROOT_SOURCE_H_

#include <string>

#include "absl/status/statusor.h"
#include "kms/base/secret.h"
#include "kms/crypto/signing_key.h"
#include "kms/seal/seal_file.h"

namespace kms::seal {

// All that another instance needs to be one: with its own id and key.
struct RootCopy {
  Secret root;            // 32 bytes.
  std::string seal_file;  // EncodeSealFile's; the root key opens its keyring.
};

// Thread-safe.
class RootSource {
 public:
  virtual ~RootSource() = default;

  // SEALED: it is not in memory. kResourceExhausted: no locked memory left.
  virtual absl::StatusOr<RootCopy> CopyRoot() const = 0;
};

// What a joiner has when a donor has admitted it.
struct JoinedCluster {
  SealFile seal;
  Secret root;                             // Opens the seal file's keyring.
  std::string instance_id;                 // 16 bytes; registered with ...
  crypto::Ed25519SigningKey instance_key;  // ... this key.
};

}  // namespace kms::seal

#endif  // KMS_SEAL_ROOT_SOURCE_H_

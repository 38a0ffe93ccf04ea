// Putting a root key under a seal: what init, a join and a rekey have in
// common.
// Thread-safe: free functions over values.
#ifndef KMS_SEAL_KEEP_ROOT_H_
#define KMS_SEAL_KEEP_ROOT_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kms/base/secret.h"
#include "kms/seal/root_device.h"
#include "kms/seal/seal_file.h"
#include "storage/envelope/keyring.h"

namespace kms::seal {

// Who or what is to have the root key.
struct RootKeeping {
  SealKind kind = SealKind::kShamir;
  const RootDevice* device = nullptr;  // Null exactly for kShamir.
  uint32_t shares = 0;                 // For kShamir, else 0; as is the next.
  uint32_t threshold = 0;
};

// REQUEST_MALFORMED: as MakeShares; or shares for a device.
absl::Status CheckCounts(const RootKeeping& keeping);

// Keeps `root` (32 bytes), and writes all of `file` that depends on it: kind,
// commitments, wrapped root key, sealed keyring; its cluster id, identity and
// verifier keys are set. Returns the custodians' share texts; none for a
// device.
// Codes of CheckCounts, RootDevice::Wrap and storage::SealKeyring.
absl::StatusOr<std::vector<Secret>> KeepRoot(const RootKeeping& keeping,
                                             const Secret& root,
                                             const storage::Keyring& keyring,
                                             SealFile& file);

}  // namespace kms::seal

#endif  // KMS_SEAL_KEEP_ROOT_H_

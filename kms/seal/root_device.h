// What keeps a root key without people: a PKCS#11 token, a TPM, or, for
// development, a file. It gives the key back to whoever it takes this machine
// and this process for, so an instance under one unseals at its start.
//
// Shamir is not one: shares are gathered from custodians (ceremony.h). Both
// kinds meet in Unsealer, which can move the root key from any to any.
//
// Source: architecture.md, "Seals". What a device returns proves nothing: the
// right root key is the one that opens the keyring.
#ifndef KMS_SEAL_ROOT_DEVICE_H_
#define KMS_SEAL_ROOT_DEVICE_H_

#include <string>

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "kms/base/secret.h"

namespace kms::seal {

// Thread-compatible. Nothing is kept open between calls: a token that was
// unplugged, or a TPM whose driver was restarted, is found anew by the next.
class RootDevice {
 public:
  virtual ~RootDevice() = default;

  // Puts `root` (32 bytes) into keeping, and has taken it out again to see that
  // it can be. Returns what the seal file is to hold for Unwrap, at most
  // kWrappedRootBytesMax bytes; without the device it tells nothing.
  // SEAL_UNAVAILABLE, SEAL_PIN_REJECTED, SEAL_KEY_REJECTED, SEAL_PCRS_CHANGED.
  // kResourceExhausted: no locked memory left.
  virtual absl::StatusOr<std::string> Wrap(const Secret& root) const = 0;

  // The root key that Wrap was given. `wrapped`: bytes from the disk.
  // Codes of Wrap; DATA_LOSS: `wrapped` is not what this kind of device makes.
  virtual absl::StatusOr<Secret> Unwrap(BytesView wrapped) const = 0;
};

}  // namespace kms::seal

#endif  // KMS_SEAL_ROOT_DEVICE_H_

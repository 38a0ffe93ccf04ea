// A root key that lies in a file, 32 raw bytes of mode 0600, in plaintext: for
// development. It protects nothing.
#ifndef KMS_SEAL_KEY_FILE_DEVICE_H_
#define KMS_SEAL_KEY_FILE_DEVICE_H_

#include <string>

#include "kms/seal/root_device.h"

namespace kms::seal {

class KeyFileDevice : public RootDevice {
 public:
  explicit KeyFileDevice(std::string path);

  // Writes the file, or finds it there already with the same key; the seal file
  // has nothing to hold. kFailedPrecondition: it holds another one.
  // Others: ReadSecretFile, WriteSecretFile.
  absl::StatusOr<std::string> Wrap(const Secret& root) const override;
  // Codes of ReadSecretFile; kFailedPrecondition: not 32 bytes.
  absl::StatusOr<Secret> Unwrap(BytesView wrapped) const override;

 private:
  const std::string path_;
};

}  // namespace kms::seal

#endif  // KMS_SEAL_KEY_FILE_DEVICE_H_

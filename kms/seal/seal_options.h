// Where this instance keeps its root key: one kind, and what that kind needs.
#ifndef KMS_SEAL_SEAL_OPTIONS_H_
#define KMS_SEAL_SEAL_OPTIONS_H_

#include <memory>
#include <string>

#include "kms/seal/pkcs11/pkcs11_device.h"
#include "kms/seal/root_device.h"
#include "kms/seal/seal_file.h"
#include "kms/seal/tpm/tpm_device.h"

namespace kms::seal {

struct SealOptions {
  SealKind kind = SealKind::kShamir;
  std::string key_file;  // For kDevelopment.
  Pkcs11Options pkcs11;  // For kPkcs11.
  TpmOptions tpm;        // For kTpm.
};

// The configured device; null for kShamir, where people have the root key.
std::unique_ptr<const RootDevice> DeviceOf(const SealOptions& options);

}  // namespace kms::seal

#endif  // KMS_SEAL_SEAL_OPTIONS_H_

#include "kms/seal/seal_options.h"

#include "kms/seal/key_file_device.h"

namespace kms::seal {

std::unique_ptr<const RootDevice> DeviceOf(const SealOptions& options) {
  switch (options.kind) {
    case SealKind::kShamir:
      return nullptr;
    case SealKind::kDevelopment:
      return std::make_unique<KeyFileDevice>(options.key_file);
    case SealKind::kPkcs11:
      return std::make_unique<Pkcs11Device>(options.pkcs11);
    case SealKind::kTpm:
      return std::make_unique<TpmDevice>(options.tpm);
  }
  return nullptr;
}

}  // namespace kms::seal

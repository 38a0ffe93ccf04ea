#include "kms/seal/key_file_device.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/status.h"
#include "kms/seal/limits.h"
#include "kms/seal/private_file.h"

namespace kms::seal {

KeyFileDevice::KeyFileDevice(std::string path) : path_(std::move(path)) {}

absl::StatusOr<std::string> KeyFileDevice::Wrap(const Secret& root) const {
  const absl::StatusOr<Secret> kept = Unwrap({});
  if (absl::IsNotFound(kept.status())) {
    KMS_RETURN_IF_ERROR(WriteSecretFile(path_, root));
    return std::string();
  }
  KMS_RETURN_IF_ERROR(kept.status());
  if (*kept == root) return std::string();
  return absl::FailedPreconditionError(
      absl::StrCat(path_, ": holds another cluster's root key"));
}

absl::StatusOr<Secret> KeyFileDevice::Unwrap(BytesView) const {
  KMS_ASSIGN_OR_RETURN(Secret root, ReadSecretFile(path_, kRootKeyBytes));
  if (root.size() != kRootKeyBytes) {
    return absl::FailedPreconditionError(
        absl::StrCat(path_, ": ", root.size(), " bytes, want ", kRootKeyBytes));
  }
  return root;
}

}  // namespace kms::seal

#include "kms/attester/bundle_file.h"

#include <filesystem>

#include "kms/base/file.h"
#include "kms/base/status.h"
#include "policy/verifier/verifier.h"

namespace kms::attester {

absl::StatusOr<Bundle> ReadBundle(const std::string& path) {
  Bundle bundle;
  KMS_ASSIGN_OR_RETURN(const std::string json,
                       ReadFile(path, policy::kBundleJsonBytesMax));
  KMS_ASSIGN_OR_RETURN(bundle.index, policy::ParseBundleIndex(json));
  // The index holds plain names only, so nothing outside the folder is read.
  const std::filesystem::path folder =
      std::filesystem::path(path).parent_path();
  KMS_ASSIGN_OR_RETURN(
      bundle.evidence,
      policy::LoadBundle(bundle.index, [&folder](const std::string& name) {
        return ReadFile((folder / name).string(),
                        policy::kEvidenceFileBytesMax);
      }));
  return bundle;
}

}  // namespace kms::attester

#include "tools/kmsctl/weights_blob.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/status.h"
#include "kms/lifecycle/wrapping_key.h"
#include "tools/client/outcome.h"

namespace kms::kmsctl {
namespace {

absl::StatusOr<std::string> Seal(const v1::WrappingKey& to,
                                 absl::string_view artifact_digest,
                                 const Secret& data_key) {
  absl::StatusOr<std::string> blob =
      lifecycle::SealBlobTo(to, AsBytes(artifact_digest), data_key);
  if (!blob.ok()) return client::AsRefusal(blob.status());
  return blob;
}

}  // namespace

WeightsBlob::WeightsBlob(v1::WrappingKey to, const Secret& data_key,
                         std::string path, weights::PartialFile file)
    : to_(std::move(to)),
      data_key_(&data_key),
      path_(std::move(path)),
      file_(std::move(file)) {}

absl::StatusOr<WeightsBlob> WeightsBlob::Open(const v1::WrappingKey& to,
                                              const Secret& data_key,
                                              const std::string& file) {
  // As long as the one to come, and refused for what that would be.
  KMS_ASSIGN_OR_RETURN(
      const std::string rehearsal,
      Seal(to, std::string(weights::kDigestSize, '\0'), data_key));
  std::string path = absl::StrCat(file, ".blob");
  KMS_ASSIGN_OR_RETURN(weights::PartialFile partial,
                       weights::PartialFile::Open(path, /*overwrite=*/false));
  partial.DoNotKeep();
  KMS_RETURN_IF_ERROR(partial.Reserve(rehearsal.size()));
  return WeightsBlob(to, data_key, std::move(path), std::move(partial));
}

weights::KeyName WeightsBlob::key_name() const {
  return {.name_space = to_.namespace_(),
          .name = to_.name(),
          .version = to_.version()};
}

absl::Status WeightsBlob::Write(absl::string_view artifact_digest) {
  KMS_ASSIGN_OR_RETURN(const std::string blob,
                       Seal(to_, artifact_digest, *data_key_));
  KMS_RETURN_IF_ERROR(file_.file().WriteAt(0, AsBytes(blob)));
  KMS_RETURN_IF_ERROR(file_.Finish(0644));
  return file_.Commit();
}

}  // namespace kms::kmsctl

// The wrapped blob of an encrypted file that is published: FILE.blob, which
// holds the file's data key for the workloads that a wrapping key's policy
// accepts, and which is on the disk before FILE has its name. So no encrypted
// file ever stands without the only way to its key.
// Source: kms/lifecycle/wrapped_blob.h. Thread-compatible.
#ifndef TOOLS_KMSCTL_WEIGHTS_BLOB_H_
#define TOOLS_KMSCTL_WEIGHTS_BLOB_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/base/secret.h"
#include "kms/weights/format.h"
#include "kms/weights/partial_file.h"
#include "proto/kms/v1/keys.pb.h"

namespace kms::kmsctl {

class WeightsBlob {
 public:
  // Holds the place of `file`'s blob and all that Write can be refused for, so
  // that nothing is found out after hours of encryption. `data_key` outlives
  // what is returned. REQUIRES: `to` is ReadWrappingKeyFile's.
  // kAlreadyExists: there is such a blob; it is never replaced, because the
  // file that it belongs to could then not be read. A refusal: `to` is bound
  // to another artifact, or takes no such data key. Others: as PartialFile.
  static absl::StatusOr<WeightsBlob> Open(const v1::WrappingKey& to,
                                          const Secret& data_key,
                                          const std::string& file);

  const std::string& path() const { return path_; }
  // The wrapping key, for the file's header.
  weights::KeyName key_name() const;

  // Seals the data key, bound to the artifact of this digest (32 bytes), and
  // commits the blob. At most once.
  absl::Status Write(absl::string_view artifact_digest);

 private:
  WeightsBlob(v1::WrappingKey to, const Secret& data_key, std::string path,
              weights::PartialFile file);

  v1::WrappingKey to_;
  const Secret* data_key_;
  std::string path_;
  weights::PartialFile file_;
};

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_WEIGHTS_BLOB_H_

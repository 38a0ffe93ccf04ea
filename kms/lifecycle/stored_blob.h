// Blobs and the key versions that the state stores: opening one with the
// version that it names, sealing one to a version.
// Thread-safe: free functions. Does not ask whether anybody may have the data
// key, or whether the version may be used: callers do, before.
#ifndef KMS_LIFECYCLE_STORED_BLOB_H_
#define KMS_LIFECYCLE_STORED_BLOB_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/base/secret.h"
#include "kms/instance/instance.h"
#include "kms/lifecycle/key_material.h"
#include "kms/lifecycle/wrapped_blob.h"
#include "proto/storage/v1/command.pb.h"

namespace kms::lifecycle {

// REQUIRES: `blob` is of this cluster, and `material` is that of the key
// version that it names.
// BLOB_REJECTED. DATA_LOSS: the material does not authenticate.
// kResourceExhausted: no locked memory left.
absl::StatusOr<Secret> OpenStoredBlob(
    const Instance& instance, const WrappedBlob& blob,
    const ::storage::v1::KeyMaterial& material);

// `material`: of the version at `place`. Others: as SealBlob.
absl::StatusOr<std::string> SealStoredBlob(
    const Instance& instance, const KeyMaterialPlace& place,
    const ::storage::v1::KeyMaterial& material,
    absl::string_view artifact_digest, const Secret& data_key);

}  // namespace kms::lifecycle

#endif  // KMS_LIFECYCLE_STORED_BLOB_H_

// Fresh key material: random, or imported under a one-time import key.
// Thread-safe: free functions.
#ifndef KMS_LIFECYCLE_NEW_MATERIAL_H_
#define KMS_LIFECYCLE_NEW_MATERIAL_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/base/secret.h"
#include "kms/instance/instance.h"
#include "kms/lifecycle/import_keys.h"
#include "proto/kms/v1/keys.pb.h"

namespace kms::lifecycle {

// 128 bits: less can be searched, whatever the policy says.
inline constexpr size_t kMaterialSizeMin = 16;
// The largest random material asked for; keys are 32 bytes.
inline constexpr uint32_t kRandomSizeMax = 4096;
inline constexpr uint32_t kRandomSizeDefault = 32;
// The largest imported material: a private key in PEM is 3 KiB.
inline constexpr size_t kImportSizeMax = Secret::kSizeMax;

// Bounds and shape, before anything is looked up.
// REQUEST_MALFORMED: both kinds asked for, random_bytes is under
//   kMaterialSizeMin, or an import field has not its size.
// REQUEST_TOO_LARGE: over kRandomSizeMax or kImportSizeMax.
absl::Status CheckNewMaterial(const v1::NewMaterial& request);

// The material for the key `name` in `name_space` (resolved). An import key
// that the request names is used up, whatever comes of it.
// REQUIRES: CheckNewMaterial(request) is OK.
// NOT_FOUND: see ImportKeys::Take.
// REQUEST_MALFORMED: the import does not open: sealed to another import key,
//   or for another key; or it is one byte repeated, which is nobody's key.
// kResourceExhausted: no locked memory left.
absl::StatusOr<Secret> MakeNewMaterial(
    const std::shared_ptr<const Instance>& instance, ImportKeys& import_keys,
    absl::string_view name_space, absl::string_view name,
    const v1::NewMaterial& request);

}  // namespace kms::lifecycle

#endif  // KMS_LIFECYCLE_NEW_MATERIAL_H_

// Fresh key material: random, imported under a one-time import key, or the
// key pair of a wrapping key.
// Thread-safe: free functions.
#ifndef KMS_LIFECYCLE_NEW_MATERIAL_H_
#define KMS_LIFECYCLE_NEW_MATERIAL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/base/secret.h"
#include "kms/instance/instance.h"
#include "kms/lifecycle/import_keys.h"
#include "kms/lifecycle/key_material.h"
#include "proto/kms/v1/keys.pb.h"
#include "proto/storage/v1/command.pb.h"

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
//   kMaterialSizeMin, or an import field or digest has not its size.
// REQUEST_TOO_LARGE: over kRandomSizeMax or kImportSizeMax.
// RECIPIENT_KEY_INVALID: not a KEM of ours.
// PURPOSE_MISMATCH: bytes for a wrapping key, or a KEM for a stored one.
absl::Status CheckNewMaterial(const v1::NewMaterial& request,
                              ::storage::v1::KeyPurpose purpose);

// What becomes one version of a key.
struct NewMaterial {
  Secret secret;        // Its bytes, or the pair's private half.
  uint32_t kem_id = 0;  // Of a pair; as is the public half.
  std::string public_key;
  std::string artifact_digest;  // 32 bytes, or empty.
};

// A fresh key pair. `kem_id`: asked for; 0 means `kem_id_before`, and there
// X25519. RECIPIENT_KEY_INVALID: not a KEM of ours.
// kResourceExhausted: no locked memory left.
absl::StatusOr<NewMaterial> MakeNewPair(const v1::NewMaterial& request,
                                        uint32_t kem_id_before);

// The material for the key `name` in `name_space` (resolved). An import key
// that the request names is used up, whatever comes of it.
// REQUIRES: CheckNewMaterial(request, STORED) is OK.
// NOT_FOUND: see ImportKeys::Take.
// REQUEST_MALFORMED: the import does not open: sealed to another import key,
//   or for another key; or it is one byte repeated, which is nobody's key.
// kResourceExhausted: no locked memory left.
absl::StatusOr<NewMaterial> MakeNewMaterial(
    const std::shared_ptr<const Instance>& instance, ImportKeys& import_keys,
    absl::string_view name_space, absl::string_view name,
    const v1::NewMaterial& request);

// `material` as the state stores it at `place`.
// kInternal, as SealKeyMaterial.
absl::StatusOr<::storage::v1::KeyMaterial> SealNewMaterial(
    const Instance& instance, const KeyMaterialPlace& place,
    const NewMaterial& material);

}  // namespace kms::lifecycle

#endif  // KMS_LIFECYCLE_NEW_MATERIAL_H_

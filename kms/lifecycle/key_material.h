// Key material as it stands in the state: encrypted under the storage key for
// one place, which is a namespace, a key id and a version. Moved to another
// row it does not open.
// Thread-safe: free functions. Does not ask whether anybody may have the key:
// kms/release does, before it opens one.
#ifndef KMS_LIFECYCLE_KEY_MATERIAL_H_
#define KMS_LIFECYCLE_KEY_MATERIAL_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"
#include "kms/base/secret.h"
#include "kms/crypto/hpke.h"
#include "proto/storage/v1/command.pb.h"
#include "storage/envelope/envelope.h"

namespace kms::lifecycle {

inline constexpr size_t kKeyIdSize = 16;  // Random bytes.

// The place of the material: the associated data of its envelope.
struct KeyMaterialPlace {
  absl::string_view name_space;  // Resolved: "default", never empty.
  absl::string_view key_id;      // kKeyIdSize bytes.
  uint32_t version;              // From 1.
};

// What storage.v1.KeyMaterial holds as `wrapped`.
// kInternal: `place` is not one, or the cipher failed.
absl::StatusOr<std::string> SealKeyMaterial(const storage::Envelope& envelope,
                                            const KeyMaterialPlace& place,
                                            const Secret& material);

// kDataLoss (DATA_LOSS): `wrapped` was changed, or is of another place.
// kFailedPrecondition: under a storage key that this instance has not got yet.
// kInternal: `place` is not one. kResourceExhausted: no locked memory left.
absl::StatusOr<Secret> OpenKeyMaterial(const storage::Envelope& envelope,
                                       const KeyMaterialPlace& place,
                                       BytesView wrapped);

// The private half of a wrapping key's version, which is what its material is.
// DATA_LOSS: also, it is not the pair of the public half that stands beside it.
// Others: as OpenKeyMaterial.
absl::StatusOr<crypto::HpkePrivateKey> OpenWrappingKey(
    const storage::Envelope& envelope, const KeyMaterialPlace& place,
    const ::storage::v1::KeyMaterial& material);

}  // namespace kms::lifecycle

#endif  // KMS_LIFECYCLE_KEY_MATERIAL_H_

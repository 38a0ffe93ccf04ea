#include "kms/lifecycle/key_material.h"

#include "kms/base/byte_writer.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"

namespace kms::lifecycle {
namespace {

// The one definition of where key bytes belong. The key id has a fixed size,
// so id and version cannot run into each other.
absl::StatusOr<std::string> MaterialAad(const KeyMaterialPlace& place) {
  if (place.name_space.empty() || place.key_id.size() != kKeyIdSize ||
      place.version == 0) {
    return Refuse(v1::INTERNAL_ERROR, "key material: not a place for a key");
  }
  return storage::RowAad(
      place.name_space, "key material",
      ByteWriter().Bytes(place.key_id).U32Be(place.version).str());
}

}  // namespace

absl::StatusOr<std::string> SealKeyMaterial(const storage::Envelope& envelope,
                                            const KeyMaterialPlace& place,
                                            const Secret& material) {
  KMS_ASSIGN_OR_RETURN(const std::string aad, MaterialAad(place));
  return envelope.SealSecret(storage::KeyKind::kStorage, material,
                             AsBytes(aad));
}

absl::StatusOr<Secret> OpenKeyMaterial(const storage::Envelope& envelope,
                                       const KeyMaterialPlace& place,
                                       BytesView wrapped) {
  KMS_ASSIGN_OR_RETURN(const std::string aad, MaterialAad(place));
  return envelope.OpenSecret(storage::KeyKind::kStorage, wrapped, AsBytes(aad));
}

}  // namespace kms::lifecycle

#include "kms/lifecycle/key_material.h"

#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "storage/state/state_view.h"

namespace kms::lifecycle {
namespace {

absl::StatusOr<std::string> MaterialAad(const KeyMaterialPlace& place) {
  if (place.name_space.empty() || place.key_id.size() != kKeyIdSize ||
      place.version == 0) {
    return Refuse(v1::INTERNAL_ERROR, "key material: not a place for a key");
  }
  return storage::KeyMaterialAad(place.name_space, place.key_id, place.version);
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

absl::StatusOr<crypto::HpkePrivateKey> OpenWrappingKey(
    const storage::Envelope& envelope, const KeyMaterialPlace& place,
    const ::storage::v1::KeyMaterial& material) {
  KMS_ASSIGN_OR_RETURN(
      const Secret scalar,
      OpenKeyMaterial(envelope, place, AsBytes(material.wrapped())));
  KMS_ASSIGN_OR_RETURN(const crypto::Kem kem,
                       crypto::KemFromId(material.kem_id()));
  KMS_ASSIGN_OR_RETURN(crypto::HpkePrivateKey key,
                       crypto::HpkePrivateKey::FromScalar(kem, scalar));
  // Publishers were shown the public half: what they seal must open.
  if (key.public_key() != material.public_key()) {
    return Refuse(v1::DATA_LOSS,
                  "wrapping key: its halves are not of one pair");
  }
  return key;
}

}  // namespace kms::lifecycle

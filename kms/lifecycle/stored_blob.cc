#include "kms/lifecycle/stored_blob.h"

#include "kms/base/bytes.h"
#include "kms/base/status.h"
#include "kms/crypto/hpke.h"

namespace kms::lifecycle {

absl::StatusOr<Secret> OpenStoredBlob(
    const Instance& instance, const WrappedBlob& blob,
    const ::storage::v1::KeyMaterial& material) {
  const BlobHeader& header = blob.header;
  KMS_ASSIGN_OR_RETURN(
      const crypto::HpkePrivateKey key,
      OpenWrappingKey(*instance.envelope,
                      {header.name_space, header.key_id, header.version},
                      material));
  return OpenBlob(blob, key);
}

absl::StatusOr<std::string> SealStoredBlob(
    const Instance& instance, const KeyMaterialPlace& place,
    const ::storage::v1::KeyMaterial& material,
    absl::string_view artifact_digest, const Secret& data_key) {
  KMS_ASSIGN_OR_RETURN(const crypto::Kem kem,
                       crypto::KemFromId(material.kem_id()));
  return SealBlob({.cluster_id = instance.cluster_id,
                   .name_space = std::string(place.name_space),
                   .key_id = std::string(place.key_id),
                   .version = place.version,
                   .kem = kem,
                   .artifact_digest = std::string(artifact_digest)},
                  AsBytes(material.public_key()), data_key);
}

}  // namespace kms::lifecycle

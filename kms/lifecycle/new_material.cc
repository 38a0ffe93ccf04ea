#include "kms/lifecycle/new_material.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/secret_access.h"
#include "kms/base/status.h"
#include "kms/crypto/hpke.h"
#include "kms/crypto/random.h"
#include "kms/lifecycle/import_aad.h"
#include "kms/lifecycle/wrapped_blob.h"

namespace kms::lifecycle {
namespace {

constexpr size_t kEncSize = 32;  // X25519: the KEM of every import key.
constexpr size_t kTagSize = 16;  // AES-256-GCM.

absl::Status CheckSealed(const v1::NewMaterial::Sealed& sealed) {
  if (sealed.import_key_id().size() != kImportKeyIdSize) {
    return Refuse(v1::REQUEST_MALFORMED,
                  absl::StrCat("import key id: ", sealed.import_key_id().size(),
                               " bytes, want ", kImportKeyIdSize));
  }
  if (sealed.enc().size() != kEncSize) {
    return Refuse(v1::REQUEST_MALFORMED,
                  absl::StrCat("import enc: ", sealed.enc().size(),
                               " bytes, want ", kEncSize));
  }
  if (sealed.ciphertext().size() < kMaterialSizeMin + kTagSize) {
    return Refuse(v1::REQUEST_MALFORMED,
                  absl::StrCat("import: under ", kMaterialSizeMin,
                               " bytes of key material"));
  }
  if (sealed.ciphertext().size() > kImportSizeMax + kTagSize) {
    return Refuse(v1::REQUEST_TOO_LARGE,
                  absl::StrCat("import: over ", kImportSizeMax,
                               " bytes of key material"));
  }
  return absl::OkStatus();
}

// Zeros, or a buffer that somebody forgot to fill.
bool OneByteRepeated(const Secret& material) {
  const BytesView bytes = material.Expose(GrantSecretAccess());
  // In constant time, since it is cheap: no early exit on key bytes.
  uint8_t difference = 0;
  for (const uint8_t byte : bytes) {
    difference = static_cast<uint8_t>(difference | (byte ^ bytes[0]));
  }
  return difference == 0;
}

absl::StatusOr<Secret> OpenImport(
    const std::shared_ptr<const Instance>& instance, ImportKeys& import_keys,
    absl::string_view name_space, absl::string_view name,
    const v1::NewMaterial::Sealed& sealed) {
  KMS_ASSIGN_OR_RETURN(const crypto::HpkePrivateKey private_key,
                       import_keys.Take(instance, sealed.import_key_id()));
  const std::string aad = ImportAad(sealed.import_key_id(), name_space, name);
  absl::StatusOr<Secret> material =
      crypto::HpkeOpen(private_key, AsBytes(sealed.enc()), AsBytes(kImportInfo),
                       AsBytes(aad), AsBytes(sealed.ciphertext()));
  if (absl::IsUnauthenticated(material.status())) {
    return Refuse(v1::REQUEST_MALFORMED,
                  "import: does not open, want it sealed to this import key "
                  "for this namespace and name");
  }
  KMS_RETURN_IF_ERROR(material.status());
  if (OneByteRepeated(*material)) {
    return Refuse(v1::REQUEST_MALFORMED,
                  "import: one byte repeated, want key material");
  }
  return material;
}

}  // namespace

absl::Status CheckNewMaterial(const v1::NewMaterial& request,
                              ::storage::v1::KeyPurpose purpose) {
  if (!request.artifact_digest().empty() &&
      request.artifact_digest().size() != kArtifactDigestSize) {
    return Refuse(
        v1::REQUEST_MALFORMED,
        absl::StrCat("artifact digest: ", request.artifact_digest().size(),
                     " bytes, want ", kArtifactDigestSize));
  }
  if (purpose == ::storage::v1::KEY_PURPOSE_WRAPPING) {
    if (request.has_sealed() || request.random_bytes() != 0) {
      return Refuse(v1::PURPOSE_MISMATCH,
                    "key material: bytes, want none for a wrapping key: its "
                    "pairs are made by the service");
    }
    return request.kem_id() == 0 ? absl::OkStatus()
                                 : crypto::KemFromId(request.kem_id()).status();
  }
  if (request.kem_id() != 0) {
    return Refuse(v1::PURPOSE_MISMATCH,
                  "key material: a KEM, want none for a stored key");
  }
  if (request.has_sealed()) {
    if (request.random_bytes() != 0) {
      return Refuse(v1::REQUEST_MALFORMED,
                    "key material: both random and sealed, want one");
    }
    return CheckSealed(request.sealed());
  }
  if (request.random_bytes() > kRandomSizeMax) {
    return Refuse(v1::REQUEST_TOO_LARGE,
                  absl::StrCat("random key material: ", request.random_bytes(),
                               " bytes, want at most ", kRandomSizeMax));
  }
  if (request.random_bytes() != 0 &&
      request.random_bytes() < kMaterialSizeMin) {
    return Refuse(v1::REQUEST_MALFORMED,
                  absl::StrCat("random key material: ", request.random_bytes(),
                               " bytes, want at least ", kMaterialSizeMin));
  }
  return absl::OkStatus();
}

absl::StatusOr<NewMaterial> MakeNewPair(const v1::NewMaterial& request,
                                        uint32_t kem_id_before) {
  uint32_t kem_id = request.kem_id() != 0 ? request.kem_id() : kem_id_before;
  if (kem_id == 0) kem_id = static_cast<uint32_t>(crypto::Kem::kX25519);
  KMS_ASSIGN_OR_RETURN(const crypto::Kem kem, crypto::KemFromId(kem_id));
  KMS_ASSIGN_OR_RETURN(const crypto::HpkeKeyPair pair,
                       crypto::HpkeGenerateKeyPair(kem));
  NewMaterial made;
  KMS_ASSIGN_OR_RETURN(made.secret, pair.private_key.scalar().Clone());
  made.kem_id = kem_id;
  made.public_key = pair.public_key;
  made.artifact_digest = request.artifact_digest();
  return made;
}

absl::StatusOr<NewMaterial> MakeNewMaterial(
    const std::shared_ptr<const Instance>& instance, ImportKeys& import_keys,
    absl::string_view name_space, absl::string_view name,
    const v1::NewMaterial& request) {
  NewMaterial made;
  made.artifact_digest = request.artifact_digest();
  if (request.has_sealed()) {
    KMS_ASSIGN_OR_RETURN(
        made.secret,
        OpenImport(instance, import_keys, name_space, name, request.sealed()));
  } else {
    KMS_ASSIGN_OR_RETURN(made.secret,
                         crypto::RandomSecret(request.random_bytes() == 0
                                                  ? kRandomSizeDefault
                                                  : request.random_bytes()));
  }
  return made;
}

absl::StatusOr<::storage::v1::KeyMaterial> SealNewMaterial(
    const Instance& instance, const KeyMaterialPlace& place,
    const NewMaterial& material) {
  ::storage::v1::KeyMaterial sealed;
  KMS_ASSIGN_OR_RETURN(
      *sealed.mutable_wrapped(),
      SealKeyMaterial(*instance.envelope, place, material.secret));
  sealed.set_kem_id(material.kem_id);
  sealed.set_public_key(material.public_key);
  sealed.set_artifact_digest(material.artifact_digest);
  return sealed;
}

}  // namespace kms::lifecycle

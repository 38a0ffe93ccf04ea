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

}  // namespace

absl::Status CheckNewMaterial(const v1::NewMaterial& request) {
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

absl::StatusOr<Secret> MakeNewMaterial(
    const std::shared_ptr<const Instance>& instance, ImportKeys& import_keys,
    absl::string_view name_space, absl::string_view name,
    const v1::NewMaterial& request) {
  if (!request.has_sealed()) {
    return crypto::RandomSecret(request.random_bytes() == 0
                                    ? kRandomSizeDefault
                                    : request.random_bytes());
  }
  const v1::NewMaterial::Sealed& sealed = request.sealed();
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

}  // namespace kms::lifecycle

#include "kms/lifecycle/signed_import_key.h"

#include <string>

#include "kms/base/byte_writer.h"
#include "kms/base/status.h"
#include "kms/crypto/public_key.h"

namespace kms::lifecycle {
namespace {

std::string SignedBytes(BytesView cluster_id, const v1::ImportKey& key) {
  return ByteWriter()
      .Bytes("kms.v1 import key")
      .U8(0)
      .Field(cluster_id)
      .Field(key.import_key_id())
      .U32Be(key.kem_id())
      .Field(key.public_key())
      .Take();
}

}  // namespace

void SignImportKey(const crypto::Ed25519SigningKey& identity_key,
                   BytesView cluster_id, v1::ImportKey& key) {
  key.set_signature(identity_key.Sign(AsBytes(SignedBytes(cluster_id, key))));
}

absl::Status VerifyImportKey(const v1::ImportKey& key,
                             BytesView identity_public_key,
                             BytesView cluster_id) {
  KMS_ASSIGN_OR_RETURN(const crypto::PublicKey identity,
                       crypto::PublicKey::Ed25519(identity_public_key));
  if (!identity
           .VerifyEd25519(AsBytes(SignedBytes(cluster_id, key)),
                          AsBytes(key.signature()))
           .ok()) {
    return absl::UnauthenticatedError(
        "import key: not signed by the pinned cluster identity key");
  }
  return absl::OkStatus();
}

}  // namespace kms::lifecycle

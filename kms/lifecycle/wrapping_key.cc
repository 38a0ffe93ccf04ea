#include "kms/lifecycle/wrapping_key.h"

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/hpke.h"
#include "kms/crypto/public_key.h"
#include "kms/lifecycle/wrapped_blob.h"

namespace kms::lifecycle {
namespace {

// Names and ids of a few hundred bytes.
constexpr size_t kBodyBytesMax = 4096;

std::string SignedBytes(absl::string_view body) {
  return absl::StrCat("kms.v1 wrapping key", absl::string_view("\0", 1), body);
}

}  // namespace

v1::SignedWrappingKey SignWrappingKey(
    const v1::WrappingKey& key, const crypto::Ed25519SigningKey& identity_key) {
  v1::SignedWrappingKey signed_key;
  key.SerializeToString(signed_key.mutable_body());
  signed_key.set_signature(
      identity_key.Sign(AsBytes(SignedBytes(signed_key.body()))));
  return signed_key;
}

absl::StatusOr<v1::WrappingKey> VerifyWrappingKey(
    const v1::SignedWrappingKey& signed_key, BytesView identity_public_key,
    BytesView cluster_id) {
  if (signed_key.body().size() > kBodyBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("wrapping key: ", signed_key.body().size(),
                     " bytes, want at most ", kBodyBytesMax));
  }
  // The signature first: nothing unsigned is parsed.
  KMS_ASSIGN_OR_RETURN(const crypto::PublicKey identity,
                       crypto::PublicKey::Ed25519(identity_public_key));
  if (!identity
           .VerifyEd25519(AsBytes(SignedBytes(signed_key.body())),
                          AsBytes(signed_key.signature()))
           .ok()) {
    return absl::UnauthenticatedError(
        "wrapping key: not signed by the pinned cluster identity key");
  }
  v1::WrappingKey key;
  if (!key.ParseFromString(signed_key.body())) {
    return absl::InvalidArgumentError("wrapping key: does not parse");
  }
  if (AsBytes(key.cluster_id()) != cluster_id) {
    return absl::UnauthenticatedError("wrapping key: another cluster's");
  }
  KMS_ASSIGN_OR_RETURN(const crypto::Kem kem, crypto::KemFromId(key.kem_id()));
  KMS_RETURN_IF_ERROR(
      crypto::HpkeCheckPublicKey(kem, AsBytes(key.public_key())));
  return key;
}

absl::StatusOr<std::string> SealBlobTo(const v1::WrappingKey& key,
                                       BytesView artifact_digest,
                                       const Secret& data_key) {
  KMS_ASSIGN_OR_RETURN(const crypto::Kem kem, crypto::KemFromId(key.kem_id()));
  if (!key.artifact_digest().empty() &&
      AsBytes(key.artifact_digest()) != artifact_digest) {
    return Refuse(v1::ARTIFACT_MISMATCH,
                  "wrapping key: its version is bound to another artifact");
  }
  return SealBlob({.cluster_id = key.cluster_id(),
                   .name_space = key.namespace_(),
                   .key_id = key.key_id(),
                   .version = key.version(),
                   .kem = kem,
                   .artifact_digest = ToString(artifact_digest)},
                  AsBytes(key.public_key()), data_key);
}

}  // namespace kms::lifecycle

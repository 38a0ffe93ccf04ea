#include "kms/crypto/ecdh.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kms/base/secret_access.h"
#include "kms/base/status.h"
#include "kms/crypto/ec_key.h"
#include "kms/crypto/openssl.h"

namespace kms::crypto {
namespace {

absl::Status Bad(absl::string_view fault) {
  return absl::InvalidArgumentError(absl::StrCat("ecdh: ", fault));
}

absl::StatusOr<Secret> Derive(EVP_PKEY* key, EVP_PKEY* peer) {
  KMS_ASSIGN_OR_RETURN(Secret shared, Secret::Allocate(kEcdhSecretSize));
  const PkeyCtxPtr context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  // Both kinds of peer were validated when they were read; OpenSSL's own check
  // (the last argument) would multiply by the order once more.
  DieUnless(context != nullptr && EVP_PKEY_derive_init(context.get()) == 1 &&
                EVP_PKEY_derive_set_peer_ex(context.get(), peer, 0) == 1,
            "ecdh: cannot start");
  size_t size = shared.size();
  // RFC 7748, section 6.1: OpenSSL fails if an X25519 result is all zero.
  if (EVP_PKEY_derive(context.get(),
                      shared.ExposeMutable(GrantSecretAccess()).data(),
                      &size) != 1 ||
      size != kEcdhSecretSize) {
    return Bad("the peer's point has low order");
  }
  return shared;
}

PkeyPtr X25519Pkey(const Secret& scalar) {
  PkeyPtr key(EVP_PKEY_new_raw_private_key_ex(
      nullptr, "X25519", nullptr, scalar.Expose(GrantSecretAccess()).data(),
      scalar.size()));
  DieUnless(key != nullptr, "x25519: cannot make a key");
  return key;
}

}  // namespace

absl::StatusOr<Secret> X25519(const Secret& scalar, BytesView peer) {
  const ClearErrorsOnReturn clear_errors;
  if (scalar.size() != kEcdhSecretSize) return Bad("scalar, want 32 bytes");
  if (peer.size() != kX25519PublicSize) return Bad("peer, want 32 bytes");
  const PkeyPtr key = X25519Pkey(scalar);
  const PkeyPtr peer_key(EVP_PKEY_new_raw_public_key_ex(
      nullptr, "X25519", nullptr, peer.data(), peer.size()));
  DieUnless(peer_key != nullptr, "x25519: cannot make a key");
  KMS_ASSIGN_OR_RETURN(Secret shared, Derive(key.get(), peer_key.get()));
  if (AllZero(shared.Expose(GrantSecretAccess()))) {
    return Bad("the peer's point has low order");
  }
  return shared;
}

absl::StatusOr<std::string> X25519PublicKey(const Secret& scalar) {
  if (scalar.size() != kEcdhSecretSize) return Bad("scalar, want 32 bytes");
  const PkeyPtr key = X25519Pkey(scalar);
  std::string out(kX25519PublicSize, '\0');
  size_t size = out.size();
  DieUnless(EVP_PKEY_get_raw_public_key(
                key.get(), reinterpret_cast<uint8_t*>(out.data()), &size) == 1,
            "x25519: no public key");
  return out;
}

absl::StatusOr<Secret> P256Ecdh(const Secret& scalar, BytesView peer) {
  const ClearErrorsOnReturn clear_errors;
  const PkeyPtr peer_key = EcPublicPkey(Curve::kP256, peer);
  if (peer_key == nullptr) return Bad("peer is no uncompressed P-256 point");
  const EcKeyPair own = EcPrivatePkey(Curve::kP256, scalar);
  if (own.key == nullptr) return Bad("scalar out of range");
  return Derive(own.key.get(), peer_key.get());
}

absl::StatusOr<std::string> P256PublicKey(const Secret& scalar) {
  const ClearErrorsOnReturn clear_errors;
  EcKeyPair own = EcPrivatePkey(Curve::kP256, scalar);
  if (own.key == nullptr) return Bad("scalar out of range");
  return std::move(own.point);
}

}  // namespace kms::crypto

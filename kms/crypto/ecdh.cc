#include "kms/crypto/ecdh.h"

#include <openssl/core_names.h>

#include <algorithm>
#include <array>

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

// A key of what is given. OpenSSL computes a public key that is left empty, and
// takes one that is given as it is.
PkeyPtr X25519Pkey(BytesView scalar, BytesView public_key) {
  std::array<OSSL_PARAM, 3> params;
  size_t used = 0;
  // The library takes parameters as not const, and only reads them.
  if (!scalar.empty()) {
    params[used++] = OSSL_PARAM_construct_octet_string(
        OSSL_PKEY_PARAM_PRIV_KEY, const_cast<uint8_t*>(scalar.data()),
        scalar.size());
  }
  if (!public_key.empty()) {
    params[used++] = OSSL_PARAM_construct_octet_string(
        OSSL_PKEY_PARAM_PUB_KEY, const_cast<uint8_t*>(public_key.data()),
        public_key.size());
  }
  params[used] = OSSL_PARAM_construct_end();
  PkeyPtr key = PkeyFromParams(
      "X25519", scalar.empty() ? EVP_PKEY_PUBLIC_KEY : EVP_PKEY_KEYPAIR,
      params.data());
  DieUnless(key != nullptr, "x25519: cannot make a key");
  return key;
}

// The u-coordinates of every point, on Curve25519 or its twist, whose order
// divides 8, and so vanishes under a scalar, which is a multiple of 8 (RFC
// 7748, section 5): 0, 1, two of order 8, and p - 1; then p and p + 1, which
// stand for 0 and 1. No scalar makes another point vanish: the large prime
// factors of the two orders would have to divide it, and it is smaller than
// eight times either.
constexpr std::array<std::array<uint8_t, kX25519PublicSize>, 7> kLowOrder = {{
    {0x00},
    {0x01},
    {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
     0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
     0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
    {0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1,
     0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c,
     0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    {0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
}};

}  // namespace

absl::StatusOr<Secret> X25519(const Secret& scalar, BytesView public_key,
                              BytesView peer) {
  const ClearErrorsOnReturn clear_errors;
  if (scalar.size() != kEcdhSecretSize) return Bad("scalar, want 32 bytes");
  if (public_key.size() != kX25519PublicSize ||
      peer.size() != kX25519PublicSize) {
    return Bad("public key, want 32 bytes");
  }
  const PkeyPtr key =
      X25519Pkey(scalar.Expose(GrantSecretAccess()), public_key);
  const PkeyPtr peer_key = X25519Pkey({}, peer);
  KMS_ASSIGN_OR_RETURN(Secret shared, Derive(key.get(), peer_key.get()));
  if (AllZero(shared.Expose(GrantSecretAccess()))) {
    return Bad("the peer's point has low order");
  }
  return shared;
}

absl::Status X25519CheckPeer(BytesView peer) {
  if (peer.size() != kX25519PublicSize) {
    return Bad("public key, want 32 bytes");
  }
  std::array<uint8_t, kX25519PublicSize> u;
  std::copy(peer.begin(), peer.end(), u.begin());
  u.back() &= 0x7f;  // RFC 7748, section 5: the last bit is ignored.
  const bool low =
      std::find(kLowOrder.begin(), kLowOrder.end(), u) != kLowOrder.end();
  return low ? Bad("the peer's point has low order") : absl::OkStatus();
}

absl::StatusOr<std::string> X25519PublicKey(const Secret& scalar) {
  if (scalar.size() != kEcdhSecretSize) return Bad("scalar, want 32 bytes");
  const PkeyPtr key = X25519Pkey(scalar.Expose(GrantSecretAccess()), {});
  std::string out(kX25519PublicSize, '\0');
  size_t size = out.size();
  DieUnless(EVP_PKEY_get_raw_public_key(
                key.get(), reinterpret_cast<uint8_t*>(out.data()), &size) == 1,
            "x25519: no public key");
  return out;
}

absl::StatusOr<Secret> P256Ecdh(const Secret& scalar, BytesView public_key,
                                BytesView peer) {
  const ClearErrorsOnReturn clear_errors;
  const PkeyPtr peer_key = EcPublicPkey(Curve::kP256, peer);
  if (peer_key == nullptr) return Bad("peer is no uncompressed P-256 point");
  if (public_key.size() != kP256PublicSize) {
    return Bad("public key, want 65 bytes");
  }
  const PkeyPtr key = EcPrivatePkey(Curve::kP256, scalar, public_key);
  if (key == nullptr) return Bad("scalar out of range");
  return Derive(key.get(), peer_key.get());
}

absl::Status P256CheckPeer(BytesView peer) {
  const ClearErrorsOnReturn clear_errors;
  return EcPublicPkey(Curve::kP256, peer) == nullptr
             ? Bad("peer is no uncompressed P-256 point")
             : absl::OkStatus();
}

absl::StatusOr<std::string> P256PublicKey(const Secret& scalar) {
  const ClearErrorsOnReturn clear_errors;
  EcKeyPair own = EcPrivatePkey(Curve::kP256, scalar);
  if (own.key == nullptr) return Bad("scalar out of range");
  return std::move(own.point);
}

}  // namespace kms::crypto

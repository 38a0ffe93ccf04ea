#include "kms/crypto/signing_key.h"

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kms/base/secret_access.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/ec_key.h"
#include "kms/crypto/ec_private_key.h"
#include "kms/crypto/ecdsa_signature.h"
#include "kms/crypto/openssl.h"
#include "kms/crypto/random.h"

namespace kms::crypto {
namespace {

// Longer than any DER signature on P-384: 2 + 2 * (2 + 1 + 48).
constexpr size_t kEcdsaDerSizeMax = 104;

absl::Status BadKey(absl::string_view fault) {
  return absl::InvalidArgumentError(absl::StrCat("ec private key: ", fault));
}

absl::StatusOr<EcdsaSigningKey> FromInfo(
    const std::optional<EcPrivateKeyInfo>& info) {
  if (!info.has_value()) {
    return BadKey("not a DER key of P-256 or P-384");
  }
  KMS_ASSIGN_OR_RETURN(const Secret scalar,
                       Secret::CopyOf(info->scalar, GrantSecretAccess()));
  KMS_ASSIGN_OR_RETURN(EcdsaSigningKey key,
                       EcdsaSigningKey::FromScalar(info->curve, scalar));
  if (!info->point.empty() && info->point != key.public_key().key_bytes()) {
    return BadKey("its public key is not the scalar's");
  }
  return key;
}

}  // namespace

absl::StatusOr<Ed25519SigningKey> Ed25519SigningKey::Generate() {
  KMS_ASSIGN_OR_RETURN(const Secret seed, RandomSecret(kSeedSize));
  return FromSeed(seed);
}

absl::StatusOr<Ed25519SigningKey> Ed25519SigningKey::FromSeed(
    const Secret& seed) {
  if (seed.size() != kSeedSize) {
    return absl::InvalidArgumentError(
        absl::StrCat("Ed25519 seed: ", seed.size(), " bytes, want 32"));
  }
  Ed25519SigningKey key;
  KMS_ASSIGN_OR_RETURN(key.seed_, seed.Clone());
  key.key_ = std::shared_ptr<EVP_PKEY>(
      EVP_PKEY_new_raw_private_key_ex(nullptr, "ED25519", nullptr,
                                      seed.Expose(GrantSecretAccess()).data(),
                                      kSeedSize),
      EVP_PKEY_free);
  key.public_key_.resize(32);
  size_t size = key.public_key_.size();
  DieUnless(
      key.key_ != nullptr &&
          EVP_PKEY_get_raw_public_key(
              key.key_.get(),
              reinterpret_cast<uint8_t*>(key.public_key_.data()), &size) == 1 &&
          size == key.public_key_.size(),
      "Ed25519: cannot make a key");
  const std::shared_ptr<EVP_MD_CTX> ready(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  DieUnless(
      ready != nullptr && EVP_DigestSignInit(ready.get(), nullptr, nullptr,
                                             nullptr, key.key_.get()) == 1,
      "Ed25519: cannot start to sign");
  key.ready_ = ready;
  return key;
}

std::string Ed25519SigningKey::Sign(BytesView message) const {
  std::string signature(kSignatureSize, '\0');
  size_t size = signature.size();
  const MdCtxPtr context(EVP_MD_CTX_new());
  DieUnless(context != nullptr &&
                EVP_MD_CTX_copy_ex(context.get(), ready_.get()) == 1 &&
                EVP_DigestSign(context.get(),
                               reinterpret_cast<uint8_t*>(signature.data()),
                               &size, message.data(), message.size()) == 1 &&
                size == signature.size(),
            "Ed25519: cannot sign");
  return signature;
}

absl::StatusOr<EcdsaSigningKey> EcdsaSigningKey::Generate(Curve curve) {
  // SP 800-186, appendix A.2.2 of FIPS 186-5: draw until in range; both orders
  // are so near a power of two that one draw is practically enough.
  while (true) {
    KMS_ASSIGN_OR_RETURN(const Secret scalar,
                         RandomSecret(CurveFieldSize(curve)));
    absl::StatusOr<EcdsaSigningKey> key = FromScalar(curve, scalar);
    if (key.status().code() != absl::StatusCode::kInvalidArgument) return key;
  }
}

absl::StatusOr<EcdsaSigningKey> EcdsaSigningKey::FromScalar(
    Curve curve, const Secret& scalar) {
  const ClearErrorsOnReturn clear_errors;
  EcKeyPair pair = EcPrivatePkey(curve, scalar);
  if (pair.key == nullptr) return BadKey("scalar out of range");
  KMS_ASSIGN_OR_RETURN(Secret copy, scalar.Clone());
  KMS_ASSIGN_OR_RETURN(PublicKey public_key,
                       PublicKey::FromPoint(curve, AsBytes(pair.point)));
  return EcdsaSigningKey(
      curve, std::move(copy), std::move(public_key),
      std::shared_ptr<EVP_PKEY>(pair.key.release(), EVP_PKEY_free));
}

absl::StatusOr<EcdsaSigningKey> EcdsaSigningKey::FromSec1(const Secret& der) {
  return FromInfo(ParseSec1(der.Expose(GrantSecretAccess())));
}

absl::StatusOr<EcdsaSigningKey> EcdsaSigningKey::FromPkcs8(const Secret& der) {
  return FromInfo(ParsePkcs8(der.Expose(GrantSecretAccess())));
}

std::string EcdsaSigningKey::SignDer(Hash hash, BytesView message) const {
  const std::string digest = Digest(hash, message);
  std::string signature(kEcdsaDerSizeMax, '\0');
  size_t size = signature.size();
  const PkeyCtxPtr context(
      EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
  DieUnless(context != nullptr && EVP_PKEY_sign_init(context.get()) == 1 &&
                EVP_PKEY_sign(
                    context.get(), reinterpret_cast<uint8_t*>(signature.data()),
                    &size, AsBytes(digest).data(), digest.size()) == 1,
            "ecdsa: cannot sign");
  signature.resize(size);
  return signature;
}

std::string EcdsaSigningKey::SignRaw(Hash hash, BytesView message) const {
  absl::StatusOr<std::string> raw =
      EcdsaDerToRaw(curve_, AsBytes(SignDer(hash, message)));
  DieUnless(raw.ok(), "ecdsa: signed something malformed");
  return *std::move(raw);
}

}  // namespace kms::crypto

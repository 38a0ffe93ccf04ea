#include "kms/crypto/public_key.h"

#include <openssl/core_names.h>
#include <openssl/rsa.h>

#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/ec_key.h"
#include "kms/crypto/ecdsa_signature.h"
#include "kms/crypto/openssl.h"
#include "kms/crypto/spki.h"

namespace kms::crypto {
namespace {

constexpr size_t kEd25519SignatureSize = 64;
// FromSpki has the exact bound; this one keeps lengths encodable.
constexpr size_t kRsaNumberBytesMax = 1024;

absl::Status Mismatch() {
  return absl::UnauthenticatedError("signature: does not verify");
}

absl::Status WrongKey() {
  return absl::UnauthenticatedError(
      "signature: key is not for this algorithm and its parameters");
}

PkeyPtr RsaKey(BytesView modulus, BytesView exponent) {
  const BignumPtr n(
      BN_bin2bn(modulus.data(), static_cast<int>(modulus.size()), nullptr));
  const BignumPtr e(
      BN_bin2bn(exponent.data(), static_cast<int>(exponent.size()), nullptr));
  const ParamBuilderPtr builder(OSSL_PARAM_BLD_new());
  DieUnless(
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) &&
          OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()),
      "public key: cannot build");
  return PkeyFromParams("RSA", EVP_PKEY_PUBLIC_KEY, builder.get());
}

PkeyPtr MakeKey(const Spki& spki) {
  switch (spki.kind) {
    case KeyKind::kRsa:
    case KeyKind::kRsaPss:
      return RsaKey(spki.rsa_modulus, spki.rsa_exponent);
    case KeyKind::kP256:
      return EcPublicPkey(Curve::kP256, spki.key);
    case KeyKind::kP384:
      return EcPublicPkey(Curve::kP384, spki.key);
    case KeyKind::kEd25519:
      return PkeyPtr(EVP_PKEY_new_raw_public_key_ex(
          nullptr, "ED25519", nullptr, spki.key.data(), spki.key.size()));
  }
  Die("public key: a KeyKind that is none");
}

std::optional<Curve> CurveOf(KeyKind kind) {
  if (kind == KeyKind::kP256) return Curve::kP256;
  if (kind == KeyKind::kP384) return Curve::kP384;
  return std::nullopt;
}

// How a context verifies. `padding` is 0 for ECDSA, which has no parameters.
struct Parameters {
  int padding = 0;
  Hash hash = Hash::kSha256;
  std::optional<size_t> salt_size;

  friend bool operator==(const Parameters&, const Parameters&) = default;
};

PkeyCtxPtr MakeContext(EVP_PKEY* key, const Parameters& parameters) {
  PkeyCtxPtr made(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  EVP_PKEY_CTX* const context = made.get();
  DieUnless(context != nullptr && EVP_PKEY_verify_init(context) == 1,
            "public key: cannot start to verify");
  if (parameters.padding == 0) return made;
  const EVP_MD* const md = FetchedMd(parameters.hash);
  DieUnless(EVP_PKEY_CTX_set_rsa_padding(context, parameters.padding) == 1 &&
                EVP_PKEY_CTX_set_signature_md(context, md) == 1,
            "public key: cannot set RSA parameters");
  if (parameters.salt_size.has_value()) {
    DieUnless(EVP_PKEY_CTX_set_rsa_mgf1_md(context, md) == 1 &&
                  EVP_PKEY_CTX_set_rsa_pss_saltlen(
                      context, static_cast<int>(*parameters.salt_size)) == 1,
              "public key: cannot set PSS parameters");
  }
  return made;
}

// Makes contexts for one key, and keeps one: to set it up costs a third of an
// RSA verification. Only from the second time on, because most keys of most
// chains verify once and are then only remembered.
class Contexts {
 public:
  // OK if `signature` verifies over `digest`.
  absl::Status Verify(EVP_PKEY* key, const Parameters& parameters,
                      const std::string& digest, BytesView signature) {
    PkeyCtxPtr context = Take(parameters);
    if (context == nullptr) context = MakeContext(key, parameters);
    const BytesView tbs = AsBytes(digest);
    if (EVP_PKEY_verify(context.get(), signature.data(), signature.size(),
                        tbs.data(), tbs.size()) != 1) {
      return Mismatch();  // With whatever the failure left in the context.
    }
    Keep(parameters, std::move(context));
    return absl::OkStatus();
  }

 private:
  // Null if there is none for these parameters, or another thread has it.
  PkeyCtxPtr Take(const Parameters& parameters) {
    absl::MutexLock lock(&mutex_);
    return parameters == parameters_ ? std::move(kept_) : nullptr;
  }
  void Keep(const Parameters& parameters, PkeyCtxPtr context) {
    absl::MutexLock lock(&mutex_);
    if (used_) {
      parameters_ = parameters;
      kept_ = std::move(context);
    }
    used_ = true;
  }

  absl::Mutex mutex_;
  bool used_ ABSL_GUARDED_BY(mutex_) = false;
  Parameters parameters_ ABSL_GUARDED_BY(mutex_);  // Of `kept_`.
  PkeyCtxPtr kept_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

struct PublicKey::Parts {
  KeyKind kind;
  std::optional<PssRestriction> pss;
  std::string spki;
  std::string spki_sha256;
  BytesView key_bytes;  // Within `spki`.
  PkeyPtr key;
  mutable Contexts contexts;  // Thread-safe.

  // The modulus' size in bytes is the one length a signature may have
  // (RFC 8017, sections 8.1.2 and 8.2.2, step 1).
  absl::Status VerifyRsa(const Parameters& parameters, BytesView message,
                         BytesView signature) const {
    if (signature.size() != static_cast<size_t>(EVP_PKEY_get_size(key.get()))) {
      return Mismatch();
    }
    return contexts.Verify(key.get(), parameters,
                           Digest(parameters.hash, message), signature);
  }
};

absl::StatusOr<PublicKey> PublicKey::FromSpki(BytesView der) {
  const ClearErrorsOnReturn clear_errors;
  auto parts = std::make_shared<Parts>();
  parts->spki = ToString(der);
  KMS_ASSIGN_OR_RETURN(const Spki spki, ParseSpki(AsBytes(parts->spki)));
  parts->kind = spki.kind;
  parts->pss = spki.pss;
  parts->spki_sha256 = Sha256(der);
  parts->key_bytes = spki.key;
  parts->key = MakeKey(spki);
  if (parts->key == nullptr) {
    return absl::InvalidArgumentError("public key: not a valid key");
  }
  return PublicKey(std::move(parts));
}

absl::StatusOr<PublicKey> PublicKey::FromPoint(Curve curve, BytesView point) {
  if (point.size() != CurvePointSize(curve)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "EC point: ", point.size(), " bytes, want ", CurvePointSize(curve)));
  }
  return FromSpki(AsBytes(MakeEcSpki(curve, point)));
}

absl::StatusOr<PublicKey> PublicKey::FromRsa(BytesView modulus,
                                             BytesView exponent) {
  // Two encodings of one number would be two keys to who compares them.
  if (modulus.empty() || modulus[0] == 0 || exponent.empty() ||
      exponent[0] == 0 || modulus.size() > kRsaNumberBytesMax ||
      exponent.size() > kRsaNumberBytesMax) {
    return absl::InvalidArgumentError("RSA key: not two minimal numbers");
  }
  return FromSpki(AsBytes(MakeRsaSpki(modulus, exponent)));
}

absl::StatusOr<PublicKey> PublicKey::Ed25519(BytesView key) {
  if (key.size() != 32) {
    return absl::InvalidArgumentError(
        absl::StrCat("Ed25519 key: ", key.size(), " bytes, want 32"));
  }
  return FromSpki(AsBytes(MakeEd25519Spki(key)));
}

KeyKind PublicKey::kind() const { return parts_->kind; }
const std::string& PublicKey::spki() const { return parts_->spki; }
const std::string& PublicKey::spki_sha256() const {
  return parts_->spki_sha256;
}
BytesView PublicKey::key_bytes() const { return parts_->key_bytes; }

absl::Status PublicKey::VerifyEcdsa(Hash hash, BytesView message,
                                    BytesView signature) const {
  const ClearErrorsOnReturn clear_errors;
  const std::optional<Curve> curve = CurveOf(parts_->kind);
  if (!curve.has_value()) return WrongKey();
  if (!EcdsaDerToRaw(*curve, signature).ok()) return Mismatch();
  // OpenSSL checks that r and s are below the order, and takes the leftmost
  // bits of a digest that is longer than it (FIPS 186-5, section 6.4.2).
  return parts_->contexts.Verify(parts_->key.get(), Parameters(),
                                 Digest(hash, message), signature);
}

absl::Status PublicKey::VerifyEcdsaRaw(Hash hash, BytesView message,
                                       BytesView r, BytesView s) const {
  const std::optional<Curve> curve = CurveOf(parts_->kind);
  if (!curve.has_value()) return WrongKey();
  const absl::StatusOr<std::string> der = EcdsaRawToDer(*curve, r, s);
  if (!der.ok()) return Mismatch();
  return VerifyEcdsa(hash, message, AsBytes(*der));
}

absl::Status PublicKey::VerifyRsaPss(Hash hash, size_t salt_size,
                                     BytesView message,
                                     BytesView signature) const {
  const ClearErrorsOnReturn clear_errors;
  if (parts_->kind != KeyKind::kRsa && parts_->kind != KeyKind::kRsaPss) {
    return WrongKey();
  }
  if (parts_->pss.has_value() &&
      (hash != parts_->pss->hash || salt_size < parts_->pss->salt_size_min)) {
    return WrongKey();
  }
  // RFC 8017, section 9.1.2, step 3: no such signature exists.
  const size_t key_size =
      static_cast<size_t>(EVP_PKEY_get_size(parts_->key.get()));
  if (salt_size > key_size - HashSize(hash) - 2) return Mismatch();
  return parts_->VerifyRsa(
      {.padding = RSA_PKCS1_PSS_PADDING, .hash = hash, .salt_size = salt_size},
      message, signature);
}

absl::Status PublicKey::VerifyRsaPkcs1(Hash hash, BytesView message,
                                       BytesView signature) const {
  const ClearErrorsOnReturn clear_errors;
  if (parts_->kind != KeyKind::kRsa) return WrongKey();
  return parts_->VerifyRsa(
      {.padding = RSA_PKCS1_PADDING, .hash = hash, .salt_size = std::nullopt},
      message, signature);
}

absl::Status PublicKey::VerifyEd25519(BytesView message,
                                      BytesView signature) const {
  const ClearErrorsOnReturn clear_errors;
  if (parts_->kind != KeyKind::kEd25519) return WrongKey();
  if (signature.size() != kEd25519SignatureSize) return Mismatch();
  const MdCtxPtr context(EVP_MD_CTX_new());
  DieUnless(context != nullptr &&
                EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr,
                                     parts_->key.get()) == 1,
            "public key: cannot start to verify");
  return EVP_DigestVerify(context.get(), signature.data(), signature.size(),
                          message.data(), message.size()) == 1
             ? absl::OkStatus()
             : Mismatch();
}

}  // namespace kms::crypto

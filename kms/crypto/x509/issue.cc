#include "kms/crypto/x509/issue.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "absl/strings/str_cat.h"
#include "kms/crypto/openssl.h"
#include "kms/crypto/x509/der_writer.h"

namespace kms::x509 {
namespace {

using crypto::DieUnless;
using crypto::Hash;

Hash HashOf(SignatureScheme scheme) {
  switch (scheme) {
    case SignatureScheme::kEcdsaSha256:
    case SignatureScheme::kRsaPkcs1Sha256:
    case SignatureScheme::kRsaPssSha256:
      return Hash::kSha256;
    case SignatureScheme::kEcdsaSha384:
    case SignatureScheme::kRsaPkcs1Sha384:
    case SignatureScheme::kRsaPssSha384:
      return Hash::kSha384;
    default:
      return Hash::kSha512;
  }
}

bool IsPss(SignatureScheme scheme) {
  return scheme == SignatureScheme::kRsaPssSha256 ||
         scheme == SignatureScheme::kRsaPssSha384 ||
         scheme == SignatureScheme::kRsaPssSha512;
}

std::shared_ptr<EVP_PKEY> Own(EVP_PKEY* key) {
  DieUnless(key != nullptr, "issue: key");
  return std::shared_ptr<EVP_PKEY>(key, EVP_PKEY_free);
}

std::string MakeExtensions(const std::vector<Extension>& extensions) {
  std::string list;
  for (const Extension& extension : extensions) {
    absl::StrAppend(
        &list,
        DerEncode(kDerSequence,
                  absl::StrCat(DerOid(extension.oid),
                               extension.critical ? DerBoolean(true) : "",
                               DerEncode(kDerOctetString, extension.value))));
  }
  return DerEncode(kDerSequence, list);
}

std::string Signed(const std::string& tbs, const std::string& algorithm,
                   SignatureScheme scheme, const IssuerKey& issuer) {
  return DerEncode(
      kDerSequence,
      absl::StrCat(tbs, algorithm,
                   DerBitString(issuer.Sign(scheme, AsBytes(tbs)))));
}

}  // namespace

IssuerKey IssuerKey::GenerateRsa(int bits) {
  return IssuerKey(Own(EVP_RSA_gen(static_cast<unsigned>(bits))));
}

IssuerKey IssuerKey::GenerateEc(crypto::Curve curve) {
  return IssuerKey(Own(EVP_EC_gen(crypto::CurveName(curve))));
}

absl::StatusOr<IssuerKey> IssuerKey::FromPkcs8(BytesView der) {
  const crypto::ClearErrorsOnReturn clear;
  const unsigned char* at = der.data();
  EVP_PKEY* key =
      d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(der.size()));
  if (key == nullptr)
    return absl::InvalidArgumentError("issuer key: not PKCS8");
  return IssuerKey(Own(key));
}

std::string IssuerKey::Pkcs8() const {
  PKCS8_PRIV_KEY_INFO* info = EVP_PKEY2PKCS8(key_.get());
  DieUnless(info != nullptr, "issue: PKCS8");
  unsigned char* der = nullptr;
  const int size = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
  DieUnless(size > 0, "issue: PKCS8");
  std::string out(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  PKCS8_PRIV_KEY_INFO_free(info);
  return out;
}

std::string IssuerKey::Spki() const {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key_.get(), &der);
  DieUnless(size > 0, "issue: SPKI");
  std::string out(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return out;
}

std::string IssuerKey::Sign(SignatureScheme scheme, BytesView message) const {
  return SignWith(scheme, std::nullopt, message);
}

std::string IssuerKey::SignPss(SignatureScheme scheme, size_t salt_size,
                               BytesView message) const {
  DieUnless(IsPss(scheme), "issue: PSS");
  return SignWith(scheme, salt_size, message);
}

std::string IssuerKey::SignWith(SignatureScheme scheme,
                                std::optional<size_t> salt_size,
                                BytesView message) const {
  const crypto::MdCtxPtr context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* parameters = nullptr;  // Owned by `context`.
  DieUnless(EVP_DigestSignInit(context.get(), &parameters,
                               crypto::FetchedMd(HashOf(scheme)), nullptr,
                               key_.get()) == 1,
            "issue: sign");
  if (IsPss(scheme)) {
    DieUnless(
        EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1 &&
            EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters,
                                             salt_size.has_value()
                                                 ? static_cast<int>(*salt_size)
                                                 : RSA_PSS_SALTLEN_DIGEST) == 1,
        "issue: PSS");
  }
  size_t size = 0;
  DieUnless(EVP_DigestSign(context.get(), nullptr, &size, message.data(),
                           message.size()) == 1,
            "issue: sign");
  std::string signature(size, '\0');
  DieUnless(EVP_DigestSign(context.get(),
                           reinterpret_cast<unsigned char*>(signature.data()),
                           &size, message.data(), message.size()) == 1,
            "issue: sign");
  signature.resize(size);
  return signature;
}

std::string MakeName(
    const std::vector<std::pair<std::string, std::string>>& attributes) {
  std::string name;
  for (const auto& [oid, value] : attributes) {
    name += DerEncode(
        kDerSet,
        DerEncode(kDerSequence,
                  absl::StrCat(DerOid(oid), DerEncode(kDerUtf8String, value))));
  }
  return DerEncode(kDerSequence, name);
}

std::string MakeAlgorithm(SignatureScheme scheme) {
  const Hash hash = HashOf(scheme);
  const int last = hash == Hash::kSha256 ? 1 : hash == Hash::kSha384 ? 2 : 3;
  const std::string null = DerEncode(kDerNull, "");
  if (IsPss(scheme)) {
    const std::string hash_algorithm = DerEncode(
        kDerSequence,
        absl::StrCat(DerOid(absl::StrCat("2.16.840.1.101.3.4.2.", last)),
                     null));
    const std::string mgf =
        DerEncode(kDerSequence,
                  absl::StrCat(DerOid("1.2.840.113549.1.1.8"), hash_algorithm));
    const std::string parameters = absl::StrCat(
        DerEncode(DerContextConstructed(0), hash_algorithm),
        DerEncode(DerContextConstructed(1), mgf),
        DerEncode(DerContextConstructed(2),
                  DerU32(static_cast<uint32_t>(crypto::HashSize(hash)))));
    return DerEncode(kDerSequence,
                     absl::StrCat(DerOid("1.2.840.113549.1.1.10"),
                                  DerEncode(kDerSequence, parameters)));
  }
  const bool ecdsa = scheme == SignatureScheme::kEcdsaSha256 ||
                     scheme == SignatureScheme::kEcdsaSha384 ||
                     scheme == SignatureScheme::kEcdsaSha512;
  return DerEncode(
      kDerSequence,
      ecdsa
          ? DerOid(absl::StrCat("1.2.840.10045.4.3.", last + 1))
          : absl::StrCat(DerOid(absl::StrCat("1.2.840.113549.1.1.", last + 10)),
                         null));
}

Extension MakeBasicConstraints(bool ca, std::optional<uint32_t> path_length) {
  return {
      .oid = "2.5.29.19",
      .critical = true,
      .value = DerEncode(
          kDerSequence,
          absl::StrCat(ca ? DerBoolean(true) : "",
                       path_length.has_value() ? DerU32(*path_length) : ""))};
}

Extension MakeKeyUsage(uint16_t usage) {
  // Named bit lists drop trailing zero bits (X.690 11.2.2).
  uint8_t bits = 0;
  int unused = 7;
  for (int i = 0; i < 8; ++i) {
    if ((usage >> i & 1) == 0) continue;
    bits = static_cast<uint8_t>(bits | 0x80 >> i);
    unused = 7 - i;
  }
  const char content[] = {static_cast<char>(unused), static_cast<char>(bits)};
  return {.oid = "2.5.29.15",
          .critical = true,
          .value = DerEncode(kDerBitString, absl::string_view(content, 2))};
}

std::string IssueCertificate(const CertificateSpec& spec,
                             const IssuerKey& issuer) {
  const std::string algorithm = MakeAlgorithm(spec.scheme);
  const std::string validity = DerEncode(
      kDerSequence,
      absl::StrCat(DerTime(spec.not_before), DerTime(spec.not_after)));
  std::string tbs;
  if (spec.version != 0) {
    tbs = DerEncode(DerContextConstructed(0), DerU32(spec.version));
  }
  absl::StrAppend(&tbs, DerUnsigned(spec.serial),
                  spec.inner_algorithm.value_or(algorithm), spec.issuer,
                  validity, spec.subject, spec.spki);
  if (!spec.extensions.empty()) {
    absl::StrAppend(&tbs, DerEncode(DerContextConstructed(3),
                                    MakeExtensions(spec.extensions)));
  }
  return Signed(DerEncode(kDerSequence, tbs),
                spec.outer_algorithm.value_or(algorithm), spec.scheme, issuer);
}

std::string IssueCrl(const CrlSpec& spec, const IssuerKey& issuer) {
  const std::string algorithm = MakeAlgorithm(spec.scheme);
  std::string tbs = absl::StrCat(DerU32(1), algorithm, spec.issuer,
                                 DerTime(spec.this_update));
  if (spec.next_update.has_value()) tbs += DerTime(*spec.next_update);
  std::string revoked;
  for (const std::string& serial : spec.revoked) {
    revoked += DerEncode(kDerSequence, absl::StrCat(DerUnsigned(serial),
                                                    DerTime(spec.this_update)));
  }
  if (!revoked.empty()) tbs += DerEncode(kDerSequence, revoked);
  if (!spec.extensions.empty()) {
    tbs += DerEncode(DerContextConstructed(0), MakeExtensions(spec.extensions));
  }
  return Signed(DerEncode(kDerSequence, tbs), algorithm, spec.scheme, issuer);
}

}  // namespace kms::x509

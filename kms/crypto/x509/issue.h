// Issues certificates and CRLs, for simulated attesters and for tests. What
// it writes need not be valid: a test states every field, and lies in one.
// Its private keys are ordinary strings: they protect nothing but simulations,
// so no program that serves keys may link this (see its visibility).
// Thread-compatible.
#ifndef KMS_CRYPTO_X509_ISSUE_H_
#define KMS_CRYPTO_X509_ISSUE_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/crypto/curve.h"
#include "kms/crypto/x509/certificate.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY; its headers stay out of ours.

namespace kms::x509 {

class IssuerKey {
 public:
  static IssuerKey GenerateRsa(int bits);  // Seconds for 4096.
  static IssuerKey GenerateEc(crypto::Curve curve);
  // PKCS #8 DER. kInvalidArgument otherwise.
  static absl::StatusOr<IssuerKey> FromPkcs8(BytesView der);

  std::string Pkcs8() const;
  std::string Spki() const;

  // `scheme` fits the key. ECDSA signatures are DER.
  std::string Sign(SignatureScheme scheme, BytesView message) const;
  // As a TPM may: `scheme` is RSASSA-PSS, with a salt of any size that fits.
  std::string SignPss(SignatureScheme scheme, size_t salt_size,
                      BytesView message) const;

 private:
  // No salt size: the hash's.
  std::string SignWith(SignatureScheme scheme, std::optional<size_t> salt_size,
                       BytesView message) const;
  explicit IssuerKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}
  std::shared_ptr<evp_pkey_st> key_;
};

// A Name of one attribute per RDN: {{"2.5.4.3", "SEV-Milan"}}.
std::string MakeName(
    const std::vector<std::pair<std::string, std::string>>& attributes);

// The AlgorithmIdentifier of `scheme`.
std::string MakeAlgorithm(SignatureScheme scheme);

Extension MakeBasicConstraints(bool ca, std::optional<uint32_t> path_length);
// `usage`: kKeyUsage* bits.
Extension MakeKeyUsage(uint16_t usage);

struct CertificateSpec {
  uint32_t version = 2;  // As encoded: 2 means version 3.
  std::string serial = std::string(1, '\1');
  std::string issuer;  // DER Names.
  std::string subject;
  absl::Time not_before;
  absl::Time not_after;
  std::string spki;
  std::vector<Extension> extensions;
  SignatureScheme scheme = SignatureScheme::kRsaPssSha384;
  // AlgorithmIdentifiers in place of the scheme's.
  std::optional<std::string> inner_algorithm;
  std::optional<std::string> outer_algorithm;
};

// DER, signed by `issuer`.
std::string IssueCertificate(const CertificateSpec& spec,
                             const IssuerKey& issuer);

struct CrlSpec {
  std::string issuer;
  absl::Time this_update;
  std::optional<absl::Time> next_update;
  std::vector<std::string> revoked;  // Serial numbers.
  std::vector<Extension> extensions;
  SignatureScheme scheme = SignatureScheme::kRsaPssSha384;
};

std::string IssueCrl(const CrlSpec& spec, const IssuerKey& issuer);

}  // namespace kms::x509

#endif  // KMS_CRYPTO_X509_ISSUE_H_

// X.509 v3 certificates. Source: RFC 5280 section 4; signature algorithms of
// RFC 4055 and RFC 5758.
//
// Certificates arrive from whoever sends Evidence, so the parser is strict and
// our own: DER only, version 3 only, known strong keys and signature
// algorithms only, no duplicate extension, equal inner and outer algorithm,
// nothing left over. Everything refused here is ENDORSEMENT_MALFORMED.
//
// A parsed certificate is a claim by nobody in particular until VerifyChain
// (chain.h) has found a path from it to an anchor.
// Thread-safe: a Certificate is immutable and cheap to copy.
#ifndef KMS_CRYPTO_X509_CERTIFICATE_H_
#define KMS_CRYPTO_X509_CERTIFICATE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/crypto/public_key.h"
#include "kms/crypto/x509/der.h"

namespace kms::x509 {

enum class SignatureScheme {
  kEcdsaSha256,
  kEcdsaSha384,
  kEcdsaSha512,
  kRsaPkcs1Sha256,
  kRsaPkcs1Sha384,
  kRsaPkcs1Sha512,
  kRsaPssSha256,  // PSS with MGF1 of the same hash and a salt of its length.
  kRsaPssSha384,
  kRsaPssSha512,
};

absl::string_view SchemeName(SignatureScheme scheme);

// Parses an AlgorithmIdentifier; nothing if the algorithm is not one above.
std::optional<SignatureScheme> ParseSignatureScheme(BytesView encoding);

// OK if `signature` over `message` verifies under `key`. kInvalidArgument or
// kUnauthenticated otherwise; callers give the refusal code.
absl::Status VerifySignature(const crypto::PublicKey& key,
                             SignatureScheme scheme, BytesView message,
                             BytesView signature);

// KeyUsage bits, RFC 5280 4.2.1.3.
inline constexpr uint16_t kKeyUsageDigitalSignature = 1u << 0;
inline constexpr uint16_t kKeyUsageCertSign = 1u << 5;
inline constexpr uint16_t kKeyUsageCrlSign = 1u << 6;

struct Extension {
  std::string oid;  // Dotted.
  bool critical = false;
  std::string value;  // The contents of extnValue's OCTET STRING.
};

class Certificate {
 public:
  // `der` is exactly one certificate. ENDORSEMENT_MALFORMED otherwise.
  static absl::StatusOr<Certificate> Parse(BytesView der);

  const std::string& der() const { return fields_->der; }
  const std::string& sha256() const { return fields_->sha256; }  // 32 bytes.
  // SHA-256 of the SubjectPublicKeyInfo's DER: what an anchor is pinned by.
  const std::string& spki_sha256() const { return fields_->spki_sha256; }
  const std::string& subject_der() const { return fields_->subject_der; }
  const std::string& issuer_der() const { return fields_->issuer_der; }
  std::string SubjectText() const;  // "CN=..., O=...", non-ASCII escaped.
  std::string IssuerText() const;
  // The subject's (issuer's) only commonName; empty if it has none or several.
  std::string SubjectCommonName() const;
  std::string IssuerCommonName() const;
  // Big-endian, no leading zero byte; one zero byte for zero.
  const std::string& serial() const { return fields_->serial; }
  absl::Time not_before() const { return fields_->not_before; }
  absl::Time not_after() const { return fields_->not_after; }
  const crypto::PublicKey& public_key() const { return fields_->public_key; }
  SignatureScheme scheme() const { return fields_->scheme; }
  BytesView tbs() const { return AsBytes(fields_->tbs); }
  BytesView signature() const { return AsBytes(fields_->signature); }

  const std::vector<Extension>& extensions() const {
    return fields_->extensions;
  }
  // Null if absent; at most one of an OID exists.
  const Extension* FindExtension(absl::string_view oid) const;

  bool is_ca() const { return fields_->is_ca; }  // basicConstraints cA.
  std::optional<uint32_t> path_length() const { return fields_->path_length; }
  // Nothing if there is no keyUsage extension.
  std::optional<uint16_t> key_usage() const { return fields_->key_usage; }
  const std::string& subject_key_id() const { return fields_->subject_key_id; }
  const std::string& authority_key_id() const {
    return fields_->authority_key_id;
  }
  bool self_issued() const { return subject_der() == issuer_der(); }

 private:
  struct Fields {
    explicit Fields(crypto::PublicKey key) : public_key(std::move(key)) {}
    std::string der, sha256, spki_sha256, subject_der, issuer_der, serial;
    std::string tbs, signature;
    absl::Time not_before, not_after;
    crypto::PublicKey public_key;
    SignatureScheme scheme{};
    std::vector<Extension> extensions;
    bool is_ca = false;
    std::optional<uint32_t> path_length;
    std::optional<uint16_t> key_usage;
    std::string subject_key_id, authority_key_id;
  };

  explicit Certificate(std::shared_ptr<const Fields> fields)
      : fields_(std::move(fields)) {}
  static absl::Status ReadKnownExtensions(Fields& fields);

  std::shared_ptr<const Fields> fields_;
};

// The certificates of one file: a DER certificate, or PEM "CERTIFICATE"
// blocks with nothing but white space around them. At least one, at most
// kCertificatesPerFileMax. ENDORSEMENT_MALFORMED otherwise.
absl::StatusOr<std::vector<Certificate>> ParseCertificates(BytesView file);

// Shared with crl.cc. UTCTime or GeneralizedTime in the only forms of RFC 5280
// 4.1.2.5; fails the reader otherwise.
absl::Time ReadTime(DerReader& reader);
// SEQUENCE OF Extension; nothing if ill-formed, too many, or one twice.
std::optional<std::vector<Extension>> ReadExtensions(DerReader& reader);
std::string NameToText(absl::string_view name_der);
// keyIdentifier of an authorityKeyIdentifier value; nothing if ill-formed.
std::optional<std::string> ReadAuthorityKeyId(absl::string_view value);

}  // namespace kms::x509

#endif  // KMS_CRYPTO_X509_CERTIFICATE_H_

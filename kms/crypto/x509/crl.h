// Certificate revocation lists, v2 and complete. Source: RFC 5280 section 5.
// Delta and indirect lists are refused, and a next update is required: a list
// that never ends would hide every later revocation.
// Thread-safe: a Crl is immutable and cheap to copy.
#ifndef KMS_CRYPTO_X509_CRL_H_
#define KMS_CRYPTO_X509_CRL_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/crypto/x509/certificate.h"

namespace kms::x509 {

class Crl {
 public:
  // `file` is one CRL, DER or a PEM "X509 CRL" block, by content.
  // ENDORSEMENT_MALFORMED if it does not parse; CRL_INVALID if it parses but
  // is a delta or indirect list, has no next update, or an unknown critical
  // extension.
  static absl::StatusOr<Crl> Parse(BytesView file);

  const std::string& der() const { return fields_->der; }
  const std::string& sha256() const { return fields_->sha256; }
  const std::string& issuer_der() const { return fields_->issuer_der; }
  std::string IssuerText() const { return NameToText(issuer_der()); }
  const std::string& authority_key_id() const {
    return fields_->authority_key_id;
  }
  // Big-endian; empty if the list has no CRLNumber.
  const std::string& number() const { return fields_->number; }
  absl::Time this_update() const { return fields_->this_update; }
  absl::Time next_update() const { return fields_->next_update; }
  SignatureScheme scheme() const { return fields_->scheme; }
  BytesView tbs() const { return AsBytes(fields_->tbs); }
  BytesView signature() const { return AsBytes(fields_->signature); }
  size_t revoked_count() const { return fields_->revoked.size(); }

  // `serial` as Certificate::serial() gives it.
  bool Revokes(absl::string_view serial) const;

 private:
  struct Fields {
    std::string der, sha256, issuer_der, authority_key_id, number;
    std::string tbs, signature;
    absl::Time this_update, next_update;
    SignatureScheme scheme{};
    std::vector<std::string> revoked;  // Serial numbers, sorted.
  };
  explicit Crl(std::shared_ptr<const Fields> fields)
      : fields_(std::move(fields)) {}
  static absl::StatusOr<Crl> ParseDer(BytesView der);

  std::shared_ptr<const Fields> fields_;
};

}  // namespace kms::x509

#endif  // KMS_CRYPTO_X509_CRL_H_

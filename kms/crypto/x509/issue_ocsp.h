// Issues OCSP responses, for simulated attesters and for tests; see issue.h.
// Source: RFC 6960, section 4.2.1.
// Thread-safe: free functions.
#ifndef KMS_CRYPTO_X509_ISSUE_OCSP_H_
#define KMS_CRYPTO_X509_ISSUE_OCSP_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "kms/crypto/hash.h"
#include "kms/crypto/x509/certificate.h"
#include "kms/crypto/x509/issue.h"

namespace kms::x509 {

// A response about one certificate.
struct OcspSpec {
  Certificate issuer;  // Of the certificate in question.
  std::string serial;
  crypto::Hash hash = crypto::Hash::kSha384;  // Of the issuer's name and key.
  absl::Time this_update;
  std::optional<absl::Time> next_update;
  // CertStatus as encoded: good unless a test says otherwise.
  std::string status = std::string("\x80\0", 2);
  // Who signs, named by his key; his certificate goes along.
  Certificate responder;
  std::string extensions = {};  // Of the response: DER Extensions.
  SignatureScheme scheme = SignatureScheme::kEcdsaSha384;
};

// CertStatus values other than good.
std::string OcspRevoked(absl::Time when, uint8_t reason);  // 6: on hold.
std::string OcspUnknown();

// `key`: the responder's.
std::string IssueOcspResponse(const OcspSpec& spec, const IssuerKey& key);

Extension MakeExtendedKeyUsage(const std::vector<std::string>& oids);

}  // namespace kms::x509

#endif  // KMS_CRYPTO_X509_ISSUE_OCSP_H_

// OCSP responses that come with Evidence. Source: RFC 6960, section 4.2
// (basic responses), as its ASN.1 module has it; RFC 5280 for what is inside.
//
// A response is an offer like any other: it counts only where it names the
// very certificate and issuer, is in force, and is signed by that issuer or by
// a delegate that the issuer itself certified for it. The asker's nonce is not
// looked at: who reads a response here did not ask for it, and its freshness
// is that of its two times.
// Thread-safe: an OcspResponse is immutable and cheap to copy. No I/O, no
// clock: nothing is ever asked of a responder.
#ifndef KMS_CRYPTO_X509_OCSP_H_
#define KMS_CRYPTO_X509_OCSP_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "kms/base/bytes.h"
#include "kms/crypto/x509/certificate.h"

namespace kms::x509 {

enum class OcspStatus {
  kGood,
  kRevoked,  // For ever or, on hold, for now.
  kUnknown,  // The responder knows no such certificate.
};

// SingleResponse: what is said of one certificate.
struct OcspEntry {
  std::string hash_oid;  // Of the two hashes; dotted.
  std::string issuer_name_hash;
  std::string issuer_key_hash;
  std::string serial;  // As Certificate::serial() gives it.
  OcspStatus status = OcspStatus::kUnknown;
  absl::Time this_update;
  std::optional<absl::Time> next_update;
};

class OcspResponse {
 public:
  // `der`: one OCSPResponse, at most kOcspBytesMax. ENDORSEMENT_MALFORMED if
  // it is not a successful basic response in DER, or has a critical extension.
  static absl::StatusOr<OcspResponse> Parse(BytesView der);

  const std::string& der() const { return fields_->der; }
  const std::string& sha256() const { return fields_->sha256; }
  const std::vector<OcspEntry>& entries() const { return fields_->entries; }
  // Of the two one is empty: the responder's DER name, or the SHA-1 of its
  // key.
  const std::string& responder_name() const { return fields_->responder_name; }
  const std::string& responder_key() const { return fields_->responder_key; }
  const std::vector<Certificate>& certificates() const {
    return fields_->certificates;
  }
  absl::Time produced_at() const { return fields_->produced_at; }
  SignatureScheme scheme() const { return fields_->scheme; }
  BytesView tbs() const { return AsBytes(fields_->tbs); }
  BytesView signature() const { return AsBytes(fields_->signature); }

 private:
  struct Fields {
    std::string der, sha256, responder_name, responder_key, tbs, signature;
    absl::Time produced_at;
    SignatureScheme scheme{};
    std::vector<OcspEntry> entries;
    std::vector<Certificate> certificates;
  };
  explicit OcspResponse(std::shared_ptr<const Fields> fields)
      : fields_(std::move(fields)) {}
  static absl::StatusOr<OcspResponse> ParseDer(BytesView der);

  std::shared_ptr<const Fields> fields_;
};

// What responses say of one certificate.
struct OcspAnswer {
  // The index of one by which it is good, and from when to when that one is in
  // force; nothing if none says so.
  std::optional<size_t> response;
  absl::Time this_update, next_update;
  // From when to when the answer is this one, both included: what is not in
  // force now was or will be.
  absl::Time valid_from = absl::InfinitePast();
  absl::Time valid_until = absl::InfiniteFuture();
};

// What `responses` say at `time` of `subject`, which `issuer` issued (as a
// verified chain has shown). One that is not about it or not in force counts
// for nothing: an old answer is no answer. `schemes`: accepted on the response
// and its delegate.
//   CERTIFICATE_REVOKED  an answer in force is that it is revoked, on hold, or
//                        unknown to its issuer
//   CRL_INVALID          an answer has no next update, or is not signed by the
//                        issuer or its delegate for OCSP in force at `time`
absl::StatusOr<OcspAnswer> FindOcspAnswer(
    const Certificate& subject, const Certificate& issuer,
    absl::Span<const OcspResponse> responses, absl::Time time,
    absl::Span<const SignatureScheme> schemes);

// The SHA-1 by which a response names its responder's key (KeyHash), 20 bytes.
// A name, not a proof: the signature is.
std::string OcspKeyHash(const crypto::PublicKey& key);

}  // namespace kms::x509

#endif  // KMS_CRYPTO_X509_OCSP_H_

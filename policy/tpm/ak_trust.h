// Whose key an attestation key is: certificates from it to a pinned CA, or the
// key itself pinned as an anchor.
// Sources: TCG EK Credential Profile 2.5 and TCG Platform Attestation key
// certificates' OIDs (TCG OID Registry, 2.23.133.8); RFC 5280.
//
// A certificate of an AK says what only the CA has checked: that a key with
// these numbers is restricted, and in a genuine TPM. That is also what an
// operator says who pins a key.
// Thread-safe: values and free functions.
#ifndef POLICY_TPM_AK_TRUST_H_
#define POLICY_TPM_AK_TRUST_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "kms/base/bytes.h"
#include "kms/crypto/public_key.h"
#include "kms/crypto/x509/certificate.h"
#include "kms/crypto/x509/chain.h"
#include "policy/verifier/evidence_verifier.h"
#include "proto/kms/v1/claims.pb.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::tpm {

// What the certificate of an AK may be for, TCG OID Registry.
inline constexpr absl::string_view kPurposeAk = "2.23.133.8.3";
inline constexpr absl::string_view kPurposeEk = "2.23.133.8.1";

struct AkProfile {
  v1::EvidenceType type = v1::TPM;  // Whose anchors may vouch.
  // Extended key usages of which one must be stated wherever any is, and by
  // the AK's certificate or its issuer's.
  absl::Span<const absl::string_view> purposes;
  // True: the AK's own certificate must state one.
  bool purpose_required = false;
};

// An AK's certificate whose chain was verified. Only VerifyAkCertificate makes
// one.
class CertifiedAk {
 public:
  const x509::VerifiedChain& chain() const { return chain_; }
  // The subject's name, or where it is empty the TPM's in the alternative one.
  const std::string& subject() const { return subject_; }
  // The certificates and CRLs that it stood on.
  const std::vector<v1::CollateralClaims>& collateral() const {
    return collateral_;
  }

 private:
  friend absl::StatusOr<std::shared_ptr<const CertifiedAk>> VerifyAkCertificate(
      const x509::Certificate& certificate, const v1::Evidence& evidence,
      const AkProfile& profile, const policy::VerifyInputs& inputs);
  CertifiedAk() = default;

  x509::VerifiedChain chain_;
  std::string subject_;
  std::vector<v1::CollateralClaims> collateral_;
};

// The certificate in a file of role ak_cert: DER or PEM, one only. DER may be
// followed by zeros, as in a TPM's NV index. ENDORSEMENT_MALFORMED otherwise.
absl::StatusOr<x509::Certificate> ParseAkCertificate(BytesView file);

// Verifies `certificate` with the files of role ak_cert_chain, those of role
// crl, and the CRLs of the verifier's collateral that a CA of the chain issued.
//   ENDORSEMENT_MALFORMED  a file does not parse
//   ENDORSEMENT_MISMATCH   not for attestation keys
//   those of VerifyChain
absl::StatusOr<std::shared_ptr<const CertifiedAk>> VerifyAkCertificate(
    const x509::Certificate& certificate, const v1::Evidence& evidence,
    const AkProfile& profile, const policy::VerifyInputs& inputs);

// Adds the files that the above and ParseAttestationKey read to a cache's key.
void AddAkFiles(const v1::Evidence& evidence, policy::VerifiedCacheKey& key);

// The index of the anchor that is `key` itself. Only one that was configured as
// a bare key: a CA's key must not be able to sign quotes.
std::optional<size_t> FindPinnedKey(const policy::TrustAnchors::OfType& anchors,
                                    const crypto::PublicKey& key);

}  // namespace kms::tpm

#endif  // POLICY_TPM_AK_TRUST_H_

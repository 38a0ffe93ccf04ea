// The half of verify.h that is X.509: certificates and revocation lists.
// Thread-safe: free functions over values.
#ifndef POLICY_COLLATERAL_X509_ITEMS_H_
#define POLICY_COLLATERAL_X509_ITEMS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kms/crypto/x509/certificate.h"
#include "kms/crypto/x509/crl.h"
#include "policy/collateral/collateral_files.h"
#include "policy/collateral/verify.h"
#include "policy/verifier/evidence_verifier.h"

namespace kms::policy {

// Printable ASCII, at most 256 bytes, of a name that a certificate may have
// chosen: what is not becomes "?".
std::string TitleFrom(absl::string_view text);

// Big-endian without leading zeros; empty for 0.
std::string NumberBytes(uint64_t number);

// One PEM file of all of them.
std::string ToPemFile(const std::vector<x509::Certificate>& certificates);

// `crl` as an item. Its issuer is looked for among `offered`, and must lead to
// an anchor; `crls` and the stored ones say whether that issuer is revoked.
//   ENDORSEMENT_MISSING  no certificate of its issuer
//   CRL_INVALID          not signed by it
//   CRL_EXPIRED          not in force
//   others: as x509::VerifyChain, for the issuer
absl::StatusOr<CollateralFacts> VerifyCrl(
    const x509::Crl& crl, const std::vector<x509::Certificate>& offered,
    const std::vector<x509::Crl>& crls, const VerifyInputs& inputs);

// One file of certificates as an item: every one leads to an anchor of one
// type and use.
absl::StatusOr<CollateralFacts> VerifyCertificates(
    const CertificateFile& file, const std::vector<x509::Certificate>& offered,
    const std::vector<x509::Crl>& crls, const VerifyInputs& inputs);

// Adds the certificates that anchors hold: what an administrator pinned whole
// need not be given again.
void AddAnchorCertificates(const TrustAnchors& anchors,
                           std::vector<x509::Certificate>& to);

// The certificates of all stored chains.
std::vector<x509::Certificate> StoredCertificates(const VerifyInputs& inputs);

}  // namespace kms::policy

#endif  // POLICY_COLLATERAL_X509_ITEMS_H_

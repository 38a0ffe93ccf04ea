// Sorts the files that come with a report into the certificate of its signing
// key, offers for the chain, and CRLs.
// Thread-safe: a free function. Verifies nothing: chain.h does.
#ifndef POLICY_SEV_SNP_ENDORSEMENTS_H_
#define POLICY_SEV_SNP_ENDORSEMENTS_H_

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kms/crypto/x509/certificate.h"
#include "kms/crypto/x509/chain.h"
#include "kms/crypto/x509/crl.h"
#include "policy/sev_snp/report.h"
#include "policy/verifier/collateral.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::sev_snp {

struct OfferedCrl {
  x509::Crl crl;
  bool stored = false;  // From the verifier's side.
};

struct Endorsements {
  std::optional<x509::Certificate> leaf;  // The VCEK or VLEK.
  std::vector<x509::Certificate> offered;
  std::vector<OfferedCrl> crls;
};

// Roles: vcek, vlek, cert_chain, cert_table, crl; "evidence" is skipped.
// `anchors` have certificates that a sender may leave out; their CRLs are
// looked for all the same.
// `collateral`, which may be null, adds its certificates and CRLs that may
// concern this leaf; of one issuer, its CRL stands in place of the sender's.
//   ENDORSEMENT_MALFORMED  something does not parse, or another role
//   ENDORSEMENT_MISMATCH   a VLEK for a VCEK-signed report or the reverse, or
//                          two different certificates for the signing key
//   ENDORSEMENT_MISSING    no certificate of the signing key
absl::StatusOr<Endorsements> SortEndorsements(
    SigningKey kind, const v1::Evidence& evidence,
    const policy::Collateral* collateral,
    absl::Span<const x509::Anchor> anchors);

}  // namespace kms::sev_snp

#endif  // POLICY_SEV_SNP_ENDORSEMENTS_H_

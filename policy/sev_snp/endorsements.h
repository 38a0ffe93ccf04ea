// Sorts the files that come with a report into the certificate of its signing
// key, offers for the chain, and CRLs; and adds what the store offers.
// Thread-safe: a free function. Verifies nothing: chain.h does.
#ifndef POLICY_SEV_SNP_ENDORSEMENTS_H_
#define POLICY_SEV_SNP_ENDORSEMENTS_H_

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "kms/crypto/x509/certificate.h"
#include "kms/crypto/x509/crl.h"
#include "policy/sev_snp/report.h"
#include "policy/verifier/collateral.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::sev_snp {

struct Endorsements {
  std::optional<x509::Certificate> leaf;  // The VCEK or VLEK.
  std::vector<x509::Certificate> offered;
  std::vector<x509::Crl> crls;  // The sender's.
};

// Roles: vcek, vlek, cert_chain, cert_table, crl; "evidence" is skipped.
// `collateral`, which may be null, adds its certificates that may stand above
// this leaf.
//   ENDORSEMENT_MALFORMED  something does not parse, or another role
//   ENDORSEMENT_MISMATCH   a VLEK for a VCEK-signed report or the reverse, or
//                          two different certificates for the signing key
//   ENDORSEMENT_MISSING    no certificate of the signing key
absl::StatusOr<Endorsements> SortEndorsements(
    SigningKey kind, const v1::Evidence& evidence,
    const policy::Collateral* collateral);

}  // namespace kms::sev_snp

#endif  // POLICY_SEV_SNP_ENDORSEMENTS_H_

// The CRLs for one certificate chain: those that the service keeps, and those
// that come with the Evidence, in role "crl".
// Thread-safe: a free function. Verifies nothing: chain.h does.
#ifndef POLICY_VERIFIER_CRLS_H_
#define POLICY_VERIFIER_CRLS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kms/crypto/x509/certificate.h"
#include "kms/crypto/x509/crl.h"
#include "policy/verifier/collateral.h"
#include "proto/kms/v1/claims.pb.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::policy {

struct Crls {
  std::vector<x509::Crl> crls;
  std::vector<v1::CollateralClaims> claims;  // Of each, in the same order.
};

// Of the stored CRLs, which are those of all vendors, the ones that a CA among
// `cas` is named by; of the sender's, all but those whose issuer has a stored
// one. `collateral` may be null.
// ENDORSEMENT_MALFORMED, CRL_INVALID: Crl::Parse.
absl::StatusOr<Crls> CollectCrls(absl::Span<const x509::Certificate> cas,
                                 const v1::Evidence& evidence,
                                 const Collateral* collateral);

}  // namespace kms::policy

#endif  // POLICY_VERIFIER_CRLS_H_

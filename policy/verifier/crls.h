// The CRLs for one verified path of certificates: those that the service
// keeps, and those that come with the Evidence.
//
// The path says whose lists are wanted, never names among what is offered: a
// decoy with a CA's name could hide the list of the CA itself.
// Thread-safe: free functions. Verifies nothing: x509::CheckCrls does.
#ifndef POLICY_VERIFIER_CRLS_H_
#define POLICY_VERIFIER_CRLS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kms/crypto/x509/certificate.h"
#include "kms/crypto/x509/crl.h"
#include "policy/verifier/collateral.h"
#include "proto/kms/v1/claims.pb.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::policy {

// What the list of `ca` is kept under (collateral.h): hex of the SHA-256 of
// its DER name and of the SHA-256 of its key. A CA that changes its key, or
// another one of the same name, has a list of its own, and nobody else can
// sign what is kept under it.
std::string CrlSubject(const x509::Certificate& ca);

// RFC 5280 4.2.1.1: by names and key ids, `ca` may have issued `crl`.
bool MayBeOf(const x509::Crl& crl, const x509::Certificate& ca);

struct ChosenCrl {
  x509::Crl crl;
  v1::CollateralClaims claims;  // What Claims say of it.
};

// The stored list of `ca`; nothing if there is none. `collateral` may be null.
// ENDORSEMENT_MALFORMED, CRL_INVALID: Crl::Parse, of this CA's list alone.
absl::StatusOr<std::optional<ChosenCrl>> FindStoredCrl(
    const x509::Certificate& ca, const Collateral* collateral);

// A sender's `crl` for `ca`.
ChosenCrl OfferedCrl(x509::Crl crl, const x509::Certificate& ca);

// The sender's lists: the files of role "crl". Codes of Crl::Parse.
absl::StatusOr<std::vector<x509::Crl>> ReadCrls(const v1::Evidence& evidence);

struct Crls {
  std::vector<x509::Crl> crls;
  std::vector<v1::CollateralClaims> claims;  // Of each, in the same order.

  void Add(ChosenCrl chosen);
};

// The lists for `path`, leaf first: of each CA the stored one; of `offered`,
// those whose CA has none stored.
// Codes of FindStoredCrl. CRL_INVALID: an offered one is of no CA of the path.
absl::StatusOr<Crls> ChooseCrls(absl::Span<const x509::Certificate> path,
                                absl::Span<const x509::Crl> offered,
                                const Collateral* collateral);

}  // namespace kms::policy

#endif  // POLICY_VERIFIER_CRLS_H_

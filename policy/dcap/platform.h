// The platform behind a quote: its PCK, the quoting enclave's report and the
// attestation key that it names, and Intel's collateral about all of them.
// The same for every quote until the enclave makes a new key, so this is what
// the cache remembers.
// Thread-safe: a free function over values.
#ifndef POLICY_DCAP_PLATFORM_H_
#define POLICY_DCAP_PLATFORM_H_

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "kms/crypto/public_key.h"
#include "policy/dcap/pck_certificate.h"
#include "policy/dcap/qe_identity.h"
#include "policy/dcap/quote.h"
#include "policy/dcap/tcb_info.h"
#include "policy/verifier/anchors.h"
#include "policy/verifier/evidence_verifier.h"
#include "proto/kms/v1/claims.pb.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::dcap {

struct Platform {
  explicit Platform(crypto::PublicKey key) : attestation_key(std::move(key)) {}

  PckCertificate pck;
  TcbInfo tcb_info;
  QeIdentity qe_identity;
  crypto::PublicKey attestation_key;
  policy::TrustAnchor anchor;
  // What it stood on beside the quote, named for Claims.
  std::vector<v1::CollateralClaims> collateral;
  // When all of it is in force, both included.
  absl::Time valid_from, valid_until;
  size_t bytes = 0;  // What it takes in memory, roughly.
};

v1::EvidenceType TypeOf(TeeKind kind);

// True for the roles of files that VerifyPlatform reads.
bool IsCollateralRole(absl::string_view role);

// Everything of VerifyQuote (verify.h), with its codes, but the quote's own
// signature and the rating.
absl::StatusOr<Platform> VerifyPlatform(const UnverifiedQuote& quote,
                                        const v1::Evidence& evidence,
                                        const policy::VerifyInputs& inputs);

}  // namespace kms::dcap

#endif  // POLICY_DCAP_PLATFORM_H_

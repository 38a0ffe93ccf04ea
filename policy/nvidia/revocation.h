// Whether NVIDIA has taken back a certificate that a verdict stands on: OCSP
// responses and CRLs, of the sender and of the service's own store, over the
// chains of the device and of its manifests.
// Thread-safe: a free function over values. Nothing is asked of anybody.
#ifndef POLICY_NVIDIA_REVOCATION_H_
#define POLICY_NVIDIA_REVOCATION_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "policy/nvidia/rim.h"
#include "policy/verifier/evidence_verifier.h"
#include "proto/kms/v1/claims.pb.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::nvidia {

struct Revocation {
  // Every certificate below the roots has a good answer in force, but for the
  // device's leaf: its own boot ROM issues that one, and no responder knows it.
  bool ocsp_checked = false;
  std::vector<v1::CollateralClaims> used;  // Responses and lists that counted.
  // From when to when all of this holds, both included.
  absl::Time valid_from = absl::InfinitePast();
  absl::Time valid_until = absl::InfiniteFuture();
};

// Reads the roles ocsp_response and crl. An OCSP response that is about none
// of these certificates, or is not in force, counts for nothing.
//   ENDORSEMENT_MALFORMED            one does not parse
//   those of x509::FindOcspAnswer, and of x509::VerifyChain for CRLs
//   CRL_INVALID                      a CRL of the sender that is none of a CA
//                                    of these chains
absl::StatusOr<Revocation> CheckRevocation(
    const x509::VerifiedChain& device,
    const std::vector<std::shared_ptr<const VerifiedRim>>& rims,
    const v1::Evidence& evidence, const policy::VerifyInputs& inputs);

}  // namespace kms::nvidia

#endif  // POLICY_NVIDIA_REVOCATION_H_

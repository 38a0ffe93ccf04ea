// What a verified CCA token means, in the vocabulary of Claims.
// Thread-safe: a free function.
#ifndef POLICY_CCA_CLAIMS_H_
#define POLICY_CCA_CLAIMS_H_

#include "policy/cca/verify.h"
#include "policy/verifier/anchors.h"
#include "proto/kms/v1/claims.pb.h"

namespace kms::cca {

// `anchor` is the key that signed the platform token.
v1::Claims MakeClaims(const VerifiedToken& verified,
                      const policy::TrustAnchor& anchor);

}  // namespace kms::cca

#endif  // POLICY_CCA_CLAIMS_H_

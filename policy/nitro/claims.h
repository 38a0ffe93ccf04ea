// What a verified Nitro document means, in the vocabulary of Claims.
// Thread-safe: a free function.
#ifndef POLICY_NITRO_CLAIMS_H_
#define POLICY_NITRO_CLAIMS_H_

#include "policy/nitro/verify.h"
#include "policy/verifier/anchors.h"
#include "proto/kms/v1/claims.pb.h"

namespace kms::nitro {

// `anchor` is where the document's chain ended.
v1::Claims MakeClaims(const VerifiedDocument& verified,
                      const policy::TrustAnchor& anchor);

}  // namespace kms::nitro

#endif  // POLICY_NITRO_CLAIMS_H_

// What a verified quote means, in the vocabulary of Claims.
// Thread-safe: a free function.
#ifndef POLICY_DCAP_CLAIMS_H_
#define POLICY_DCAP_CLAIMS_H_

#include "policy/dcap/verify.h"
#include "proto/kms/v1/claims.pb.h"

namespace kms::dcap {

// Sets `claims`' cpu but for its event log, and adds the collateral that the
// verdict stood on. The cpu's type is TDX or SGX: a caller whose Evidence is of
// another type (Azure's) sets his own.
void FillClaims(const VerifiedQuote& verified, v1::Claims* claims);

}  // namespace kms::dcap

#endif  // POLICY_DCAP_CLAIMS_H_

// What a verified quote means, in the vocabulary of Claims.
// Thread-safe: a free function.
#ifndef POLICY_TPM_CLAIMS_H_
#define POLICY_TPM_CLAIMS_H_

#include "policy/tpm/quote.h"
#include "proto/kms/v1/claims.pb.h"

namespace kms::tpm {

// All but who vouches for the key: type, anchor, simulated, ak_certified and
// ak_subject are the caller's.
v1::TpmClaims MakeClaims(const VerifiedQuote& verified);

}  // namespace kms::tpm

#endif  // POLICY_TPM_CLAIMS_H_

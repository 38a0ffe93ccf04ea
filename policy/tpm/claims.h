// What a verified quote means, in the vocabulary of Claims.
// Thread-safe: a free function.
#ifndef POLICY_TPM_CLAIMS_H_
#define POLICY_TPM_CLAIMS_H_

#include "absl/status/statusor.h"
#include "policy/tpm/quote.h"
#include "proto/kms/v1/claims.pb.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::tpm {

// All but who vouches for the key: type, anchor, simulated, ak_certified and
// ak_subject are the caller's. A file of role event_log in `evidence` is
// claimed if it leads to the quoted PCRs; the codes of event_log::Parse and
// MatchRegisters if it does not.
absl::StatusOr<v1::TpmClaims> MakeClaims(const VerifiedQuote& verified,
                                         const v1::Evidence& evidence);

}  // namespace kms::tpm

#endif  // POLICY_TPM_CLAIMS_H_

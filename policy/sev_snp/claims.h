// What a verified SEV-SNP report means, in the vocabulary of Claims.
// Thread-safe: a free function.
#ifndef POLICY_SEV_SNP_CLAIMS_H_
#define POLICY_SEV_SNP_CLAIMS_H_

#include "policy/sev_snp/verify.h"
#include "policy/verifier/anchors.h"
#include "proto/kms/v1/claims.pb.h"

namespace kms::sev_snp {

// `anchor` is where the report's chain ended.
v1::Claims MakeClaims(const VerifiedReport& verified,
                      const policy::TrustAnchor& anchor);

}  // namespace kms::sev_snp

#endif  // POLICY_SEV_SNP_CLAIMS_H_

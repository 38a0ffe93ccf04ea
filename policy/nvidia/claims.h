// What a verified report means, in the vocabulary of Claims.
// Thread-safe: a free function.
#ifndef POLICY_NVIDIA_CLAIMS_H_
#define POLICY_NVIDIA_CLAIMS_H_

#include "kms/crypto/x509/certificate.h"
#include "policy/nvidia/compare.h"
#include "policy/nvidia/revocation.h"
#include "policy/nvidia/verify.h"
#include "policy/verifier/anchors.h"
#include "proto/kms/v1/claims.pb.h"

namespace kms::nvidia {

// `leaf` signed the report, the chip's `boot_rom` vouched for that key, and
// the chain ended in `anchor`; `rim_anchor`,
// which may be null, is where the manifests' did. Without collateral.
v1::Claims MakeClaims(const VerifiedReport& verified,
                      const x509::Certificate& leaf,
                      const x509::Certificate& boot_rom,
                      const policy::TrustAnchor& anchor, const RimMatch& match,
                      const policy::TrustAnchor* rim_anchor, bool ocsp_checked);

}  // namespace kms::nvidia

#endif  // POLICY_NVIDIA_CLAIMS_H_

// Claims and a policy in, decision out.
// Source: RFC 9334, section 8.5, "Appraisal Policy for Attestation Results".
// Thread-safe: a pure function. It assumes that `claims` were verified; it
// checks no signature, no freshness and no quota.
#ifndef POLICY_DOCUMENT_APPRAISE_H_
#define POLICY_DOCUMENT_APPRAISE_H_

#include "absl/time/time.h"
#include "policy/document/policy.h"
#include "proto/kms/v1/claims.pb.h"
#include "proto/kms/v1/decision.pb.h"

namespace kms::policy {

// The code is that of the first check to fail, in this order:
//   POLICY_DENIED      `now` is outside the policy's validity
//   EVIDENCE_REQUIRED  no CPU TEE and no TPM, or not the exact count of a type
//   ANCHOR_DENIED      an anchor that the policy does not name
//   DEBUG_DENIED       a debug TEE or GPU, and the policy does not allow it
//   TCB_STATUS_DENIED  a vendor's rating that the policy does not allow
//   REFERENCE_VALUES_REQUIRED  a GPU that was compared with no manifest, or an
//                      Azure vTPM whose key has no certificate, and the policy
//                      does not allow it
//   POLICY_ERROR       a rule could not be evaluated
//   POLICY_DENIED      a rule was false
// All rules are evaluated even so, that the trace is complete. `policy_version`
// is left to the caller.
v1::Decision Appraise(const CompiledPolicy& policy, const v1::Claims& claims,
                      const v1::RequestContext& request, absl::Time now);

}  // namespace kms::policy

#endif  // POLICY_DOCUMENT_APPRAISE_H_

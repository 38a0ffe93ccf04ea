// Claims and a policy in, decision out.
// Source: RFC 9334, section 8.5, "Appraisal Policy for Attestation Results".
// Thread-safe: a pure function. It assumes that `claims` were verified; it
// checks no signature, no freshness and no quota.
#ifndef POLICY_DOCUMENT_APPRAISE_H_
#define POLICY_DOCUMENT_APPRAISE_H_

#include "absl/time/time.h"
#include "policy/document/policy.h"
#include "policy/document/references.h"
#include "proto/kms/v1/claims.pb.h"
#include "proto/kms/v1/decision.pb.h"

namespace kms::policy {

// The code is that of the first check to fail, in this order:
//   POLICY_DENIED      `now` is outside the policy's validity
//   EVIDENCE_REQUIRED  no CPU TEE and no TPM, or not the exact count of a type
//   ANCHOR_DENIED      an anchor that the policy does not name
//   COLLATERAL_STALE   collateral whose age the policy bounds was not used, or
//                      is older, or does not say when it was issued
//   DEBUG_DENIED       a debug TEE or GPU, and the policy does not allow it
//   TCB_STATUS_DENIED  a vendor's rating that the policy does not allow
//   REFERENCE_VALUES_REQUIRED  a GPU that was compared with no manifest, or an
//                      Azure vTPM whose key has no certificate, and the policy
//                      does not allow it
//   REFERENCE_VALUES_EXPIRED  no version of a stored set that it reads is in
//                      force, is vouched for as the policy wants, or is known
//   POLICY_ERROR       a rule could not be evaluated
//   POLICY_DENIED      a rule was false
// All rules are evaluated even so, that the trace is complete. `policy_version`
// is left to the caller.
// `stored`: the sets that the policy names, as far as there are such.
v1::Decision Appraise(const CompiledPolicy& policy, const v1::Claims& claims,
                      const v1::RequestContext& request, absl::Time now,
                      const ReferenceSets& stored = {});

// Adds what vouched for the Evidence, and until when, to a decision that an
// administrator will see.
void TellCollateral(const v1::Claims& claims, v1::Decision& decision);

}  // namespace kms::policy

#endif  // POLICY_DOCUMENT_APPRAISE_H_

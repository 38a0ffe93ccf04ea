// Claims and a policy in, decision out.
// Source: RFC 9334, section 8.5, "Appraisal Policy for Attestation Results".
// Thread-safe: a pure function. It assumes that `claims` were verified; it
// checks no signature, no freshness and no quota.
#ifndef POLICY_DOCUMENT_APPRAISE_H_
#define POLICY_DOCUMENT_APPRAISE_H_

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "policy/document/policy.h"
#include "proto/kms/v1/claims.pb.h"
#include "proto/kms/v1/decision.pb.h"

namespace kms::policy {

// Trust anchors of vendors that the verifiers have built in: what a policy
// without `anchors` allows.
absl::Span<const absl::string_view> BuiltInAnchors();

// The code is that of the first check to fail, in this order:
//   POLICY_DENIED      `now` is outside the policy's validity
//   EVIDENCE_REQUIRED  no CPU Claims, or not the exact count of a type
//   ANCHOR_DENIED      an anchor that the policy does not name
//   DEBUG_DENIED       a debug TEE, and the policy does not allow it
//   POLICY_ERROR       a rule could not be evaluated
//   POLICY_DENIED      a rule was false
// All rules are evaluated even so, that the trace is complete. `policy_version`
// is left to the caller.
v1::Decision Appraise(const CompiledPolicy& policy, const v1::Claims& claims,
                      const v1::RequestContext& request, absl::Time now);

}  // namespace kms::policy

#endif  // POLICY_DOCUMENT_APPRAISE_H_

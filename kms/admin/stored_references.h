// The stored Reference Values that a policy reads, as its appraisal wants them.
// Thread-safe: a free function.
#ifndef KMS_ADMIN_STORED_REFERENCES_H_
#define KMS_ADMIN_STORED_REFERENCES_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "policy/document/policy.h"
#include "policy/document/references.h"
#include "policy/verifier/anchors.h"
#include "storage/state/state_view.h"

namespace kms::admin {

// The anchor of `name` for reference values, of whatever type; null if there is
// none.
const policy::TrustAnchor* FindReferenceAnchor(
    const policy::TrustAnchors& anchors, absl::string_view name);

// All versions that have not been ended of the sets that `policy` names. A set
// that does not exist is left out, and so is a version whose signer is an
// anchor no longer, or has another key by now: whoever removes an anchor means
// what it vouched for, too.
// kDataLoss (DATA_LOSS): a stored row does not authenticate.
absl::StatusOr<policy::ReferenceSets> ReadReferenceSets(
    const storage::StateView& view, absl::string_view name_space,
    const policy::CompiledPolicy& policy, const policy::TrustAnchors& anchors);

}  // namespace kms::admin

#endif  // KMS_ADMIN_STORED_REFERENCES_H_

// The trust anchors in effect on this instance: the built-in vendor roots, and
// of the state's anchors those that this instance takes part in.
//
// Local configuration only narrows (review.md 11): a simulated anchor counts
// only where it is in the state, by an administrator's command, and also in
// this instance's configuration, by name.
// Thread-safe: free functions. It caches nothing: kms/release keeps the result
// for as long as the state's appraisal generation stands.
#ifndef KMS_ADMIN_EFFECTIVE_ANCHORS_H_
#define KMS_ADMIN_EFFECTIVE_ANCHORS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "policy/verifier/anchors.h"
#include "proto/kms/v1/policies.pb.h"
#include "proto/storage/v1/record.pb.h"
#include "storage/state/state_view.h"

namespace kms::admin {

// `simulated_anchors`: names of simulated anchors that are enabled here.
// kDataLoss (DATA_LOSS): a stored anchor does not authenticate, or is not what
// PutAnchor stores.
absl::StatusOr<policy::TrustAnchors> EffectiveAnchors(
    const storage::StateView& view,
    const std::vector<std::string>& simulated_anchors);

// The same, of anchors that were read already. Where a type and use have two
// anchors of one key, the built-in one counts, else the simulated one: a
// simulator's key must not pass for a vendor's because it was also stored as
// one. A simulated anchor that is not enabled still stands in its key's way. A
// stored anchor with the name of a built-in one never counts.
absl::StatusOr<policy::TrustAnchors> MergeAnchors(
    std::vector<::storage::v1::AnchorRecord> stored,
    absl::Span<const std::string> simulated_anchors);

// The use that the state and clients name `use`; a value that is none counts as
// evidence's.
policy::AnchorUse ToAnchorUse(v1::AnchorUse use);

// SHA-256, 32 bytes, over type, use, name, key digest and simulated of each
// anchor, sorted: equal sets give equal digests. Receipts carry it.
std::string CollateralDigest(const policy::TrustAnchors& anchors);

}  // namespace kms::admin

#endif  // KMS_ADMIN_EFFECTIVE_ANCHORS_H_

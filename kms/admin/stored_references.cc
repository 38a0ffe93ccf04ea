#include "kms/admin/stored_references.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "kms/base/status.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::admin {
namespace {

using ::storage::v1::ReferenceSetRecord;
using ::storage::v1::ReferenceVersionRecord;

bool StillVouchedFor(const ReferenceVersionRecord& record,
                     const policy::TrustAnchors& anchors) {
  if (record.signer().empty()) return true;
  const policy::TrustAnchor* anchor =
      FindReferenceAnchor(anchors, record.signer());
  return anchor != nullptr &&
         anchor->spki_sha256 == record.signer_spki_digest() &&
         anchor->simulated == record.simulated();
}

std::optional<absl::Time> Bound(int64_t us) {
  if (us == 0) return std::nullopt;
  return absl::FromUnixMicros(us);
}

policy::ReferenceVersion ToVersion(uint32_t number,
                                   const ReferenceVersionRecord& record) {
  policy::ReferenceVersion version;
  version.version = number;
  version.digest = record.digest();
  version.values.assign(record.values().begin(), record.values().end());
  version.valid_from = Bound(record.valid_from_us());
  version.valid_until = Bound(record.valid_until_us());
  version.signer = record.signer();
  version.simulated = record.simulated();
  return version;
}

}  // namespace

const policy::TrustAnchor* FindReferenceAnchor(
    const policy::TrustAnchors& anchors, absl::string_view name) {
  for (int type = v1::EvidenceType_MIN; type <= v1::EvidenceType_MAX; ++type) {
    if (!v1::EvidenceType_IsValid(type)) continue;
    for (const policy::TrustAnchor& anchor :
         anchors
             .For(static_cast<v1::EvidenceType>(type),
                  policy::AnchorUse::kReferenceValues)
             .anchors) {
      if (absl::string_view(anchor.name) == name) return &anchor;
    }
  }
  return nullptr;
}

absl::StatusOr<policy::ReferenceSets> ReadReferenceSets(
    const storage::StateView& view, absl::string_view name_space,
    const policy::CompiledPolicy& policy, const policy::TrustAnchors& anchors) {
  policy::ReferenceSets sets;
  for (const policy::Reference& reference : policy.references()) {
    if (reference.set.empty() || sets.count(reference.set) != 0) continue;
    const absl::StatusOr<ReferenceSetRecord> set =
        view.GetReferenceSet(name_space, reference.set);
    if (absl::IsNotFound(set.status())) continue;
    KMS_RETURN_IF_ERROR(set.status());
    std::vector<policy::ReferenceVersion>& versions = sets[reference.set];
    for (const ReferenceSetRecord::Window& window : set->current()) {
      KMS_ASSIGN_OR_RETURN(const ReferenceVersionRecord record,
                           view.GetReferenceVersion(name_space, reference.set,
                                                    window.version()));
      if (StillVouchedFor(record, anchors)) {
        versions.push_back(ToVersion(window.version(), record));
      }
    }
  }
  return sets;
}

}  // namespace kms::admin

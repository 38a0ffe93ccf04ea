// PutAnchor, RemoveAnchor: the trust anchors that Evidence is verified to.
#include "absl/strings/str_cat.h"
#include "storage/state/apply_context.h"
#include "storage/state/limits.h"

namespace kms::storage {

absl::StatusOr<Effect> ApplyPutAnchor(ApplyContext& context,
                                      const ::storage::v1::PutAnchor& op) {
  if (!ValidName(op.name(), kAnchorNameBytesMax) || op.evidence_type() == 0 ||
      op.certificate().empty() || op.certificate().size() > kAnchorBytesMax ||
      op.spki_digest().size() != kSha256Bytes) {
    return Refused(v1::REQUEST_MALFORMED,
                   "anchor: bad name, evidence type, certificate or digest");
  }
  if (op.use() != 0) {
    const Effect level = RequireLevel(context, kFeatureLevelCollateral);
    if (!level.ok()) return level;
  }
  const RowKey row = context.names.Anchor(op.name());
  KMS_ASSIGN_OR_RETURN(const auto present, context.rows.Get(row));
  if (!present.has_value()) {
    if (context.header.anchors() >= kAnchorsMax) {
      return Refused(v1::LIMIT_REACHED,
                     absl::StrCat("anchor: ", kAnchorsMax, " anchors"));
    }
    context.header.set_anchors(context.header.anchors() + 1);
  }
  ::storage::v1::AnchorRecord anchor;
  anchor.set_name(op.name());
  anchor.set_evidence_type(op.evidence_type());
  anchor.set_certificate(op.certificate());
  anchor.set_spki_digest(op.spki_digest());
  anchor.set_simulated(op.simulated());
  anchor.set_use(op.use());
  KMS_RETURN_IF_ERROR(context.rows.PutRecord(row, anchor));
  MoveGeneration(context);

  v1::AuditEntry entry;
  auto& event = *entry.mutable_anchor_put();
  event.set_anchor(op.name());
  event.set_spki_digest(op.spki_digest());
  event.set_simulated(op.simulated());
  event.set_use(op.use());
  event.set_evidence_type(op.evidence_type());
  return Done(context, std::move(entry));
}

absl::StatusOr<Effect> ApplyRemoveAnchor(
    ApplyContext& context, const ::storage::v1::RemoveAnchor& op) {
  const RowKey row = context.names.Anchor(op.name());
  KMS_ASSIGN_OR_RETURN(const auto present, context.rows.Get(row));
  if (!present.has_value()) {
    return Refused(v1::NOT_FOUND, "anchor: no such anchor");
  }
  KMS_RETURN_IF_ERROR(context.rows.Delete(row));
  context.header.set_anchors(context.header.anchors() - 1);
  MoveGeneration(context);

  v1::AuditEntry entry;
  entry.mutable_anchor_removed()->set_anchor(op.name());
  return Done(context, std::move(entry));
}

}  // namespace kms::storage

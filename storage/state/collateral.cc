// PutCollateral, RemoveCollateral. Storage parses no collateral: what Apply
// must know of it stands beside the content (review.md 31).
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "kms/crypto/digest.h"
#include "storage/state/apply_context.h"
#include "storage/state/limits.h"

namespace kms::storage {
namespace {

using ::storage::v1::CollateralContentRecord;
using ::storage::v1::CollateralRecord;
using ::storage::v1::PutCollateral;

bool ValidSubject(absl::string_view subject) {
  return !subject.empty() && subject.size() <= kCollateralSubjectBytesMax &&
         std::all_of(subject.begin(), subject.end(), [](char c) {
           return absl::ascii_isgraph(static_cast<unsigned char>(c));
         });
}

bool ValidTitle(absl::string_view title) {
  return title.size() <= kCollateralTitleBytesMax &&
         std::all_of(title.begin(), title.end(), [](char c) {
           return absl::ascii_isprint(static_cast<unsigned char>(c));
         });
}

bool ValidTime(int64_t us) { return us >= 0 && us <= kClockUsMax; }

bool WellFormed(const PutCollateral& op) {
  return ValidName(op.role(), kCollateralRoleBytesMax) &&
         ValidSubject(op.subject()) && ValidTitle(op.title()) &&
         op.evidence_type() >= 1 && op.evidence_type() <= kEvidenceTypeMax &&
         op.number().size() <= kCollateralNumberBytesMax &&
         // One encoding for each number, or a longer one were not a higher.
         (op.number().empty() || op.number()[0] != '\0') &&
         ValidTime(op.issued_us()) && ValidTime(op.next_update_us()) &&
         !op.content().empty() && op.content().size() <= kObjectBytesMax &&
         op.digest() == crypto::Sha256(AsBytes(op.content()));
}

// Big-endian numbers without leading zeros, of which the longer is higher.
bool LowerNumber(absl::string_view a, absl::string_view b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

// What a vendor has replaced must not come back, not even after a removal.
bool Older(const PutCollateral& op, const CollateralRecord& before) {
  if (op.number() != before.number()) {
    return LowerNumber(op.number(), before.number());
  }
  return op.issued_us() < before.issued_us();
}

Effect CheckRoom(const ApplyContext& context, const PutCollateral& op,
                 const std::optional<CollateralRecord>& before) {
  const uint64_t kept = before.has_value() ? before->size() : 0;
  if (!before.has_value() && context.header.collateral() >= kCollateralMax) {
    return Refused(v1::LIMIT_REACHED,
                   absl::StrCat("collateral: ", kCollateralMax, " items"));
  }
  if (context.header.collateral_bytes() - kept + op.content().size() >
      kCollateralTotalBytesMax) {
    return Refused(v1::LIMIT_REACHED,
                   absl::StrCat("collateral: ", kCollateralTotalBytesMax,
                                " bytes together"));
  }
  return Effect();
}

}  // namespace

absl::StatusOr<Effect> ApplyPutCollateral(ApplyContext& context,
                                          const PutCollateral& op) {
  const Effect level = RequireLevel(context, kFeatureLevelCollateral);
  if (!level.ok()) return level;
  if (!WellFormed(op)) {
    return Refused(v1::REQUEST_MALFORMED, "collateral: a field is ill-formed");
  }
  const RowKey row = context.names.Collateral(op.role(), op.subject());
  KMS_ASSIGN_OR_RETURN(const auto before,
                       context.rows.GetRecord<CollateralRecord>(row));
  if (before.has_value() && Older(op, *before)) {
    return Refused(v1::COLLATERAL_OLDER,
                   "collateral: a higher number or a later date of this "
                   "subject is or was stored");
  }
  const Effect room = CheckRoom(context, op, before);
  if (!room.ok()) return room;

  CollateralRecord record;
  record.set_role(op.role());
  record.set_subject(op.subject());
  record.set_title(op.title());
  record.set_evidence_type(op.evidence_type());
  record.set_number(op.number());
  record.set_issued_us(op.issued_us());
  record.set_next_update_us(op.next_update_us());
  record.set_digest(op.digest());
  record.set_size(op.content().size());
  record.set_stored_us(context.log_time_us());
  record.set_principal(context.command->principal());
  KMS_RETURN_IF_ERROR(context.rows.PutRecord(row, record));
  CollateralContentRecord content;
  content.set_content(op.content());
  KMS_RETURN_IF_ERROR(context.rows.PutRecord(
      context.names.CollateralContent(op.role(), op.subject()), content));
  if (!before.has_value()) {
    context.header.set_collateral(context.header.collateral() + 1);
  }
  context.header.set_collateral_bytes(
      context.header.collateral_bytes() + record.size() -
      (before.has_value() ? before->size() : 0));
  MoveGeneration(context);

  v1::AuditEntry entry;
  auto& event = *entry.mutable_collateral_put();
  event.set_role(op.role());
  event.set_subject(op.subject());
  event.set_evidence_type(op.evidence_type());
  event.set_number(op.number());
  event.set_issued_us(op.issued_us());
  event.set_next_update_us(op.next_update_us());
  event.set_digest(op.digest());
  return Done(context, std::move(entry));
}

absl::StatusOr<Effect> ApplyRemoveCollateral(
    ApplyContext& context, const ::storage::v1::RemoveCollateral& op) {
  const Effect level = RequireLevel(context, kFeatureLevelCollateral);
  if (!level.ok()) return level;
  const RowKey row = context.names.Collateral(op.role(), op.subject());
  KMS_ASSIGN_OR_RETURN(auto record,
                       context.rows.GetRecord<CollateralRecord>(row));
  if (!record.has_value() || record->removed()) {
    return Refused(v1::NOT_FOUND, "collateral: no such collateral");
  }
  KMS_RETURN_IF_ERROR(context.rows.Delete(
      context.names.CollateralContent(op.role(), op.subject())));
  context.header.set_collateral_bytes(context.header.collateral_bytes() -
                                      record->size());
  if (record->number().empty() && record->issued_us() == 0) {
    KMS_RETURN_IF_ERROR(context.rows.Delete(row));
    context.header.set_collateral(context.header.collateral() - 1);
  } else {
    record->set_removed(true);
    record->set_size(0);
    record->clear_digest();
    KMS_RETURN_IF_ERROR(context.rows.PutRecord(row, *record));
  }
  MoveGeneration(context);

  v1::AuditEntry entry;
  entry.mutable_collateral_removed()->set_role(op.role());
  entry.mutable_collateral_removed()->set_subject(op.subject());
  return Done(context, std::move(entry));
}

}  // namespace kms::storage

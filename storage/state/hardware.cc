// PutDenyList, SetKillSwitch: hardware that no policy may release to.
//
// What takes machines away needs one administrator, at once; what gives them
// back needs as many approvals as a change of policy.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_writer.h"
#include "kms/crypto/digest.h"
#include "storage/state/apply_context.h"
#include "storage/state/limits.h"

namespace kms::storage {
namespace {

using ::storage::v1::DenyListRecord;
using ::storage::v1::KillSwitchRecord;
using Entries = google::protobuf::RepeatedPtrField<std::string>;

bool ValidType(uint32_t type) { return type >= 1 && type <= kEvidenceTypeMax; }

bool WellFormed(const Entries& entries) {
  if (entries.size() > kDenyListEntriesMax) return false;
  for (int i = 0; i < entries.size(); ++i) {
    if (entries[i].empty() || entries[i].size() > kDenyListEntryBytesMax ||
        (i > 0 && entries[i] <= entries[i - 1])) {
      return false;
    }
  }
  return true;
}

std::string DigestOf(const Entries& entries) {
  ByteWriter writer;
  for (const std::string& entry : entries) writer.Field(entry);
  return crypto::Sha256(AsBytes(writer.str()));
}

}  // namespace

absl::StatusOr<Effect> ApplyPutDenyList(ApplyContext& context,
                                        const ::storage::v1::PutDenyList& op) {
  const Effect level = RequireLevel(context, kFeatureLevelCollateral);
  if (!level.ok()) return level;
  if (!ValidType(op.evidence_type()) || !WellFormed(op.entries())) {
    return Refused(v1::REQUEST_MALFORMED,
                   "deny list: bad evidence type, or entries that are not "
                   "ascending or not 1 to 64 bytes");
  }
  const RowKey row = DenyListRow(op.evidence_type());
  KMS_ASSIGN_OR_RETURN(const auto stored,
                       context.rows.GetRecord<DenyListRecord>(row));
  const DenyListRecord before = stored.value_or(DenyListRecord());
  if (op.expected_version() != before.version()) {
    return Refused(v1::VERSION_CONFLICT,
                   absl::StrCat("deny list: version ", before.version(),
                                ", want ", op.expected_version()));
  }
  const bool grows =
      std::includes(op.entries().begin(), op.entries().end(),
                    before.entries().begin(), before.entries().end());
  if (!grows) {
    KMS_ASSIGN_OR_RETURN(const Effect approved, CheckApprovals(context));
    if (!approved.ok()) return approved;
  }
  DenyListRecord record;
  record.set_evidence_type(op.evidence_type());
  record.set_version(before.version() + 1);
  *record.mutable_entries() = op.entries();
  record.set_stored_us(context.log_time_us());
  record.set_principal(context.command->principal());
  KMS_RETURN_IF_ERROR(context.rows.PutRecord(row, record));
  MoveGeneration(context);

  v1::AuditEntry entry;
  auto& event = *entry.mutable_deny_list_put();
  event.set_evidence_type(op.evidence_type());
  event.set_version(record.version());
  event.set_entries(static_cast<uint32_t>(op.entries_size()));
  event.set_digest(DigestOf(op.entries()));
  KMS_ASSIGN_OR_RETURN(Effect effect, Done(context, std::move(entry)));
  effect.version = record.version();
  return effect;
}

absl::StatusOr<Effect> ApplySetKillSwitch(
    ApplyContext& context, const ::storage::v1::SetKillSwitch& op) {
  const Effect level = RequireLevel(context, kFeatureLevelCollateral);
  if (!level.ok()) return level;
  if (!ValidType(op.evidence_type())) {
    return Refused(v1::REQUEST_MALFORMED, "kill switch: bad evidence type");
  }
  if (!op.on()) {
    KMS_ASSIGN_OR_RETURN(const Effect approved, CheckApprovals(context));
    if (!approved.ok()) return approved;
  }
  KillSwitchRecord record;
  record.set_evidence_type(op.evidence_type());
  record.set_on(op.on());
  record.set_changed_us(context.log_time_us());
  record.set_principal(context.command->principal());
  KMS_RETURN_IF_ERROR(
      context.rows.PutRecord(KillSwitchRow(op.evidence_type()), record));
  MoveGeneration(context);

  v1::AuditEntry entry;
  entry.mutable_kill_switch_set()->set_evidence_type(op.evidence_type());
  entry.mutable_kill_switch_set()->set_on(op.on());
  return Done(context, std::move(entry));
}

}  // namespace kms::storage

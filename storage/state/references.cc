// PutReferenceSet, EndReferenceVersion: Reference Values that policies name.
// Storage parses no file of them: the proposer read it, verified its signature
// and wrote down whose it was.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "kms/base/byte_writer.h"
#include "kms/crypto/digest.h"
#include "storage/state/apply_context.h"
#include "storage/state/limits.h"

namespace kms::storage {
namespace {

using ::storage::v1::EndReferenceVersion;
using ::storage::v1::PutReferenceSet;
using ::storage::v1::ReferenceSetRecord;
using ::storage::v1::ReferenceVersionRecord;

bool ValidText(absl::string_view text, size_t size_max) {
  return text.size() <= size_max &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isprint(static_cast<unsigned char>(c));
         });
}

bool ValidTime(int64_t us) { return us >= 0 && us <= kClockUsMax; }

bool ValidValues(const PutReferenceSet& op) {
  const auto& values = op.values();
  return values.size() > 0 && values.size() <= kReferenceValuesMax &&
         std::all_of(values.begin(), values.end(),
                     [](const std::string& value) {
                       return !value.empty() &&
                              value.size() <= kReferenceValueBytesMax;
                     }) &&
         // Ascending, each once: equal sets have equal digests.
         std::adjacent_find(values.begin(), values.end(),
                            [](const auto& a, const auto& b) {
                              return a >= b;
                            }) == values.end();
}

bool ValidProvenance(const PutReferenceSet& op) {
  const bool named = op.signer().empty()
                         ? op.signer_spki_digest().empty() && !op.simulated()
                         : ValidName(op.signer(), kAnchorNameBytesMax) &&
                               op.signer_spki_digest().size() == kSha256Bytes;
  return named && op.file_digest().size() == kSha256Bytes &&
         ValidText(op.format(), kReferenceFormatBytesMax) &&
         ValidText(op.title(), kReferenceTitleBytesMax) &&
         ValidTime(op.signed_us());
}

bool WellFormed(const PutReferenceSet& op) {
  return ValidName(op.name(), kReferenceNameBytesMax) && ValidValues(op) &&
         ValidProvenance(op) && ValidTime(op.valid_from_us()) &&
         ValidTime(op.valid_until_us()) &&
         (op.valid_until_us() == 0 || op.valid_until_us() > op.valid_from_us());
}

std::string DigestOf(const PutReferenceSet& op) {
  ByteWriter writer;
  for (const std::string& value : op.values()) writer.Field(value);
  return crypto::Sha256(AsBytes(writer.str()));
}

// Without the versions that have ended by log time.
void DropEnded(const ApplyContext& context, ReferenceSetRecord& set) {
  auto& current = *set.mutable_current();
  current.erase(std::remove_if(current.begin(), current.end(),
                               [&](const auto& window) {
                                 return window.valid_until_us() != 0 &&
                                        window.valid_until_us() <=
                                            context.log_time_us();
                               }),
                current.end());
}

Effect CheckRoom(const ApplyContext& context,
                 const std::optional<ReferenceSetRecord>& present,
                 const ReferenceSetRecord& set) {
  if (!present.has_value() &&
      context.header.reference_sets() >= kReferenceSetsMax) {
    return Refused(v1::LIMIT_REACHED,
                   absl::StrCat("reference set: ", kReferenceSetsMax, " sets"));
  }
  if (set.version() >= kReferenceVersionsMax) {
    return Refused(
        v1::LIMIT_REACHED,
        absl::StrCat("reference set: ", kReferenceVersionsMax, " versions"));
  }
  if (set.current_size() >= kReferenceCurrentMax) {
    return Refused(v1::LIMIT_REACHED,
                   absl::StrCat("reference set: ", kReferenceCurrentMax,
                                " versions that have not ended; end one"));
  }
  return Effect();
}

ReferenceVersionRecord RecordOf(const ApplyContext& context,
                                const PutReferenceSet& op) {
  ReferenceVersionRecord record;
  *record.mutable_values() = op.values();
  record.set_digest(DigestOf(op));
  record.set_valid_from_us(op.valid_from_us());
  record.set_valid_until_us(op.valid_until_us());
  record.set_format(op.format());
  record.set_title(op.title());
  record.set_file_digest(op.file_digest());
  record.set_signer(op.signer());
  record.set_signer_spki_digest(op.signer_spki_digest());
  record.set_simulated(op.simulated());
  record.set_signed_us(op.signed_us());
  record.set_stored_us(context.log_time_us());
  record.set_principal(context.command->principal());
  return record;
}

}  // namespace

absl::StatusOr<Effect> ApplyPutReferenceSet(ApplyContext& context,
                                            const PutReferenceSet& op) {
  const Effect level = RequireLevel(context, kFeatureLevelPolicies);
  if (!level.ok()) return level;
  if (!WellFormed(op)) {
    return Refused(v1::REQUEST_MALFORMED,
                   "reference set: a field is ill-formed");
  }
  const std::string& name_space = context.command->namespace_();
  const RowKey row = context.names.ReferenceSet(name_space, op.name());
  KMS_ASSIGN_OR_RETURN(const auto present,
                       context.rows.GetRecord<ReferenceSetRecord>(row));
  ReferenceSetRecord set = present.value_or(ReferenceSetRecord());
  if (op.expected_version() != set.version()) {
    return Refused(v1::VERSION_CONFLICT,
                   absl::StrCat("reference set: version ", set.version(),
                                ", want ", op.expected_version()));
  }
  DropEnded(context, set);
  const Effect room = CheckRoom(context, present, set);
  if (!room.ok()) return room;

  const uint32_t put = set.version() + 1;
  set.set_namespace_(name_space);
  set.set_name(op.name());
  set.set_version(put);
  auto& window = *set.add_current();
  window.set_version(put);
  window.set_valid_from_us(op.valid_from_us());
  window.set_valid_until_us(op.valid_until_us());
  KMS_RETURN_IF_ERROR(context.rows.PutRecord(row, set));
  const ReferenceVersionRecord record = RecordOf(context, op);
  KMS_RETURN_IF_ERROR(context.rows.PutRecord(
      context.names.ReferenceVersion(name_space, op.name(), put), record));
  if (!present.has_value()) {
    context.header.set_reference_sets(context.header.reference_sets() + 1);
  }
  MoveGeneration(context);

  v1::AuditEntry entry;
  auto& event = *entry.mutable_reference_set_put();
  event.set_set(op.name());
  event.set_version(put);
  event.set_values(static_cast<uint32_t>(op.values_size()));
  event.set_digest(record.digest());
  event.set_file_digest(op.file_digest());
  event.set_valid_from_us(op.valid_from_us());
  event.set_valid_until_us(op.valid_until_us());
  event.set_signer(op.signer());
  event.set_signer_spki_digest(op.signer_spki_digest());
  event.set_simulated(op.simulated());
  event.set_signed_us(op.signed_us());
  KMS_ASSIGN_OR_RETURN(Effect effect, Done(context, std::move(entry)));
  effect.version = put;
  return effect;
}

absl::StatusOr<Effect> ApplyEndReferenceVersion(ApplyContext& context,
                                                const EndReferenceVersion& op) {
  const Effect level = RequireLevel(context, kFeatureLevelPolicies);
  if (!level.ok()) return level;
  const std::string& name_space = context.command->namespace_();
  const RowKey row = context.names.ReferenceSet(name_space, op.name());
  KMS_ASSIGN_OR_RETURN(auto set,
                       context.rows.GetRecord<ReferenceSetRecord>(row));
  if (!set.has_value()) {
    return Refused(v1::NOT_FOUND, "reference set: no such set");
  }
  DropEnded(context, *set);
  auto& current = *set->mutable_current();
  const auto window = std::find_if(
      current.begin(), current.end(),
      [&op](const auto& w) { return w.version() == op.version(); });
  if (window == current.end()) {
    return Refused(v1::NOT_FOUND,
                   "reference set: no such version, or it has ended");
  }
  current.erase(window);
  KMS_RETURN_IF_ERROR(context.rows.PutRecord(row, *set));
  const RowKey version_row =
      context.names.ReferenceVersion(name_space, op.name(), op.version());
  KMS_ASSIGN_OR_RETURN(
      auto record, context.rows.GetRecord<ReferenceVersionRecord>(version_row));
  if (!record.has_value()) {
    return RowLoss(Family::kReferenceVersion, "is missing");
  }
  record->set_ended_us(context.log_time_us());
  record->set_ended_principal(context.command->principal());
  KMS_RETURN_IF_ERROR(context.rows.PutRecord(version_row, *record));
  MoveGeneration(context);

  v1::AuditEntry entry;
  entry.mutable_reference_version_ended()->set_set(op.name());
  entry.mutable_reference_version_ended()->set_version(op.version());
  return Done(context, std::move(entry));
}

}  // namespace kms::storage

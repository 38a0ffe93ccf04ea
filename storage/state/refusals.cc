// RecordRefusal, CountRefusals, and the leaf of a refusal. Nobody who is not
// verified writes to the replicated log, and who is may write so much a key
// and minute (review.md 16).
#include "absl/strings/str_cat.h"
#include "storage/state/apply_context.h"
#include "storage/state/limits.h"
#include "storage/state/verdicts.h"

namespace kms::storage {
namespace {

bool DigestOrEmpty(absl::string_view digest) {
  return digest.empty() || digest.size() == kSha256Bytes;
}

bool WellFormed(const ::storage::v1::RecordRefusal& op) {
  return WellFormedRules(op.failed_rules(), kFailedRulesMax) &&
         WellFormedShadow(op.shadow()) && WellFormedUses(op.references()) &&
         op.code() != v1::REFUSAL_CODE_UNSPECIFIED &&
         op.policy().size() <= kPolicyNameBytesMax &&
         DigestOrEmpty(op.challenge_hash()) &&
         DigestOrEmpty(op.evidence_digest()) &&
         DigestOrEmpty(op.claims_digest());
}

bool WellFormed(const ::storage::v1::CountRefusals& op) {
  int last = v1::REFUSAL_CODE_UNSPECIFIED;
  for (const auto& count : op.counts()) {
    if (count.code() <= last || count.count() == 0) return false;
    last = count.code();
  }
  return op.counts_size() > 0 && op.counts_size() <= kRefusalCountsMax &&
         op.from_us() >= 0 && op.until_us() >= op.from_us();
}

}  // namespace

absl::Status AddRefusalLeaf(ApplyContext& context, absl::string_view key_id,
                            v1::Refused refused, Effect& effect) {
  const RowKey row = RefusalRateRow(context.namespace_tag, key_id);
  KMS_ASSIGN_OR_RETURN(const auto stored,
                       context.rows.GetRecord<::storage::v1::QuotaRecord>(row));
  auto rate = stored.value_or(::storage::v1::QuotaRecord());
  const int64_t minute = context.log_time_us() / kMinuteUs * kMinuteUs;
  if (rate.window_start_us() != minute) {
    rate.set_window_start_us(minute);
    rate.set_drawn(0);
  }
  if (rate.drawn() >= kRefusalLeavesPerKeyMinute) return absl::OkStatus();
  rate.set_drawn(rate.drawn() + 1);
  KMS_RETURN_IF_ERROR(context.rows.PutRecord(row, rate));
  v1::AuditEntry entry;
  *entry.mutable_refused() = std::move(refused);
  KMS_ASSIGN_OR_RETURN(effect.leaf, AddLeaf(context, std::move(entry)));
  return absl::OkStatus();
}

absl::StatusOr<Effect> ApplyRecordRefusal(
    ApplyContext& context, const ::storage::v1::RecordRefusal& op) {
  if (!WellFormed(op)) {
    return Refused(v1::REQUEST_MALFORMED, "refusal: a field is ill-formed");
  }
  if (NeedsPolicyLevel(op)) {
    const Effect level = RequireLevel(context, kFeatureLevelPolicies);
    if (!level.ok()) return level;
  }
  // Without a key there is no rate to hold it to.
  KMS_ASSIGN_OR_RETURN(const auto key, FindKey(context, op.key_id()));
  if (!key.has_value()) return Refused(v1::NOT_FOUND, "key: no such key");
  v1::Refused refused;
  refused.set_key_id(op.key_id());
  refused.set_code(op.code());
  refused.set_policy(op.policy());
  refused.set_policy_version(op.policy_version());
  refused.set_challenge_hash(op.challenge_hash());
  refused.set_evidence_digest(op.evidence_digest());
  refused.set_claims_digest(op.claims_digest());
  *refused.mutable_failed_rules() = op.failed_rules();
  CopyVerdict(op, refused);
  Effect effect;
  KMS_RETURN_IF_ERROR(
      AddRefusalLeaf(context, op.key_id(), std::move(refused), effect));
  if (!effect.leaf.has_value()) {
    return Refused(v1::RATE_LIMITED,
                   absl::StrCat("refusal: ", kRefusalLeavesPerKeyMinute,
                                " of this key are recorded this minute"));
  }
  return effect;
}

absl::StatusOr<Effect> ApplyCountRefusals(
    ApplyContext& context, const ::storage::v1::CountRefusals& op) {
  if (!WellFormed(op)) {
    return Refused(v1::REQUEST_MALFORMED,
                   "refusal counts: not ascending, or a bad time span");
  }
  v1::AuditEntry entry;
  auto& event = *entry.mutable_refusals_counted();
  for (const auto& count : op.counts()) {
    auto& added = *event.add_counts();
    added.set_code(count.code());
    added.set_count(count.count());
  }
  event.set_from_us(op.from_us());
  event.set_until_us(op.until_us());
  return Done(context, std::move(entry));
}

}  // namespace kms::storage

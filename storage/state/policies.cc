// PutPolicy, SetPolicyState. Storage parses no policy: the proposer's terms
// stand beside the source (review.md 31).
#include "absl/strings/str_cat.h"
#include "kms/crypto/digest.h"
#include "storage/state/apply_context.h"
#include "storage/state/limits.h"
#include "storage/state/policy_states.h"

namespace kms::storage {
namespace {

using ::storage::v1::PolicyRecord;
using ::storage::v1::PolicyState;
using ::storage::v1::PolicyVersionRecord;
using ::storage::v1::PutPolicy;
using ::storage::v1::SetPolicyState;

bool ValidTerms(const ::storage::v1::PolicyTerms& terms) {
  const bool lease = terms.lease_us() > 0 && terms.lease_us() <= kLeaseUsMax;
  const bool quota = terms.quota_count() == 0
                         ? terms.quota_window_us() == 0
                         : terms.quota_window_us() > 0 &&
                               terms.quota_window_us() <= kQuotaWindowUsMax;
  const bool validity =
      terms.valid_from_us() >= 0 && terms.valid_from_us() <= kClockUsMax &&
      terms.valid_until_us() >= 0 && terms.valid_until_us() <= kClockUsMax &&
      (terms.valid_until_us() == 0 ||
       terms.valid_until_us() > terms.valid_from_us());
  return lease && quota && validity && terms.concurrent() <= kConcurrentMax;
}

bool WellFormed(const PutPolicy& op) {
  return ValidName(op.name(), kPolicyNameBytesMax) && !op.source().empty() &&
         op.source().size() <= kPolicySourceBytesMax &&
         ValidTerms(op.terms()) && op.state() >= 0 &&
         op.state() <= ::storage::v1::POLICY_ACTIVE;
}

bool NeedsLevel(const PutPolicy& op) {
  return op.state() != ::storage::v1::POLICY_STATE_UNSPECIFIED ||
         op.terms().concurrent() != 0;
}

// The record after `version` enters `state` and whoever was there leaves it;
// `version` may have been the other of the two.
void Enter(PolicyRecord& policy, uint32_t version, PolicyState state) {
  const uint32_t active = ActiveVersion(policy);
  policy.set_active_version(active == version ? 0 : active);
  if (policy.shadow_version() == version) policy.clear_shadow_version();
  if (state == ::storage::v1::POLICY_ACTIVE) policy.set_active_version(version);
  if (state == ::storage::v1::POLICY_SHADOW) policy.set_shadow_version(version);
}

// A shadow that is replaced is no longer a draft: it was tried.
absl::Status EndDraft(ApplyContext& context, const std::string& name,
                      uint32_t version) {
  if (version == 0) return absl::OkStatus();
  const RowKey row =
      context.names.PolicyVersion(context.command->namespace_(), name, version);
  KMS_ASSIGN_OR_RETURN(auto record,
                       context.rows.GetRecord<PolicyVersionRecord>(row));
  if (!record.has_value()) return RowLoss(Family::kPolicyVersion, "is missing");
  if (!record->draft()) return absl::OkStatus();
  record->clear_draft();
  return context.rows.PutRecord(row, *record);
}

}  // namespace

absl::StatusOr<Effect> ApplyPutPolicy(ApplyContext& context,
                                      const PutPolicy& op) {
  if (!WellFormed(op)) {
    return Refused(v1::REQUEST_MALFORMED,
                   "policy: bad name, source, terms or state");
  }
  if (NeedsLevel(op)) {
    const Effect level = RequireLevel(context, kFeatureLevelPolicies);
    if (!level.ok()) return level;
  }
  const std::string& name_space = context.command->namespace_();
  const RowKey row = context.names.Policy(name_space, op.name());
  KMS_ASSIGN_OR_RETURN(const auto present,
                       context.rows.GetRecord<PolicyRecord>(row));
  const uint32_t latest = present.has_value() ? present->version() : 0;
  if (op.expected_version() != latest) {
    return Refused(v1::VERSION_CONFLICT,
                   absl::StrCat("policy: version ", latest, ", want ",
                                op.expected_version()));
  }
  if (latest >= kPolicyVersionsMax) {
    return Refused(v1::LIMIT_REACHED,
                   absl::StrCat("policy: ", kPolicyVersionsMax, " versions"));
  }
  const uint32_t put = latest + 1;
  const PolicyState state =
      op.state() == ::storage::v1::POLICY_STATE_UNSPECIFIED
          ? ::storage::v1::POLICY_ACTIVE
          : op.state();
  PolicyRecord policy = present.value_or(PolicyRecord());
  const uint32_t active = ActiveVersion(policy);
  const uint32_t shadow = policy.shadow_version();
  policy.set_namespace_(name_space);
  policy.set_name(op.name());
  policy.set_version(put);
  if (policy.has_active_version() || NeedsLevel(op)) {
    policy.set_active_version(active);
    Enter(policy, put, state);
  }
  KMS_RETURN_IF_ERROR(context.rows.PutRecord(row, policy));
  PolicyVersionRecord version;
  version.set_source(op.source());
  *version.mutable_terms() = op.terms();
  version.set_created_us(context.log_time_us());
  version.set_principal(context.command->principal());
  if (policy.has_active_version()) {
    version.set_draft(state != ::storage::v1::POLICY_ACTIVE);
    if (state == ::storage::v1::POLICY_ACTIVE) {
      version.set_replaced_version(active);
    }
  }
  KMS_RETURN_IF_ERROR(context.rows.PutRecord(
      context.names.PolicyVersion(name_space, op.name(), put), version));
  if (state == ::storage::v1::POLICY_SHADOW) {
    KMS_RETURN_IF_ERROR(EndDraft(context, op.name(), shadow));
  }
  MoveGeneration(context);

  v1::AuditEntry entry;
  auto& event = *entry.mutable_policy_put();
  event.set_policy(op.name());
  event.set_version(put);
  event.set_source_digest(crypto::Sha256(AsBytes(op.source())));
  event.set_state(std::string(PolicyStateName(op.state())));
  KMS_ASSIGN_OR_RETURN(Effect effect, Done(context, std::move(entry)));
  effect.version = put;
  return effect;
}

absl::StatusOr<Effect> ApplySetPolicyState(ApplyContext& context,
                                           const SetPolicyState& op) {
  const Effect level = RequireLevel(context, kFeatureLevelPolicies);
  if (!level.ok()) return level;
  if (op.state() < ::storage::v1::POLICY_SHADOW ||
      op.state() > ::storage::v1::POLICY_RETIRED) {
    return Refused(v1::REQUEST_MALFORMED,
                   "policy: a state that no version can be set to");
  }
  const std::string& name_space = context.command->namespace_();
  const RowKey row = context.names.Policy(name_space, op.name());
  KMS_ASSIGN_OR_RETURN(auto policy, context.rows.GetRecord<PolicyRecord>(row));
  if (!policy.has_value()) {
    return Refused(v1::NOT_FOUND, "policy: no such policy");
  }
  if (op.version() == 0 || op.version() > policy->version()) {
    return Refused(v1::NOT_FOUND, "policy version: no such version");
  }
  const uint32_t active = ActiveVersion(*policy);
  if (op.expected_active() != active) {
    return Refused(v1::VERSION_CONFLICT,
                   absl::StrCat("policy: version ", active, " is active, want ",
                                op.expected_active()));
  }
  const RowKey version_row =
      context.names.PolicyVersion(name_space, op.name(), op.version());
  KMS_ASSIGN_OR_RETURN(
      auto version, context.rows.GetRecord<PolicyVersionRecord>(version_row));
  if (!version.has_value()) {
    return RowLoss(Family::kPolicyVersion, "is missing");
  }
  if (StateOf(*policy, op.version(), *version) == op.state()) {
    return Refused(v1::ALREADY_EXISTS,
                   absl::StrCat("policy version: ", PolicyStateName(op.state()),
                                " already"));
  }
  const bool activates = op.state() == ::storage::v1::POLICY_ACTIVE;
  const uint32_t replaced = activates ? active
                            : op.state() == ::storage::v1::POLICY_SHADOW
                                ? policy->shadow_version()
                                : 0;
  Enter(*policy, op.version(), op.state());
  KMS_RETURN_IF_ERROR(context.rows.PutRecord(row, *policy));
  version->clear_draft();
  if (op.state() == ::storage::v1::POLICY_SHADOW) {
    KMS_RETURN_IF_ERROR(EndDraft(context, op.name(), replaced));
  }
  if (activates && !op.revert()) version->set_replaced_version(active);
  version->set_state_changed_us(context.log_time_us());
  version->set_state_principal(context.command->principal());
  KMS_RETURN_IF_ERROR(context.rows.PutRecord(version_row, *version));
  MoveGeneration(context);

  v1::AuditEntry entry;
  auto& event = *entry.mutable_policy_state_set();
  event.set_policy(op.name());
  event.set_version(op.version());
  event.set_state(std::string(PolicyStateName(op.state())));
  event.set_replaced_version(replaced);
  KMS_ASSIGN_OR_RETURN(Effect effect, Done(context, std::move(entry)));
  effect.version = op.version();
  return effect;
}

}  // namespace kms::storage

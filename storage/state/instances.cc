// Genesis, Register, RemoveInstance, UnfenceInstance, RaiseFeatureLevel.
// Sources: architecture.md, "Seals"; review.md 8, 10, 22.
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/state/apply_context.h"
#include "storage/state/limits.h"
#include "storage/state/policy_states.h"

namespace kms::storage {
namespace {

absl::Status CheckRegister(const ::storage::v1::Register& op) {
  if (op.instance_id().size() != kIdBytes ||
      op.public_key().size() != kEd25519KeyBytes ||
      !(op.evidence_digest().empty() ||
        op.evidence_digest().size() == kSha256Bytes)) {
    return absl::InvalidArgumentError(
        "register: bad instance id, public key or evidence digest");
  }
  return absl::OkStatus();
}

absl::Status AddInstance(ApplyContext& context,
                         const ::storage::v1::Register& op) {
  ::storage::v1::InstanceRecord record;
  record.set_instance_id(op.instance_id());
  record.set_public_key(op.public_key());
  record.set_feature_level_min(op.feature_level_min());
  record.set_feature_level_max(op.feature_level_max());
  record.set_evidence_digest(op.evidence_digest());
  record.set_join_policy_version(op.join_policy_version());
  record.set_development(op.development());
  record.set_registered_us(context.log_time_us());
  KMS_RETURN_IF_ERROR(context.instances.Add(record, context.rows));
  context.header.set_instances(context.header.instances() + 1);
  return absl::OkStatus();
}

absl::Status AddApprovers(ApplyContext& context,
                          const ::storage::v1::Genesis& op) {
  std::set<std::string> principals;
  std::set<std::string> keys;
  for (const auto& approver : op.approvers()) {
    if (approver.principal().empty() ||
        approver.principal().size() > kPrincipalBytesMax ||
        approver.public_key().size() != kEd25519KeyBytes ||
        !principals.insert(approver.principal()).second ||
        !keys.insert(approver.public_key()).second) {
      return absl::InvalidArgumentError("genesis: bad approver");
    }
    ::storage::v1::ApproverRecord record;
    record.set_principal(approver.principal());
    KMS_RETURN_IF_ERROR(
        context.rows.PutRecord(ApproverRow(approver.public_key()), record));
  }
  return absl::OkStatus();
}

using ::storage::v1::Register;
using ::storage::v1::SpentChallengeRecord;

ChallengeUse UseOf(const Register& op) {
  return {op.challenge_hash(), op.challenge_expires_us(),
          op.transcript_digest()};
}

// Fields that came with the cluster's level.
bool NeedsClusterLevel(const Register& op) {
  return op.join_policy_version() != 0 || op.appraisal_generation() != 0 ||
         !op.challenge_hash().empty() || op.challenge_expires_us() != 0 ||
         !op.transcript_digest().empty() || op.development();
}

// Whoever joins by a policy has shown Evidence for a challenge; whoever joins
// by the token, for a challenge and no Evidence.
Effect CheckForm(const ApplyContext& context, const Register& op) {
  if (NeedsClusterLevel(op)) {
    const Effect level = RequireLevel(context, kFeatureLevelCluster);
    if (!level.ok()) return level;
  }
  const bool challenged = !op.challenge_hash().empty();
  if (!CheckRegister(op).ok() ||
      op.evidence_digest().empty() != op.development() ||
      (op.development() && op.join_policy_version() != 0) ||
      ((op.development() || op.join_policy_version() != 0) && !challenged) ||
      (challenged && !WellFormed(UseOf(op), context.proposer_clock_us))) {
    return Refused(v1::REQUEST_MALFORMED, "register: a field is ill-formed");
  }
  const uint32_t level = context.header.feature_level();
  if (op.feature_level_min() > level || op.feature_level_max() < level) {
    return Refused(
        v1::REQUEST_MALFORMED,
        absl::StrCat("register: does not speak feature level ", level));
  }
  return Effect();
}

// The policy that judged must be the one that would judge now.
absl::StatusOr<Effect> CheckJoinPolicy(ApplyContext& context,
                                       const Register& op) {
  KMS_ASSIGN_OR_RETURN(const auto policy,
                       context.rows.GetRecord<::storage::v1::PolicyRecord>(
                           context.names.Policy("default", kJoinPolicyName)));
  if (!policy.has_value()) {
    return Refused(v1::NO_POLICY,
                   "register: there is no policy named cluster-join");
  }
  if (ActiveVersion(*policy) != op.join_policy_version() ||
      context.header.appraisal_generation() != op.appraisal_generation()) {
    return Refused(v1::APPRAISAL_STALE,
                   "register: policy inputs moved since it was judged");
  }
  return Effect();
}

bool IsRegistered(const ApplyContext& context, const Register& op) {
  const InstanceTable::Instance* const known =
      context.instances.Find(op.instance_id());
  return known != nullptr && !known->record.removed() &&
         known->record.public_key() == op.public_key();
}

// Ids and keys are used once: also those of an instance that was removed.
Effect CheckRoom(const ApplyContext& context, const Register& op) {
  for (const InstanceTable::Instance* const known :
       {static_cast<const InstanceTable::Instance*>(
            context.instances.Find(op.instance_id())),
        context.instances.FindByKey(op.public_key())}) {
    if (known == nullptr) continue;
    if (known->record.removed()) {
      return Refused(v1::INSTANCE_REMOVED,
                     "register: this instance was removed");
    }
    return Refused(v1::ALREADY_EXISTS,
                   "register: this instance id or key is taken");
  }
  if (context.instances.active() >= kInstancesMax ||
      context.instances.size() >= kInstancesEverMax) {
    return Refused(v1::LIMIT_REACHED,
                   absl::StrCat("register: ", kInstancesMax, " instances, or ",
                                kInstancesEverMax, " with those removed"));
  }
  return Effect();
}

v1::AuditEntry RegisteredEntry(const Register& op) {
  v1::AuditEntry entry;
  auto& event = *entry.mutable_instance_registered();
  event.set_instance_id(op.instance_id());
  event.set_public_key(op.public_key());
  event.set_evidence_digest(op.evidence_digest());
  event.set_join_policy_version(op.join_policy_version());
  event.set_development(op.development());
  event.set_transcript_digest(op.transcript_digest());
  return entry;
}

}  // namespace

absl::Status ApplyGenesis(ApplyContext& context,
                          const ::storage::v1::Genesis& op) {
  KMS_RETURN_IF_ERROR(CheckRegister(op.first_instance()));
  if (op.cluster_id().size() != kIdBytes ||
      op.epoch() != context.position.epoch || op.previous_epoch() != 0 ||
      op.previous_index() != 0 || !op.previous_digest().empty() ||
      op.reason().size() > kReasonBytesMax) {
    return absl::InvalidArgumentError(
        "genesis: bad cluster id, epoch, predecessor or reason");
  }
  if (op.feature_level() < kFeatureLevelMin ||
      op.feature_level() > kFeatureLevelMax) {
    return absl::FailedPreconditionError(
        absl::StrCat("genesis: feature level ", op.feature_level(),
                     ", this build speaks up to ", kFeatureLevelMax));
  }
  // A threshold that the approvers cannot meet would lock everybody out. The
  // proposing principal need not be an approver.
  if (op.approval_threshold() < 1 ||
      op.approvers_size() > static_cast<int>(kApproversMax) ||
      op.approval_threshold() >
          static_cast<uint32_t>(op.approvers_size()) + 1) {
    return absl::InvalidArgumentError("genesis: approval threshold");
  }
  context.header.set_cluster_id(op.cluster_id());
  context.header.set_epoch(op.epoch());
  context.header.set_feature_level(op.feature_level());
  context.header.set_approval_threshold(op.approval_threshold());
  context.header.set_appraisal_generation(1);  // 0 is "not stated".
  context.header.set_epoch_started_us(op.epoch_started_us());
  KMS_RETURN_IF_ERROR(AddInstance(context, op.first_instance()));
  return AddApprovers(context, op);
}

absl::Status ApplyNextGenesis(ApplyContext& context,
                              const ::storage::v1::Genesis& op) {
  const auto& header = context.header;
  const InstanceTable::Instance* const first =
      context.instances.Find(op.first_instance().instance_id());
  if (op.epoch() != context.position.epoch ||
      op.cluster_id() != header.cluster_id() ||
      op.reason().size() > kReasonBytesMax ||
      op.feature_level() != header.feature_level() ||
      op.approval_threshold() != header.approval_threshold() ||
      op.approvers_size() != 0 || first == nullptr ||
      first->record.public_key() != op.first_instance().public_key() ||
      first->record.removed() || first->record.fenced()) {
    return absl::InvalidArgumentError(
        "genesis: not of this cluster, or its instance is not registered");
  }
  context.header.set_epoch(op.epoch());
  context.header.set_epoch_started_us(op.epoch_started_us());
  context.header.set_appraisal_generation(header.appraisal_generation() + 1);
  context.header.set_instances(1);
  return context.instances.RemoveAllBut(op.first_instance().instance_id(),
                                        context.rows);
}

absl::StatusOr<Effect> ApplyRegister(ApplyContext& context,
                                     const ::storage::v1::Register& op) {
  Effect effect = CheckForm(context, op);
  if (!effect.ok()) return effect;
  std::optional<SpentChallengeRecord> spent;
  if (!op.challenge_hash().empty()) {
    KMS_ASSIGN_OR_RETURN(spent, context.rows.GetRecord<SpentChallengeRecord>(
                                    SpentRow(op.challenge_hash())));
    effect = CheckChallenge(context, UseOf(op), spent);
    if (!effect.ok()) return effect;
  }
  if (op.join_policy_version() != 0) {
    KMS_ASSIGN_OR_RETURN(effect, CheckJoinPolicy(context, op));
    if (!effect.ok()) return effect;
  }
  const bool repeat = spent.has_value() && IsRegistered(context, op);
  if (!repeat) {
    effect = CheckRoom(context, op);
    if (!effect.ok()) return effect;
    KMS_RETURN_IF_ERROR(AddInstance(context, op));
  }
  v1::AuditEntry entry = RegisteredEntry(op);
  if (repeat) {
    entry.mutable_instance_registered()->set_repeat_of_plus_one(spent->leaf() +
                                                                1);
  }
  KMS_ASSIGN_OR_RETURN(effect, Done(context, std::move(entry)));
  if (repeat) {
    effect.repeat_of = spent->leaf();
  } else if (!op.challenge_hash().empty()) {
    SpentChallengeRecord use;
    use.set_transcript_digest(op.transcript_digest());
    use.set_expires_us(op.challenge_expires_us());
    use.set_leaf(*effect.leaf);
    KMS_RETURN_IF_ERROR(SpendChallenge(context, op.challenge_hash(), use));
  }
  return effect;
}

absl::StatusOr<Effect> ApplyRemoveInstance(
    ApplyContext& context, const ::storage::v1::RemoveInstance& op) {
  Effect effect = RequireLevel(context, kFeatureLevelCluster);
  if (!effect.ok()) return effect;
  if (op.reason().size() > kReasonBytesMax) {
    return Refused(v1::REQUEST_TOO_LARGE, "remove: the reason is too long");
  }
  InstanceTable::Instance* const instance =
      context.instances.Find(op.instance_id());
  if (instance == nullptr) {
    return Refused(v1::NOT_FOUND, "remove: no such instance");
  }
  if (instance->record.removed()) {
    return Refused(v1::INSTANCE_REMOVED, "remove: it is removed already");
  }
  // Nobody could order anything after it.
  if (context.instances.active() == 1) {
    return Refused(v1::LAST_INSTANCE, "remove: it is the last instance");
  }
  instance->record.set_removed(true);
  KMS_RETURN_IF_ERROR(InstanceTable::Store(*instance, context.rows));
  v1::AuditEntry entry;
  entry.mutable_instance_removed()->set_instance_id(op.instance_id());
  entry.mutable_instance_removed()->set_reason(op.reason());
  return Done(context, std::move(entry));
}

absl::StatusOr<Effect> ApplyUnfenceInstance(
    ApplyContext& context, const ::storage::v1::UnfenceInstance& op) {
  Effect effect = RequireLevel(context, kFeatureLevelCluster);
  if (!effect.ok()) return effect;
  InstanceTable::Instance* const instance =
      context.instances.Find(op.instance_id());
  if (instance == nullptr) {
    return Refused(v1::NOT_FOUND, "unfence: no such instance");
  }
  if (instance->record.removed()) {
    return Refused(v1::INSTANCE_REMOVED, "unfence: it is removed, for ever");
  }
  if (!instance->record.fenced()) {
    return Refused(v1::VERSION_CONFLICT, "unfence: it is not fenced");
  }
  instance->record.set_fenced(false);
  KMS_RETURN_IF_ERROR(InstanceTable::Store(*instance, context.rows));
  v1::AuditEntry entry;
  entry.mutable_instance_unfenced()->set_instance_id(op.instance_id());
  return Done(context, std::move(entry));
}

absl::StatusOr<Effect> ApplyRaiseFeatureLevel(
    ApplyContext& context, const ::storage::v1::RaiseFeatureLevel& op) {
  if (op.level() <= context.header.feature_level() ||
      op.level() > context.instances.common_level()) {
    return Refused(v1::VERSION_CONFLICT,
                   "feature level: not above the present one, or not spoken "
                   "by every instance");
  }
  if (op.level() > kFeatureLevelMax) {
    return absl::FailedPreconditionError(
        absl::StrCat("feature level ", op.level(), ": this build speaks up to ",
                     kFeatureLevelMax));
  }
  context.header.set_feature_level(op.level());
  v1::AuditEntry entry;
  entry.mutable_feature_level_raised()->set_level(op.level());
  return Done(context, std::move(entry));
}

}  // namespace kms::storage

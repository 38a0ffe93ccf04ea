// Genesis, Register, RaiseFeatureLevel.
#include <set>

#include "absl/strings/str_cat.h"
#include "storage/state/apply_context.h"
#include "storage/state/limits.h"

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
  const uint32_t level = context.header.feature_level();
  if (!CheckRegister(op).ok() || op.evidence_digest().size() != kSha256Bytes) {
    return Refused(v1::REQUEST_MALFORMED,
                   "register: bad instance id, public key or evidence digest");
  }
  if (op.feature_level_min() > level || op.feature_level_max() < level) {
    return Refused(
        v1::REQUEST_MALFORMED,
        absl::StrCat("register: does not speak feature level ", level));
  }
  if (context.instances.Find(op.instance_id()) != nullptr) {
    return Refused(v1::ALREADY_EXISTS, "register: this instance id is taken");
  }
  if (context.instances.size() >= kInstancesMax) {
    return Refused(v1::LIMIT_REACHED,
                   absl::StrCat("register: ", kInstancesMax, " instances"));
  }
  KMS_RETURN_IF_ERROR(AddInstance(context, op));
  v1::AuditEntry entry;
  auto& event = *entry.mutable_instance_registered();
  event.set_instance_id(op.instance_id());
  event.set_public_key(op.public_key());
  event.set_evidence_digest(op.evidence_digest());
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

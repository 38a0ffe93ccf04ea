// What all command families share.
#include <set>

#include "absl/strings/str_cat.h"
#include "kms/crypto/merkle.h"
#include "kms/crypto/public_key.h"
#include "storage/state/apply_context.h"
#include "storage/state/batch_codec.h"
#include "storage/state/limits.h"

namespace kms::storage {

absl::StatusOr<uint64_t> AddLeaf(ApplyContext& context, v1::AuditEntry entry) {
  if (context.command != nullptr) {
    entry.set_salt(context.command->salt());
    entry.set_principal(context.command->principal());
    entry.set_namespace_(context.command->namespace_());
  }
  entry.set_epoch(context.position.epoch);
  entry.set_index(context.position.index);
  entry.set_command(context.number);
  entry.set_log_time_us(context.log_time_us());
  entry.set_proposer_time_us(context.proposer_clock_us);
  entry.set_instance_id(context.proposer);
  std::string bytes = entry.SerializeAsString();
  if (bytes.size() > kLeafBytesMax) {
    return absl::InternalError(absl::StrCat(
        "leaf: ", bytes.size(), " bytes, want at most ", kLeafBytesMax));
  }
  const uint64_t index = context.edge.size();
  for (MerkleEdge::FullTile& tile :
       context.edge.Append(crypto::LeafHash(AsBytes(bytes)))) {
    context.rows.Append(tile.key, std::move(tile.hashes));
  }
  context.rows.Append(LeafRow(index), std::move(bytes));
  return index;
}

absl::StatusOr<Effect> Done(ApplyContext& context, v1::AuditEntry entry) {
  Effect effect;
  KMS_ASSIGN_OR_RETURN(effect.leaf, AddLeaf(context, std::move(entry)));
  return effect;
}

bool ValidName(absl::string_view name, size_t size_max) {
  if (name.empty() || name.size() > size_max) return false;
  for (const char c : name) {
    const bool valid = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '_' || c == '-';
    if (!valid) return false;
  }
  return true;
}

Effect RequireLevel(const ApplyContext& context, uint32_t level) {
  if (context.header.feature_level() >= level) return Effect();
  return Refused(
      v1::FEATURE_LEVEL_TOO_LOW,
      absl::StrCat("command: the state is at feature level ",
                   context.header.feature_level(), ", want ", level));
}

void MoveGeneration(ApplyContext& context) {
  context.header.set_appraisal_generation(
      context.header.appraisal_generation() + 1);
}

absl::StatusOr<Effect> CheckApprovals(ApplyContext& context) {
  const uint64_t expected = context.command->expected_generation();
  if (expected != 0 && expected != context.header.appraisal_generation()) {
    return Refused(v1::VERSION_CONFLICT,
                   "command: the appraisal generation moved since it was made");
  }
  const uint32_t threshold = context.header.approval_threshold();
  if (threshold > 1 && expected == 0) {
    return Refused(v1::APPROVALS_MISSING,
                   "command: names no appraisal generation to approve it at");
  }
  std::set<std::string> principals;
  if (!context.command->principal().empty()) {
    principals.insert(context.command->principal());
  }
  const std::string message = ApprovalSigningInput(context.header.cluster_id(),
                                                   context.approved->command());
  for (const auto& approval : context.approved->approvals()) {
    if (principals.size() >= threshold) break;
    if (approval.public_key().size() != kEd25519KeyBytes) continue;
    KMS_ASSIGN_OR_RETURN(const auto approver,
                         context.rows.GetRecord<::storage::v1::ApproverRecord>(
                             ApproverRow(approval.public_key())));
    if (!approver.has_value() ||
        approver->principal() != approval.principal()) {
      continue;
    }
    KMS_ASSIGN_OR_RETURN(
        const crypto::PublicKey key,
        crypto::PublicKey::Ed25519(AsBytes(approval.public_key())));
    if (!key.VerifyEd25519(AsBytes(message), AsBytes(approval.signature()))
             .ok()) {
      continue;
    }
    principals.insert(approval.principal());
  }
  if (principals.size() < threshold) {
    return Refused(v1::APPROVALS_MISSING,
                   absl::StrCat("command: ", principals.size(),
                                " approvals, want ", threshold));
  }
  return Effect();
}

absl::StatusOr<std::optional<::storage::v1::KeyRecord>> FindKey(
    ApplyContext& context, absl::string_view key_id) {
  if (key_id.size() != kIdBytes) {
    return std::optional<::storage::v1::KeyRecord>();
  }
  return context.rows.GetRecord<::storage::v1::KeyRecord>(
      KeyRow(context.namespace_tag, key_id));
}

namespace {

// What a command asks of who proposes it.
enum class Authority {
  kWorkload,        // Verified Evidence, or nobody: the proposer's own.
  kAdministrator,   // A principal.
  kRootEquivalent,  // Approvals, up to the threshold.
};

Authority AuthorityFor(const ::storage::v1::Command& command) {
  using Command = ::storage::v1::Command;
  switch (command.op_case()) {
    // An approved policy admitted it, or somebody vouches for it.
    case Command::kRegister:
      return command.register_().join_policy_version() != 0
                 ? Authority::kWorkload
                 : Authority::kRootEquivalent;
    case Command::kUnfenceInstance:
    case Command::kSetKeyPolicy:
    case Command::kPutPolicy:
    case Command::kSetPolicyState:
    case Command::kPutReferenceSet:
    case Command::kEndReferenceVersion:
    case Command::kPutAnchor:
    case Command::kRemoveAnchor:
    case Command::kRemoveCollateral:
      return Authority::kRootEquivalent;
    // Its proposer verified it, and it only moves forward: nobody's approval
    // would add to that. An instance that fetches has no principal.
    case Command::kPutCollateral:
    case Command::kRelease:
    case Command::kRecordRefusal:
    case Command::kCountRefusals:
    // The key's own period, which an administrator set, asks for it.
    case Command::kRotateDueKey:
      return Authority::kWorkload;
    default:
      return Authority::kAdministrator;
  }
}

absl::StatusOr<Effect> Dispatch(ApplyContext& context) {
  const ::storage::v1::Command& command = *context.command;
  using Command = ::storage::v1::Command;
  switch (command.op_case()) {
    case Command::kRegister:
      return ApplyRegister(context, command.register_());
    case Command::kRemoveInstance:
      return ApplyRemoveInstance(context, command.remove_instance());
    case Command::kUnfenceInstance:
      return ApplyUnfenceInstance(context, command.unfence_instance());
    case Command::kRaiseFeatureLevel:
      return ApplyRaiseFeatureLevel(context, command.raise_feature_level());
    case Command::kCreateKey:
      return ApplyCreateKey(context, command.create_key());
    case Command::kRotateKey:
      return ApplyRotateKey(context, command.rotate_key());
    case Command::kSetKeyVersionState:
      return ApplySetKeyVersionState(context, command.set_key_version_state());
    case Command::kSetKeyPolicy:
      return ApplySetKeyPolicy(context, command.set_key_policy());
    case Command::kConfigureKey:
      return ApplyConfigureKey(context, command.configure_key());
    case Command::kScheduleDestruction:
      return ApplyScheduleDestruction(context, command.schedule_destruction());
    case Command::kCancelDestruction:
      return ApplyCancelDestruction(context, command.cancel_destruction());
    case Command::kConfirmClock:
      return ApplyConfirmClock(context, command.confirm_clock());
    case Command::kRotateDueKey:
      return ApplyRotateDueKey(context, command.rotate_due_key());
    case Command::kPutPolicy:
      return ApplyPutPolicy(context, command.put_policy());
    case Command::kSetPolicyState:
      return ApplySetPolicyState(context, command.set_policy_state());
    case Command::kPutReferenceSet:
      return ApplyPutReferenceSet(context, command.put_reference_set());
    case Command::kEndReferenceVersion:
      return ApplyEndReferenceVersion(context, command.end_reference_version());
    case Command::kPutAnchor:
      return ApplyPutAnchor(context, command.put_anchor());
    case Command::kRemoveAnchor:
      return ApplyRemoveAnchor(context, command.remove_anchor());
    case Command::kPutCollateral:
      return ApplyPutCollateral(context, command.put_collateral());
    case Command::kRemoveCollateral:
      return ApplyRemoveCollateral(context, command.remove_collateral());
    case Command::kPutDenyList:
      return ApplyPutDenyList(context, command.put_deny_list());
    case Command::kSetKillSwitch:
      return ApplySetKillSwitch(context, command.set_kill_switch());
    case Command::kRelease:
      return ApplyRelease(context, command.release());
    case Command::kRecordRefusal:
      return ApplyRecordRefusal(context, command.record_refusal());
    case Command::kCountRefusals:
      return ApplyCountRefusals(context, command.count_refusals());
    case Command::kRecordRewrap:
      return ApplyRecordRewrap(context, command.record_rewrap());
    case Command::kRecordRekey:
      return ApplyRecordRekey(context, command.record_rekey());
    case Command::kRotateKeyring:
      return ApplyRotateKeyring(context, command.rotate_keyring());
    case Command::kGenesis:
      return Refused(v1::ALREADY_INITIALIZED,
                     "genesis: the cluster has started");
    case Command::OP_NOT_SET:
      return Refused(v1::REQUEST_MALFORMED, "command: asks for nothing");
  }
  return absl::InternalError("command: a case without a handler");
}

}  // namespace

absl::StatusOr<Effect> ApplyCommand(ApplyContext& context) {
  const ::storage::v1::Command& command = *context.command;
  if (context.approved->command().size() > kCommandBytesMax) {
    return Refused(v1::REQUEST_TOO_LARGE,
                   absl::StrCat("command: ", context.approved->command().size(),
                                " bytes, want at most ", kCommandBytesMax));
  }
  if (command.salt().size() != kSaltBytes ||
      command.principal().size() > kPrincipalBytesMax ||
      !ValidName(command.namespace_(), kNamespaceBytesMax) ||
      context.approved->approvals_size() > static_cast<int>(kApprovalsMax)) {
    return Refused(v1::REQUEST_MALFORMED,
                   "command: bad salt, principal, namespace or approvals");
  }
  switch (AuthorityFor(command)) {
    case Authority::kWorkload:
      break;
    case Authority::kAdministrator:
      if (command.principal().empty()) {
        return Refused(v1::ADMINISTRATOR_REQUIRED, "command: no principal");
      }
      break;
    case Authority::kRootEquivalent: {
      KMS_ASSIGN_OR_RETURN(const Effect approved, CheckApprovals(context));
      if (!approved.ok()) return approved;
      break;
    }
  }
  context.namespace_tag = context.names.Namespace(command.namespace_());
  return Dispatch(context);
}

}  // namespace kms::storage

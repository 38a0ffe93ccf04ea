#include "kms/admin/recorded_decision.h"

#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/document/appraise.h"
#include "proto/kms/v1/audit_entry.pb.h"

namespace kms::admin {
namespace {

// As kms/release told the policy.
std::string PurposeOf(const v1::Released& released) {
  if (released.new_blob_digest().empty()) {
    return released.blob_digest().empty() ? "release" : "unwrap";
  }
  return released.blob_digest().empty() ? "generate" : "rewrap";
}

// A refusal says neither what was asked for nor for which artifact: a key's
// usual purpose then, and the artifact that its version is bound to.
v1::RequestContext ContextOf(const RecordedDecision& recorded,
                             const ::storage::v1::KeyRecord& key) {
  v1::RequestContext context;
  context.set_namespace_(recorded.name_space);
  context.set_key(key.name());
  context.set_key_version(recorded.key_version == 0 ? key.primary_version()
                                                    : recorded.key_version);
  context.set_artifact_digest(recorded.artifact_digest);
  context.set_purpose(recorded.purpose);
  if (!recorded.purpose.empty()) return context;
  const bool wrapping = key.purpose() == ::storage::v1::KEY_PURPOSE_WRAPPING;
  context.set_purpose(wrapping ? "unwrap" : "release");
  for (const ::storage::v1::KeyVersionInfo& version : key.versions()) {
    if (version.version() == context.key_version()) {
      context.set_artifact_digest(version.artifact_digest());
    }
  }
  return context;
}

}  // namespace

std::optional<RecordedDecision> ReadDecision(uint64_t index,
                                             absl::string_view leaf) {
  v1::AuditEntry entry;
  if (!entry.ParseFromArray(leaf.data(), static_cast<int>(leaf.size()))) {
    return std::nullopt;
  }
  RecordedDecision decision;
  decision.leaf = index;
  decision.name_space = entry.namespace_();
  decision.at = absl::FromUnixMicros(entry.proposer_time_us());
  if (entry.has_released()) {
    const v1::Released& released = entry.released();
    if (released.repeat_of_plus_one() != 0) return std::nullopt;
    decision.allowed = true;
    decision.key_id = released.key_id();
    decision.key_version = released.version();
    decision.policy = released.policy();
    decision.policy_version = released.policy_version();
    decision.generation = released.appraisal_generation();
    decision.evidence_digest = released.evidence_digest();
    decision.purpose = PurposeOf(released);
    decision.artifact_digest = released.artifact_digest();
  } else if (entry.has_refused()) {
    const v1::Refused& refused = entry.refused();
    decision.code = refused.code();
    decision.key_id = refused.key_id();
    decision.policy = refused.policy();
    decision.policy_version = refused.policy_version();
    decision.evidence_digest = refused.evidence_digest();
  }
  if (decision.policy.empty() || decision.evidence_digest.empty()) {
    return std::nullopt;
  }
  return decision;
}

absl::StatusOr<v1::TestPolicyResponse> Judge(
    const collateral::AppraisalInputs& inputs, const v1::EvidenceBundle& bundle,
    const policy::CompiledPolicy& policy, const policy::ReferenceSets& stored,
    const v1::RequestContext& context, absl::Time at) {
  v1::TestPolicyResponse response;
  KMS_ASSIGN_OR_RETURN(
      *response.mutable_claims(),
      collateral::VerifyEvidence(inputs, bundle, at, /*cache=*/nullptr));
  v1::Decision& decision = *response.mutable_decision();
  decision = policy::Appraise(policy, response.claims(), context, at, stored);
  policy::TellCollateral(response.claims(), decision);
  // The rules are shown all the same, but they do not decide.
  if (const absl::Status denied = inputs.denied.CheckClaims(response.claims());
      !denied.ok()) {
    decision.set_allowed(false);
    decision.set_code(RefusalOf(denied));
    decision.set_reason(std::string(denied.message()));
  }
  return response;
}

absl::StatusOr<v1::TestPolicyResponse> JudgeAgain(
    const Instance& instance, const storage::StateView& view,
    const collateral::AppraisalInputs& inputs, const RecordedDecision& recorded,
    const policy::CompiledPolicy& policy, const policy::ReferenceSets& stored) {
  if (instance.evidence_archive == nullptr) {
    return Refuse(v1::NOT_FOUND, "evidence: this instance keeps none");
  }
  KMS_ASSIGN_OR_RETURN(
      const std::string bytes,
      instance.evidence_archive->Get(AsBytes(recorded.evidence_digest)));
  v1::EvidenceBundle bundle;
  if (!bundle.ParseFromString(bytes)) {
    return Refuse(v1::DATA_LOSS, "evidence: kept, and does not parse");
  }
  KMS_ASSIGN_OR_RETURN(const ::storage::v1::KeyRecord key,
                       view.GetKeyById(recorded.name_space, recorded.key_id));
  return Judge(inputs, bundle, policy, stored, ContextOf(recorded, key),
               recorded.at);
}

}  // namespace kms::admin

#include "kms/cluster/join_judge.h"

#include <memory>

#include "kms/admin/stored_references.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/release/transcript.h"
#include "policy/document/appraise.h"
#include "policy/verifier/verifier.h"
#include "proto/kms/v1/claims.pb.h"
#include "proto/kms/v1/evidence.pb.h"
#include "storage/state/limits.h"

namespace kms::cluster {
namespace {

constexpr char kNamespace[] = "default";

// What is digested and archived is what was judged: no field that we do not
// know, none that a later copy of itself replaced.
absl::StatusOr<v1::EvidenceBundle> ParseBundle(absl::string_view evidence) {
  v1::EvidenceBundle bundle;
  if (!bundle.ParseFromArray(evidence.data(),
                             static_cast<int>(evidence.size()))) {
    return Refuse(v1::EVIDENCE_MALFORMED, "evidence: bundle does not parse");
  }
  bundle.DiscardUnknownFields();
  if (bundle.ByteSizeLong() != evidence.size()) {
    return Refuse(v1::EVIDENCE_MALFORMED,
                  "evidence: bundle has unknown or repeated fields");
  }
  return bundle;
}

absl::Status Appraise(const policy::CompiledPolicy& policy,
                      const v1::Claims& claims,
                      const policy::ReferenceSets& references, absl::Time now) {
  v1::RequestContext context;
  context.set_namespace_(kNamespace);
  context.set_purpose("join");
  const v1::Decision decision =
      policy::Appraise(policy, claims, context, now, references);
  return decision.allowed() ? absl::OkStatus()
                            : Refuse(decision.code(), decision.reason());
}

}  // namespace

absl::StatusOr<Admission> JoinJudge::Judge(const Instance& instance,
                                           const storage::StateView& view,
                                           absl::string_view evidence,
                                           absl::string_view transcript_digest,
                                           absl::Time now) {
  KMS_ASSIGN_OR_RETURN(const v1::EvidenceBundle bundle, ParseBundle(evidence));
  const absl::StatusOr<storage::StateView::Policy> stored =
      view.GetPolicy(kNamespace, storage::kJoinPolicyName);
  if (RefusalOf(stored.status()) == v1::NOT_FOUND) {
    return Refuse(v1::NO_POLICY,
                  "join: there is no policy named cluster-join; an "
                  "administrator must put one");
  }
  KMS_RETURN_IF_ERROR(stored.status());
  KMS_ASSIGN_OR_RETURN(
      const admin::CachedPolicy policy,
      policies_.Get(kNamespace, storage::kJoinPolicyName, stored->version,
                    AsBytes(stored->record.source())));
  KMS_ASSIGN_OR_RETURN(
      const std::shared_ptr<const collateral::AppraisalInputs> inputs,
      inputs_.Get(instance, view));
  KMS_ASSIGN_OR_RETURN(
      const v1::Claims claims,
      collateral::VerifyEvidence(*inputs, bundle, now, nullptr));
  const std::string gpu_nonce = release::GpuNonce(AsBytes(transcript_digest));
  KMS_RETURN_IF_ERROR(
      policy::CheckBinding(claims, {.transcript = AsBytes(transcript_digest),
                                    .gpu_nonce = AsBytes(gpu_nonce)}));
  KMS_RETURN_IF_ERROR(inputs->denied.CheckClaims(claims));
  KMS_ASSIGN_OR_RETURN(const policy::ReferenceSets references,
                       admin::ReadReferenceSets(
                           view, kNamespace, *policy.policy, inputs->anchors));
  KMS_RETURN_IF_ERROR(Appraise(*policy.policy, claims, references, now));
  return Admission{stored->version, inputs->generation};
}

}  // namespace kms::cluster

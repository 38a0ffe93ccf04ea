// A request that the log says was released or refused, judged once more: by
// its Evidence, if this instance still has it, as of the time it was judged.
// Collateral, anchors and Reference Values are those of now.
// Thread-safe: free functions.
#ifndef KMS_ADMIN_RECORDED_DECISION_H_
#define KMS_ADMIN_RECORDED_DECISION_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "kms/collateral/appraisal_inputs.h"
#include "kms/instance/instance.h"
#include "policy/document/policy.h"
#include "policy/document/references.h"
#include "proto/kms/v1/policies.pb.h"
#include "proto/kms/v1/refusal.pb.h"
#include "storage/state/state_view.h"

namespace kms::admin {

struct RecordedDecision {
  uint64_t leaf = 0;
  std::string name_space;
  bool allowed = false;
  v1::RefusalCode code = v1::REFUSAL_CODE_UNSPECIFIED;
  std::string key_id;
  uint32_t key_version = 0;  // 0: a refusal does not say.
  std::string policy;
  uint32_t policy_version = 0;
  uint64_t generation = 0;  // 0: a refusal does not say.
  std::string evidence_digest;
  std::string purpose;          // Empty: a refusal does not say.
  std::string artifact_digest;  // That was named; empty: none, or a refusal.
  absl::Time at;
};

// Nothing: the leaf is of something else, or of a repeat, or came before its
// Evidence was verified.
std::optional<RecordedDecision> ReadDecision(uint64_t index,
                                             absl::string_view leaf);

// NOT_FOUND: its Evidence is not kept here. Otherwise as TestPolicy: Evidence
// that no longer verifies is a refusal, a policy that says no is an answer.
absl::StatusOr<v1::TestPolicyResponse> JudgeAgain(
    const Instance& instance, const storage::StateView& view,
    const collateral::AppraisalInputs& inputs, const RecordedDecision& recorded,
    const policy::CompiledPolicy& policy, const policy::ReferenceSets& stored);

// The Claims of `bundle` at `at` and what `policy` says of them; a deny list
// has the last word. The version is for the caller to fill in.
absl::StatusOr<v1::TestPolicyResponse> Judge(
    const collateral::AppraisalInputs& inputs, const v1::EvidenceBundle& bundle,
    const policy::CompiledPolicy& policy, const policy::ReferenceSets& stored,
    const v1::RequestContext& context, absl::Time at);

}  // namespace kms::admin

#endif  // KMS_ADMIN_RECORDED_DECISION_H_

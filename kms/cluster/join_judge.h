// Judges a joiner's Evidence: verified as for a release, bound to the join's
// transcript, appraised by the policy "cluster-join" of namespace "default". An
// administrator puts that policy, with the approvals that any policy needs:
// who may change it may have every key.
//
// In its rules `request.purpose` is "join" and `request.key` is empty.
// Source: architecture.md, "Seals"; review.md 22.
// Thread-safe. Reads one view and writes nothing.
#ifndef KMS_CLUSTER_JOIN_JUDGE_H_
#define KMS_CLUSTER_JOIN_JUDGE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "kms/admin/policy_cache.h"
#include "kms/collateral/appraisal_inputs.h"
#include "kms/instance/instance.h"
#include "storage/state/state_view.h"

namespace kms::cluster {

// What was judged, for Apply to check again.
struct Admission {
  uint32_t policy_version = 0;
  uint64_t appraisal_generation = 0;
};

class JoinJudge {
 public:
  // NO_POLICY: there is none of that name. EVIDENCE_MALFORMED; what
  // VerifyEvidence, CheckBinding and CheckClaims refuse; a policy's refusals.
  // DATA_LOSS: what is stored does not authenticate.
  absl::StatusOr<Admission> Judge(const Instance& instance,
                                  const storage::StateView& view,
                                  absl::string_view evidence,
                                  absl::string_view transcript_digest,
                                  absl::Time now);

 private:
  admin::PolicyCache policies_;
  collateral::AppraisalInputsCache inputs_;
};

}  // namespace kms::cluster

#endif  // KMS_CLUSTER_JOIN_JUDGE_H_

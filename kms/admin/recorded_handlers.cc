// What recorded requests say of a policy: a part of PolicyService.
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/admin/policy_handlers.h"
#include "kms/admin/recorded_decision.h"
#include "kms/admin/stored_references.h"
#include "kms/base/bytes.h"
#include "kms/base/names.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/instance/admin_call.h"

namespace kms::admin {
namespace {

using Group = v1::DryRunPolicyResponse::Group;

// Leaves that one dry run looks at: other policies' releases lie between.
constexpr uint64_t kLeavesScannedMax = 50'000;
constexpr uint32_t kJudgedDefault = 100;
constexpr uint32_t kJudgedMax = 1000;  // At a millisecond or two each.

// Then and now, by verdict and reason.
class Groups {
 public:
  void Add(const RecordedDecision& then, bool allowed, v1::RefusalCode code,
           const std::string& reason) {
    Group& group = groups_[{then.code, allowed, code, reason}];
    if (group.count() == 0) {
      group.set_allowed_then(then.allowed);
      group.set_code_then(then.code);
      group.set_allowed_now(allowed);
      group.set_code_now(code);
      group.set_reason_now(reason);
      group.set_first_leaf(then.leaf);  // The newest comes first.
    }
    group.set_count(group.count() + 1);
  }

  // Changed verdicts first, then the larger group.
  void Take(v1::DryRunPolicyResponse& response) {
    std::vector<Group> sorted;
    for (auto& [key, group] : groups_) sorted.push_back(std::move(group));
    std::stable_sort(
        sorted.begin(), sorted.end(), [](const Group& a, const Group& b) {
          const auto rank = [](const Group& group) {
            return std::make_tuple(group.allowed_then() == group.allowed_now(),
                                   -static_cast<int64_t>(group.count()));
          };
          return rank(a) < rank(b);
        });
    for (Group& group : sorted) *response.add_groups() = std::move(group);
  }

 private:
  std::map<std::tuple<v1::RefusalCode, bool, v1::RefusalCode, std::string>,
           Group>
      groups_;
};

}  // namespace

absl::StatusOr<CachedPolicy> PolicyHandlers::FindPolicy(
    const storage::StateView& view, absl::string_view name_space,
    const std::string& name, uint32_t wanted, uint32_t& version) const {
  std::optional<uint32_t> number;  // None: the active one.
  if (wanted != 0) number = wanted;
  KMS_ASSIGN_OR_RETURN(const storage::StateView::Policy stored,
                       view.GetPolicy(name_space, name, number));
  version = stored.version;
  return policies_.Get(name_space, name, version,
                       AsBytes(stored.record.source()));
}

absl::StatusOr<v1::DryRunPolicyResponse> PolicyHandlers::DryRunPolicy(
    const Caller& caller, const v1::DryRunPolicyRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_ASSIGN_OR_RETURN(const absl::string_view name_space,
                       ResolveNamespace(request.namespace_()));
  KMS_RETURN_IF_ERROR(CheckNameOrDocument(request.name(), request.document()));
  if (request.limit() > kJudgedMax) {
    return Refuse(v1::REQUEST_TOO_LARGE,
                  absl::StrCat("dry run: of ", request.limit(),
                               " requests, want at most ", kJudgedMax));
  }
  const auto view = instance->replica->View();
  uint32_t version = 0;
  KMS_ASSIGN_OR_RETURN(
      const std::shared_ptr<const policy::CompiledPolicy> candidate,
      Candidate(*view, name_space, request.name(), request.version(),
                request.document(), version));
  const std::string& decided_by =
      request.decided_by().empty() ? candidate->name() : request.decided_by();
  KMS_ASSIGN_OR_RETURN(
      const std::shared_ptr<const collateral::AppraisalInputs> inputs,
      inputs_->Get(*instance, *view));
  KMS_ASSIGN_OR_RETURN(
      const policy::ReferenceSets stored,
      ReadReferenceSets(*view, name_space, *candidate, inputs->anchors));

  const uint32_t limit =
      request.limit() == 0 ? kJudgedDefault : request.limit();
  const uint64_t size = view->tree_size();
  const uint64_t last = size > kLeavesScannedMax ? size - kLeavesScannedMax : 0;
  v1::DryRunPolicyResponse response;
  response.set_oldest_leaf(size);
  Groups groups;
  for (uint64_t index = size; index-- > last && response.judged() < limit;) {
    response.set_oldest_leaf(index);
    KMS_ASSIGN_OR_RETURN(const std::string leaf, view->GetLeaf(index));
    const std::optional<RecordedDecision> then = ReadDecision(index, leaf);
    if (!then.has_value() || then->policy != decided_by ||
        then->name_space != name_space) {
      continue;
    }
    const absl::StatusOr<v1::TestPolicyResponse> now =
        JudgeAgain(*instance, *view, *inputs, *then, *candidate, stored);
    if (absl::IsNotFound(now.status())) {
      response.set_without_evidence(response.without_evidence() + 1);
      continue;
    }
    if (absl::IsDataLoss(now.status())) return now.status();
    response.set_judged(response.judged() + 1);
    if (now.ok()) {
      groups.Add(*then, now->decision().allowed(), now->decision().code(),
                 now->decision().reason());
    } else {
      groups.Add(*then, false, RefusalOf(now.status()),
                 std::string(now.status().message()));
    }
  }
  groups.Take(response);
  return response;
}

absl::StatusOr<v1::ExplainDecisionResponse> PolicyHandlers::ExplainDecision(
    const Caller& caller, const v1::ExplainDecisionRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  const auto view = instance->replica->View();
  KMS_ASSIGN_OR_RETURN(const std::string leaf,
                       view->GetLeaf(request.leaf_index()));
  const std::optional<RecordedDecision> then =
      ReadDecision(request.leaf_index(), leaf);
  if (!then.has_value()) {
    return Refuse(v1::REQUEST_MALFORMED,
                  "leaf: not a first release, and no refusal by a policy");
  }
  uint32_t version = 0;
  KMS_ASSIGN_OR_RETURN(const CachedPolicy policy,
                       FindPolicy(*view, then->name_space, then->policy,
                                  then->policy_version, version));
  KMS_ASSIGN_OR_RETURN(
      const std::shared_ptr<const collateral::AppraisalInputs> inputs,
      inputs_->Get(*instance, *view));
  KMS_ASSIGN_OR_RETURN(const policy::ReferenceSets stored,
                       ReadReferenceSets(*view, then->name_space,
                                         *policy.policy, inputs->anchors));
  KMS_ASSIGN_OR_RETURN(
      v1::TestPolicyResponse again,
      JudgeAgain(*instance, *view, *inputs, *then, *policy.policy, stored));
  v1::ExplainDecisionResponse response;
  response.set_allowed_then(then->allowed);
  response.set_code_then(then->code);
  response.set_generation_then(then->generation);
  response.set_generation_now(view->appraisal_generation());
  *response.mutable_claims() = std::move(*again.mutable_claims());
  *response.mutable_decision() = std::move(*again.mutable_decision());
  response.mutable_decision()->set_policy_version(version);
  return response;
}

}  // namespace kms::admin

// The states and the history of policies: a part of PolicyService.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "kms/admin/policy_handlers.h"
#include "kms/admin/policy_view.h"
#include "kms/base/bytes.h"
#include "kms/base/names.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/instance/admin_call.h"
#include "policy/document/policy.h"
#include "storage/state/policy_states.h"

namespace kms::admin {
namespace {

using ::storage::v1::Command;
using ::storage::v1::PolicyRecord;

// Changes by others that one unconditional change tries to get ahead of.
constexpr int kChangeTries = 4;

static_assert(static_cast<int>(v1::POLICY_DRAFT) ==
                      static_cast<int>(::storage::v1::POLICY_DRAFT) &&
                  static_cast<int>(v1::POLICY_RETIRED) ==
                      static_cast<int>(::storage::v1::POLICY_RETIRED),
              "states are handed on by their numbers");

// A version that this build cannot compile would deny everything once active,
// and tell nothing as the shadow.
absl::Status CheckCompiles(const storage::StateView& view,
                           absl::string_view name_space,
                           const std::string& name, uint32_t version) {
  KMS_ASSIGN_OR_RETURN(const storage::StateView::Policy stored,
                       view.GetPolicy(name_space, name, version));
  return policy::Compile(stored.record.source()).status();
}

absl::StatusOr<v1::Policy> Change(const Instance& instance,
                                  const Caller& caller,
                                  absl::string_view name_space,
                                  const ::storage::v1::SetPolicyState& op) {
  Command command = NewCommand(instance, caller, name_space);
  *command.mutable_set_policy_state() = op;
  KMS_RETURN_IF_ERROR(Propose(instance, command).status());
  KMS_ASSIGN_OR_RETURN(
      const storage::StateView::Policy stored,
      instance.replica->View()->GetPolicy(name_space, op.name(), op.version()));
  v1::Policy policy = ToPolicy(name_space, op.name(), stored);
  policy.clear_document();
  return policy;
}

}  // namespace

absl::StatusOr<v1::ListPoliciesResponse> PolicyHandlers::ListPolicyVersions(
    const Caller& caller, const v1::ListPolicyVersionsRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_ASSIGN_OR_RETURN(const absl::string_view name_space,
                       ResolveNamespace(request.namespace_()));
  KMS_RETURN_IF_ERROR(CheckPolicyName(request.name()));
  if (request.page_size() > kPageSizeMax) {
    return Refuse(v1::REQUEST_TOO_LARGE,
                  absl::StrCat("page size: ", request.page_size(),
                               ", want at most ", kPageSizeMax));
  }
  const auto view = instance->replica->View();
  KMS_ASSIGN_OR_RETURN(const PolicyRecord policy,
                       view->GetPolicyRecord(name_space, request.name()));
  // A page token is the version that the page before ended with.
  uint32_t before = policy.version() + 1;
  if (!request.page_token().empty() &&
      (!absl::SimpleAtoi(request.page_token(), &before) || before < 2)) {
    return Refuse(v1::REQUEST_MALFORMED,
                  "page token: not one of ours, want the previous page's");
  }
  before = std::min(before, policy.version() + 1);
  const uint32_t page_size =
      request.page_size() == 0 ? kPageSizeDefault : request.page_size();
  const uint32_t last = before > page_size ? before - page_size : 1;
  v1::ListPoliciesResponse response;
  for (uint32_t version = before - 1; version >= last; --version) {
    KMS_ASSIGN_OR_RETURN(const storage::StateView::Policy stored,
                         view->GetPolicy(name_space, request.name(), version));
    v1::Policy& listed = *response.add_policies();
    listed = ToPolicy(name_space, request.name(), stored);
    listed.clear_document();
  }
  if (last > 1) response.set_next_page_token(absl::StrCat(last));
  return response;
}

absl::StatusOr<v1::Policy> PolicyHandlers::SetPolicyState(
    const Caller& caller, const v1::SetPolicyStateRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_ASSIGN_OR_RETURN(const absl::string_view name_space,
                       ResolveNamespace(request.namespace_()));
  KMS_RETURN_IF_ERROR(CheckPolicyName(request.name()));
  if (request.state() != v1::POLICY_SHADOW &&
      request.state() != v1::POLICY_ACTIVE &&
      request.state() != v1::POLICY_RETIRED) {
    return Refuse(v1::REQUEST_MALFORMED,
                  "policy: want the state shadow, active or retired");
  }
  ::storage::v1::SetPolicyState op;
  op.set_name(request.name());
  op.set_version(request.version());
  op.set_state(static_cast<::storage::v1::PolicyState>(request.state()));
  op.set_expected_active(request.expected_active());
  for (int tries = 1;; ++tries) {
    const auto view = instance->replica->View();
    if (request.state() != v1::POLICY_RETIRED) {
      KMS_RETURN_IF_ERROR(
          CheckCompiles(*view, name_space, request.name(), request.version()));
    }
    if (!request.check_active()) {
      KMS_ASSIGN_OR_RETURN(const PolicyRecord policy,
                           view->GetPolicyRecord(name_space, request.name()));
      op.set_expected_active(storage::ActiveVersion(policy));
    }
    absl::StatusOr<v1::Policy> changed =
        Change(*instance, caller, name_space, op);
    const bool outrun = RefusalOf(changed.status()) == v1::VERSION_CONFLICT &&
                        !request.check_active();
    if (!outrun || tries >= kChangeTries) return changed;
  }
}

absl::StatusOr<v1::Policy> PolicyHandlers::RevertPolicy(
    const Caller& caller, const v1::RevertPolicyRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_ASSIGN_OR_RETURN(const absl::string_view name_space,
                       ResolveNamespace(request.namespace_()));
  KMS_RETURN_IF_ERROR(CheckPolicyName(request.name()));
  const auto view = instance->replica->View();
  // NO_POLICY: there is nothing to go back from.
  KMS_ASSIGN_OR_RETURN(const storage::StateView::Policy active,
                       view->GetPolicy(name_space, request.name()));
  const uint32_t target = active.record.replaced_version();
  if (target == 0) {
    return Refuse(v1::NOTHING_TO_REVERT,
                  absl::StrCat("policy: version ", active.version,
                               " is active and replaced none"));
  }
  KMS_RETURN_IF_ERROR(CheckCompiles(*view, name_space, request.name(), target));
  ::storage::v1::SetPolicyState op;
  op.set_name(request.name());
  op.set_version(target);
  op.set_state(::storage::v1::POLICY_ACTIVE);
  op.set_expected_active(active.version);
  op.set_revert(true);
  return Change(*instance, caller, name_space, op);
}

}  // namespace kms::admin

// The policies' half of PolicyService; anchor_handlers.cc has the anchors'.
#include "kms/admin/policy_handlers.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "kms/admin/policy_terms.h"
#include "kms/admin/policy_view.h"
#include "kms/admin/recorded_decision.h"
#include "kms/admin/stored_references.h"
#include "kms/base/bytes.h"
#include "kms/base/names.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/instance/admin_call.h"
#include "policy/document/policy.h"
#include "policy/verifier/verifier.h"
#include "storage/state/limits.h"
#include "storage/state/state_view.h"

namespace kms::admin {
namespace {

using ::storage::v1::Command;

// Versions by others that one unconditional PutPolicy tries to get ahead of.
constexpr int kPutTries = 4;

// The end of the year 9999: dates that a calendar can print.
constexpr int64_t kTimeUsMax = 253'402'300'799'000'000;

absl::Status CheckDocument(absl::string_view document) {
  if (document.empty()) {
    return Refuse(v1::REQUEST_MALFORMED, "policy: no document");
  }
  if (document.size() > kDocumentBytesMax) {
    return Refuse(v1::REQUEST_TOO_LARGE,
                  absl::StrCat("policy: ", document.size(),
                               " bytes, want at most ", kDocumentBytesMax));
  }
  return absl::OkStatus();
}

// 0 if there is none.
absl::StatusOr<uint32_t> LatestVersion(const storage::StateView& view,
                                       absl::string_view name_space,
                                       absl::string_view name) {
  const auto policy = view.GetPolicyRecord(name_space, name);
  if (absl::IsNotFound(policy.status())) return 0;
  KMS_RETURN_IF_ERROR(policy.status());
  return policy->version();
}

// Below its feature level the latest version is the active one, and no state is
// stored. Apply refuses any other state there.
::storage::v1::PolicyState StateToPut(const Instance& instance,
                                      v1::PolicyState state) {
  const bool active =
      state == v1::POLICY_STATE_UNSPECIFIED || state == v1::POLICY_ACTIVE;
  if (!active) return static_cast<::storage::v1::PolicyState>(state);
  return instance.replica->View()->header().feature_level() <
                 storage::kFeatureLevelPolicies
             ? ::storage::v1::POLICY_STATE_UNSPECIFIED
             : ::storage::v1::POLICY_ACTIVE;
}

// What a rule may read as `request`: as given, with the namespace and purpose
// of a release where the caller left them out.
absl::StatusOr<v1::RequestContext> ResolveContext(
    const v1::RequestContext& given, absl::string_view name_space) {
  v1::RequestContext context = given;
  if (context.namespace_().empty()) {
    context.set_namespace_(std::string(name_space));
  }
  KMS_RETURN_IF_ERROR(ResolveNamespace(context.namespace_()).status());
  if (!context.key().empty()) KMS_RETURN_IF_ERROR(CheckKeyName(context.key()));
  if (context.purpose().empty()) context.set_purpose("release");
  constexpr absl::string_view kPurposes[] = {"release", "unwrap", "generate",
                                             "rewrap"};
  if (std::find(std::begin(kPurposes), std::end(kPurposes),
                context.purpose()) == std::end(kPurposes)) {
    return Refuse(v1::REQUEST_MALFORMED,
                  "purpose: unknown, want release, unwrap, generate or "
                  "rewrap");
  }
  return context;
}

absl::Status CheckTestRequest(const v1::TestPolicyRequest& request) {
  if (request.at_us() < 0 || request.at_us() > kTimeUsMax) {
    return Refuse(v1::REQUEST_MALFORMED,
                  "time: out of range, want between 1970 and 9999");
  }
  return policy::CheckBounds(request.evidence());
}

}  // namespace

absl::StatusOr<v1::Policy> PolicyHandlers::PutPolicy(
    const Caller& caller, const v1::PutPolicyRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_ASSIGN_OR_RETURN(const absl::string_view name_space,
                       ResolveNamespace(request.namespace_()));
  KMS_RETURN_IF_ERROR(CheckPolicyName(request.name()));
  KMS_RETURN_IF_ERROR(CheckDocument(request.document()));
  if (!v1::PolicyState_IsValid(request.state()) ||
      request.state() == v1::POLICY_RETIRED) {
    return Refuse(v1::REQUEST_MALFORMED,
                  "policy: want the state draft, shadow or active");
  }
  KMS_ASSIGN_OR_RETURN(const policy::CompiledPolicy compiled,
                       policy::Compile(request.document()));
  if (compiled.name() != request.name()) {
    return Refuse(v1::REQUEST_MALFORMED,
                  "policy: the document has another name than the request");
  }
  KMS_ASSIGN_OR_RETURN(const ::storage::v1::PolicyTerms terms,
                       ToStoredTerms(compiled.terms()));

  for (int tries = 1;; ++tries) {
    uint32_t expected = request.expected_version();
    if (!request.check_version()) {
      KMS_ASSIGN_OR_RETURN(expected, LatestVersion(*instance->replica->View(),
                                                   name_space, request.name()));
    }
    Command command = NewCommand(*instance, caller, name_space);
    ::storage::v1::PutPolicy& op = *command.mutable_put_policy();
    op.set_name(request.name());
    op.set_source(request.document());
    *op.mutable_terms() = terms;
    op.set_expected_version(expected);
    op.set_state(StateToPut(*instance, request.state()));
    const absl::StatusOr<storage::Applied> applied =
        Propose(*instance, command);
    const bool outrun = RefusalOf(applied.status()) == v1::VERSION_CONFLICT &&
                        !request.check_version();
    if (outrun && tries < kPutTries) continue;
    KMS_RETURN_IF_ERROR(applied.status());
    KMS_ASSIGN_OR_RETURN(
        const storage::StateView::Policy stored,
        instance->replica->View()->GetPolicy(name_space, request.name(),
                                             applied->effect.version));
    return ToPolicy(name_space, request.name(), stored);
  }
}

absl::StatusOr<v1::Policy> PolicyHandlers::GetPolicy(
    const Caller& caller, const v1::GetPolicyRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_ASSIGN_OR_RETURN(const absl::string_view name_space,
                       ResolveNamespace(request.namespace_()));
  KMS_RETURN_IF_ERROR(CheckPolicyName(request.name()));
  const auto view = instance->replica->View();
  uint32_t version = request.version();
  if (version == 0) {
    KMS_ASSIGN_OR_RETURN(const ::storage::v1::PolicyRecord policy,
                         view->GetPolicyRecord(name_space, request.name()));
    version = policy.version();
  }
  KMS_ASSIGN_OR_RETURN(const storage::StateView::Policy stored,
                       view->GetPolicy(name_space, request.name(), version));
  return ToPolicy(name_space, request.name(), stored);
}

absl::StatusOr<v1::ListPoliciesResponse> PolicyHandlers::ListPolicies(
    const Caller& caller, const v1::ListPoliciesRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_ASSIGN_OR_RETURN(const absl::string_view name_space,
                       ResolveNamespace(request.namespace_()));
  if (request.page_size() > kPageSizeMax) {
    return Refuse(v1::REQUEST_TOO_LARGE,
                  absl::StrCat("page size: ", request.page_size(),
                               ", want at most ", kPageSizeMax));
  }
  // A page token is the name that the page before ended with.
  const std::string& after = request.page_token();
  if (!after.empty() && !CheckPolicyName(after).ok()) {
    return Refuse(v1::REQUEST_MALFORMED,
                  "page token: not one of ours, want the previous page's");
  }
  const int page_size = static_cast<int>(
      request.page_size() == 0 ? kPageSizeDefault : request.page_size());

  const auto view = instance->replica->View();
  KMS_ASSIGN_OR_RETURN(const std::vector<::storage::v1::PolicyRecord> policies,
                       view->ListPolicies(name_space));
  v1::ListPoliciesResponse response;
  for (const ::storage::v1::PolicyRecord& record : policies) {
    if (record.name() <= after) continue;
    if (response.policies_size() == page_size) {
      response.set_next_page_token(response.policies(page_size - 1).name());
      return response;
    }
    KMS_ASSIGN_OR_RETURN(
        const storage::StateView::Policy stored,
        view->GetPolicy(name_space, record.name(), record.version()));
    v1::Policy& listed = *response.add_policies();
    listed = ToPolicy(name_space, record.name(), stored);
    listed.clear_document();
  }
  return response;
}

absl::StatusOr<v1::TestPolicyResponse> PolicyHandlers::TestPolicy(
    const Caller& caller, const v1::TestPolicyRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_ASSIGN_OR_RETURN(const absl::string_view name_space,
                       ResolveNamespace(request.namespace_()));
  KMS_RETURN_IF_ERROR(CheckNameOrDocument(request.name(), request.document()));
  KMS_RETURN_IF_ERROR(CheckTestRequest(request));
  KMS_ASSIGN_OR_RETURN(const v1::RequestContext context,
                       ResolveContext(request.context(), name_space));

  const auto view = instance->replica->View();
  uint32_t version = 0;
  KMS_ASSIGN_OR_RETURN(
      const std::shared_ptr<const policy::CompiledPolicy> compiled,
      Candidate(*view, name_space, request.name(), request.version(),
                request.document(), version));
  KMS_ASSIGN_OR_RETURN(
      const std::shared_ptr<const collateral::AppraisalInputs> inputs,
      inputs_->Get(*instance, *view));
  const absl::Time at = request.at_us() == 0
                            ? instance->clock.Now()
                            : absl::FromUnixMicros(request.at_us());
  KMS_ASSIGN_OR_RETURN(
      const policy::ReferenceSets stored,
      ReadReferenceSets(*view, name_space, *compiled, inputs->anchors));
  KMS_ASSIGN_OR_RETURN(
      v1::TestPolicyResponse response,
      Judge(*inputs, request.evidence(), *compiled, stored, context, at));
  response.mutable_decision()->set_policy_version(version);
  return response;
}

absl::Status PolicyHandlers::CheckNameOrDocument(const std::string& name,
                                                 const std::string& document) {
  if (name.empty() == document.empty()) {
    return Refuse(v1::REQUEST_MALFORMED,
                  "policy: want either a stored one's name or a document");
  }
  return name.empty() ? CheckDocument(document) : CheckPolicyName(name);
}

absl::StatusOr<std::shared_ptr<const policy::CompiledPolicy>>
PolicyHandlers::Candidate(const storage::StateView& view,
                          absl::string_view name_space, const std::string& name,
                          uint32_t wanted, const std::string& document,
                          uint32_t& version) const {
  if (!name.empty()) {
    KMS_ASSIGN_OR_RETURN(CachedPolicy found,
                         FindPolicy(view, name_space, name, wanted, version));
    return std::move(found.policy);
  }
  // Not stored, so not worth a place in the cache.
  KMS_ASSIGN_OR_RETURN(policy::CompiledPolicy compiled,
                       policy::Compile(document));
  return std::make_shared<const policy::CompiledPolicy>(std::move(compiled));
}

}  // namespace kms::admin

// PolicyService (proto/kms/v1/policies.proto) without gRPC: policies, Reference
// Values and trust anchors. All are root-equivalent: who may change them may
// admit a TEE of his own, so their changes count approvals against the state's
// threshold.
//
// Every call checks names and bounds before it looks at anything, and refuses
// with
//   SEALED                  the instance is sealed
//   ADMINISTRATOR_REQUIRED  the caller is not an administrator
//   REQUEST_MALFORMED       a name is not one (kms/base/names.h)
//   REQUEST_TOO_LARGE       a name or another field is over its bound
// Every change proposes one command, and besides refuses with
//   APPROVALS_MISSING       the state wants more than this administrator
//   LOG_UNAVAILABLE         it could not be ordered, or nobody knows whether
//   LIMIT_REACHED           a limit of the state; the message names it
// and every call passes on DATA_LOSS: a stored row does not authenticate.
// Thread-safe.
#ifndef KMS_ADMIN_POLICY_HANDLERS_H_
#define KMS_ADMIN_POLICY_HANDLERS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "kms/admin/policy_cache.h"
#include "kms/base/caller.h"
#include "kms/collateral/appraisal_inputs.h"
#include "kms/instance/instance.h"
#include "policy/document/policy.h"
#include "proto/kms/v1/policies.pb.h"
#include "storage/state/state_view.h"

namespace kms::admin {

inline constexpr size_t kDocumentBytesMax = size_t{64} << 10;
inline constexpr uint32_t kPageSizeDefault = 100;
inline constexpr uint32_t kPageSizeMax = 1000;

class PolicyHandlers {
 public:
  // `holder` outlives the handlers.
  explicit PolicyHandlers(
      const InstanceHolder& holder,
      std::shared_ptr<collateral::AppraisalInputsCache> inputs =
          std::make_shared<collateral::AppraisalInputsCache>())
      : holder_(holder), inputs_(std::move(inputs)) {}

  // POLICY_INVALID, with line and column: the document does not compile.
  // REQUEST_MALFORMED: it is empty, or of another name, or to be retired.
  // FEATURE_LEVEL_TOO_LOW: a draft or a shadow, and some instance does not know
  // these.
  // VERSION_CONFLICT: check_version, and expected_version is not the latest
  // (0: none yet); or others stored versions faster than this call could.
  absl::StatusOr<v1::Policy> PutPolicy(
      const Caller& caller, const v1::PutPolicyRequest& request) const;

  // NOT_FOUND: no such policy or version.
  absl::StatusOr<v1::Policy> GetPolicy(
      const Caller& caller, const v1::GetPolicyRequest& request) const;

  // In the order of their names.
  // REQUEST_MALFORMED: `page_token` is not one that this call makes.
  absl::StatusOr<v1::ListPoliciesResponse> ListPolicies(
      const Caller& caller, const v1::ListPoliciesRequest& request) const;

  // All versions of one, the latest first. NOT_FOUND, REQUEST_MALFORMED as
  // above.
  absl::StatusOr<v1::ListPoliciesResponse> ListPolicyVersions(
      const Caller& caller, const v1::ListPolicyVersionsRequest& request) const;

  // REQUEST_MALFORMED: not to shadow, active or retired. NOT_FOUND: no such
  // policy or version. ALREADY_EXISTS: it is in that state. VERSION_CONFLICT:
  // check_active, and expected_active is not the active version; or others
  // changed it faster than this call could. POLICY_INVALID: this build does not
  // compile it. FEATURE_LEVEL_TOO_LOW.
  absl::StatusOr<v1::Policy> SetPolicyState(
      const Caller& caller, const v1::SetPolicyStateRequest& request) const;

  // Back to the version that the active one replaced.
  // NOTHING_TO_REVERT: it replaced none. NO_POLICY: none is active. Others as
  // SetPolicyState.
  absl::StatusOr<v1::Policy> RevertPolicy(
      const Caller& caller, const v1::RevertPolicyRequest& request) const;

  // REQUEST_MALFORMED: not exactly one of name and document, or a time out of
  // range. NOT_FOUND: no such policy or version. NO_POLICY: no version was
  // named and none is active. POLICY_INVALID: the document does not
  // compile. Evidence that does not verify, or of a type that is switched off,
  // is refused as ReleaseKey would; a policy or deny list that says no is an
  // answer, in `decision`.
  absl::StatusOr<v1::TestPolicyResponse> TestPolicy(
      const Caller& caller, const v1::TestPolicyRequest& request) const;

  // REQUEST_MALFORMED: unsigned CoRIM, a signer of which only a pin is known,
  // or a measurement key for JSON. NOT_FOUND: `signer` is no anchor for
  // reference values here. SIGNATURE_INVALID: it did not sign the file.
  // ENDORSEMENT_MALFORMED: the file does not parse. VERSION_CONFLICT as
  // PutPolicy. FEATURE_LEVEL_TOO_LOW.
  absl::StatusOr<v1::ReferenceSetVersion> PutReferenceSet(
      const Caller& caller, const v1::PutReferenceSetRequest& request) const;

  // NOT_FOUND: no such set or version.
  absl::StatusOr<v1::ReferenceSetVersion> GetReferenceSet(
      const Caller& caller, const v1::GetReferenceSetRequest& request) const;

  // NOT_FOUND: no such set. REQUEST_MALFORMED: a token that is not ours.
  absl::StatusOr<v1::ListReferenceSetsResponse> ListReferenceSets(
      const Caller& caller, const v1::ListReferenceSetsRequest& request) const;

  // NOT_FOUND: no such version, or it has ended. FEATURE_LEVEL_TOO_LOW.
  absl::StatusOr<v1::ReferenceSetVersion> EndReferenceVersion(
      const Caller& caller,
      const v1::EndReferenceVersionRequest& request) const;

  // A new anchor, or another certificate or key for one of this name.
  // REQUEST_MALFORMED: no type or use, or a certificate that is not a
  // self-signed CA's. ENDORSEMENT_MALFORMED: it does not parse.
  // ALREADY_EXISTS: the name is a built-in's, or the key is another anchor's
  // of the same type and use. FEATURE_LEVEL_TOO_LOW: a bare key or a use, and
  // some instance does not know these.
  absl::StatusOr<v1::Anchor> PutAnchor(
      const Caller& caller, const v1::PutAnchorRequest& request) const;

  // NOT_FOUND: no such anchor. REQUEST_MALFORMED: it is built in.
  absl::StatusOr<v1::RemoveAnchorResponse> RemoveAnchor(
      const Caller& caller, const v1::RemoveAnchorRequest& request) const;

  // The built-in ones, then the state's in the order of their names.
  absl::StatusOr<v1::ListAnchorsResponse> ListAnchors(
      const Caller& caller, const v1::ListAnchorsRequest& request) const;

  // REQUEST_MALFORMED, NOT_FOUND, NO_POLICY, POLICY_INVALID as TestPolicy.
  // REQUEST_TOO_LARGE: of more requests than one call judges. Requests whose
  // Evidence is not kept here are counted and not judged.
  absl::StatusOr<v1::DryRunPolicyResponse> DryRunPolicy(
      const Caller& caller, const v1::DryRunPolicyRequest& request) const;

  // REQUEST_MALFORMED: the leaf is not one of a decision. NOT_FOUND: no such
  // leaf, or its Evidence is not kept here. Evidence that no longer verifies is
  // refused as TestPolicy would.
  absl::StatusOr<v1::ExplainDecisionResponse> ExplainDecision(
      const Caller& caller, const v1::ExplainDecisionRequest& request) const;

 private:
  // REQUEST_MALFORMED unless exactly one is there, and is of its form.
  static absl::Status CheckNameOrDocument(const std::string& name,
                                          const std::string& document);
  // A stored version compiled; `wanted` 0: the active one.
  absl::StatusOr<CachedPolicy> FindPolicy(const storage::StateView& view,
                                          absl::string_view name_space,
                                          const std::string& name,
                                          uint32_t wanted,
                                          uint32_t& version) const;
  // That, or a document where there is no name; then `version` stays.
  absl::StatusOr<std::shared_ptr<const policy::CompiledPolicy>> Candidate(
      const storage::StateView& view, absl::string_view name_space,
      const std::string& name, uint32_t wanted, const std::string& document,
      uint32_t& version) const;

  const InstanceHolder& holder_;
  mutable PolicyCache policies_;  // Thread-safe, as is the next.
  const std::shared_ptr<collateral::AppraisalInputsCache> inputs_;
};

}  // namespace kms::admin

#endif  // KMS_ADMIN_POLICY_HANDLERS_H_

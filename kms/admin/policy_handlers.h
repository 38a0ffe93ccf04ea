// PolicyService (proto/kms/v1/policies.proto) without gRPC: policies and trust
// anchors. Both are root-equivalent: who may change them may admit a TEE of
// his own, so their changes count approvals against the state's threshold.
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
#include <utility>

#include "absl/status/statusor.h"
#include "kms/admin/policy_cache.h"
#include "kms/base/caller.h"
#include "kms/collateral/appraisal_inputs.h"
#include "kms/instance/instance.h"
#include "proto/kms/v1/policies.pb.h"

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
  // REQUEST_MALFORMED: it is empty, or of another name.
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

  // REQUEST_MALFORMED: not exactly one of name and document, or a time out of
  // range. NOT_FOUND: no such policy. POLICY_INVALID: the document does not
  // compile. Evidence that does not verify, or of a type that is switched off,
  // is refused as ReleaseKey would; a policy or deny list that says no is an
  // answer, in `decision`.
  absl::StatusOr<v1::TestPolicyResponse> TestPolicy(
      const Caller& caller, const v1::TestPolicyRequest& request) const;

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

 private:
  const InstanceHolder& holder_;
  mutable PolicyCache policies_;  // Thread-safe, as is the next.
  const std::shared_ptr<collateral::AppraisalInputsCache> inputs_;
};

}  // namespace kms::admin

#endif  // KMS_ADMIN_POLICY_HANDLERS_H_

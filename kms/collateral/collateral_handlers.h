// CollateralService (proto/kms/v1/collateral.proto) without gRPC.
//
// Every call first refuses with
//   SEALED                  the instance is sealed
//   ADMINISTRATOR_REQUIRED  the caller is not an administrator
//   REQUEST_MALFORMED, REQUEST_TOO_LARGE  a field is ill-formed or over its
//                           bound
// Every change besides with
//   FEATURE_LEVEL_TOO_LOW   some instance does not know it yet
//   APPROVALS_MISSING       it gives hardware back, and the state wants more
//                           than this administrator
//   LOG_UNAVAILABLE         it could not be ordered, or nobody knows whether
//   LIMIT_REACHED           a limit of the state; the message names it
// and every call passes on DATA_LOSS: a stored row does not authenticate.
// Thread-safe.
#ifndef KMS_COLLATERAL_COLLATERAL_HANDLERS_H_
#define KMS_COLLATERAL_COLLATERAL_HANDLERS_H_

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "kms/base/caller.h"
#include "kms/collateral/appraisal_inputs.h"
#include "kms/instance/instance.h"
#include "proto/kms/v1/collateral.pb.h"

namespace kms::collateral {

class CollateralHandlers {
 public:
  // `holder` outlives the handlers.
  explicit CollateralHandlers(const InstanceHolder& holder,
                              std::shared_ptr<AppraisalInputsCache> inputs =
                                  std::make_shared<AppraisalInputsCache>())
      : holder_(holder), inputs_(std::move(inputs)) {}

  // Codes as importer.h, and REQUEST_MALFORMED for an unknown kind.
  absl::StatusOr<v1::ImportCollateralResponse> ImportCollateral(
      const Caller& caller, const v1::ImportCollateralRequest& request) const;

  absl::StatusOr<v1::ListCollateralResponse> ListCollateral(
      const Caller& caller, const v1::ListCollateralRequest& request) const;

  // NOT_FOUND: none of this role and subject; as is the next.
  absl::StatusOr<v1::Collateral> GetCollateral(
      const Caller& caller, const v1::GetCollateralRequest& request) const;
  absl::StatusOr<v1::RemoveCollateralResponse> RemoveCollateral(
      const Caller& caller, const v1::RemoveCollateralRequest& request) const;

  // VERSION_CONFLICT: check_version, and expected_version is not the latest;
  // or others stored versions faster than this call could.
  absl::StatusOr<v1::DenyList> PutDenyList(
      const Caller& caller, const v1::PutDenyListRequest& request) const;
  absl::StatusOr<v1::ListDenyListsResponse> ListDenyLists(
      const Caller& caller, const v1::ListDenyListsRequest& request) const;

  absl::StatusOr<v1::KillSwitch> SetKillSwitch(
      const Caller& caller, const v1::SetKillSwitchRequest& request) const;
  absl::StatusOr<v1::ListKillSwitchesResponse> ListKillSwitches(
      const Caller& caller, const v1::ListKillSwitchesRequest& request) const;

 private:
  const InstanceHolder& holder_;
  const std::shared_ptr<AppraisalInputsCache> inputs_;  // Thread-safe.
};

}  // namespace kms::collateral

#endif  // KMS_COLLATERAL_COLLATERAL_HANDLERS_H_

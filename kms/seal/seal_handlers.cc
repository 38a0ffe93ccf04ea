#include "kms/seal/seal_handlers.h"

#include "kms/base/refusal.h"
#include "kms/base/secret_access.h"
#include "kms/base/status.h"

namespace kms::seal {
namespace {

absl::Status DemandAdministrator(const Caller& caller) {
  if (caller.administrator && !caller.principal.empty()) {
    return absl::OkStatus();
  }
  return Refuse(v1::ADMINISTRATOR_REQUIRED,
                "seal: this call needs an administrator's certificate");
}

}  // namespace

v1::SealStatus SealStatusOf(const SealState& state) {
  v1::SealStatus status;
  status.set_initialized(state.initialized);
  status.set_sealed(state.sealed);
  status.set_shares(state.shares);
  status.set_threshold(state.threshold);
  status.set_progress(state.progress);
  status.set_kind(std::string(SealKindName(state.kind)));
  status.set_last_checkpoint(state.last_checkpoint);
  return status;
}

absl::StatusOr<v1::InitResponse> SealHandlers::Init(
    const Caller& caller, const v1::InitRequest& request) {
  KMS_RETURN_IF_ERROR(DemandAdministrator(caller));
  KMS_ASSIGN_OR_RETURN(
      const InitResult made,
      unsealer_.Init(caller.principal, request.shares(), request.threshold()));
  v1::InitResponse response;
  response.set_cluster_id(made.cluster_id);
  response.set_identity_public_key(made.identity_public_key);
  response.set_verifier_key(made.verifier_key);
  for (const Secret& share : made.shares) {
    const BytesView text = share.Expose(GrantSecretAccess());
    response.add_shares(ToString(text));
  }
  return response;
}

absl::StatusOr<v1::SealStatus> SealHandlers::Unseal(
    const Caller& caller, const v1::UnsealRequest& request) {
  KMS_RETURN_IF_ERROR(DemandAdministrator(caller));
  KMS_RETURN_IF_ERROR(unsealer_.Unseal(caller.principal, request.share()));
  return SealStatusOf(unsealer_.state());
}

absl::StatusOr<v1::SealStatus> SealHandlers::ResetUnseal(
    const Caller& caller, const v1::ResetUnsealRequest&) {
  KMS_RETURN_IF_ERROR(DemandAdministrator(caller));
  KMS_RETURN_IF_ERROR(unsealer_.ResetUnseal());
  return SealStatusOf(unsealer_.state());
}

absl::StatusOr<v1::SealStatus> SealHandlers::NewEpoch(
    const Caller& caller, const v1::NewEpochRequest& request) {
  KMS_RETURN_IF_ERROR(DemandAdministrator(caller));
  KMS_RETURN_IF_ERROR(unsealer_.NewEpoch(caller.principal, request.reason()));
  return SealStatusOf(unsealer_.state());
}

absl::StatusOr<v1::SealStatus> SealHandlers::Seal(const Caller& caller,
                                                  const v1::SealRequest&,
                                                  absl::Time deadline) {
  KMS_RETURN_IF_ERROR(DemandAdministrator(caller));
  KMS_RETURN_IF_ERROR(unsealer_.Seal(deadline));
  return SealStatusOf(unsealer_.state());
}

}  // namespace kms::seal

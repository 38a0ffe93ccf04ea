#include "kms/seal/seal_handlers.h"

#include <algorithm>
#include <string>
#include <vector>

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

// The kinds of key that are rotated: the others are what rows, names and
// signatures of old are known by.
constexpr storage::KeyKind kRotated[] = {storage::KeyKind::kStorage,
                                         storage::KeyKind::kLog,
                                         storage::KeyKind::kChallenge};

absl::StatusOr<std::vector<storage::KeyKind>> KindsOf(
    const v1::RotateKeyringRequest& request) {
  std::vector<storage::KeyKind> kinds;
  for (const storage::KeyKind kind : kRotated) {
    const auto& named = request.kinds();
    if (named.empty() || std::count(named.begin(), named.end(),
                                    storage::KeyKindName(kind)) != 0) {
      kinds.push_back(kind);
    }
  }
  if (!request.kinds().empty() &&
      kinds.size() != static_cast<size_t>(request.kinds_size())) {
    return Refuse(v1::REQUEST_MALFORMED,
                  "keyring: want storage, log or challenge, each once");
  }
  return kinds;
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
  if (!state.problem.ok()) {
    status.set_problem(RefusalName(RefusalOf(state.problem)));
  }
  status.set_configured_kind(std::string(SealKindName(state.configured_kind)));
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

v1::RekeyStatus SealHandlers::RekeyStatusOf(const RekeyState& rekey) const {
  v1::RekeyStatus status;
  if (!rekey.id.empty()) {
    status.set_phase(rekey.confirming ? v1::RekeyStatus::CONFIRMING
                                      : v1::RekeyStatus::AGREEING);
  }
  status.set_rekey_id(rekey.id);
  status.set_progress(rekey.progress);
  status.set_threshold(rekey.threshold);
  for (const Secret& share : rekey.shares) {
    status.add_shares(ToString(share.Expose(GrantSecretAccess())));
  }
  *status.mutable_seal() = SealStatusOf(unsealer_.state());
  return status;
}

absl::StatusOr<v1::RekeyStatus> SealHandlers::BeginRekey(
    const Caller& caller, const v1::BeginRekeyRequest& request) {
  KMS_RETURN_IF_ERROR(DemandAdministrator(caller));
  KMS_ASSIGN_OR_RETURN(
      const RekeyState rekey,
      unsealer_.BeginRekey(caller.principal, request.kind(), request.shares(),
                           request.threshold()));
  return RekeyStatusOf(rekey);
}

absl::StatusOr<v1::RekeyStatus> SealHandlers::ContinueRekey(
    const Caller& caller, const v1::ContinueRekeyRequest& request) {
  KMS_RETURN_IF_ERROR(DemandAdministrator(caller));
  KMS_ASSIGN_OR_RETURN(
      const RekeyState rekey,
      unsealer_.ContinueRekey(caller.principal, request.rekey_id(),
                              request.share()));
  return RekeyStatusOf(rekey);
}

absl::StatusOr<v1::RekeyStatus> SealHandlers::CancelRekey(
    const Caller& caller, const v1::CancelRekeyRequest&) {
  KMS_RETURN_IF_ERROR(DemandAdministrator(caller));
  unsealer_.CancelRekey();
  return RekeyStatusOf(RekeyState());
}

absl::StatusOr<v1::RotateKeyringResponse> SealHandlers::RotateKeyring(
    const Caller& caller, const v1::RotateKeyringRequest& request) {
  KMS_RETURN_IF_ERROR(DemandAdministrator(caller));
  KMS_ASSIGN_OR_RETURN(const std::vector<storage::KeyKind> kinds,
                       KindsOf(request));
  KMS_ASSIGN_OR_RETURN(const std::vector<uint32_t> versions,
                       unsealer_.RotateKeyring(caller.principal, kinds));
  v1::RotateKeyringResponse response;
  for (size_t i = 0; i < kinds.size(); ++i) {
    v1::RotateKeyringResponse::Rotated& rotated = *response.add_rotated();
    rotated.set_kind(std::string(storage::KeyKindName(kinds[i])));
    rotated.set_version(versions[i]);
  }
  return response;
}

absl::StatusOr<v1::SealStatus> SealHandlers::Seal(const Caller& caller,
                                                  const v1::SealRequest&,
                                                  absl::Time deadline) {
  KMS_RETURN_IF_ERROR(DemandAdministrator(caller));
  KMS_RETURN_IF_ERROR(unsealer_.Seal(deadline));
  return SealStatusOf(unsealer_.state());
}

}  // namespace kms::seal

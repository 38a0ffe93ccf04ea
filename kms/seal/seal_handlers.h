// SealService (proto/kms/v1/seal.proto) without gRPC.
// Thread-safe. Each call refuses with ADMINISTRATOR_REQUIRED unless the caller
// is one: nobody else may start, fill or reset a ceremony.
#ifndef KMS_SEAL_SEAL_HANDLERS_H_
#define KMS_SEAL_SEAL_HANDLERS_H_

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kms/base/caller.h"
#include "kms/seal/unsealer.h"
#include "proto/kms/v1/seal.pb.h"

namespace kms::seal {

// What is known of the seal, as clients see it.
v1::SealStatus SealStatusOf(const SealState& state);

class SealHandlers {
 public:
  // `unsealer` outlives the handlers.
  explicit SealHandlers(Unsealer& unsealer) : unsealer_(unsealer) {}

  // The shares leave locked memory here, into the answer and nowhere else. gRPC
  // keeps that until it is sent and then frees it unwiped: its synchronous
  // server lets nobody touch it in between. Codes of Unsealer::Init.
  absl::StatusOr<v1::InitResponse> Init(const Caller& caller,
                                        const v1::InitRequest& request);

  // The caller wipes the request. Codes of Unsealer::Unseal.
  absl::StatusOr<v1::SealStatus> Unseal(const Caller& caller,
                                        const v1::UnsealRequest& request);

  // Codes of Unsealer::NewEpoch.
  absl::StatusOr<v1::SealStatus> NewEpoch(const Caller& caller,
                                          const v1::NewEpochRequest& request);

  // Codes of Unsealer's functions of these names. New shares leave locked
  // memory as Init's do; the caller wipes the request with a share.
  absl::StatusOr<v1::RekeyStatus> BeginRekey(
      const Caller& caller, const v1::BeginRekeyRequest& request);
  absl::StatusOr<v1::RekeyStatus> ContinueRekey(
      const Caller& caller, const v1::ContinueRekeyRequest& request);
  absl::StatusOr<v1::RekeyStatus> CancelRekey(
      const Caller& caller, const v1::CancelRekeyRequest& request);

  // Codes of Unsealer::RotateKeyring; REQUEST_MALFORMED: a kind that is not
  // rotated, or named twice.
  absl::StatusOr<v1::RotateKeyringResponse> RotateKeyring(
      const Caller& caller, const v1::RotateKeyringRequest& request);

  // Codes of Unsealer::ResetUnseal and Seal.
  absl::StatusOr<v1::SealStatus> ResetUnseal(
      const Caller& caller, const v1::ResetUnsealRequest& request);
  absl::StatusOr<v1::SealStatus> Seal(const Caller& caller,
                                      const v1::SealRequest& request,
                                      absl::Time deadline);

 private:
  v1::RekeyStatus RekeyStatusOf(const RekeyState& rekey) const;

  Unsealer& unsealer_;
};

}  // namespace kms::seal

#endif  // KMS_SEAL_SEAL_HANDLERS_H_

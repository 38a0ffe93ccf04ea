// What an appraisal reads besides the policy, at one appraisal generation:
// anchors in effect here, the collateral store, denied hardware, and how old
// this instance lets collateral be.
//
// kms/release judges by it and PolicyService.TestPolicy shows what it would
// judge: both go through VerifyEvidence.
// Sources: architecture.md, "The release, step by step", 4 to 6.
// Thread-safe.
#ifndef KMS_COLLATERAL_APPRAISAL_INPUTS_H_
#define KMS_COLLATERAL_APPRAISAL_INPUTS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "kms/instance/instance.h"
#include "policy/collateral/age.h"
#include "policy/collateral/hardware.h"
#include "policy/verifier/anchors.h"
#include "policy/verifier/collateral.h"
#include "policy/verifier/verified_cache.h"
#include "proto/kms/v1/claims.pb.h"
#include "proto/kms/v1/evidence.pb.h"
#include "storage/state/state_view.h"

namespace kms::collateral {

// Immutable once made.
struct AppraisalInputs {
  // Which state it was read from. A restored state may count the same
  // generation again, in another epoch.
  std::string cluster_id;
  uint64_t epoch = 0;
  uint64_t generation = 0;

  policy::TrustAnchors anchors;
  std::shared_ptr<const policy::Collateral> stored;  // Never null.
  policy::DeniedHardware denied;
  policy::CollateralMaxAges max_ages;
  std::string digest;  // 32 bytes over all but the ages. Receipts carry it.
};

// Reads them from `view`. Of `known`, which may be null, contents that still
// stand are taken over unread.
// kDataLoss (DATA_LOSS): something stored does not authenticate, or is not what
// the state stores.
absl::StatusOr<std::shared_ptr<const AppraisalInputs>> ReadAppraisalInputs(
    const Instance& instance, const storage::StateView& view,
    const AppraisalInputs* known);

// Makes them once for each generation. A server has one, which its handlers
// share: a store's contents may be tens of megabytes.
class AppraisalInputsCache {
 public:
  // Codes as ReadAppraisalInputs.
  absl::StatusOr<std::shared_ptr<const AppraisalInputs>> Get(
      const Instance& instance, const storage::StateView& view);

 private:
  std::shared_ptr<const AppraisalInputs> Find(
      const Instance& instance, const storage::StateView& view) const;

  absl::Mutex reading_;  // One reads the store; others wait for what it read.
  mutable absl::Mutex mutex_;
  std::shared_ptr<const AppraisalInputs> inputs_ ABSL_GUARDED_BY(mutex_);
};

// Verified Claims of `bundle`: no piece of a type that is switched off, all
// pieces verified, on collateral that is fresh enough. `cache` may be null.
// HARDWARE_DENIED, those of policy::VerifyBundle, CRL_EXPIRED and
// COLLATERAL_EXPIRED. Deny lists are for the caller to ask, once he knows
// that the Claims are of his session: inputs.denied.CheckClaims.
absl::StatusOr<v1::Claims> VerifyEvidence(const AppraisalInputs& inputs,
                                          const v1::EvidenceBundle& bundle,
                                          absl::Time now,
                                          policy::VerifiedCache* cache);

}  // namespace kms::collateral

#endif  // KMS_COLLATERAL_APPRAISAL_INPUTS_H_

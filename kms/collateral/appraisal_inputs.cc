#include "kms/collateral/appraisal_inputs.h"

#include <set>
#include <utility>
#include <vector>

#include "kms/admin/effective_anchors.h"
#include "kms/base/byte_writer.h"
#include "kms/base/bytes.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "policy/verifier/verifier.h"

namespace kms::collateral {
namespace {

using ::storage::v1::CollateralRecord;

absl::StatusOr<policy::CollateralItem> ReadItem(const storage::StateView& view,
                                                const CollateralRecord& record,
                                                const AppraisalInputs* known) {
  const policy::CollateralItem* before =
      known == nullptr ? nullptr
                       : known->stored->Find(record.role(), record.subject());
  if (before != nullptr && before->digest == record.digest()) return *before;
  policy::CollateralItem item;
  item.role = record.role();
  item.subject = record.subject();
  item.digest = record.digest();
  KMS_ASSIGN_OR_RETURN(
      item.content, view.GetCollateralContent(record.role(), record.subject()));
  return item;
}

absl::StatusOr<std::shared_ptr<const policy::Collateral>> ReadStored(
    const storage::StateView& view, const AppraisalInputs* known) {
  KMS_ASSIGN_OR_RETURN(const std::vector<CollateralRecord> records,
                       view.ListCollateral());
  std::vector<policy::CollateralItem> items;
  items.reserve(records.size());
  for (const CollateralRecord& record : records) {
    KMS_ASSIGN_OR_RETURN(policy::CollateralItem item,
                         ReadItem(view, record, known));
    items.push_back(std::move(item));
  }
  return std::make_shared<const policy::Collateral>(std::move(items));
}

absl::StatusOr<policy::DeniedHardware> ReadDenied(
    const storage::StateView& view) {
  KMS_ASSIGN_OR_RETURN(const auto switches, view.ListKillSwitches());
  std::set<v1::EvidenceType> off;
  for (const ::storage::v1::KillSwitchRecord& record : switches) {
    if (record.on()) {
      off.insert(static_cast<v1::EvidenceType>(record.evidence_type()));
    }
  }
  KMS_ASSIGN_OR_RETURN(const auto lists, view.ListDenyLists());
  std::set<std::string> chips;
  for (const ::storage::v1::DenyListRecord& list : lists) {
    chips.insert(list.entries().begin(), list.entries().end());
  }
  return policy::DeniedHardware(std::move(off), std::move(chips));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const AppraisalInputs>> ReadAppraisalInputs(
    const Instance& instance, const storage::StateView& view,
    const AppraisalInputs* known) {
  KMS_ASSIGN_OR_RETURN(
      policy::TrustAnchors anchors,
      admin::EffectiveAnchors(view, instance.simulated_anchors));
  KMS_ASSIGN_OR_RETURN(std::shared_ptr<const policy::Collateral> stored,
                       ReadStored(view, known));
  KMS_ASSIGN_OR_RETURN(policy::DeniedHardware denied, ReadDenied(view));
  const std::string digest =
      crypto::Sha256(AsBytes(ByteWriter()
                                 .Field(admin::CollateralDigest(anchors))
                                 .Field(stored->digest())
                                 .Field(denied.digest())
                                 .str()));
  return std::make_shared<const AppraisalInputs>(
      AppraisalInputs{.cluster_id = instance.cluster_id,
                      .epoch = view.position().epoch,
                      .generation = view.appraisal_generation(),
                      .anchors = std::move(anchors),
                      .stored = std::move(stored),
                      .denied = std::move(denied),
                      .max_ages = instance.collateral_max_ages,
                      .digest = digest});
}

std::shared_ptr<const AppraisalInputs> AppraisalInputsCache::Find(
    const Instance& instance, const storage::StateView& view) const {
  absl::MutexLock lock(&mutex_);
  if (inputs_ == nullptr || inputs_->cluster_id != instance.cluster_id ||
      inputs_->epoch != view.position().epoch ||
      inputs_->generation != view.appraisal_generation()) {
    return nullptr;
  }
  return inputs_;
}

absl::StatusOr<std::shared_ptr<const AppraisalInputs>>
AppraisalInputsCache::Get(const Instance& instance,
                          const storage::StateView& view) {
  if (auto found = Find(instance, view); found != nullptr) return found;
  absl::MutexLock reading(&reading_);
  if (auto found = Find(instance, view); found != nullptr) return found;
  std::shared_ptr<const AppraisalInputs> known;
  {
    absl::MutexLock lock(&mutex_);
    known = inputs_;
  }
  KMS_ASSIGN_OR_RETURN(std::shared_ptr<const AppraisalInputs> inputs,
                       ReadAppraisalInputs(instance, view, known.get()));
  absl::MutexLock lock(&mutex_);
  inputs_ = inputs;
  return inputs;
}

absl::StatusOr<v1::Claims> VerifyEvidence(const AppraisalInputs& inputs,
                                          const v1::EvidenceBundle& bundle,
                                          absl::Time now,
                                          policy::VerifiedCache* cache) {
  KMS_RETURN_IF_ERROR(inputs.denied.CheckTypes(bundle));
  KMS_ASSIGN_OR_RETURN(
      v1::Claims claims,
      policy::VerifyBundle(
          bundle, policy::VerifyInputs{.now = now,
                                       .anchors = inputs.anchors,
                                       .collateral = inputs.stored.get(),
                                       .cache = cache}));
  KMS_RETURN_IF_ERROR(policy::CheckAges(claims, inputs.max_ages, now));
  return claims;
}

}  // namespace kms::collateral

#include "storage/replica/stepped_replica.h"

#include <utility>

#include "kms/base/status.h"
#include "storage/replica/replica_impl.h"

namespace kms::storage {

const std::optional<absl::StatusOr<Applied>>& SteppedReplica::Pending::answer()
    const {
  return proposal_->answer;  // There is no other thread to guard it from.
}

SteppedReplica::SteppedReplica(std::unique_ptr<Replica::Impl> impl)
    : impl_(std::move(impl)) {}
SteppedReplica::~SteppedReplica() = default;

absl::StatusOr<std::unique_ptr<SteppedReplica>> SteppedReplica::Open(
    const ReplicaOptions& options) {
  KMS_ASSIGN_OR_RETURN(std::unique_ptr<Replica::Impl> impl,
                       Replica::Impl::Open(options, absl::InfinitePast()));
  return std::unique_ptr<SteppedReplica>(new SteppedReplica(std::move(impl)));
}

absl::StatusOr<SteppedReplica::Pending> SteppedReplica::Propose(
    const ::storage::v1::ApprovedCommand& command) {
  KMS_ASSIGN_OR_RETURN(ProposalPtr proposal,
                       impl_->Enqueue(command, Replica::Announcement()));
  return Pending(std::move(proposal));
}

bool SteppedReplica::StepProposer() { return impl_->ProposerStep(); }

bool SteppedReplica::StepApplier() {
  return impl_->ApplierStep(absl::ZeroDuration());
}

absl::Status SteppedReplica::Tick() { return impl_->Tick(); }
absl::Status SteppedReplica::health() const { return impl_->health(); }
std::shared_ptr<const StateView> SteppedReplica::View() const {
  return impl_->View();
}

}  // namespace kms::storage

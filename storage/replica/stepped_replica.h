// A replica without threads, for deterministic simulation: what its proposer
// and applier threads do between their waits is done by calls. It is the same
// code as Replica's; only the threads and their waits are not there.
// Owned by one thread.
#ifndef STORAGE_REPLICA_STEPPED_REPLICA_H_
#define STORAGE_REPLICA_STEPPED_REPLICA_H_

#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/storage/v1/command.pb.h"
#include "storage/replica/replica.h"
#include "storage/state/state_view.h"

namespace kms::storage {

struct Proposal;

class SteppedReplica {
 public:
  // A caller's place in line; he may drop it at any time.
  class Pending {
   public:
    // Once the command is applied, or cannot be any more: as the answer of
    // Replica::Propose.
    const std::optional<absl::StatusOr<Applied>>& answer() const;

   private:
    friend class SteppedReplica;
    explicit Pending(std::shared_ptr<const Proposal> proposal)
        : proposal_(std::move(proposal)) {}

    std::shared_ptr<const Proposal> proposal_;
  };

  // As Replica::Open, but for its waits: the log's first kUnavailable ends it.
  static absl::StatusOr<std::unique_ptr<SteppedReplica>> Open(
      const ReplicaOptions& options);
  ~SteppedReplica();

  // As Replica::Propose, whose first part this is.
  absl::StatusOr<Pending> Propose(
      const ::storage::v1::ApprovedCommand& command);

  // One round of the proposer's thread, one of the applier's. False: the log
  // was out of reach.
  bool StepProposer();
  bool StepApplier();

  // As Replica's.
  absl::Status Tick();
  absl::Status health() const;
  std::shared_ptr<const StateView> View() const;

 private:
  explicit SteppedReplica(std::unique_ptr<Replica::Impl> impl);

  std::unique_ptr<Replica::Impl> impl_;
};

}  // namespace kms::storage

#endif  // STORAGE_REPLICA_STEPPED_REPLICA_H_

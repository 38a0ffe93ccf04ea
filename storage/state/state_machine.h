// The replicated state machine: a pure function of the committed log. Apply
// reads no clock, no randomness and no configuration, so every instance
// computes the same bytes; whatever varies the proposer chose, and wrote in
// the command. Rows, header, leaf and tiles of one entry are one unsynced
// engine write: after a crash the log is replayed from the applied position.
//
// Sources: architecture.md, "State, storage and replication"; review.md 1-12,
// 15, 16, 20, 23, 25, 31, 38.
// Owned by the apply thread; only View() is thread-safe. It parses no policy
// and no Evidence, starts no thread after Open, and does not read the log.
#ifndef STORAGE_STATE_STATE_MACHINE_H_
#define STORAGE_STATE_STATE_MACHINE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/engine/engine.h"
#include "storage/envelope/envelope.h"
#include "storage/log/log_position.h"
#include "storage/log/shared_log.h"
#include "storage/state/effect.h"
#include "storage/state/state_view.h"

namespace kms::storage {

class StateMachine {
 public:
  // Opens the state that `engine` holds, or an empty one. Every mutable row is
  // read: it must authenticate in its place, and their sum must be the
  // header's; so must the right edge of the Merkle tree and its root. Leaves
  // and tiles to the left of the edge are the scrubber's (scrubber.h).
  // Both arguments must outlive it and every view.
  // kDataLoss: the rows are not what Apply left; names the family.
  // kFailedPrecondition: the state is of a feature level that this build does
  //   not speak, or a key version is not in the keyring.
  static absl::StatusOr<std::unique_ptr<StateMachine>> Open(
      Engine& engine, const Envelope& envelope);

  ~StateMachine();

  // Whether this process signed, itself and in memory, the sealed bytes with
  // this SHA-256: then their signature is not verified again. It costs as much
  // as the rest of a small batch together.
  using IsOwnFn = absl::FunctionRef<bool(absl::string_view sealed_digest)>;

  // Applies the next entry of the log, or the first of a later epoch, which
  // names where the epoch before ended.
  // An error is for ever: nothing was written, and every later call returns
  // it. The instance stops.
  // kFailedPrecondition: sealed under a log key that is not in the keyring, or
  //   made of something that this build does not know: upgrade it; or an epoch
  //   that does not begin where this state stands: join again.
  // kDataLoss: the entry does not open, is not the next one, or is the first
  //   and no Genesis; or a row read for it does not authenticate.
  // Others: the engine's.
  absl::StatusOr<BatchResult> Apply(const LogEntry& entry);
  absl::StatusOr<BatchResult> Apply(const LogEntry& entry, IsOwnFn is_own);

  // The state after the last applied entry. Thread-safe, and cheap. Never
  // null.
  std::shared_ptr<const StateView> View() const;

  // {0, 0} before the Genesis entry.
  LogPosition applied() const;

 private:
  class Impl;
  explicit StateMachine(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace kms::storage

#endif  // STORAGE_STATE_STATE_MACHINE_H_

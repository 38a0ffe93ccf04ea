// One machine of a simulated cluster: a disk, a clock, and from time to time a
// process on them, which is the real replica (storage/replica) without its
// threads.
// Thread-compatible: one thread drives a run.
#ifndef TESTS_SIMULATION_NODE_H_
#define TESTS_SIMULATION_NODE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "kms/base/clock.h"
#include "storage/engine/memory_engine.h"
#include "storage/log/simulated/simulated_log.h"
#include "storage/replica/stepped_replica.h"
#include "tests/simulation/cluster_keys.h"
#include "tests/simulation/run.h"

namespace kms::simulation {

// A copy of all rows, as a backup of a disk, or a snapshot of the state.
std::unique_ptr<storage::MemoryEngine> CopyDisk(
    const storage::MemoryEngine& disk);

// The last position that the state on it has applied; 0: none.
uint64_t AppliedOn(const storage::MemoryEngine& disk);

class Node : private Clock {
 public:
  Node(Run& run, size_t number, const Identity& identity);
  ~Node() override;

  size_t number() const { return number_; }
  const Identity& identity() const { return identity_; }

  // --- Its process. ---
  bool running() const { return process_ != nullptr; }
  // Counts processes: a client's connection ends with the one it was made to.
  uint64_t life() const { return lives_; }
  storage::SteppedReplica& replica();
  storage::SharedLog& log();  // The process's client.
  storage::SimulatedLog::Peer peer() const;

  // Opens a replica; it may not come up. Then it is tried again later.
  void Start();
  // Ends the process. `power`: what was not synced is lost with it.
  void Kill(bool power);
  // One round of one of the replica's threads, or its Tick. Ends the process
  // if it is not healthy any more.
  void Step();

  // --- Its disk. ---
  const storage::MemoryEngine& disk() const { return *disk_; }
  // REQUIRES: not running.
  void ReplaceDisk(std::unique_ptr<storage::MemoryEngine> disk);
  // Makes all written so far survive a power cut.
  void Flush();
  uint64_t applied() const { return applied_; }
  uint64_t synced() const { return synced_; }

  // --- What the world did to it. ---
  absl::Duration clock_offset;
  bool paused = false;
  bool partitioned = false;
  bool tainted = false;         // See Checker.
  bool forked = false;          // Its process reads another branch.
  bool suspect = false;         // Somebody else acts under its name.
  bool needs_snapshot = false;  // The log is trimmed past its disk.
  bool cloned = false;          // From another's disk.
  bool retired = false;         // Never starts again.
  absl::Duration start_at;      // Not started before.

 private:
  class Disk;
  class Log;
  struct Process;

  absl::Time Now() const override;
  void CheckEnd(const absl::Status& status);
  void CheckSuperseded();

  Run& run_;
  const size_t number_;
  const Identity& identity_;
  std::unique_ptr<storage::MemoryEngine> disk_;
  std::unique_ptr<Process> process_;
  uint64_t lives_ = 0;
  uint64_t applied_ = 0;
  uint64_t synced_ = 0;
};

}  // namespace kms::simulation

#endif  // TESTS_SIMULATION_NODE_H_

// A shared log in memory, with every fault that a real one can show, from one
// seed: the core of deterministic simulation. The same seed and the same calls
// give the same answers and the same trace hash.
//
// SimulatedLog is the service (what etcd is to a cluster). Each instance holds
// a SimulatedLogClient. Time is counted in steps, which only Step() moves.
//
// Source: architecture.md, "Shared log"; review.md 1, 3-6, 46.
// Thread-compatible: one thread drives service and clients. It keeps all it was
// ever sent, so it is for tests only.
#ifndef STORAGE_LOG_SIMULATED_SIMULATED_LOG_H_
#define STORAGE_LOG_SIMULATED_SIMULATED_LOG_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "storage/log/log_position.h"
#include "storage/log/shared_log.h"

namespace kms::storage {

class SimulatedLogClient;

// Probabilities from 0 to 1, drawn once a call in the order written here. The
// sum of the first four is at most 1.
struct SimulatedFaults {
  double lose = 0;     // Append: kUnavailable, and it never arrives.
  double unknown = 0;  // Append: it is done, and the answer is kUnavailable.
  double delay = 0;    // Append: kUnavailable now; it arrives at a later step.
  double duplicate = 0;    // Append: done; a second copy arrives later.
  double unreachable = 0;  // Read, Tail, Trim: kUnavailable.
  double short_read = 0;   // Read: only the first of the entries there are.
  double gap = 0;          // Read: the first of them is silently left out.
  uint64_t delay_steps_max = 8;  // A delayed request arrives 1 to this later.
};

class SimulatedLog {
 public:
  // A client's number, from 0 in the order of Attach.
  using Peer = size_t;

  SimulatedLog(uint64_t epoch, uint64_t seed);
  SimulatedLog(const SimulatedLog&) = delete;
  SimulatedLog& operator=(const SimulatedLog&) = delete;

  void SetFaults(const SimulatedFaults& faults) { faults_ = faults; }

  // A new client; the service outlives it. A restarted instance attaches
  // again.
  std::unique_ptr<SimulatedLogClient> Attach();

  // Moves time on by one step: delayed requests that are due arrive.
  void Step();

  // Calls of a partitioned peer fail with kUnavailable and reach nothing; what
  // it sent before still arrives.
  void SetPartitioned(Peer peer, bool partitioned);

  // The instance is gone: its client's calls fail with kUnavailable for ever.
  void Crash(Peer peer);

  // A hostile or broken log: from now on `peers` see a copy of their log that
  // the others do not share. Returns the copy's number.
  // REQUIRES: `peers` are on one branch.
  size_t Fork(const std::vector<Peer>& peers);

  // Shows `peer` branch `branch` instead of its own (0 is the first): forked
  // histories cross.
  void MoveTo(Peer peer, size_t branch);

  // The log of `branch` loses every entry after `through`, of its epoch, as
  // when it is restored from an older backup.
  void Rollback(size_t branch, LogPosition through);

  // The network delivers one more copy of a request that was sent at any time
  // before, however long ago (review.md 1): of the last one under this id.
  // Appends it to `branch` unless the id is known there; after a trim it is
  // not. kNotFound: never sent.
  absl::StatusOr<LogPosition> Resend(size_t branch, const BatchId& id);

  // Ends this life of the log: branch 0 starts empty in a higher epoch, and
  // what is on its way to it is lost. REQUIRES: `epoch` is above the present
  // one.
  void StartEpoch(uint64_t epoch);

  // Entries kept on `branch` with an index above `after`, oldest first, for
  // checkers.
  std::vector<LogEntry> Entries(size_t branch, uint64_t after = 0) const;

  // A hash over every call and answer so far.
  uint64_t trace_hash() const { return trace_hash_; }

 private:
  friend class SimulatedLogClient;

  struct Branch {
    uint64_t epoch = 0;
    uint64_t trimmed = 0;  // The index of the last trimmed entry.
    std::deque<std::pair<BatchId, std::string>> entries;  // From trimmed + 1.
    std::map<BatchId, uint64_t> known;  // Of the entries kept: their index.

    LogPosition tail() const { return {epoch, trimmed + entries.size()}; }
  };
  struct PeerState {
    size_t branch = 0;
    bool partitioned = false;
    bool crashed = false;
  };
  struct Request {
    uint64_t due;  // The step at which it arrives.
    size_t branch;
    BatchId id;
    std::string batch;
  };

  absl::StatusOr<LogPosition> Append(Peer peer, const BatchId& id,
                                     BytesView sealed_batch);
  absl::StatusOr<std::vector<LogEntry>> Read(Peer peer, LogPosition after,
                                             size_t bytes_max);
  absl::StatusOr<LogPosition> Tail(Peer peer);
  absl::Status Trim(Peer peer, LogPosition through);

  absl::Status CheckReachable(Peer peer) const;
  LogPosition Arrive(size_t branch, const BatchId& id, std::string batch);
  void SendLater(size_t branch, const BatchId& id, BytesView batch);
  double Draw();  // From [0, 1).
  void Trace(absl::string_view call, uint64_t a, uint64_t b, uint64_t c);

  std::mt19937_64 random_;
  SimulatedFaults faults_;
  uint64_t step_ = 0;
  std::vector<Branch> branches_;
  std::vector<PeerState> peers_;
  std::vector<Request> in_flight_;       // In the order sent.
  std::map<BatchId, std::string> sent_;  // The last ever sent under each id.
  uint64_t trace_hash_;
};

// One instance's connection. Read never waits: nothing else can run meanwhile.
class SimulatedLogClient : public SharedLog {
 public:
  absl::StatusOr<LogPosition> Append(const BatchId& id,
                                     BytesView sealed_batch) override {
    return log_->Append(peer_, id, sealed_batch);
  }
  absl::StatusOr<std::vector<LogEntry>> Read(LogPosition after,
                                             size_t bytes_max,
                                             absl::Duration) override {
    return log_->Read(peer_, after, bytes_max);
  }
  absl::StatusOr<LogPosition> Tail() override { return log_->Tail(peer_); }
  absl::Status Trim(LogPosition through) override {
    return log_->Trim(peer_, through);
  }
  void Interrupt() override {}

  SimulatedLog::Peer peer() const { return peer_; }

 private:
  friend class SimulatedLog;
  SimulatedLogClient(SimulatedLog* log, SimulatedLog::Peer peer)
      : log_(log), peer_(peer) {}

  SimulatedLog* log_;
  SimulatedLog::Peer peer_;
};

}  // namespace kms::storage

#endif  // STORAGE_LOG_SIMULATED_SIMULATED_LOG_H_

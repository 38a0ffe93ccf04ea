#include "tests/simulation/node.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "kms/base/bytes.h"
#include "proto/storage/v1/record.pb.h"
#include "storage/state/row_key.h"
#include "storage/state/row_store.h"
#include "tests/simulation/bugs.h"

namespace kms::simulation {
namespace {

using storage::BatchId;
using storage::Engine;
using storage::Family;
using storage::LogEntry;
using storage::LogPosition;
using storage::MemoryEngine;
using storage::Sync;
using storage::WriteBatch;

// Source: architecture.md, "Trim".
constexpr absl::Duration kLogKept = absl::Hours(1);

absl::Status Dead() { return absl::UnavailableError("process: killed"); }

}  // namespace

std::unique_ptr<MemoryEngine> CopyDisk(const MemoryEngine& disk) {
  WriteBatch rows;
  (void)disk.Scan({}, {}, Engine::kNoLimit,
                  [&](absl::string_view key, absl::string_view value) {
                    rows.Put(key, value);
                    return true;
                  });
  auto copy = std::make_unique<MemoryEngine>();
  (void)copy->Write(rows, Sync::kYes);
  return copy;
}

uint64_t AppliedOn(const MemoryEngine& disk) {
  const auto header =
      storage::RowReader(disk, ClusterEnvelope())
          .GetRecord<::storage::v1::StateHeader>(storage::HeaderRow());
  return header.ok() && header->has_value() ? (*header)->index() : 0;
}

// What a process sees of the disk until it is killed; shows the checker each
// entry's write.
class Node::Disk : public Engine {
 public:
  explicit Disk(Node& node) : node_(node) {}

  void Kill() { dead_ = true; }

  absl::StatusOr<std::optional<std::string>> Get(
      absl::string_view key) const override {
    if (dead_) return Dead();
    return node_.disk_->Get(key);
  }
  absl::Status Scan(absl::string_view prefix, absl::string_view start_after,
                    size_t limit, storage::RowFn fn) const override {
    if (dead_) return Dead();
    return node_.disk_->Scan(prefix, start_after, limit, fn);
  }
  std::unique_ptr<storage::EngineSnapshot> Snapshot() const override {
    return node_.disk_->Snapshot();
  }
  absl::StatusOr<uint64_t> FreeBytes() const override {
    return node_.disk_->FreeBytes();
  }

  absl::Status Write(const WriteBatch& batch, Sync sync) override {
    if (dead_) return Dead();
    const absl::Status written = node_.disk_->Write(Spoil(batch), sync);
    if (!written.ok()) return written;
    Observe(batch);
    if (sync == Sync::kYes) node_.synced_ = node_.applied_;
    return written;
  }

  absl::Status Flush() override {
    if (dead_) return Dead();
    node_.Flush();
    return absl::OkStatus();
  }

 private:
  void Observe(const WriteBatch& batch) {
    const storage::RowReader rows(*node_.disk_, ClusterEnvelope());
    ::storage::v1::StateHeader header;
    std::vector<std::pair<std::string, std::string>> leaves;
    for (const WriteBatch::Operation& operation : batch.operations()) {
      if (operation.kind != WriteBatch::Operation::Kind::kPut) continue;
      const auto key = storage::ParseRowKey(operation.key);
      if (!key.ok() || (key->family() != Family::kHeader &&
                        (key->family() != Family::kLeaf || node_.tainted))) {
        continue;
      }
      auto value = rows.Open(*key, operation.value);
      if (!value.ok()) continue;
      if (key->family() == Family::kHeader) {
        header.ParseFromString(*value);
      } else {
        leaves.emplace_back(operation.key, *std::move(value));
      }
    }
    node_.applied_ = header.index();
    node_.run_.trace.Add("node ", node_.number_, " applied ", header.index(),
                         " leaves ", header.tree_size(), " log time ",
                         header.log_time_us());
    if (node_.tainted) return;
    std::sort(leaves.begin(), leaves.end());
    std::vector<std::string> values;
    for (auto& leaf : leaves) values.push_back(std::move(leaf.second));
    node_.run_.checker.OnCommit(node_.number_, header, values);
  }

  // The seeded bugs of a disk.
  WriteBatch Spoil(const WriteBatch& batch) {
    const bool lose = Has(Bug::kDiskLosesRow);
    const bool old = Has(Bug::kDiskOldRow);
    if ((!lose && !old) || spoiled_ || batch.empty()) return batch;
    WriteBatch spoiled;
    for (const WriteBatch::Operation& operation : batch.operations()) {
      const auto key = storage::ParseRowKey(operation.key);
      const Family family = key.ok() ? key->family() : Family::kHeader;
      // A row that is written again, or one that is written once.
      const bool hit = old ? family == Family::kKey : family == Family::kLeaf;
      const auto before = node_.disk_->Get(operation.key);
      if (hit && !spoiled_ && before.ok() && before->has_value() == old) {
        spoiled_ = true;
        continue;
      }
      if (operation.kind == WriteBatch::Operation::Kind::kPut) {
        spoiled.Put(operation.key, operation.value);
      } else {
        spoiled.Delete(operation.key);
      }
    }
    return spoiled;
  }

  Node& node_;
  bool dead_ = false;
  bool spoiled_ = false;
};

// What a process sees of the log: what it appends and forgets is noted.
class Node::Log : public storage::SharedLog {
 public:
  explicit Log(Node& node) : node_(node), client_(node.run_.log.Attach()) {}

  absl::StatusOr<LogPosition> Append(const BatchId& id,
                                     BytesView sealed) override {
    incarnation_ = std::max(incarnation_, id.incarnation);
    auto position = client_->Append(id, sealed);
    node_.run_.PollLog();
    node_.run_.trace.Add("node ", node_.number_, " append ", id.incarnation,
                         "/", id.sequence, " ",
                         position.ok() ? position->index : 0);
    if (Has(Bug::kLogAckLost) && !position.ok()) {
      return LogPosition{kEpoch, node_.run_.checker.tail() + 1};
    }
    return position;
  }

  absl::StatusOr<std::vector<LogEntry>> Read(LogPosition after,
                                             size_t bytes_max,
                                             absl::Duration wait) override {
    if (!Has(Bug::kLogGapRenumbered) && !Has(Bug::kLogReordered) &&
        !Has(Bug::kLogTwice)) {
      return client_->Read(after, bytes_max, wait);
    }
    auto entries =
        client_->Read({after.epoch, after.index + skipped_}, bytes_max, wait);
    if (entries.ok()) Spoil(after, *entries);
    return entries;
  }

  absl::StatusOr<LogPosition> Tail() override { return client_->Tail(); }

  absl::Status Trim(LogPosition through) override {
    Run& run = node_.run_;
    run.trace.Add("node ", node_.number_, " trims ", through.index);
    if (!node_.tainted) {
      if (through.index > node_.synced_) {
        run.checker.Violation("node ", node_.number_,
                              " forgets entries that its disk has not");
      }
      if (run.now - run.arrived.at(through.index - 1) < kLogKept) {
        run.checker.Violation("node ", node_.number_,
                              " forgets entries of less than an hour");
      }
    }
    return client_->Trim(through);
  }

  void Interrupt() override {}

  storage::SimulatedLog::Peer peer() const { return client_->peer(); }
  uint64_t incarnation() const { return incarnation_; }

 private:
  // The seeded bugs of a reader, who numbers entries as they come.
  void Spoil(LogPosition after, std::vector<LogEntry>& entries) {
    if (skipped_ == 0 && entries.size() > 1 && after.index > 5) {
      if (Has(Bug::kLogGapRenumbered)) {
        entries.erase(entries.begin());
        skipped_ = 1;
      } else if (Has(Bug::kLogReordered)) {
        std::swap(entries[0].batch, entries[1].batch);
      }
    }
    if (Has(Bug::kLogTwice) && !twice_ && !entries.empty() && after.index > 5) {
      entries.insert(entries.begin(), entries.front());
      twice_ = true;
      skipped_ = static_cast<uint64_t>(-1);
    }
    for (size_t i = 0; i < entries.size(); ++i) {
      entries[i].position = {kEpoch, after.index + 1 + i};
    }
  }

  Node& node_;
  std::unique_ptr<storage::SimulatedLogClient> client_;
  uint64_t incarnation_ = 0;
  uint64_t skipped_ = 0;
  bool twice_ = false;
};

struct Node::Process {
  explicit Process(Node& node) : disk(node), log(node) {}

  Disk disk;
  Log log;
  std::unique_ptr<storage::SteppedReplica> replica;
};

Node::Node(Run& run, size_t number, const Identity& identity)
    : run_(run),
      number_(number),
      identity_(identity),
      disk_(std::make_unique<MemoryEngine>()) {}

Node::~Node() = default;

absl::Time Node::Now() const {
  return absl::FromUnixMicros(run_.now_us()) + clock_offset;
}

storage::SteppedReplica& Node::replica() { return *process_->replica; }
storage::SharedLog& Node::log() { return process_->log; }
storage::SimulatedLog::Peer Node::peer() const { return process_->log.peer(); }

void Node::Flush() {
  synced_ = applied_;  // As far as anybody knows.
  if (!Has(Bug::kDiskFlushLies)) (void)disk_->Flush();
}

void Node::ReplaceDisk(std::unique_ptr<MemoryEngine> disk) {
  disk_ = std::move(disk);
  applied_ = synced_ = AppliedOn(*disk_);
  needs_snapshot = false;
}

void Node::Start() {
  process_ = std::make_unique<Process>(*this);
  run_.log.SetPartitioned(process_->log.peer(), partitioned);
  forked = false;  // A new connection.
  ++lives_;
  storage::ReplicaOptions options;
  options.state = &process_->disk;
  options.log = &process_->log;
  options.envelope = &ClusterEnvelope();
  options.clock = this;
  options.boot_time = [this] { return run_.now; };
  options.instance = identity_.id;
  options.signing_key = identity_.key;
  options.cluster_id = ClusterId();
  auto replica = storage::SteppedReplica::Open(options);
  run_.trace.Add("node ", number_,
                 " start: ", absl::StatusCodeToString(replica.status().code()));
  if (replica.ok()) {
    process_->replica = *std::move(replica);
    return;
  }
  CheckEnd(replica.status());
  Kill(false);
}

void Node::Kill(bool power) {
  run_.trace.Add("node ", number_, power ? " loses power" : " is killed");
  if (process_ != nullptr) {
    run_.log.Crash(process_->log.peer());
    process_->disk.Kill();
    process_.reset();
  }
  if (power) {
    const auto torn = disk_->Get(storage::HeaderRow().bytes());
    disk_->LoseUnsynced();
    if (Has(Bug::kDiskTornBatch) && torn.ok() && torn->has_value()) {
      WriteBatch header;
      header.Put(storage::HeaderRow().bytes(), **torn);
      (void)disk_->Write(header, Sync::kYes);
    }
  }
  applied_ = AppliedOn(*disk_);
  start_at = run_.now + absl::Milliseconds(run_.random.Between(20, 400));
}

void Node::Step() {
  if (!running()) {
    if (!retired && !needs_snapshot && run_.now >= start_at) Start();
    return;
  }
  // Whatever a disk does on its own account.
  if (run_.random.OneIn(40)) Flush();
  switch (run_.random.Below(8)) {
    case 0:
      (void)replica().Tick();
      break;
    case 1:
    case 2:
    case 3:
      replica().StepProposer();
      break;
    default: {
      const bool behind = !forked && applied_ > run_.checker.tail();
      const bool read = replica().StepApplier();
      if (behind && read && replica().health().ok()) {
        run_.checker.Violation("node ", number_,
                               " serves by a log that is behind its disk");
      }
      break;
    }
  }
  if (suspect && !tainted) CheckSuperseded();
  const absl::Status health = replica().health();
  if (health.ok()) return;
  run_.trace.Add("node ", number_,
                 " ends: ", absl::StatusCodeToString(health.code()));
  CheckEnd(health);
  Kill(false);
}

// Of two processes of one instance only the newer may serve.
void Node::CheckSuperseded() {
  const auto record = replica().View()->GetInstance(identity_.id_bytes());
  if (record.ok() && record->incarnation() > process_->log.incarnation() &&
      replica().health().ok()) {
    run_.checker.Violation("node ", number_,
                           " serves in an incarnation that is closed");
  }
}

// Why a healthy instance may end, or not come up.
void Node::CheckEnd(const absl::Status& status) {
  if (absl::IsOutOfRange(status)) needs_snapshot = true;
  if (tainted) {
    // Whoever runs it gives it a new disk.
    needs_snapshot = needs_snapshot || absl::IsDataLoss(status);
    return;
  }
  const bool registered =
      run_.checker.model().instances().count(identity_.id_bytes()) != 0;
  const bool allowed = absl::IsUnavailable(status) ||
                       absl::IsOutOfRange(status) ||
                       ((absl::IsFailedPrecondition(status) ||
                         absl::IsDataLoss(status)) &&  // Fenced, by the other.
                        suspect) ||
                       (absl::IsDataLoss(status) && run_.gaps) ||
                       (absl::IsNotFound(status) && !registered);
  if (!allowed) {
    run_.checker.Violation("node ", number_, " ended: ", status.ToString());
  }
}

}  // namespace kms::simulation

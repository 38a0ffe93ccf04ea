#include "tests/simulation/world.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "kms/crypto/digest.h"
#include "storage/state/batch_codec.h"
#include "tests/simulation/client.h"
#include "tests/simulation/cluster_keys.h"
#include "tests/simulation/node.h"
#include "tests/simulation/run.h"

namespace kms::simulation {
namespace {

using storage::BatchId;
using storage::LogPosition;
using ::storage::v1::ApprovedCommand;
using ::storage::v1::Batch;
using ::storage::v1::Command;

// With everything healed, all that is asked must be done within this.
constexpr absl::Duration kProgressWithin = absl::Seconds(20);

// Which whole-log fault a run may have; most have none, because afterwards
// much less can be expected.
enum class Calamity { kNone, kFork, kRollback };

class World {
 public:
  explicit World(const Options& options);
  Result Simulate();

 private:
  void SetUp();
  // `asking`: clients begin new things.
  void Round(bool asking);
  void Trouble();
  void Heal();
  void Settle();
  void CheckSomethingLeft();
  void Check();

  // --- Faults; each says nothing if there is nobody to befall. ---
  void SetFaults();
  void Poison();
  void Resend();
  void Trim();
  void Clone();
  void Join();
  void PutBackDisk(Node& node);
  void Fork();
  void MoveBack();
  void Rollback();
  void GiveSnapshots();

  Node& AnyNode() { return *nodes_[run_.random.Below(nodes_.size())]; }
  Node* HealthyNode();
  bool Eligible(const Node& node) const;
  std::string Sealed(const Identity& identity, const Batch& batch);
  void AppendSealed(const BatchId& id, const std::string& sealed);
  bool PollViolation() { return !run_.checker.violation().empty(); }

  const Options options_;
  const Calamity calamity_;
  Run run_;
  Nodes nodes_;
  Book book_;
  std::vector<std::unique_ptr<Client>> clients_;
  // The administrator's own connection, and whoever holds some key.
  std::unique_ptr<storage::SimulatedLogClient> outside_;
  std::vector<std::unique_ptr<storage::MemoryEngine>> backups_;  // By node.
  std::vector<uint64_t> backup_at_;                              // Applied.
  size_t identities_ = 0;  // Of kIdentitiesMax, in use.
  bool struck_ = false;    // The calamity has come.
  uint64_t faults_ = 0;
};

Calamity Draw(uint64_t seed) {
  Random random(~seed);
  const uint64_t choice = random.Below(100);
  return choice < 6    ? Calamity::kFork
         : choice < 10 ? Calamity::kRollback
                       : Calamity::kNone;
}

World::World(const Options& options)
    : options_(options),
      calamity_(Draw(options.seed)),
      run_(options.seed, options.trace, calamity_ == Calamity::kRollback) {
  run_.keep_log = options.keep_log;
}

// ---------------------------------------------------------------------------
// A cluster at work

std::string World::Sealed(const Identity& identity, const Batch& batch) {
  const auto sealed =
      storage::SealBatch(ClusterEnvelope(), *identity.key, batch);
  return *sealed;
}

void World::AppendSealed(const BatchId& id, const std::string& sealed) {
  (void)outside_->Append(id, AsBytes(sealed));
  run_.PollLog();
}

void World::SetUp() {
  static constexpr std::array<size_t, 10> kSizes = {1, 2, 3, 3, 3,
                                                    3, 3, 3, 4, 5};
  const size_t size = kSizes[run_.random.Below(kSizes.size())];
  outside_ = run_.log.Attach();
  CommandMaker make(run_);
  const Identity& first = IdentityOf(0);

  // As Replica::Bootstrap.
  Batch genesis;
  genesis.set_instance_id(first.id_bytes());
  genesis.set_incarnation(1);
  genesis.set_sequence(1);
  genesis.set_clock_us(run_.now_us());
  genesis.set_feature_level(2);
  genesis.add_commands()->set_command(make.Genesis(first).SerializeAsString());
  AppendSealed({first.id, 1, 1}, Sealed(first, genesis));

  for (identities_ = 0; identities_ < size; ++identities_) {
    nodes_.push_back(
        std::make_unique<Node>(run_, identities_, IdentityOf(identities_)));
  }
  backups_.resize(nodes_.size());
  backup_at_.resize(nodes_.size());
  nodes_[0]->Start();
  if (!nodes_[0]->running()) return run_.checker.Violation("no first start");

  std::vector<Command> commands;
  for (size_t i = 1; i < size; ++i) {
    commands.push_back(make.Register(IdentityOf(i)));
  }
  book_.policies = {
      {"lifetime", static_cast<uint64_t>(run_.random.Between(1, 4)),
       absl::Hours(24 * 300)},
      {"minute", static_cast<uint64_t>(run_.random.Between(1, 3)),
       absl::Minutes(1)},
      {"free", 0, absl::ZeroDuration()}};
  for (const auto& policy : book_.policies) {
    commands.push_back(
        make.PutPolicy(policy.name, 0, policy.quota, policy.window));
    const std::string id = run_.random.Bytes(16);
    commands.push_back(
        make.CreateKey(absl::StrCat("key-", book_.names++), id, policy.name));
    book_.keys.push_back(
        {id, policy.name == "lifetime" ? policy.quota : uint64_t{0}});
  }
  for (const Command& command : commands) {
    ApprovedCommand approved;
    approved.set_command(command.SerializeAsString());
    (void)nodes_[0]->replica().Propose(approved);
  }
  nodes_[0]->replica().StepProposer();
  nodes_[0]->replica().StepApplier();
  for (size_t i = 1; i < size; ++i) nodes_[i]->Start();

  const uint64_t clients = 1 + run_.random.Below(3);
  for (uint64_t i = 0; i < clients; ++i) {
    clients_.push_back(std::make_unique<Client>(run_, nodes_, book_));
  }
}

void World::Round(bool asking) {
  run_.now += absl::Microseconds(run_.random.Between(1000, 40'000));
  run_.trace.SetNow(run_.now);
  run_.checker.SetNow(run_.now_us());
  run_.log.Step();
  run_.PollLog();
  const size_t first = run_.random.Below(nodes_.size());
  for (size_t i = 0; i < nodes_.size(); ++i) {
    Node& node = *nodes_[(first + i) % nodes_.size()];
    if (node.paused) continue;
    for (uint64_t steps = 1 + run_.random.Below(3); steps > 0; --steps) {
      node.Step();
    }
  }
  for (const auto& client : clients_) {
    if (asking || !client->idle()) client->Step();
  }
}

Result World::Simulate() {
  SetUp();
  SetFaults();
  for (uint64_t i = 0; i < options_.rounds && !PollViolation(); ++i) {
    Round(true);
    if (run_.random.Percent(15)) Trouble();
  }
  if (!PollViolation()) Heal();
  if (!PollViolation()) Settle();
  if (!PollViolation()) Check();
  Result result;
  result.violation = run_.checker.violation();
  run_.trace.Add("log ", run_.log.trace_hash());
  result.trace_digest = run_.trace.digest();
  result.entries = run_.checker.tail();
  result.answers = run_.checker.answers();
  result.faults = faults_;
  if (options_.keep_log) {
    result.log = std::move(run_.sealed);
    result.digest = run_.checker.DigestAt(result.entries);
  }
  return result;
}

// ---------------------------------------------------------------------------
// Trouble

void World::SetFaults() {
  if (run_.random.OneIn(5)) return;
  storage::SimulatedFaults faults;
  const auto up_to = [this](uint64_t percent) {
    return static_cast<double>(run_.random.Below(percent + 1)) / 100;
  };
  faults.lose = up_to(12);
  faults.unknown = up_to(12);
  faults.delay = up_to(12);
  faults.duplicate = up_to(12);
  faults.unreachable = up_to(8);
  faults.short_read = up_to(50);
  run_.gaps = run_.random.OneIn(12);
  if (run_.gaps) faults.gap = 0.03;
  run_.log.SetFaults(faults);
}

void World::Trouble() {
  Node& node = AnyNode();
  ++faults_;
  const uint64_t choice = run_.random.Below(100);
  run_.trace.Add("trouble ", choice, " for node ", node.number());
  if (choice < 12) {
    if (node.running()) node.Kill(false);
  } else if (choice < 24) {
    node.Kill(true);
  } else if (choice < 34) {
    node.partitioned = !node.partitioned;
    if (node.running()) {
      run_.log.SetPartitioned(node.peer(), node.partitioned);
    }
  } else if (choice < 42) {
    node.paused = !node.paused;
  } else if (choice < 48) {
    if (!node.tainted) {
      backups_[node.number()] = CopyDisk(node.disk());
      backup_at_[node.number()] = node.applied();
    }
  } else if (choice < 54) {
    PutBackDisk(node);
  } else if (choice < 57) {
    Clone();
  } else if (choice < 64) {
    Poison();
  } else if (choice < 74) {
    Resend();
  } else if (choice < 80) {
    Trim();
  } else if (choice < 84) {
    // A year ahead, a little behind, or right again.
    book_.clocks_lie = true;
    node.clock_offset = run_.random.OneIn(3)   ? absl::ZeroDuration()
                        : run_.random.OneIn(2) ? absl::Hours(24 * 365)
                                               : -absl::Seconds(2);
  } else if (choice < 90) {
    run_.now += absl::Minutes(61);
  } else if (choice < 93) {
    Join();
  } else if (!struck_ && calamity_ == Calamity::kFork) {
    Fork();
  } else if (struck_ && calamity_ == Calamity::kFork) {
    MoveBack();
  } else if (!struck_ && calamity_ == Calamity::kRollback) {
    Rollback();
  } else {
    GiveSnapshots();
  }
}

// Somebody with the log key, and perhaps an instance's key, writes what no
// instance would.
void World::Poison() {
  const Node& victim = AnyNode();
  const auto& instances = run_.checker.model().instances();
  const auto record = instances.find(victim.identity().id_bytes());
  if (record == instances.end() || run_.checker.model().index() < 2) return;
  Batch batch;
  batch.set_instance_id(victim.identity().id_bytes());
  batch.set_incarnation(record->second.incarnation);
  batch.set_sequence(record->second.sequence + 1);
  batch.set_applied_epoch(kEpoch);
  batch.set_applied_index(run_.checker.model().index());
  batch.set_applied_digest(run_.random.Bytes(32));
  batch.set_clock_us(run_.now_us());
  batch.set_feature_level(2);
  CommandMaker make(run_);
  batch.add_commands()->set_command(
      make.CreateKey("poison", run_.random.Bytes(16), "free")
          .SerializeAsString());
  const Identity* signer = &victim.identity();
  Model::Form form = Model::Form::kSigned;
  // Only so many may be fenced, or nobody is left to see.
  const bool may_fence = nodes_.size() > 2 && run_.random.OneIn(2);
  uint64_t kind = run_.random.Below(7);
  if (!may_fence && kind < 3) kind = 3 + kind % 2;
  switch (kind) {
    case 0:  // Of another history: its digest.
      break;
    case 1:  // Or its position.
      batch.set_applied_index(run_.checker.tail() + 7);
      break;
    case 2:  // Or its number.
      batch.set_sequence(batch.sequence() + 2);
      batch.set_applied_digest(run_.checker.DigestAt(batch.applied_index()));
      break;
    case 3:  // Signed by another.
      signer = &IdentityOf(kIdentitiesMax - 1);
      form = Model::Form::kBadlySigned;
      batch.set_applied_digest(run_.checker.DigestAt(batch.applied_index()));
      break;
    case 4:  // Of an instance that nobody registered.
      signer = &IdentityOf(kIdentitiesMax - 1);
      batch.set_instance_id(signer->id_bytes());
      break;
    case 5:  // Of a level that the state does not have.
      batch.set_applied_digest(run_.checker.DigestAt(batch.applied_index()));
      batch.set_feature_level(3);
      break;
    default:  // Sealed, and nothing.
      form = Model::Form::kNoBatch;
      break;
  }
  std::string sealed = Sealed(*signer, batch);
  if (form == Model::Form::kNoBatch) {
    std::string padded(2000, '\xff');
    sealed = *ClusterEnvelope().Seal(storage::KeyKind::kLog, AsBytes(padded),
                                     AsBytes("kms.v1 log entry"));
  }
  // Whoever runs under this name finds that another does too.
  for (const auto& node : nodes_) {
    if (&node->identity() == &victim.identity()) node->suspect = true;
  }
  run_.checker.Declare(crypto::Sha256(AsBytes(sealed)), form);
  run_.trace.Add("poison ", kind);
  AppendSealed({signer->id, 1'000'000 + faults_, 1}, sealed);
}

// One more copy of anything that was ever sent.
void World::Resend() {
  if (run_.checker.tail() < 2) return;
  const BatchId id =
      run_.checker.IdAt(1 + run_.random.Below(run_.checker.tail()));
  const auto sent = run_.log.Resend(0, id);
  run_.PollLog();
  run_.trace.Add("resend ", sent.ok() ? sent->index : 0);
}

void World::Trim() {
  Node* const node = HealthyNode();
  if (node == nullptr || !node->running()) return;
  node->Flush();
  (void)outside_->Trim({kEpoch, node->synced()});
}

// An older copy of the disk is put back: as after a restore, or by a thief.
void World::PutBackDisk(Node& node) {
  auto& backup = backups_[node.number()];
  if (backup == nullptr) return;
  // Whoever puts back the last disk that has what the log has forgotten loses
  // everything; no software helps.
  const uint64_t trimmed = run_.TrimmedThrough();
  bool spare = backup_at_[node.number()] >= trimmed;
  for (const auto& other : nodes_) {
    spare = spare || (other.get() != &node && !other->tainted &&
                      other->synced() >= trimmed);
  }
  if (!spare) return;
  node.Kill(true);
  node.ReplaceDisk(std::move(backup));
}

// Two machines from one disk: one id, one key.
void World::Clone() {
  Node& original = AnyNode();
  if (!original.running() || original.suspect || nodes_.size() > 5) return;
  nodes_.push_back(
      std::make_unique<Node>(run_, nodes_.size(), original.identity()));
  backups_.resize(nodes_.size());
  backup_at_.resize(nodes_.size());
  Node& clone = *nodes_.back();
  clone.ReplaceDisk(CopyDisk(original.disk()));
  clone.cloned = clone.suspect = original.suspect = true;
  clone.tainted = original.tainted;
}

void World::Join() {
  if (identities_ + 1 >= kIdentitiesMax || nodes_.size() > 5) return;
  book_.joining.push_back(identities_);
  nodes_.push_back(
      std::make_unique<Node>(run_, nodes_.size(), IdentityOf(identities_++)));
  backups_.resize(nodes_.size());
  backup_at_.resize(nodes_.size());
}

// The log shows some a history that the others do not share.
void World::Fork() {
  std::vector<storage::SimulatedLog::Peer> peers;
  for (size_t i = 0; i + 1 < nodes_.size(); ++i) {
    Node& node = *nodes_[i];
    if (!node.running() || run_.random.OneIn(3)) continue;
    node.tainted = node.forked = true;
    peers.push_back(node.peer());
  }
  if (peers.empty()) return;
  run_.log.Fork(peers);
  run_.trace.Add("fork");
  struck_ = true;
}

// The histories cross.
void World::MoveBack() {
  for (const auto& node : nodes_) {
    if (!node->forked || !node->running()) continue;
    run_.log.MoveTo(node->peer(), 0);
    node->forked = false;
  }
}

// The log is restored from a backup, and nobody opened a new epoch.
void World::Rollback() {
  const uint64_t tail = run_.checker.tail();
  const uint64_t first = std::max<uint64_t>(run_.TrimmedThrough(), 5);
  if (tail <= first + 1) return;
  const uint64_t through =
      first + run_.random.Below(std::min<uint64_t>(tail - first, 4));
  for (const auto& node : nodes_) {
    bool lost = node->applied() > through;
    for (uint64_t index = through + 1; index <= tail; ++index) {
      lost = lost || run_.checker.IdAt(index).instance == node->identity().id;
    }
    node->tainted = node->tainted || lost;
  }
  run_.log.Rollback(0, {kEpoch, through});
  run_.checker.OnRollback(through);
  for (const auto& client : clients_) client->Forget();
  run_.arrived.resize(through);
  if (options_.keep_log) run_.sealed.resize(through);
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (backup_at_[i] > through) backups_[i].reset();
  }
  run_.trace.Add("rollback to ", through);
  struck_ = true;
}

Node* World::HealthyNode() {
  Node* best = nullptr;
  for (const auto& node : nodes_) {
    if (node->tainted || node->needs_snapshot) continue;
    if (best == nullptr || node->applied() > best->applied()) {
      best = node.get();
    }
  }
  return best;
}

// What storage/snapshot will do: those whom the log has passed, and those
// whose history is another's, get the state of a healthy instance.
void World::GiveSnapshots() {
  Node* const donor = HealthyNode();
  if (donor == nullptr || donor->applied() < run_.TrimmedThrough()) return;
  for (const auto& node : nodes_) {
    if (node->running() || !node->needs_snapshot) continue;
    run_.trace.Add("node ", node->number(), " copies ", donor->number());
    node->ReplaceDisk(CopyDisk(donor->disk()));
    // What it said before may have had it fenced.
    node->suspect = node->suspect || node->tainted;
    node->tainted = false;
  }
}

// ---------------------------------------------------------------------------
// The end

void World::Heal() {
  run_.trace.Add("heal");
  run_.log.SetFaults({});
  MoveBack();
  for (const auto& node : nodes_) {
    node->paused = node->partitioned = false;
    node->clock_offset = absl::ZeroDuration();
    if (node->cloned) node->retired = true;
    if (node->running()) run_.log.SetPartitioned(node->peer(), false);
    if (node->tainted) node->needs_snapshot = true;
    if (node->running() && (node->retired || node->tainted)) node->Kill(false);
  }
}

bool World::Eligible(const Node& node) const {
  if (node.retired || node.tainted || node.needs_snapshot) return false;
  const auto& instances = run_.checker.model().instances();
  const auto record = instances.find(node.identity().id_bytes());
  return record != instances.end() && !record->second.fenced;
}

// Whoever can serve comes up, catches up and does what it is asked.
void World::Settle() {
  const absl::Duration until = run_.now + kProgressWithin;
  CommandMaker make(run_);
  std::vector<std::optional<storage::SteppedReplica::Pending>> probes(
      nodes_.size());
  std::vector<bool> done(nodes_.size(), false);
  std::vector<uint64_t> lives(nodes_.size(), 0);
  for (;;) {
    Round(false);
    if (PollViolation()) return;
    GiveSnapshots();
    bool settled = true;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      Node& node = *nodes_[i];
      if (!Eligible(node)) continue;
      settled = settled && node.running() && done[i] &&
                node.applied() == run_.checker.tail();
      if (!node.running() || done[i]) continue;
      if (probes[i].has_value() && lives[i] == node.life()) {
        const auto& answer = probes[i]->answer();
        if (!answer.has_value()) continue;
        done[i] = answer->ok() && (*answer)->effect.ok();
        probes[i].reset();
      } else {
        ApprovedCommand approved;
        approved.set_command(
            make.CreateKey(absl::StrCat("probe-", book_.names++),
                           run_.random.Bytes(16), "free")
                .SerializeAsString());
        auto pending = node.replica().Propose(approved);
        if (!pending.ok()) continue;
        probes[i] = *std::move(pending);
        lives[i] = node.life();
      }
    }
    if (settled) return CheckSomethingLeft();
    if (run_.now > until) {
      return run_.checker.Violation("no progress within ",
                                    absl::FormatDuration(kProgressWithin),
                                    " after everything healed");
    }
  }
}

// Entries are forgotten only when some disk has them.
void World::CheckSomethingLeft() {
  if (calamity_ != Calamity::kNone) return;
  const uint64_t trimmed = run_.TrimmedThrough();
  for (const auto& node : nodes_) {
    if (AppliedOn(node->disk()) >= trimmed) return;
  }
  run_.checker.Violation("no disk has what the log has forgotten");
}

void World::Check() {
  bool proofs = false;
  for (const auto& node : nodes_) {
    if (!Eligible(*node)) continue;
    const auto view = node->replica().View();
    run_.checker.CheckState(*view);
    if (!proofs) run_.checker.CheckProofs(*view);
    proofs = true;
  }
  // What is on disk is what was applied, and opens again.
  for (const auto& node : nodes_) {
    if (!Eligible(*node)) continue;
    node->Kill(false);
    node->Start();
    if (!node->running()) {
      run_.checker.Violation("node ", node->number(), " does not open again");
    }
  }
}

}  // namespace

Result Simulate(const Options& options) { return World(options).Simulate(); }

}  // namespace kms::simulation

#include "storage/state/state_machine.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/public_key.h"
#include "storage/state/apply_context.h"
#include "storage/state/batch_codec.h"
#include "storage/state/limits.h"
#include "storage/state/row_check.h"

namespace kms::storage {
namespace {

using ::storage::v1::Batch;
using ::storage::v1::SignedBatch;
using ::storage::v1::StateHeader;

// More do not help: the rows come from one disk.
constexpr unsigned kCheckThreadsMax = 8;

BatchId IdOf(const Batch& batch) {
  BatchId id;
  if (batch.instance_id().size() != InstanceId::kSize) return id;
  std::memcpy(id.instance.bytes.data(), batch.instance_id().data(),
              InstanceId::kSize);
  id.incarnation = batch.incarnation();
  id.sequence = batch.sequence();
  return id;
}

v1::BatchRejected::Cause CauseOf(BatchVerdict verdict) {
  switch (verdict) {
    case BatchVerdict::kStale:
      return v1::BatchRejected::STALE;
    case BatchVerdict::kDiverged:
      return v1::BatchRejected::DIVERGED;
    case BatchVerdict::kUnknownInstance:
      return v1::BatchRejected::UNKNOWN_INSTANCE;
    default:
      return v1::BatchRejected::MALFORMED;
  }
}

// An effect as digest(n) covers it: all but the message, whose words may
// differ between builds.
std::string EncodeEffect(const Effect& effect) {
  return ByteWriter()
      .U32Be(static_cast<uint32_t>(effect.refusal))
      .U64Be(effect.leaf.has_value() ? *effect.leaf + 1 : 0)
      .U64Be(effect.repeat_of.has_value() ? *effect.repeat_of + 1 : 0)
      .U64Be(static_cast<uint64_t>(effect.lease_until_us))
      .U32Be(effect.version)
      .Take();
}

absl::Status CheckHeader(const StateHeader& header) {
  if (header.feature_level() < kFeatureLevelMin ||
      header.feature_level() > kFeatureLevelMax) {
    return absl::FailedPreconditionError(absl::StrCat(
        "state: feature level ", header.feature_level(), ", this build speaks ",
        kFeatureLevelMin, " to ", kFeatureLevelMax));
  }
  return absl::OkStatus();
}

// What a batch says once it is opened; the parts that `signed_batch` owns.
struct OpenedBatch {
  SignedBatch signed_batch;
  Batch batch;
};

// Nothing: not a batch.
std::optional<OpenedBatch> ParseBatch(absl::string_view padded) {
  const auto bytes = UnpadBatch(padded);
  OpenedBatch opened;
  if (!bytes.ok() ||
      !opened.signed_batch.ParseFromArray(bytes->data(),
                                          static_cast<int>(bytes->size())) ||
      !opened.batch.ParseFromString(opened.signed_batch.batch())) {
    return std::nullopt;
  }
  return opened;
}

// When the challenge that the command spends may be forgotten; the end of time
// if it spends none.
int64_t SpentUntil(const ::storage::v1::Command& command) {
  if (command.has_release()) return command.release().challenge_expires_us();
  if (command.has_register_() &&
      !command.register_().challenge_hash().empty()) {
    return command.register_().challenge_expires_us();
  }
  return std::numeric_limits<int64_t>::max();
}

absl::Status Unknown(absl::string_view subject) {
  return absl::FailedPreconditionError(absl::StrCat(
      subject, ": holds what this build does not know; upgrade it"));
}

}  // namespace

class StateMachine::Impl {
 public:
  Impl(Engine& engine, const Envelope& envelope, NameHasher names,
       RowHasher hasher)
      : engine_(engine),
        envelope_(envelope),
        reader_(engine, envelope),
        names_(std::make_shared<const NameHasher>(std::move(names))),
        hasher_(std::move(hasher)) {}

  absl::Status Load();
  absl::StatusOr<BatchResult> Apply(const LogEntry& entry, IsOwnFn is_own);

  std::shared_ptr<const StateView> View() const {
    absl::MutexLock lock(&mutex_);
    return view_;
  }
  LogPosition applied() const { return {header_.epoch(), header_.index()}; }

 private:
  absl::Status LoadTree();
  absl::StatusOr<BatchResult> ApplyEntry(const LogEntry& entry, IsOwnFn is_own);
  absl::Status ApplyFirst(ApplyContext& context, const OpenedBatch& opened,
                          LogPosition before, BatchResult& result);
  absl::Status ApplyNext(ApplyContext& context,
                         const std::optional<OpenedBatch>& opened,
                         bool signature_known, BatchResult& result);
  absl::StatusOr<BatchVerdict> Judge(ApplyContext& context,
                                     const OpenedBatch& opened,
                                     bool signature_known);
  absl::StatusOr<BatchVerdict> JudgePosition(ApplyContext& context,
                                             const Batch& batch);
  absl::Status StateClock(ApplyContext& context, const Batch& batch);
  absl::Status PruneSpent(ApplyContext& context, size_t most);
  absl::Status FireDestructions(ApplyContext& context);
  absl::Status ApplyCommands(ApplyContext& context, const Batch& batch,
                             BatchResult& result);
  absl::Status AddRejectedLeaf(ApplyContext& context, BatchResult& result);
  absl::Status Commit(RowBatch& rows, BatchResult& result);
  void Publish();

  Engine& engine_;
  const Envelope& envelope_;
  const RowReader reader_;
  const std::shared_ptr<const NameHasher> names_;
  const RowHasher hasher_;

  // The apply thread's.
  StateHeader header_;
  RowSum sum_;
  InstanceTable instances_;
  MerkleEdge edge_;
  absl::Status stopped_;
  uint64_t settings_index_ = 0;  // See StateView::settings_index.
  // Of the spent set, to scan it only when something has expired: no row
  // expires before this, and none stands at or before this row key.
  int64_t next_expiry_us_ = std::numeric_limits<int64_t>::min();
  std::string pruned_through_;
  // Of the scheduled destructions: none is due before this.
  int64_t next_destruction_us_ = std::numeric_limits<int64_t>::min();

  mutable absl::Mutex mutex_;
  std::shared_ptr<const StateView> view_ ABSL_GUARDED_BY(mutex_);
};

absl::Status StateMachine::Impl::Load() {
  KMS_ASSIGN_OR_RETURN(const auto header,
                       reader_.GetRecord<StateHeader>(HeaderRow()));
  if (!header.has_value()) {
    bool empty = true;
    KMS_RETURN_IF_ERROR(
        engine_.Scan({}, {}, 1, [&empty](absl::string_view, absl::string_view) {
          empty = false;
          return true;
        }));
    if (!empty) return RowLoss(Family::kHeader, "is missing");
    Publish();
    return absl::OkStatus();
  }
  header_ = *header;
  settings_index_ = header_.index();
  KMS_RETURN_IF_ERROR(CheckHeader(header_));
  const unsigned threads =
      std::clamp(std::thread::hardware_concurrency(), 1u, kCheckThreadsMax);
  KMS_ASSIGN_OR_RETURN(sum_, SumRows(reader_, hasher_, threads));
  if (sum_.bytes() != header_.row_sum()) {
    return Refuse(v1::DATA_LOSS,
                  "state: the rows do not add up to the header's sum");
  }
  KMS_ASSIGN_OR_RETURN(instances_, InstanceTable::Load(reader_));
  KMS_RETURN_IF_ERROR(LoadTree());
  Publish();
  return absl::OkStatus();
}

absl::Status StateMachine::Impl::LoadTree() {
  KMS_ASSIGN_OR_RETURN(edge_, MerkleEdge::Load(reader_, header_.tree_size()));
  if (edge_.Root() != header_.tree_root()) {
    return RowLoss(Family::kLeaf, "is not what the root covers");
  }
  const std::string last =
      edge_.size() == 0 ? "" : LeafRow(edge_.size() - 1).bytes();
  bool beyond = false;
  KMS_RETURN_IF_ERROR(
      engine_.Scan(FamilyPrefix(Family::kLeaf), last, 1,
                   [&beyond](absl::string_view, absl::string_view) {
                     beyond = true;
                     return true;
                   }));
  if (beyond) return RowLoss(Family::kLeaf, "is beyond the tree");
  return absl::OkStatus();
}

absl::StatusOr<BatchResult> StateMachine::Impl::Apply(const LogEntry& entry,
                                                      IsOwnFn is_own) {
  KMS_RETURN_IF_ERROR(stopped_);
  absl::StatusOr<BatchResult> result = ApplyEntry(entry, is_own);
  if (!result.ok()) stopped_ = result.status();
  return result;
}

absl::StatusOr<BatchResult> StateMachine::Impl::ApplyEntry(
    const LogEntry& entry, IsOwnFn is_own) {
  const LogPosition before = applied();
  const bool first = before.index == 0 || entry.position.epoch > before.epoch;
  if (entry.position.index != (first ? 1 : before.index + 1) ||
      (!first && entry.position.epoch != before.epoch)) {
    return Refuse(v1::DATA_LOSS,
                  absl::StrCat("log: entry ", entry.position.index,
                               " of epoch ", entry.position.epoch, " after ",
                               before.index, " of ", before.epoch));
  }
  BatchResult result;
  result.position = entry.position;
  result.sealed_digest = crypto::Sha256(AsBytes(entry.batch));
  KMS_ASSIGN_OR_RETURN(const std::string padded,
                       OpenEntry(envelope_, entry.batch));
  const std::optional<OpenedBatch> opened = ParseBatch(padded);

  RowBatch rows(reader_);
  ApplyContext context{rows,  *names_,        header_, instances_,
                       edge_, entry.position, "",      0};
  header_.set_index(entry.position.index);
  if (first) {
    if (!opened.has_value()) {
      return Refuse(v1::DATA_LOSS, "log: the first entry is no batch");
    }
    KMS_RETURN_IF_ERROR(ApplyFirst(context, *opened, before, result));
    settings_index_ = entry.position.index;
  } else {
    KMS_RETURN_IF_ERROR(
        ApplyNext(context, opened, is_own(result.sealed_digest), result));
  }
  KMS_RETURN_IF_ERROR(Commit(rows, result));
  Publish();
  return result;
}

// The Genesis entry of a new cluster vouches for itself: it carries the key
// that signs it. That of a later epoch is signed by an instance that the state
// knows, and names where the state stands: `before`.
absl::Status StateMachine::Impl::ApplyFirst(ApplyContext& context,
                                            const OpenedBatch& opened,
                                            LogPosition before,
                                            BatchResult& result) {
  const absl::Status no_genesis =
      Refuse(v1::DATA_LOSS, "log: the first entry is no genesis");
  const Batch& batch = opened.batch;
  ::storage::v1::Command command;
  if (batch.commands_size() != 1 || batch.commands(0).approvals_size() != 0 ||
      !command.ParseFromString(batch.commands(0).command()) ||
      !command.has_genesis() || command.salt().size() != kSaltBytes ||
      command.principal().size() > kPrincipalBytesMax ||
      batch.clock_us() <= 0 || batch.clock_us() > kClockUsMax) {
    return no_genesis;
  }
  const auto& genesis = command.genesis();
  if (HasUnknown(opened.signed_batch) || HasUnknown(batch) ||
      HasUnknown(command)) {
    return Unknown("genesis");
  }
  const bool new_cluster = before.index == 0;
  if (!new_cluster && (genesis.previous_epoch() != before.epoch ||
                       genesis.previous_index() != before.index ||
                       genesis.previous_digest() != header_.digest())) {
    return absl::FailedPreconditionError(absl::StrCat(
        "log: epoch ", genesis.epoch(), " follows index ",
        genesis.previous_index(), " of epoch ", genesis.previous_epoch(),
        ", and this state is another; this instance must join again"));
  }
  const InstanceTable::Instance* const known =
      instances_.Find(batch.instance_id());
  const uint64_t incarnation =
      known == nullptr ? 1 : known->record.incarnation() + 1;
  if (batch.instance_id() != genesis.first_instance().instance_id() ||
      batch.incarnation() != incarnation || batch.sequence() != 1) {
    return no_genesis;
  }
  const auto key = crypto::PublicKey::Ed25519(
      AsBytes(genesis.first_instance().public_key()));
  const std::string signed_bytes =
      BatchSigningInput(opened.signed_batch.batch());
  if (!key.ok() || !key->VerifyEd25519(AsBytes(signed_bytes),
                                       AsBytes(opened.signed_batch.signature()))
                        .ok()) {
    return no_genesis;
  }
  result.id = IdOf(batch);
  context.proposer = batch.instance_id();
  context.proposer_clock_us = batch.clock_us();
  context.command = &command;
  const absl::Status applied = new_cluster ? ApplyGenesis(context, genesis)
                                           : ApplyNextGenesis(context, genesis);
  if (absl::IsInvalidArgument(applied)) return no_genesis;
  KMS_RETURN_IF_ERROR(applied);

  InstanceTable::Instance& instance = *instances_.Find(batch.instance_id());
  instance.record.set_incarnation(incarnation);
  instance.record.set_sequence(1);
  KMS_RETURN_IF_ERROR(StateClock(context, batch));
  v1::AuditEntry entry;
  auto& started = *entry.mutable_cluster_started();
  started.set_cluster_id(genesis.cluster_id());
  started.set_previous_epoch(genesis.previous_epoch());
  started.set_previous_index(genesis.previous_index());
  started.set_previous_digest(genesis.previous_digest());
  started.set_reason(genesis.reason());
  KMS_ASSIGN_OR_RETURN(Effect effect, Done(context, std::move(entry)));
  result.effects.push_back(std::move(effect));
  return absl::OkStatus();
}

absl::Status StateMachine::Impl::ApplyNext(
    ApplyContext& context, const std::optional<OpenedBatch>& opened,
    bool signature_known, BatchResult& result) {
  if (!opened.has_value()) {
    result.verdict = BatchVerdict::kMalformed;
    return AddRejectedLeaf(context, result);
  }
  const Batch& batch = opened->batch;
  result.id = IdOf(batch);
  context.proposer =
      std::string(AsStringView(BytesView(result.id.instance.bytes)));
  context.proposer_clock_us = batch.clock_us();
  KMS_ASSIGN_OR_RETURN(result.verdict,
                       Judge(context, *opened, signature_known));
  switch (result.verdict) {
    case BatchVerdict::kDuplicate:
      return absl::OkStatus();
    case BatchVerdict::kApplied:
      break;
    default:
      return AddRejectedLeaf(context, result);
  }
  KMS_RETURN_IF_ERROR(StateClock(context, batch));
  // As many as the batch may spend, and some: pruning keeps up with spending.
  KMS_RETURN_IF_ERROR(PruneSpent(
      context,
      kSpentPrunedPerBatchMin + static_cast<size_t>(batch.commands_size())));
  KMS_RETURN_IF_ERROR(FireDestructions(context));
  return ApplyCommands(context, batch, result);
}

// Each verdict is decided by the state and the entry alone, so all instances
// agree on it, and nobody halts because of somebody else's entry.
absl::StatusOr<BatchVerdict> StateMachine::Impl::Judge(
    ApplyContext& context, const OpenedBatch& opened, bool signature_known) {
  const Batch& batch = opened.batch;
  InstanceTable::Instance* const instance =
      instances_.Find(batch.instance_id());
  if (instance == nullptr || instance->record.removed() ||
      instance->record.fenced()) {
    return BatchVerdict::kUnknownInstance;
  }
  if (!signature_known) {
    const std::string message = BatchSigningInput(opened.signed_batch.batch());
    if (!instance->key
             .VerifyEd25519(AsBytes(message),
                            AsBytes(opened.signed_batch.signature()))
             .ok()) {
      return BatchVerdict::kUnknownInstance;
    }
  }
  auto& record = instance->record;
  if (batch.incarnation() < record.incarnation() ||
      (batch.incarnation() == record.incarnation() &&
       batch.sequence() <= record.sequence())) {
    return BatchVerdict::kDuplicate;
  }
  // One batch is in flight at a time, so a gap is a batch that its proposer
  // saw in another history than this.
  const uint64_t next =
      batch.incarnation() == record.incarnation() ? record.sequence() + 1 : 1;
  KMS_ASSIGN_OR_RETURN(BatchVerdict verdict, JudgePosition(context, batch));
  if (batch.sequence() != next) verdict = BatchVerdict::kDiverged;
  // A level above the state's is nobody's to propose: state decides, so this
  // is a no-op and does not stop those who do not speak it.
  if (verdict == BatchVerdict::kApplied &&
      (batch.feature_level() > header_.feature_level() ||
       batch.commands_size() > static_cast<int>(kCommandsPerBatchMax) ||
       batch.clock_us() <= 0 || batch.clock_us() > kClockUsMax)) {
    verdict = BatchVerdict::kMalformed;
  }
  if (verdict == BatchVerdict::kApplied &&
      (HasUnknown(opened.signed_batch) || HasUnknown(batch))) {
    return Unknown("batch");
  }
  record.set_incarnation(batch.incarnation());
  record.set_sequence(batch.sequence());
  record.set_fenced(verdict == BatchVerdict::kDiverged);
  KMS_RETURN_IF_ERROR(InstanceTable::Store(*instance, context.rows));
  return verdict;
}

absl::StatusOr<BatchVerdict> StateMachine::Impl::JudgePosition(
    ApplyContext& context, const Batch& batch) {
  const LogPosition stated = {batch.applied_epoch(), batch.applied_index()};
  const LogPosition last = {header_.epoch(), context.position.index - 1};
  if (stated > last) return BatchVerdict::kDiverged;
  if (stated.epoch < last.epoch || stated.index + kDigestWindow <= last.index) {
    return BatchVerdict::kStale;
  }
  KMS_ASSIGN_OR_RETURN(const auto digest,
                       context.rows.GetRecord<::storage::v1::DigestRecord>(
                           DigestRow(stated.index)));
  if (!digest.has_value() || digest->epoch() != stated.epoch ||
      digest->index() != stated.index ||
      digest->digest() != batch.applied_digest()) {
    return BatchVerdict::kDiverged;
  }
  return BatchVerdict::kApplied;
}

// Log time is the lower median of the instances' last clocks and never goes
// back (review.md 9).
absl::Status StateMachine::Impl::StateClock(ApplyContext& context,
                                            const Batch& batch) {
  InstanceTable::Instance& instance = *instances_.Find(batch.instance_id());
  instance.record.set_clock_us(batch.clock_us());
  KMS_RETURN_IF_ERROR(InstanceTable::Store(instance, context.rows));
  const InstanceTable::Clocks clocks = instances_.clocks();
  const int64_t before = header_.log_time_us();
  if (clocks.lower_median_us <= before) return absl::OkStatus();
  if (clocks.count == 1 && before != 0 &&
      clocks.lower_median_us - before > kClockJumpUs) {
    header_.set_clock_jump_from_us(before);
    header_.set_clock_jump_to_us(clocks.lower_median_us);
  }
  header_.set_log_time_us(clocks.lower_median_us);
  return absl::OkStatus();
}

absl::Status StateMachine::Impl::PruneSpent(ApplyContext& context,
                                            size_t most) {
  const int64_t now = header_.log_time_us();
  if (now <= next_expiry_us_) return absl::OkStatus();
  std::vector<RowKey> expired;
  int64_t next = std::numeric_limits<int64_t>::max();
  KMS_RETURN_IF_ERROR(reader_.Scan(
      FamilyPrefix(Family::kSpentExpiry), pruned_through_, most + 1,
      [&](const RowKey& key, std::string) -> absl::Status {
        ByteReader id(AsBytes(key.id()));
        const auto expires_us = static_cast<int64_t>(id.U64Be());
        if (expires_us >= now || expired.size() == most) {
          next = std::min(next, expires_us);
        } else {
          expired.push_back(key);
        }
        return absl::OkStatus();
      }));
  for (const RowKey& key : expired) {
    KMS_RETURN_IF_ERROR(context.rows.Delete(key));
    KMS_RETURN_IF_ERROR(context.rows.Delete(SpentRow(key.id().substr(8))));
  }
  header_.set_spent_challenges(header_.spent_challenges() - expired.size());
  // Nothing is spent that has expired, so no row comes before these again.
  if (!expired.empty()) pruned_through_ = expired.back().bytes();
  next_expiry_us_ = next;
  return absl::OkStatus();
}

// Before the commands: what is due is gone for them.
absl::Status StateMachine::Impl::FireDestructions(ApplyContext& context) {
  const int64_t now = header_.log_time_us();
  if (now < next_destruction_us_ || header_.clock_jump_to_us() != 0) {
    return absl::OkStatus();
  }
  std::vector<RowKey> due;
  int64_t next = std::numeric_limits<int64_t>::max();
  KMS_RETURN_IF_ERROR(reader_.Scan(
      FamilyPrefix(Family::kDestruction), {}, kDestructionsPerBatchMax + 1,
      [&](const RowKey& row, std::string) -> absl::Status {
        const int64_t due_us = ParseDueKey(row).due_us;
        if (due_us > now || due.size() == kDestructionsPerBatchMax) {
          next = std::min(next, due_us);
        } else {
          due.push_back(row);
        }
        return absl::OkStatus();
      }));
  for (const RowKey& row : due) {
    KMS_RETURN_IF_ERROR(FireDestruction(context, row));
  }
  next_destruction_us_ = next;
  return absl::OkStatus();
}

absl::Status StateMachine::Impl::ApplyCommands(ApplyContext& context,
                                               const Batch& batch,
                                               BatchResult& result) {
  result.effects.reserve(static_cast<size_t>(batch.commands_size()));
  for (const auto& approved : batch.commands()) {
    ::storage::v1::Command command;
    if (command.ParseFromString(approved.command())) {
      if (HasUnknown(command)) return Unknown("command");
      context.command = &command;
      context.approved = &approved;
      KMS_ASSIGN_OR_RETURN(Effect effect, ApplyCommand(context));
      if (effect.ok()) {
        next_expiry_us_ = std::min(next_expiry_us_, SpentUntil(command));
      }
      if (command.has_schedule_destruction() && effect.ok()) {
        next_destruction_us_ = std::min(
            next_destruction_us_,
            header_.log_time_us() + command.schedule_destruction().wait_us());
      }
      result.effects.push_back(std::move(effect));
    } else {
      result.effects.push_back(
          Refused(v1::REQUEST_MALFORMED, "command: does not parse"));
    }
    context.command = nullptr;
    context.approved = nullptr;
    ++context.number;
  }
  return absl::OkStatus();
}

absl::Status StateMachine::Impl::AddRejectedLeaf(ApplyContext& context,
                                                 BatchResult& result) {
  v1::AuditEntry entry;
  // There is no command to take a salt from; the sealed bytes are as random.
  entry.set_salt(result.sealed_digest.substr(0, kSaltBytes));
  entry.mutable_batch_rejected()->set_cause(CauseOf(result.verdict));
  entry.mutable_batch_rejected()->set_instance_id(context.proposer);
  return AddLeaf(context, std::move(entry)).status();
}

// digest(n) = SHA-256(digest(n-1), epoch, index, SHA-256(entry as received),
//                     SHA-256(verdict, effects, row writes, header)), numbers
// big-endian. The header is there without a digest, and its row sum is that of
// all rows but this entry's own digest: so two states of one digest are equal
// row by row, however they came about (review.md 20, 29).
absl::Status StateMachine::Impl::Commit(RowBatch& rows, BatchResult& result) {
  const std::string previous = header_.digest().empty()
                                   ? std::string(kSha256Bytes, '\0')
                                   : header_.digest();
  rows.MoveSum(hasher_, sum_);
  header_.set_tree_size(edge_.size());
  header_.set_tree_root(edge_.Root());
  header_.clear_digest();
  header_.set_row_sum(sum_.bytes());
  crypto::Sha256Hasher hasher;
  hasher.Update(ByteWriter().U8(static_cast<uint8_t>(result.verdict)).str());
  for (const Effect& effect : result.effects) {
    hasher.Update(EncodeEffect(effect));
  }
  rows.Digest(hasher);
  hasher.Update(header_.SerializeAsString());
  const std::string effects = hasher.Finish();
  result.digest = crypto::Sha256(AsBytes(ByteWriter()
                                             .Bytes(previous)
                                             .U64Be(result.position.epoch)
                                             .U64Be(result.position.index)
                                             .Bytes(result.sealed_digest)
                                             .Bytes(effects)
                                             .str()));
  ::storage::v1::DigestRecord record;
  record.set_digest(result.digest);
  record.set_epoch(result.position.epoch);
  record.set_index(result.position.index);
  RowBatch digest_row(reader_);
  KMS_RETURN_IF_ERROR(
      digest_row.PutRecord(DigestRow(result.position.index), record));
  digest_row.MoveSum(hasher_, sum_);
  header_.set_digest(result.digest);
  header_.set_row_sum(sum_.bytes());
  result.tree_size = header_.tree_size();
  result.tree_root = header_.tree_root();
  result.log_time_us = header_.log_time_us();

  if (rows.WritesSettings()) settings_index_ = header_.index();

  WriteBatch writes;
  KMS_RETURN_IF_ERROR(rows.Seal(envelope_, writes));
  KMS_RETURN_IF_ERROR(digest_row.Seal(envelope_, writes));
  KMS_ASSIGN_OR_RETURN(
      const std::string header,
      SealRow(envelope_, HeaderRow(), header_.SerializeAsString()));
  writes.Put(HeaderRow().bytes(), header);
  return engine_.Write(writes, Sync::kNo);
}

void StateMachine::Impl::Publish() {
  auto view = std::make_shared<const StateView>(engine_.Snapshot(), envelope_,
                                                names_, header_, edge_.Share(),
                                                settings_index_);
  std::shared_ptr<const StateView> old;  // Destroyed outside the lock.
  absl::MutexLock lock(&mutex_);
  old = std::exchange(view_, std::move(view));
}

StateMachine::StateMachine(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}
StateMachine::~StateMachine() = default;

absl::StatusOr<std::unique_ptr<StateMachine>> StateMachine::Open(
    Engine& engine, const Envelope& envelope) {
  KMS_ASSIGN_OR_RETURN(NameHasher names,
                       NameHasher::Create(*envelope.keyring()));
  KMS_ASSIGN_OR_RETURN(RowHasher hasher,
                       RowHasher::Create(*envelope.keyring()));
  auto impl = std::make_unique<Impl>(engine, envelope, std::move(names),
                                     std::move(hasher));
  KMS_RETURN_IF_ERROR(impl->Load());
  return std::unique_ptr<StateMachine>(new StateMachine(std::move(impl)));
}

absl::StatusOr<BatchResult> StateMachine::Apply(const LogEntry& entry) {
  return impl_->Apply(entry, [](absl::string_view) { return false; });
}

absl::StatusOr<BatchResult> StateMachine::Apply(const LogEntry& entry,
                                                IsOwnFn is_own) {
  return impl_->Apply(entry, is_own);
}

std::shared_ptr<const StateView> StateMachine::View() const {
  return impl_->View();
}

LogPosition StateMachine::applied() const { return impl_->applied(); }

}  // namespace kms::storage

#include "kms/seal/unsealer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/random.h"
#include "kms/seal/kept_checkpoint.h"
#include "kms/seal/limits.h"
#include "kms/seal/log_store.h"
#include "kms/seal/new_cluster.h"
#include "kms/seal/private_file.h"
#include "storage/engine/rocksdb_engine.h"
#include "storage/envelope/envelope.h"
#include "storage/replica/replica.h"

namespace kms::seal {
namespace {

// Time since boot, suspended time included.
absl::Duration BootTime() {
  timespec now = {};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return absl::DurationFromTimespec(now);
}

std::string In(absl::string_view directory, absl::string_view name) {
  return absl::StrCat(directory, "/", name);
}

absl::Status MakeDirectory(const std::string& path) {
  if (mkdir(path.c_str(), S_IRWXU) == 0 || errno == EEXIST) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(
      absl::StrCat(path, ": cannot be made (errno ", errno, ")"));
}

absl::Status CheckDirectory(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    return absl::UnavailableError(
        absl::StrCat(path, ": cannot be seen (errno ", errno, ")"));
  }
  if (!S_ISDIR(info.st_mode) || info.st_uid != geteuid() ||
      (info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, ": want a directory of this process's user with mode 0700"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Secret> ReadRootKeyFile(const std::string& path) {
  KMS_ASSIGN_OR_RETURN(Secret root, ReadSecretFile(path, kRootKeyBytes));
  if (root.size() != kRootKeyBytes) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": ", root.size(), " bytes, want ", kRootKeyBytes));
  }
  return root;
}

absl::StatusOr<Secret> RootForInit(SealKind kind, const std::string& key_file) {
  if (kind == SealKind::kShamir) return crypto::RandomSecret(kRootKeyBytes);
  absl::StatusOr<Secret> kept = ReadRootKeyFile(key_file);
  if (kept.ok() || !absl::IsNotFound(kept.status())) return kept;
  KMS_ASSIGN_OR_RETURN(Secret root, crypto::RandomSecret(kRootKeyBytes));
  KMS_RETURN_IF_ERROR(WriteSecretFile(key_file, root));
  return root;
}

absl::StatusOr<crypto::Ed25519SigningKey> PrimarySigningKey(
    const storage::Keyring& keyring, storage::KeyKind kind) {
  KMS_ASSIGN_OR_RETURN(const Secret* seed,
                       keyring.Get(kind, keyring.primary(kind)));
  return crypto::Ed25519SigningKey::FromSeed(*seed);
}

absl::StatusOr<std::shared_ptr<const storage::Envelope>> EnvelopeOf(
    const storage::Keyring& keyring) {
  KMS_ASSIGN_OR_RETURN(storage::Keyring copy, keyring.Clone());
  return storage::Envelope::Create(
      std::make_shared<const storage::Keyring>(std::move(copy)));
}

}  // namespace

// Destroyed from the bottom up: the replica's threads end before what they
// stand on.
struct Unsealer::Opened {
  explicit Opened(crypto::Ed25519SigningKey key)
      : instance_key(std::move(key)) {}

  std::unique_ptr<storage::Engine> state_engine;
  std::unique_ptr<storage::Engine> evidence_engine;  // May be null.
  OpenedLog log;
  crypto::Ed25519SigningKey instance_key;
  std::unique_ptr<Instance> instance;
};

Unsealer::Unsealer(UnsealerOptions options) : options_(std::move(options)) {
  // Before init there is no seal file to say it: kmsctl init asks.
  state_.kind = options_.kind;
}

absl::StatusOr<std::unique_ptr<Unsealer>> Unsealer::Open(
    UnsealerOptions options) {
  std::unique_ptr<Unsealer> unsealer(new Unsealer(std::move(options)));
  KMS_RETURN_IF_ERROR(unsealer->LockDirectory());
  KMS_RETURN_IF_ERROR(unsealer->ReadFiles());
  if (unsealer->options_.kind == SealKind::kDevelopment &&
      unsealer->state().initialized) {
    KMS_RETURN_IF_ERROR(unsealer->Unseal("", ""));
  }
  return unsealer;
}

Unsealer::~Unsealer() {
  {
    absl::MutexLock life(&life_mutex_);
    // The server has ended its calls by now, so nothing holds the instance.
    LetGo(options_.clock->Now() + kSealTimeout).IgnoreError();
  }
  if (lock_fd_ >= 0) close(lock_fd_);
}

absl::Status Unsealer::LockDirectory() {
  KMS_RETURN_IF_ERROR(MakeDirectory(options_.data_dir));
  KMS_RETURN_IF_ERROR(CheckDirectory(options_.data_dir));
  const std::string path = In(options_.data_dir, "lock");
  lock_fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                  S_IRUSR | S_IWUSR);
  if (lock_fd_ < 0) {
    return absl::UnavailableError(
        absl::StrCat(path, ": cannot be opened (errno ", errno, ")"));
  }
  if (flock(lock_fd_, LOCK_EX | LOCK_NB) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(options_.data_dir, ": another process is using it"));
  }
  return absl::OkStatus();
}

absl::Status Unsealer::ReadFiles() {
  const std::string cluster = In(options_.data_dir, kClusterName);
  absl::StatusOr<std::string> bytes =
      ReadPrivateFile(In(cluster, kSealFileName), kSealFileBytesMax);
  if (absl::IsNotFound(bytes.status())) {
    // Only the rename of a whole cluster makes this directory, so one without
    // a seal file has lost it. A new init must not bury what is there.
    if (access(cluster.c_str(), F_OK) == 0) {
      return Refuse(v1::DATA_LOSS,
                    absl::StrCat(cluster, ": there, but without a seal file"));
    }
    return absl::OkStatus();
  }
  KMS_RETURN_IF_ERROR(bytes.status());
  KMS_ASSIGN_OR_RETURN(SealFile seal, DecodeSealFile(AsBytes(*bytes)));
  if (seal.kind != options_.kind) {
    return absl::FailedPreconditionError(
        absl::StrCat(cluster, ": its seal is ", SealKindName(seal.kind),
                     ", the configuration says ", SealKindName(options_.kind)));
  }
  KMS_ASSIGN_OR_RETURN(
      const std::string instance_bytes,
      ReadPrivateFile(In(cluster, kInstanceFileName), kInstanceFileBytesMax));
  KMS_ASSIGN_OR_RETURN(InstanceFile instance,
                       DecodeInstanceFile(AsBytes(instance_bytes)));
  absl::StatusOr<std::string> checkpoint = ReadPrivateFile(
      In(cluster, kCheckpointFileName), kCheckpointFileBytesMax);
  if (!checkpoint.ok() && !absl::IsNotFound(checkpoint.status())) {
    return checkpoint.status();
  }
  Adopt(std::move(seal), std::move(instance));
  absl::MutexLock lock(&mutex_);
  if (checkpoint.ok()) state_.last_checkpoint = *std::move(checkpoint);
  return absl::OkStatus();
}

void Unsealer::Adopt(SealFile seal, InstanceFile instance) {
  absl::MutexLock lock(&mutex_);
  state_.initialized = true;
  state_.kind = seal.kind;
  state_.shares = static_cast<uint32_t>(seal.commitments.digests.size());
  state_.threshold = seal.commitments.threshold;
  state_.cluster_id = seal.commitments.cluster_id;
  state_.identity_public_key = seal.identity_public_key;
  state_.instance_id = instance.id;
  if (seal.kind == SealKind::kShamir) {
    ceremony_ = std::make_shared<UnsealCeremony>(seal);
  }
  seal_ = std::move(seal);
  instance_ = std::move(instance);
}

absl::StatusOr<OpenedSeal> Unsealer::OpenDevelopmentSeal(
    const SealFile& seal) const {
  KMS_ASSIGN_OR_RETURN(Secret root,
                       ReadRootKeyFile(options_.development_key_file));
  KMS_ASSIGN_OR_RETURN(storage::Keyring keyring, OpenKeyringOf(seal, root));
  return OpenedSeal{std::move(root), std::move(keyring)};
}

absl::StatusOr<InitResult> Unsealer::Init(absl::string_view principal,
                                          uint32_t shares, uint32_t threshold) {
  absl::MutexLock life(&life_mutex_);
  if (state().initialized) {
    return Refuse(v1::ALREADY_INITIALIZED, "init: done already");
  }
  if (options_.kind == SealKind::kDevelopment && (shares | threshold) != 0) {
    return Refuse(v1::REQUEST_MALFORMED,
                  "init: a development seal has no shares, want 0 of 0");
  }
  NewClusterOptions making;
  making.directory = In(options_.data_dir, kUnfinishedName);
  making.kind = options_.kind;
  making.shares = shares;
  making.threshold = threshold;
  making.principal = std::string(principal);
  making.etcd = options_.etcd;
  making.clock = options_.clock;
  // An init that did not finish was never answered: nothing there is anyone's.
  std::error_code failed;
  std::filesystem::remove_all(making.directory, failed);
  if (failed) {
    return absl::UnavailableError(
        absl::StrCat(making.directory, ": cannot be removed"));
  }
  KMS_RETURN_IF_ERROR(MakeDirectory(making.directory));
  KMS_ASSIGN_OR_RETURN(
      Secret root, RootForInit(options_.kind, options_.development_key_file));
  KMS_ASSIGN_OR_RETURN(NewCluster made, MakeCluster(making, std::move(root)));
  const std::string cluster = In(options_.data_dir, kClusterName);
  if (rename(making.directory.c_str(), cluster.c_str()) != 0) {
    return absl::UnavailableError(
        absl::StrCat(cluster, ": cannot be made (errno ", errno, ")"));
  }
  InitResult result;
  result.cluster_id = made.seal.commitments.cluster_id;
  result.identity_public_key = made.seal.identity_public_key;
  result.verifier_key = made.seal.verifier_key;
  result.shares = std::move(made.share_texts);
  Adopt(std::move(made.seal), std::move(made.instance));
  // From here on there is a cluster, so its shares must reach the caller.
  result.opened = SyncDirectory(options_.data_dir);
  if (result.opened.ok()) result.opened = OpenInstance(made.opened);
  return result;
}

absl::Status Unsealer::CheckSealed() const {
  const SealState now = state();
  if (!now.initialized) {
    return Refuse(v1::NOT_INITIALIZED, "unseal: there is no root key yet");
  }
  if (!now.sealed) return Refuse(v1::NOT_SEALED, "unseal: it is unsealed");
  return absl::OkStatus();
}

absl::Status Unsealer::Unseal(absl::string_view principal,
                              absl::string_view text) {
  absl::MutexLock life(&life_mutex_);
  KMS_RETURN_IF_ERROR(CheckSealed());
  std::shared_ptr<UnsealCeremony> ceremony;
  std::optional<SealFile> seal;
  {
    absl::MutexLock lock(&mutex_);
    ceremony = ceremony_;
    seal = seal_;
  }
  if (ceremony == nullptr) {
    if (!text.empty()) {
      return Refuse(v1::SHARE_REJECTED,
                    "unseal: a development seal takes no share");
    }
    KMS_ASSIGN_OR_RETURN(const OpenedSeal opened, OpenDevelopmentSeal(*seal));
    return OpenInstance(opened);
  }
  KMS_ASSIGN_OR_RETURN(const std::optional<OpenedSeal> opened,
                       ceremony->Offer(principal, text, options_.clock->Now()));
  return opened.has_value() ? OpenInstance(*opened) : absl::OkStatus();
}

absl::Status Unsealer::ResetUnseal() {
  absl::MutexLock life(&life_mutex_);
  KMS_RETURN_IF_ERROR(CheckSealed());
  new_epoch_.reset();
  absl::MutexLock lock(&mutex_);
  if (ceremony_ != nullptr) ceremony_->Reset();
  return absl::OkStatus();
}

absl::Status Unsealer::NewEpoch(absl::string_view principal,
                                absl::string_view reason) {
  absl::MutexLock life(&life_mutex_);
  if (const SealState now = state(); now.initialized && !now.sealed) {
    return Refuse(v1::NOT_SEALED,
                  "new epoch: it begins with an unseal; seal this instance "
                  "first");
  }
  KMS_RETURN_IF_ERROR(CheckSealed());
  if (reason.empty() || reason.size() > kEpochReasonBytesMax) {
    return Refuse(v1::REQUEST_MALFORMED,
                  absl::StrCat("new epoch: want a reason of 1 to ",
                               kEpochReasonBytesMax, " bytes"));
  }
  if (!options_.etcd.has_value()) {
    return absl::FailedPreconditionError(
        "new epoch: it begins in etcd, and the configuration has no log.etcd");
  }
  new_epoch_ = {std::string(principal), std::string(reason)};
  return absl::OkStatus();
}

LogPlace Unsealer::Place() const {
  return {In(options_.data_dir, kClusterName), options_.etcd,
          options_.on_fatal};
}

absl::Status Unsealer::OpenState(Opened& next) const {
  storage::RocksdbOptions engine;
  engine.on_fatal = options_.on_fatal;
  // Everything in the state is in the log too; the log itself is not forgiven.
  engine.replayable = true;
  engine.path = In(In(options_.data_dir, kClusterName), kStateName);
  KMS_ASSIGN_OR_RETURN(next.state_engine, storage::OpenRocksdbEngine(engine));
  return absl::OkStatus();
}

// Without its engine the archive refuses, and with it every release; but no key
// hangs on it, so the instance opens all the same.
std::unique_ptr<storage::EvidenceArchive> Unsealer::OpenEvidence(
    Opened& next, std::shared_ptr<const storage::Envelope> envelope) const {
  if (options_.evidence_retention == absl::ZeroDuration()) return nullptr;
  storage::RocksdbOptions options;
  options.path = In(In(options_.data_dir, kClusterName), kEvidenceName);
  options.on_fatal = options_.on_evidence_lost;
  options.replayable = true;  // Losing Evidence loses a second look, no key.
  auto engine = storage::OpenRocksdbEngine(options);
  if (engine.ok()) {
    next.evidence_engine = *std::move(engine);
  } else {
    options_.on_evidence_lost(engine.status());
  }
  return std::make_unique<storage::EvidenceArchive>(
      next.evidence_engine.get(), std::move(envelope),
      options_.evidence_retention);
}

// But for log and envelope.
storage::ReplicaOptions Unsealer::ReplicaOptionsOf(
    const Opened& next, const SealFile& seal, const InstanceFile& file) const {
  storage::ReplicaOptions replica;
  replica.state = next.state_engine.get();
  replica.clock = options_.clock;
  replica.boot_time = BootTime;
  std::copy(file.id.begin(), file.id.end(), replica.instance.bytes.begin());
  replica.signing_key = &next.instance_key;
  replica.cluster_id = seal.commitments.cluster_id;
  replica.scrub_interval = options_.scrub_interval;
  replica.on_fatal = options_.on_fatal;
  return replica;
}

absl::Status Unsealer::BeginEpoch(const EpochRequest& request,
                                  const Opened& next, const SealFile& seal,
                                  const InstanceFile& file,
                                  absl::string_view kept,
                                  const storage::Keyring& keyring) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const storage::Envelope> envelope,
                       EnvelopeOf(keyring));
  KMS_ASSIGN_OR_RETURN(
      const crypto::Ed25519SigningKey checkpoint,
      PrimarySigningKey(keyring, storage::KeyKind::kCheckpoint));
  const absl::Time deadline = options_.clock->Now() + kLogTimeout;
  KMS_ASSIGN_OR_RETURN(const OpenedLog ended, OpenEndedLog(Place(), deadline));

  storage::ReplicaOptions last = ReplicaOptionsOf(next, seal, file);
  last.log = ended.log.get();
  last.envelope = envelope.get();
  storage::BootstrapOptions first;
  first.envelope = envelope.get();
  first.clock = options_.clock;
  first.instance = last.instance;
  first.signing_key = &next.instance_key;
  first.salt = crypto::RandomString(16);
  first.principal = request.principal;
  first.reason = request.reason;
  OpenedLog begun;
  return storage::Replica::BeginEpoch(
      last, first,
      [&](const storage::StateView& view)
          -> absl::StatusOr<storage::SharedLog*> {
        // An older state that was put back must not become everybody's.
        KMS_RETURN_IF_ERROR(CheckAgainstKept(kept, checkpoint, view));
        KMS_ASSIGN_OR_RETURN(
            begun, CreateLog(Place(), view.position().epoch + 1, deadline));
        return begun.log.get();
      },
      options_.clock->Now() + kOpenTimeout);
}

absl::Status Unsealer::OpenReplica(Opened& next, const SealFile& seal,
                                   const InstanceFile& file,
                                   const storage::Keyring& keyring) const {
  KMS_ASSIGN_OR_RETURN(std::shared_ptr<const storage::Envelope> envelope,
                       EnvelopeOf(keyring));
  KMS_ASSIGN_OR_RETURN(
      crypto::Ed25519SigningKey identity,
      PrimarySigningKey(keyring, storage::KeyKind::kClusterIdentity));
  KMS_ASSIGN_OR_RETURN(
      crypto::Ed25519SigningKey checkpoint,
      PrimarySigningKey(keyring, storage::KeyKind::kCheckpoint));

  storage::ReplicaOptions replica = ReplicaOptionsOf(next, seal, file);
  replica.log = next.log.log.get();
  replica.envelope = envelope.get();
  KMS_ASSIGN_OR_RETURN(
      std::unique_ptr<storage::Replica> serving,
      storage::Replica::Open(replica, options_.clock->Now() + kOpenTimeout));

  std::unique_ptr<storage::EvidenceArchive> evidence =
      OpenEvidence(next, envelope);
  next.instance = std::unique_ptr<Instance>(
      new Instance{seal.commitments.cluster_id, file.id, *options_.clock,
                   std::move(envelope), std::move(serving), std::move(evidence),
                   std::move(identity), std::move(checkpoint),
                   options_.simulated_anchors, options_.collateral_max_ages});
  return absl::OkStatus();
}

absl::Status Unsealer::OpenInstance(const OpenedSeal& opened) {
  if (gone_ != nullptr && !gone_->HasBeenNotified()) {
    return Refuse(v1::LOG_UNAVAILABLE,
                  "unseal: calls from before the seal are still ending");
  }
  SealFile seal;
  InstanceFile file;
  std::string kept;
  {
    absl::MutexLock lock(&mutex_);
    seal = *seal_;
    file = instance_;
    kept = state_.last_checkpoint;
  }
  KMS_ASSIGN_OR_RETURN(
      crypto::Ed25519SigningKey instance_key,
      OpenInstanceKey(file, AsBytes(seal.commitments.cluster_id), opened.root));
  auto next = std::make_unique<Opened>(std::move(instance_key));
  KMS_RETURN_IF_ERROR(OpenState(*next));
  if (new_epoch_.has_value()) {
    KMS_RETURN_IF_ERROR(
        BeginEpoch(*new_epoch_, *next, seal, file, kept, opened.keyring));
    new_epoch_.reset();
  }
  KMS_ASSIGN_OR_RETURN(next->log,
                       OpenLog(Place(), options_.clock->Now() + kLogTimeout));
  KMS_RETURN_IF_ERROR(OpenReplica(*next, seal, file, opened.keyring));
  KMS_RETURN_IF_ERROR(CheckAgainstKept(kept, next->instance->checkpoint_key,
                                       *next->instance->replica->View()));
  if (options_.etcd.has_value()) KMS_RETURN_IF_ERROR(RetireLocalLog(Place()));

  auto gone = std::make_shared<absl::Notification>();
  const std::shared_ptr<Opened> shared(next.release(), [gone](Opened* last) {
    delete last;
    gone->Notify();
  });
  opened_ = shared;
  gone_ = std::move(gone);
  options_.holder->Set(
      std::shared_ptr<const Instance>(shared, shared->instance.get()));
  absl::MutexLock lock(&mutex_);
  state_.sealed = false;
  return absl::OkStatus();
}

absl::Status Unsealer::Seal(absl::Time deadline) {
  absl::MutexLock life(&life_mutex_);
  const SealState now = state();
  if (!now.initialized) {
    return Refuse(v1::NOT_INITIALIZED, "seal: there is no root key yet");
  }
  if (now.sealed) return Refuse(v1::SEALED, "seal: it is sealed");
  return LetGo(deadline);
}

absl::Status Unsealer::LetGo(absl::Time deadline) {
  options_.holder->Set(nullptr);
  {
    absl::MutexLock lock(&mutex_);
    state_.sealed = true;
  }
  if (gone_ == nullptr) return absl::OkStatus();
  if (std::shared_ptr<Opened> opened = opened_.lock()) {
    opened->instance->replica->Stop(deadline);
  }
  if (!gone_->WaitForNotificationWithDeadline(deadline)) {
    return absl::DeadlineExceededError(
        "seal: sealed, but calls in progress still hold the keys");
  }
  return absl::OkStatus();
}

absl::Status Unsealer::KeepCheckpoint(absl::string_view note) {
  if (note.size() > kCheckpointFileBytesMax) {
    return absl::InvalidArgumentError("checkpoint: over its bound");
  }
  {
    absl::MutexLock lock(&mutex_);
    if (state_.last_checkpoint == note) return absl::OkStatus();
  }
  KMS_RETURN_IF_ERROR(WritePrivateFile(
      In(In(options_.data_dir, kClusterName), kCheckpointFileName),
      AsBytes(note)));
  absl::MutexLock lock(&mutex_);
  state_.last_checkpoint = std::string(note);
  return absl::OkStatus();
}

SealState Unsealer::state() const {
  absl::MutexLock lock(&mutex_);
  SealState state = state_;
  if (ceremony_ != nullptr) state.progress = ceremony_->progress();
  return state;
}

}  // namespace kms::seal

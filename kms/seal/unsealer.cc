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
#include "kms/base/caller.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/random.h"
#include "kms/instance/admin_call.h"
#include "kms/seal/kept_checkpoint.h"
#include "kms/seal/limits.h"
#include "kms/seal/log_store.h"
#include "kms/seal/new_cluster.h"
#include "kms/seal/private_file.h"
#include "proto/storage/v1/record.pb.h"
#include "storage/engine/rocksdb_engine.h"
#include "storage/envelope/envelope.h"
#include "storage/replica/replica.h"
#include "storage/snapshot/snapshot_receiver.h"
#include "storage/state/row_store.h"

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

// A development root key that is there already is taken: it may have been put
// there.
absl::StatusOr<Secret> RootForInit(const SealOptions& seal,
                                   const RootDevice* device) {
  if (seal.kind == SealKind::kDevelopment) {
    absl::StatusOr<Secret> kept = device->Unwrap({});
    if (!absl::IsNotFound(kept.status())) return kept;
  }
  return crypto::RandomSecret(kRootKeyBytes);
}

absl::Status RemoveDirectory(const std::string& path) {
  std::error_code failed;
  std::filesystem::remove_all(path, failed);
  if (!failed) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(path, ": cannot be removed"));
}

absl::Status Rename(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat(to, ": cannot be made (errno ", errno, ")"));
}

absl::StatusOr<crypto::Ed25519SigningKey> PrimarySigningKey(
    const storage::Keyring& keyring, storage::KeyKind kind) {
  KMS_ASSIGN_OR_RETURN(const Secret* seed,
                       keyring.Get(kind, keyring.primary(kind)));
  return crypto::Ed25519SigningKey::FromSeed(*seed);
}

absl::StatusOr<std::shared_ptr<storage::Envelope>> EnvelopeOf(
    const storage::Keyring& keyring) {
  KMS_ASSIGN_OR_RETURN(storage::Keyring copy, keyring.Clone());
  return storage::Envelope::Create(
      std::make_shared<const storage::Keyring>(std::move(copy)));
}

// What the state here has applied; nothing if it is empty.
absl::StatusOr<std::optional<storage::KnownState>> ReadKnownState(
    const storage::Engine& engine, const storage::Envelope& envelope) {
  KMS_ASSIGN_OR_RETURN(
      const auto header,
      storage::RowReader(engine, envelope)
          .GetRecord<::storage::v1::StateHeader>(storage::HeaderRow()));
  if (!header.has_value()) return std::optional<storage::KnownState>();
  storage::KnownState known;
  known.position = {header->epoch(), header->index()};
  known.tree_size = header->tree_size();
  known.tree_root = header->tree_root();
  return std::optional<storage::KnownState>(std::move(known));
}

// From one donor into an empty engine; `position`: of what came.
absl::Status ReceiveSnapshot(SnapshotSource& source, size_t donor,
                             const SnapshotAsker& asker,
                             const std::optional<storage::KnownState>& known,
                             storage::Engine& into,
                             const storage::Envelope& envelope,
                             storage::LogPosition& position) {
  std::optional<storage::SnapshotReceiver> receiver;
  KMS_RETURN_IF_ERROR(source.Copy(
      donor, asker,
      [&](storage::LogPosition sent) -> absl::Status {
        KMS_ASSIGN_OR_RETURN(
            receiver, storage::SnapshotReceiver::Create(
                          into, envelope, asker.cluster_id, sent, known));
        position = sent;
        return absl::OkStatus();
      },
      [&](absl::string_view chunk) -> absl::Status {
        if (receiver.has_value()) return receiver->Add(chunk);
        return Refuse(v1::DATA_LOSS, "snapshot: a chunk before its position");
      }));
  if (!receiver.has_value()) {
    return Refuse(v1::DATA_LOSS, "snapshot: nothing came");
  }
  return receiver->Finish();
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
  std::shared_ptr<storage::Envelope> envelope;  // The instance's.
  std::unique_ptr<Instance> instance;
};

Unsealer::Unsealer(UnsealerOptions options)
    : options_(std::move(options)),
      device_(DeviceOf(options_.seal)),
      device_before_(options_.seal_before.has_value()
                         ? DeviceOf(*options_.seal_before)
                         : nullptr) {
  // Before init there is no seal file to say it: kmsctl init asks.
  state_.kind = options_.seal.kind;
  state_.configured_kind = options_.seal.kind;
}

absl::StatusOr<std::unique_ptr<Unsealer>> Unsealer::Open(
    UnsealerOptions options) {
  std::unique_ptr<Unsealer> unsealer(new Unsealer(std::move(options)));
  KMS_RETURN_IF_ERROR(unsealer->LockDirectory());
  KMS_RETURN_IF_ERROR(unsealer->ReadFiles());
  const SealState found = unsealer->state();
  if (found.initialized && found.kind == SealKind::kDevelopment) {
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
  if (seal.kind != options_.seal.kind &&
      !(options_.seal_before.has_value() &&
        options_.seal_before->kind == seal.kind)) {
    return absl::FailedPreconditionError(absl::StrCat(
        cluster, ": its seal is ", SealKindName(seal.kind),
        ", the configuration says ", SealKindName(options_.seal.kind),
        "; to move the root key, say where it is in seal.before"));
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

void Unsealer::Adopt(SealFile seal, InstanceFile instance,
                     std::shared_ptr<const Secret> root) {
  absl::MutexLock lock(&mutex_);
  if (root != nullptr) root_ = std::move(root);
  state_.initialized = true;
  state_.kind = seal.kind;
  state_.shares = static_cast<uint32_t>(seal.commitments.digests.size());
  state_.threshold = seal.commitments.threshold;
  state_.cluster_id = seal.commitments.cluster_id;
  state_.identity_public_key = seal.identity_public_key;
  state_.instance_id = instance.id;
  ceremony_ = seal.kind == SealKind::kShamir
                  ? std::make_shared<UnsealCeremony>(seal)
                  : nullptr;
  seal_ = std::move(seal);
  instance_ = std::move(instance);
}

const RootDevice* Unsealer::DeviceFor(SealKind kind) const {
  return kind == options_.seal.kind ? device_.get() : device_before_.get();
}

absl::StatusOr<OpenedSeal> Unsealer::OpenByDevice(const RootDevice& device,
                                                  const SealFile& seal) const {
  KMS_ASSIGN_OR_RETURN(Secret root, device.Unwrap(AsBytes(seal.wrapped)));
  KMS_ASSIGN_OR_RETURN(storage::Keyring keyring, OpenKeyringOf(seal, root));
  return OpenedSeal{std::move(root), std::move(keyring)};
}

// An init or join that did not finish was never answered: nothing there is
// anyone's.
absl::StatusOr<std::string> Unsealer::MakeUnfinished() const {
  const std::string directory = In(options_.data_dir, kUnfinishedName);
  KMS_RETURN_IF_ERROR(RemoveDirectory(directory));
  KMS_RETURN_IF_ERROR(MakeDirectory(directory));
  return directory;
}

absl::Status Unsealer::FinishCluster() const {
  return Rename(In(options_.data_dir, kUnfinishedName),
                In(options_.data_dir, kClusterName));
}

absl::StatusOr<InitResult> Unsealer::Init(absl::string_view principal,
                                          uint32_t shares, uint32_t threshold) {
  absl::MutexLock life(&life_mutex_);
  if (state().initialized) {
    return Refuse(v1::ALREADY_INITIALIZED, "init: done already");
  }
  NewClusterOptions making;
  making.keeping = {options_.seal.kind, device_.get(), shares, threshold};
  KMS_RETURN_IF_ERROR(CheckCounts(making.keeping));
  making.principal = std::string(principal);
  making.etcd = options_.etcd;
  making.clock = options_.clock;
  KMS_ASSIGN_OR_RETURN(making.directory, MakeUnfinished());
  KMS_ASSIGN_OR_RETURN(Secret root, RootForInit(options_.seal, device_.get()));
  KMS_ASSIGN_OR_RETURN(NewCluster made, MakeCluster(making, std::move(root)));
  KMS_RETURN_IF_ERROR(FinishCluster());
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

absl::Status Unsealer::Join(JoinedCluster joined) {
  absl::MutexLock life(&life_mutex_);
  if (state().initialized) {
    return Refuse(v1::ALREADY_INITIALIZED,
                  "join: this instance belongs to a cluster already");
  }
  KMS_ASSIGN_OR_RETURN(OpenedSeal opened, KeepJoined(joined));
  KMS_ASSIGN_OR_RETURN(
      InstanceFile file,
      MakeInstanceFile(AsBytes(joined.seal.commitments.cluster_id),
                       AsBytes(joined.instance_id), joined.instance_key,
                       opened.root));
  KMS_ASSIGN_OR_RETURN(const std::string unfinished, MakeUnfinished());
  KMS_RETURN_IF_ERROR(WritePrivateFile(In(unfinished, kInstanceFileName),
                                       AsBytes(EncodeInstanceFile(file))));
  KMS_RETURN_IF_ERROR(WritePrivateFile(In(unfinished, kSealFileName),
                                       AsBytes(EncodeSealFile(joined.seal))));
  KMS_RETURN_IF_ERROR(FinishCluster());
  Adopt(std::move(joined.seal), std::move(file));
  KMS_RETURN_IF_ERROR(SyncDirectory(options_.data_dir));
  return OpenInstance(opened);
}

// The root key that this instance is to have, kept here, and its keyring.
absl::StatusOr<OpenedSeal> Unsealer::KeepJoined(JoinedCluster& joined) const {
  const SealKind kind = options_.seal.kind;
  KMS_ASSIGN_OR_RETURN(storage::Keyring keyring,
                       OpenKeyringOf(joined.seal, joined.root));
  if (kind == SealKind::kPkcs11 || kind == SealKind::kTpm) {
    KMS_ASSIGN_OR_RETURN(Secret own, crypto::RandomSecret(kRootKeyBytes));
    const RootKeeping keeping = {kind, device_.get()};
    KMS_RETURN_IF_ERROR(KeepRoot(keeping, own, keyring, joined.seal).status());
    return OpenedSeal{std::move(own), std::move(keyring)};
  }
  if (joined.seal.kind != kind) {
    return absl::FailedPreconditionError(absl::StrCat(
        "join: the donor's seal is ", SealKindName(joined.seal.kind),
        ", the configuration says ", SealKindName(kind)));
  }
  if (device_ != nullptr) {
    KMS_RETURN_IF_ERROR(device_->Wrap(joined.root).status());
  }
  return OpenedSeal{std::move(joined.root), std::move(keyring)};
}

absl::StatusOr<RootCopy> Unsealer::CopyRoot() const {
  absl::MutexLock rotation(&keyring_mutex_);
  std::shared_ptr<const Secret> root;
  RootCopy copy;
  {
    absl::MutexLock lock(&mutex_);
    if (root_ == nullptr) {
      return Refuse(v1::SEALED, "root key: this instance is sealed");
    }
    root = root_;
    copy.seal_file = EncodeSealFile(*seal_);
  }
  KMS_ASSIGN_OR_RETURN(copy.root, root->Clone());
  return copy;
}

absl::Status Unsealer::Reopen(absl::Time deadline) {
  absl::MutexLock life(&life_mutex_);
  KMS_ASSIGN_OR_RETURN(RootCopy copy, CopyRoot());
  KMS_RETURN_IF_ERROR(LetGo(deadline));
  std::optional<SealFile> seal;
  {
    absl::MutexLock lock(&mutex_);
    seal = seal_;
  }
  KMS_ASSIGN_OR_RETURN(storage::Keyring keyring,
                       OpenKeyringOf(*seal, copy.root));
  return OpenInstance(OpenedSeal{std::move(copy.root), std::move(keyring)});
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
                    absl::StrCat("unseal: a ", SealKindName(seal->kind),
                                 " seal takes no share"));
    }
    absl::Status opened = UnsealByDevice(*seal);
    absl::MutexLock lock(&mutex_);
    state_.problem = opened;
    return opened;
  }
  KMS_ASSIGN_OR_RETURN(const std::optional<OpenedSeal> opened,
                       ceremony->Offer(principal, text, options_.clock->Now()));
  return opened.has_value() ? OpenInstance(*opened) : absl::OkStatus();
}

absl::Status Unsealer::UnsealByDevice(const SealFile& seal) {
  KMS_ASSIGN_OR_RETURN(const OpenedSeal opened,
                       OpenByDevice(*DeviceFor(seal.kind), seal));
  return OpenInstance(opened);
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

// A state that the log's trim has passed cannot be continued, only replaced.
absl::StatusOr<std::unique_ptr<storage::Replica>> Unsealer::OpenOrCopy(
    Opened& next, storage::ReplicaOptions options) const {
  const absl::Time deadline = options_.clock->Now() + kOpenTimeout;
  auto serving = storage::Replica::Open(options, deadline);
  if (!absl::IsOutOfRange(serving.status()) || options_.snapshots == nullptr) {
    return serving;
  }
  KMS_RETURN_IF_ERROR(CopyState(next, options));
  options.state = next.state_engine.get();
  return storage::Replica::Open(options, deadline);
}

// Receives beside the old state, and replaces it by one rename: a crash leaves
// the old one, the new one, or none, which is copied again.
absl::Status Unsealer::CopyState(Opened& next,
                                 const storage::ReplicaOptions& options) const {
  const std::string cluster = In(options_.data_dir, kClusterName);
  const std::string path = In(cluster, kStateName);
  const std::string fresh = In(cluster, kNewStateName);
  KMS_ASSIGN_OR_RETURN(const std::optional<storage::KnownState> known,
                       ReadKnownState(*next.state_engine, *options.envelope));
  SnapshotAsker asker{
      options.cluster_id, ToString(options.instance.bytes), options.signing_key,
      known.has_value() ? known->position : storage::LogPosition()};
  storage::RocksdbOptions engine;
  engine.on_fatal = options_.on_fatal;
  engine.replayable = true;
  absl::Status copied = absl::UnavailableError("snapshot: no peer to ask");
  storage::LogPosition position;
  for (size_t donor = 0; donor < options_.snapshots->donors(); ++donor) {
    KMS_RETURN_IF_ERROR(RemoveDirectory(fresh));
    engine.path = fresh;
    KMS_ASSIGN_OR_RETURN(const std::unique_ptr<storage::Engine> into,
                         storage::OpenRocksdbEngine(engine));
    copied = ReceiveSnapshot(*options_.snapshots, donor, asker, known, *into,
                             *options.envelope, position);
    if (copied.ok()) break;
  }
  KMS_RETURN_IF_ERROR(copied);
  next.state_engine.reset();
  KMS_RETURN_IF_ERROR(RemoveDirectory(path));
  KMS_RETURN_IF_ERROR(Rename(fresh, path));
  KMS_RETURN_IF_ERROR(SyncDirectory(cluster));
  engine.path = path;
  KMS_ASSIGN_OR_RETURN(next.state_engine, storage::OpenRocksdbEngine(engine));
  if (options_.on_snapshot != nullptr) options_.on_snapshot(position);
  return absl::OkStatus();
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
  KMS_ASSIGN_OR_RETURN(next.envelope, EnvelopeOf(keyring));
  std::shared_ptr<const storage::Envelope> envelope = next.envelope;
  KMS_ASSIGN_OR_RETURN(
      crypto::Ed25519SigningKey identity,
      PrimarySigningKey(keyring, storage::KeyKind::kClusterIdentity));
  KMS_ASSIGN_OR_RETURN(
      crypto::Ed25519SigningKey checkpoint,
      PrimarySigningKey(keyring, storage::KeyKind::kCheckpoint));

  storage::ReplicaOptions replica = ReplicaOptionsOf(next, seal, file);
  replica.log = next.log.log.get();
  replica.envelope = envelope.get();
  KMS_ASSIGN_OR_RETURN(std::unique_ptr<storage::Replica> serving,
                       OpenOrCopy(next, std::move(replica)));

  std::unique_ptr<storage::EvidenceArchive> evidence =
      OpenEvidence(next, envelope);
  next.instance = std::unique_ptr<Instance>(new Instance{
      seal.commitments.cluster_id, file.id, *options_.clock,
      std::move(envelope), std::move(serving), std::move(evidence),
      std::move(identity), std::move(checkpoint), options_.simulated_anchors,
      options_.collateral_max_ages, &next.instance_key});
  return absl::OkStatus();
}

// A rekey that was cut short left two instance files; the seal file, which was
// replaced between them, says by its root key which one is good.
absl::Status Unsealer::SettleInstanceFile(const Secret& root) {
  const std::string cluster = In(options_.data_dir, kClusterName);
  const std::string next = In(cluster, kNextInstanceFileName);
  const absl::StatusOr<std::string> bytes =
      ReadPrivateFile(next, kInstanceFileBytesMax);
  if (absl::IsNotFound(bytes.status())) return absl::OkStatus();
  KMS_RETURN_IF_ERROR(bytes.status());
  KMS_ASSIGN_OR_RETURN(InstanceFile file, DecodeInstanceFile(AsBytes(*bytes)));
  std::string cluster_id;
  {
    absl::MutexLock lock(&mutex_);
    cluster_id = seal_->commitments.cluster_id;
  }
  const auto key = OpenInstanceKey(file, AsBytes(cluster_id), root);
  if (absl::IsDataLoss(key.status())) {
    std::error_code ignored;
    std::filesystem::remove(next, ignored);
    return absl::OkStatus();
  }
  KMS_RETURN_IF_ERROR(key.status());
  KMS_RETURN_IF_ERROR(Rename(next, In(cluster, kInstanceFileName)));
  KMS_RETURN_IF_ERROR(SyncDirectory(cluster));
  absl::MutexLock lock(&mutex_);
  instance_ = std::move(file);
  return absl::OkStatus();
}

absl::Status Unsealer::OpenInstance(const OpenedSeal& opened) {
  if (gone_ != nullptr && !gone_->HasBeenNotified()) {
    return Refuse(v1::LOG_UNAVAILABLE,
                  "unseal: calls from before the seal are still ending");
  }
  KMS_RETURN_IF_ERROR(SettleInstanceFile(opened.root));
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

  KMS_ASSIGN_OR_RETURN(Secret root, opened.root.Clone());
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
  root_ = std::make_shared<const Secret>(std::move(root));
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

absl::StatusOr<RekeyState> Unsealer::BeginRekey(absl::string_view principal,
                                                absl::string_view kind,
                                                uint32_t shares,
                                                uint32_t threshold) {
  absl::MutexLock life(&life_mutex_);
  std::optional<SealFile> seal;
  {
    absl::MutexLock lock(&mutex_);
    if (root_ == nullptr) return Refuse(v1::SEALED, "rekey: it is sealed");
    seal = seal_;
  }
  const SealOptions& to = options_.seal;
  if (kind != SealKindName(to.kind) || to.kind == SealKind::kDevelopment) {
    return Refuse(v1::REKEY_CONFLICT,
                  absl::StrCat("rekey: the configuration names a seal of kind ",
                               SealKindName(to.kind),
                               ", want shamir, pkcs11 or tpm, and the same in "
                               "the request"));
  }
  if (rekey_ != nullptr) {
    return Refuse(v1::REKEY_CONFLICT, "rekey: another one is going on");
  }
  KMS_ASSIGN_OR_RETURN(
      rekey_, Rekey::Begin(*seal, {to.kind, device_.get(), shares, threshold}));
  return AdvanceRekey(principal);
}

absl::StatusOr<RekeyState> Unsealer::ContinueRekey(absl::string_view principal,
                                                   absl::string_view id,
                                                   absl::string_view text) {
  absl::MutexLock life(&life_mutex_);
  if (state().sealed) return Refuse(v1::SEALED, "rekey: it is sealed");
  if (rekey_ == nullptr || rekey_->id() != id) {
    return Refuse(v1::REKEY_CONFLICT, "rekey: this one is not going on");
  }
  KMS_RETURN_IF_ERROR(rekey_->Offer(principal, text, options_.clock->Now()));
  return AdvanceRekey(principal);
}

void Unsealer::CancelRekey() {
  absl::MutexLock life(&life_mutex_);
  rekey_ = nullptr;
}

// Goes as far as it can without another share. An error ends the rekey.
absl::StatusOr<RekeyState> Unsealer::AdvanceRekey(absl::string_view principal) {
  RekeyState state;
  if (rekey_->phase() == RekeyPhase::kAgreed) {
    auto shares = PrepareRekey(principal);
    if (!shares.ok()) rekey_ = nullptr;
    KMS_ASSIGN_OR_RETURN(state.shares, std::move(shares));
  }
  if (rekey_->phase() == RekeyPhase::kReady) {
    const std::unique_ptr<Rekey> ready = std::move(rekey_);
    KMS_RETURN_IF_ERROR(FinishRekey(ready->TakeFiles()));
    return state;
  }
  state.id = rekey_->id();
  state.confirming = rekey_->phase() == RekeyPhase::kConfirming;
  state.progress = rekey_->progress();
  state.threshold = rekey_->threshold();
  return state;
}

// Recorded first: whoever gets a share of the new root key stands in the log.
absl::StatusOr<std::vector<Secret>> Unsealer::PrepareRekey(
    absl::string_view principal) {
  SealFile seal;
  InstanceFile instance_file;
  std::shared_ptr<const Secret> root;
  {
    absl::MutexLock lock(&mutex_);
    seal = *seal_;
    instance_file = instance_;
    root = root_;
  }
  const std::shared_ptr<Opened> opened = opened_.lock();
  if (root == nullptr || opened == nullptr) {
    return Refuse(v1::SEALED, "rekey: it is sealed");
  }
  const RootKeeping& to = rekey_->to();
  const Caller caller{true, std::string(principal), ""};
  auto command = NewCommand(*opened->instance, caller, "default");
  auto& op = *command.mutable_record_rekey();
  op.set_previous_kind(std::string(SealKindName(seal.kind)));
  op.set_kind(std::string(SealKindName(to.kind)));
  op.set_shares(to.shares);
  op.set_threshold(to.threshold);
  KMS_RETURN_IF_ERROR(Propose(*opened->instance, command).status());
  KMS_ASSIGN_OR_RETURN(const storage::Keyring keyring,
                       OpenKeyringOf(seal, *root));
  return rekey_->Prepare(seal, instance_file, keyring, opened->instance_key);
}

// An error means that the old file stands: what failed after the rename may
// have taken place all the same, and shares that count must not be forgotten.
absl::Status Unsealer::WriteSealFile(const SealFile& seal) const {
  const std::string path =
      In(In(options_.data_dir, kClusterName), kSealFileName);
  const std::string bytes = EncodeSealFile(seal);
  absl::Status written = WritePrivateFile(path, AsBytes(bytes));
  if (written.ok()) return written;
  const auto now = ReadPrivateFile(path, kSealFileBytesMax);
  return now.ok() && *now == bytes ? absl::OkStatus() : written;
}

// The new seal file decides (SettleInstanceFile): before its rename a crash
// leaves the old root key, after it the new one.
absl::Status Unsealer::FinishRekey(RekeyedFiles files) {
  const std::string cluster = In(options_.data_dir, kClusterName);
  const std::string next = In(cluster, kNextInstanceFileName);
  KMS_RETURN_IF_ERROR(
      WritePrivateFile(next, AsBytes(EncodeInstanceFile(files.instance))));
  KMS_RETURN_IF_ERROR(WriteSealFile(files.seal));
  Adopt(std::move(files.seal), std::move(files.instance),
        std::make_shared<const Secret>(std::move(files.root)));
  KMS_RETURN_IF_ERROR(Rename(next, In(cluster, kInstanceFileName)));
  return SyncDirectory(cluster);
}

absl::StatusOr<std::vector<uint32_t>> Unsealer::RotateKeyring(
    absl::string_view principal, const std::vector<storage::KeyKind>& kinds) {
  absl::MutexLock life(&life_mutex_);
  absl::MutexLock rotation(&keyring_mutex_);
  const std::shared_ptr<Opened> opened = opened_.lock();
  SealFile seal;
  InstanceFile instance_file;
  std::shared_ptr<const Secret> root;
  {
    absl::MutexLock lock(&mutex_);
    root = root_;
    if (root == nullptr || opened == nullptr) {
      return Refuse(v1::SEALED, "keyring: it is sealed");
    }
    seal = *seal_;
    instance_file = instance_;
  }
  // It holds a copy of the keyring as it was.
  if (rekey_ != nullptr) {
    return Refuse(v1::REKEY_CONFLICT, "keyring: a rekey is going on");
  }
  KMS_ASSIGN_OR_RETURN(storage::Keyring keyring, OpenKeyringOf(seal, *root));
  std::vector<uint32_t> versions;
  for (const storage::KeyKind kind : kinds) {
    KMS_ASSIGN_OR_RETURN(const uint32_t version, keyring.Rotate(kind));
    const Caller caller{true, std::string(principal), ""};
    auto command = NewCommand(*opened->instance, caller, "default");
    auto& op = *command.mutable_rotate_keyring();
    op.set_kind(std::string(storage::KeyKindName(kind)));
    op.set_version(version);
    KMS_RETURN_IF_ERROR(Propose(*opened->instance, command).status());
    versions.push_back(version);
  }
  // On disk before anything is encrypted under it.
  KMS_RETURN_IF_ERROR(SealKeyringInto(seal, *root, keyring));
  KMS_RETURN_IF_ERROR(WriteSealFile(seal));
  Adopt(std::move(seal), std::move(instance_file));
  KMS_RETURN_IF_ERROR(opened->envelope->Update(
      std::make_shared<const storage::Keyring>(std::move(keyring))));
  return versions;
}

absl::Status Unsealer::LetGo(absl::Time deadline) {
  rekey_ = nullptr;
  options_.holder->Set(nullptr);
  {
    absl::MutexLock lock(&mutex_);
    root_ = nullptr;
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

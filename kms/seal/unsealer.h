// The life of the root key on one instance: init makes it, unseal brings it
// back, seal lets it go. What an operator finds in the data directory:
//
//   lock               held by the one process that may use the directory
//   cluster/seal       seal_file.h; its presence is what "initialized" means
//   cluster/instance   instance_file.h
//   cluster/checkpoint the last signed checkpoint seen here, shown while sealed
//   cluster/state/     the replicated state (RocksDB)
//   cluster/evidence/  judged Evidence, encrypted, for auditors (RocksDB)
//   cluster/log...     log_store.h
//   cluster/state.new/ a snapshot that was not received whole: removed
//   cluster.new/       an init or join that did not finish: removed by the next
//
// Init and Join build everything under cluster.new and rename it once, so a
// crash leaves an initialized instance or none. While it is unsealed the root
// key is in locked memory beside the keyring, for peers that join.
//
// Source: architecture.md, "Seals", promise 6; style.md, "seal, unseal".
// Thread-safe. Init, Unseal and Seal run one at a time and may take seconds:
// they open databases; status never waits for them.
// It authorises nobody: that is the server's.
#ifndef KMS_SEAL_UNSEALER_H_
#define KMS_SEAL_UNSEALER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "kms/base/clock.h"
#include "kms/base/secret.h"
#include "kms/instance/instance.h"
#include "kms/seal/ceremony.h"
#include "kms/seal/instance_file.h"
#include "kms/seal/log_store.h"
#include "kms/seal/rekey.h"
#include "kms/seal/root_device.h"
#include "kms/seal/root_source.h"
#include "kms/seal/seal_file.h"
#include "kms/seal/seal_options.h"
#include "kms/seal/snapshot_source.h"
#include "storage/log/etcd/etcd_log.h"
#include "storage/log/log_position.h"
#include "storage/replica/replica.h"

namespace kms::seal {

struct UnsealerOptions {
  std::string data_dir;  // Made with mode 0700 if absent; its parent exists.
  // Where the root key is, or by an init or rekey is to be; kDevelopment's file
  // is made by Init if absent.
  SealOptions seal;
  // Where it is still, on its way to `seal`; of another kind, or nothing.
  std::optional<SealOptions> seal_before;
  // Where the log is; nothing: in the data directory.
  std::optional<storage::EtcdLogOptions> etcd;
  std::vector<std::string> simulated_anchors;
  std::map<std::string, absl::Duration> collateral_max_ages;  // By role.
  // How long Evidence that was judged here is kept for auditors; zero: not.
  absl::Duration evidence_retention;
  // How often the stored state is checked as a whole.
  absl::Duration scrub_interval = absl::Hours(24);
  const Clock* clock = nullptr;  // These two outlive the unsealer.
  InstanceHolder* holder = nullptr;
  // Told from a thread of the replica's or an engine's why the instance serves
  // no more. It must not call the unsealer.
  std::function<void(const absl::Status&)> on_fatal;
  // Likewise told why no Evidence can be kept: releases are refused until the
  // instance is opened anew, everything else goes on.
  std::function<void(const absl::Status&)> on_evidence_lost;
  // For a state that the log's trim has passed; null: opening fails with
  // kOutOfRange then. Outlives the unsealer.
  SnapshotSource* snapshots = nullptr;
  // Told from Unseal and its like, before the instance is there, that its state
  // came from a peer.
  std::function<void(storage::LogPosition)> on_snapshot;
};

struct InitResult {
  std::string cluster_id;           // 16 bytes.
  std::string identity_public_key;  // 32 bytes.
  std::string verifier_key;
  std::vector<Secret> shares;  // Texts, for kShamir.
  // OK: unsealed. Else the cluster is made, its shares are good, and this is
  // why it did not open.
  absl::Status opened;
};

// What is known without the root key. A copy, as of one moment.
struct SealState {
  bool initialized = false;
  bool sealed = true;
  SealKind kind = SealKind::kShamir;
  uint32_t shares = 0;
  uint32_t threshold = 0;
  uint32_t progress = 0;
  std::string cluster_id;  // Empty before init, as are the next two.
  std::string identity_public_key;
  std::string instance_id;
  std::string last_checkpoint;  // Empty before the first.
  SealKind configured_kind = SealKind::kShamir;
  // Why the last Unseal by a device failed; since then none has succeeded.
  absl::Status problem;
};

// Of a rekey, after a step of it.
struct RekeyState {
  std::string id;  // kRekeyIdBytes; empty: none goes on, it is done.
  bool confirming = false;
  uint32_t progress = 0;
  uint32_t threshold = 0;
  std::vector<Secret> shares;  // Texts, of the new root key; only now.
};

class Unsealer : public RootSource {
 public:
  // Locks and reads the data directory. A development seal is unsealed at
  // once, if initialized; one of another device waits for Unseal, which may
  // take as long as the device pleases. `options.holder` holds nothing yet.
  // kFailedPrecondition: another process has the directory, the directory or
  //   a file in it is open to others, or the directory's kind is neither the
  //   configured one nor the one before.
  // DATA_LOSS: the seal or instance file is damaged.
  // Others: as Unseal, for a development seal; kUnavailable from the disk.
  static absl::StatusOr<std::unique_ptr<Unsealer>> Open(
      UnsealerOptions options);

  // Seals, and gives the directory back.
  ~Unsealer() override;

  // Makes the root key, the keyring, the cluster and its first instance, and
  // unseals it. Shares are in the answer and nowhere else; a device has none,
  // and wants both counts to be 0.
  // ALREADY_INITIALIZED. Others: KeepRoot's and the disk's; nothing was made
  // then.
  absl::StatusOr<InitResult> Init(absl::string_view principal, uint32_t shares,
                                  uint32_t threshold);

  // Makes this an instance of the cluster that admitted it, and unseals it.
  // Custodians have the same root key here as on the donor, and a development
  // seal's goes into the configured file: its kind must be the configured one.
  // Under a token or TPM this instance has a root key of its own.
  // ALREADY_INITIALIZED. kFailedPrecondition: another kind of seal, or the file
  // holds another root key. Codes of RootDevice::Wrap. Others: as Unseal;
  // joined all the same then.
  absl::Status Join(JoinedCluster joined);

  // What a peer that joins is given. SEALED.
  absl::StatusOr<RootCopy> CopyRoot() const override;

  // Opens the instance anew, with the root key in memory: for one that fell
  // behind the log's trim. Codes of Seal and Unseal; sealed if it fails.
  absl::Status Reopen(absl::Time deadline);

  // Takes one share; opens the instance with the last. `text`: the caller
  // wipes it; empty for a device, which is asked again.
  // NOT_INITIALIZED. NOT_SEALED. Others: UnsealCeremony::Offer,
  // RootDevice::Unwrap, and what opening log and state gives: the instance
  // stays sealed then.
  absl::Status Unseal(absl::string_view principal, absl::string_view text);

  // Forgets the shares given, and NewEpoch. NOT_INITIALIZED. NOT_SEALED.
  absl::Status ResetUnseal();

  // The next unseal begins a new epoch of the log in the configured etcd, for
  // `reason` (1 to 256 bytes), instead of opening the log that there was: the
  // way out of a lost, restored or replaced log, and from a local one to etcd.
  // To be asked of the most advanced instance, all others being stopped: they
  // join again. It holds until the unseal is done, or ResetUnseal.
  // NOT_INITIALIZED. NOT_SEALED. REQUEST_MALFORMED: the reason.
  // kFailedPrecondition: no etcd is configured.
  absl::Status NewEpoch(absl::string_view principal, absl::string_view reason);

  // Lets the instance go. Calls in progress that hold it end first: this waits
  // for them until `deadline`; after that the keys live until the last one
  // ends. NOT_INITIALIZED; SEALED: it is already.
  // kDeadlineExceeded: sealed for every new call, but some still hold it.
  absl::Status Seal(absl::Time deadline);

  // Puts a new root key in place of this instance's, kept by the configured
  // seal, while it serves. `kind`: the configured one's name, so that a
  // configuration that was not read again is noticed. See rekey.h for the
  // steps; each ends with Seal, too.
  // SEALED. REKEY_CONFLICT: one is going on; `kind` is not the configured one,
  //   or is "development", which protects nothing. REQUEST_MALFORMED: counts.
  // Others: RootDevice::Wrap, the log's, the disk's: the root key is the old
  //   one then.
  absl::StatusOr<RekeyState> BeginRekey(absl::string_view principal,
                                        absl::string_view kind, uint32_t shares,
                                        uint32_t threshold);

  // Takes one share for the rekey `id`; `text` as Unseal's.
  // SEALED. REKEY_CONFLICT: no such rekey is going on. Others: as BeginRekey,
  // UnsealCeremony::Offer; the rekey goes on then.
  absl::StatusOr<RekeyState> ContinueRekey(absl::string_view principal,
                                           absl::string_view id,
                                           absl::string_view text);

  // Forgets the rekey that goes on, if one does.
  void CancelRekey();

  // Adds a version to each of `kinds` (kStorage, kLog, kChallenge; each once)
  // in the keyring, and takes it into use; returns the versions, in that order.
  // SEALED. REKEY_CONFLICT: other instances have the keyring, or a rekey is
  // going on. kResourceExhausted: Keyring::Rotate.
  // Others: the log's, the disk's: nothing new is in use then.
  absl::StatusOr<std::vector<uint32_t>> RotateKeyring(
      absl::string_view principal, const std::vector<storage::KeyKind>& kinds);

  // Keeps `note`, a signed checkpoint, for the sealed status. At most
  // kCheckpointFileBytesMax. kUnavailable: the disk.
  absl::Status KeepCheckpoint(absl::string_view note);

  SealState state() const;

 private:
  struct Opened;  // An Instance and what it stands on.

  explicit Unsealer(UnsealerOptions options);

  absl::Status LockDirectory();
  absl::Status ReadFiles();
  void Adopt(SealFile seal, InstanceFile instance,
             std::shared_ptr<const Secret> root = nullptr);
  absl::StatusOr<std::string> MakeUnfinished() const;
  absl::Status FinishCluster() const;
  const RootDevice* DeviceFor(SealKind kind) const;
  absl::StatusOr<OpenedSeal> OpenByDevice(const RootDevice& device,
                                          const SealFile& seal) const;
  absl::Status UnsealByDevice(const SealFile& seal)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(life_mutex_);
  absl::StatusOr<OpenedSeal> KeepJoined(JoinedCluster& joined) const;
  absl::Status CheckSealed() const;
  struct EpochRequest {
    std::string principal;
    std::string reason;
  };
  LogPlace Place() const;
  absl::Status OpenState(Opened& next) const;
  storage::ReplicaOptions ReplicaOptionsOf(const Opened& next,
                                           const SealFile& seal,
                                           const InstanceFile& file) const;
  absl::Status BeginEpoch(const EpochRequest& request, const Opened& next,
                          const SealFile& seal, const InstanceFile& file,
                          absl::string_view kept,
                          const storage::Keyring& keyring) const;
  std::unique_ptr<storage::EvidenceArchive> OpenEvidence(
      Opened& next, std::shared_ptr<const storage::Envelope> envelope) const;
  absl::StatusOr<std::unique_ptr<storage::Replica>> OpenOrCopy(
      Opened& next, storage::ReplicaOptions options) const;
  absl::Status CopyState(Opened& next,
                         const storage::ReplicaOptions& options) const;
  absl::Status OpenReplica(Opened& next, const SealFile& seal,
                           const InstanceFile& file,
                           const storage::Keyring& keyring) const;
  absl::Status SettleInstanceFile(const Secret& root)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(life_mutex_);
  absl::StatusOr<RekeyState> AdvanceRekey(absl::string_view principal)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(life_mutex_);
  absl::StatusOr<std::vector<Secret>> PrepareRekey(absl::string_view principal)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(life_mutex_);
  absl::Status WriteSealFile(const SealFile& seal) const;
  absl::Status FinishRekey(RekeyedFiles files)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(life_mutex_);
  absl::Status OpenInstance(const OpenedSeal& opened)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(life_mutex_);
  absl::Status LetGo(absl::Time deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(life_mutex_);

  const UnsealerOptions options_;
  const std::unique_ptr<const RootDevice> device_;         // Null: kShamir, ...
  const std::unique_ptr<const RootDevice> device_before_;  // ... or nothing.
  int lock_fd_ = -1;

  // Held through Init, Unseal and Seal, I/O and all: they must not overlap,
  // and nothing else waits for it.
  absl::Mutex life_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  std::weak_ptr<Opened> opened_ ABSL_GUARDED_BY(life_mutex_);
  // Notified when the instance opened last is gone with its keys.
  std::shared_ptr<absl::Notification> gone_ ABSL_GUARDED_BY(life_mutex_);
  std::optional<EpochRequest> new_epoch_ ABSL_GUARDED_BY(life_mutex_);
  std::unique_ptr<Rekey> rekey_ ABSL_GUARDED_BY(life_mutex_);  // Often null.

  // Held while the keyring is rotated, from before it is ordered: who is
  // registered after that is given the keyring with the new keys.
  mutable absl::Mutex keyring_mutex_ ABSL_ACQUIRED_AFTER(life_mutex_)
      ABSL_ACQUIRED_BEFORE(mutex_);

  mutable absl::Mutex mutex_;  // Never held across I/O.
  std::shared_ptr<const Secret> root_ ABSL_GUARDED_BY(mutex_);  // Unsealed.
  SealState state_ ABSL_GUARDED_BY(mutex_);
  std::optional<SealFile> seal_ ABSL_GUARDED_BY(mutex_);
  InstanceFile instance_ ABSL_GUARDED_BY(mutex_);
  // Null before init and where a device has the root key.
  std::shared_ptr<UnsealCeremony> ceremony_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace kms::seal

#endif  // KMS_SEAL_UNSEALER_H_

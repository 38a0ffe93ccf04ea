#include "kms/seal/new_cluster.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/status.h"
#include "kms/crypto/note.h"
#include "kms/crypto/random.h"
#include "kms/crypto/signing_key.h"
#include "kms/release/origin.h"
#include "kms/seal/limits.h"
#include "kms/seal/log_store.h"
#include "kms/seal/private_file.h"
#include "storage/envelope/envelope.h"
#include "storage/replica/replica.h"

namespace kms::seal {
namespace {

constexpr uint64_t kFirstEpoch = 1;

absl::StatusOr<crypto::Ed25519SigningKey> SigningKeyOf(
    const storage::Keyring& keyring, storage::KeyKind kind) {
  KMS_ASSIGN_OR_RETURN(const Secret* seed,
                       keyring.Get(kind, keyring.primary(kind)));
  return crypto::Ed25519SigningKey::FromSeed(*seed);
}

absl::Status FillSealFile(const NewClusterOptions& options, NewCluster& made) {
  SealFile& seal = made.seal;
  seal.commitments.cluster_id = crypto::RandomString(kClusterIdBytes);
  KMS_ASSIGN_OR_RETURN(
      const crypto::Ed25519SigningKey identity,
      SigningKeyOf(made.opened.keyring, storage::KeyKind::kClusterIdentity));
  KMS_ASSIGN_OR_RETURN(
      const crypto::Ed25519SigningKey checkpoint,
      SigningKeyOf(made.opened.keyring, storage::KeyKind::kCheckpoint));
  seal.identity_public_key = identity.public_key();
  KMS_ASSIGN_OR_RETURN(
      const crypto::NoteVerifier verifier,
      crypto::NoteVerifier::Create(
          release::CheckpointOrigin(AsBytes(seal.commitments.cluster_id),
                                    kFirstEpoch),
          AsBytes(checkpoint.public_key())));
  seal.verifier_key = verifier.vkey();
  KMS_ASSIGN_OR_RETURN(
      made.share_texts,
      KeepRoot(options.keeping, made.opened.root, made.opened.keyring, seal));
  return absl::OkStatus();
}

absl::Status BeginLog(const NewClusterOptions& options, NewCluster& made,
                      const crypto::Ed25519SigningKey& instance_key) {
  KMS_ASSIGN_OR_RETURN(storage::Keyring copy, made.opened.keyring.Clone());
  KMS_ASSIGN_OR_RETURN(
      const std::unique_ptr<storage::Envelope> envelope,
      storage::Envelope::Create(
          std::make_shared<const storage::Keyring>(std::move(copy))));
  KMS_ASSIGN_OR_RETURN(
      const OpenedLog log,
      CreateLog({options.directory, options.etcd, /*on_fatal=*/nullptr},
                kFirstEpoch, options.clock->Now() + kLogTimeout));

  storage::BootstrapOptions bootstrap;
  bootstrap.log = log.log.get();
  bootstrap.envelope = envelope.get();
  bootstrap.clock = options.clock;
  std::copy(made.instance.id.begin(), made.instance.id.end(),
            bootstrap.instance.bytes.begin());
  bootstrap.signing_key = &instance_key;
  bootstrap.cluster_id = made.seal.commitments.cluster_id;
  bootstrap.salt = crypto::RandomString(16);
  bootstrap.principal = options.principal;
  return storage::Replica::Bootstrap(bootstrap,
                                     options.clock->Now() + kOpenTimeout);
}

}  // namespace

absl::StatusOr<NewCluster> MakeCluster(const NewClusterOptions& options,
                                       Secret root) {
  KMS_ASSIGN_OR_RETURN(storage::Keyring keyring, storage::Keyring::Generate());
  NewCluster made{SealFile(),
                  InstanceFile(),
                  OpenedSeal{std::move(root), std::move(keyring)},
                  {}};
  KMS_RETURN_IF_ERROR(FillSealFile(options, made));
  KMS_ASSIGN_OR_RETURN(const crypto::Ed25519SigningKey instance_key,
                       crypto::Ed25519SigningKey::Generate());
  KMS_ASSIGN_OR_RETURN(
      made.instance,
      MakeInstanceFile(AsBytes(made.seal.commitments.cluster_id),
                       AsBytes(crypto::RandomString(kInstanceIdBytes)),
                       instance_key, made.opened.root));
  KMS_RETURN_IF_ERROR(BeginLog(options, made, instance_key));
  KMS_RETURN_IF_ERROR(
      WritePrivateFile(absl::StrCat(options.directory, "/", kInstanceFileName),
                       AsBytes(EncodeInstanceFile(made.instance))));
  KMS_RETURN_IF_ERROR(
      WritePrivateFile(absl::StrCat(options.directory, "/", kSealFileName),
                       AsBytes(EncodeSealFile(made.seal))));
  return made;
}

}  // namespace kms::seal

// The instance file: who this machine is among the cluster's instances. It
// stands outside the replicated database and never travels, so a copy of the
// database is not a copy of the instance.
//
//   instance = magic id sealed check
//   magic    = "kmsinst" %x01
//   id       = 16 bytes
//   sealed   = 72 bytes   ; XAES-256-GCM of the 32-byte Ed25519 seed
//   check    = 32 bytes   ; SHA-256 of all before
//
// The seed is encrypted under HKDF-SHA256(root key, info "kms.v1 instance
// key"), with magic, cluster id and instance id as associated data: sealed,
// the file holds nothing to sign with.
//
// Source: architecture.md, "Seals". Thread-safe: free functions over values.
#ifndef KMS_SEAL_INSTANCE_FILE_H_
#define KMS_SEAL_INSTANCE_FILE_H_

#include <string>

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "kms/base/secret.h"
#include "kms/crypto/signing_key.h"

namespace kms::seal {

struct InstanceFile {
  std::string id;           // kInstanceIdBytes.
  std::string sealed_seed;  // kSealedSeedBytes.
};

inline constexpr size_t kSealedSeedBytes = 32 + 24 + 16;

// A file for the instance `id` (16 bytes) of the cluster `cluster_id`, whose
// signing key is `key`, under `root` (32 bytes).
// kResourceExhausted: no locked memory left.
absl::StatusOr<InstanceFile> MakeInstanceFile(
    BytesView cluster_id, BytesView id, const crypto::Ed25519SigningKey& key,
    const Secret& root);

// The signing key. DATA_LOSS: wrong root key or cluster, or a changed file.
// kResourceExhausted: no locked memory left.
absl::StatusOr<crypto::Ed25519SigningKey> OpenInstanceKey(
    const InstanceFile& file, BytesView cluster_id, const Secret& root);

std::string EncodeInstanceFile(const InstanceFile& file);

// The inverse: one encoding per file.
// DATA_LOSS: not an instance file, or changed.
absl::StatusOr<InstanceFile> DecodeInstanceFile(BytesView bytes);

}  // namespace kms::seal

#endif  // KMS_SEAL_INSTANCE_FILE_H_

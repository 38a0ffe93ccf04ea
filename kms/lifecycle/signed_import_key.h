// A one-time import key as administrators' tools get it: signed by the cluster,
// so that whoever ends TLS in between cannot give one of his own and read what
// is sealed to it.
//
//   signed := "kms.v1 import key" NUL field(cluster id) field(import key id)
//             kem field(public key)
//   kem    := uint32 (big-endian);  field := uint32 (big-endian) length, bytes
//
// Source: proto/kms/v1/keys.proto, ImportKey.
// Thread-safe: free functions. Links neither storage nor gRPC.
#ifndef KMS_LIFECYCLE_SIGNED_IMPORT_KEY_H_
#define KMS_LIFECYCLE_SIGNED_IMPORT_KEY_H_

#include "absl/status/status.h"
#include "kms/base/bytes.h"
#include "kms/crypto/signing_key.h"
#include "proto/kms/v1/keys.pb.h"

namespace kms::lifecycle {

// Fills in `key`'s signature over its other fields. `cluster_id`: 16 bytes.
void SignImportKey(const crypto::Ed25519SigningKey& identity_key,
                   BytesView cluster_id, v1::ImportKey& key);

// `identity_public_key`: 32 bytes, `cluster_id`: 16 bytes, both pinned by who
// imports, never taken from where the key came from.
// kUnauthenticated: not signed by that identity for that cluster.
absl::Status VerifyImportKey(const v1::ImportKey& key,
                             BytesView identity_public_key,
                             BytesView cluster_id);

}  // namespace kms::lifecycle

#endif  // KMS_LIFECYCLE_SIGNED_IMPORT_KEY_H_

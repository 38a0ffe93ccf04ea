// The public half of a wrapping key's version as publishers get it: signed by
// the cluster, so that neither a proxy nor a false service can give them a key
// of its own and have their data keys.
// Source: proto/kms/v1/keys.proto, SignedWrappingKey.
// Thread-safe: free functions. Links neither storage nor gRPC.
#ifndef KMS_LIFECYCLE_WRAPPING_KEY_H_
#define KMS_LIFECYCLE_WRAPPING_KEY_H_

#include <string>

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "kms/base/secret.h"
#include "kms/crypto/signing_key.h"
#include "proto/kms/v1/keys.pb.h"

namespace kms::lifecycle {

// Signs `key` as it serializes now; those bytes are what is verified.
v1::SignedWrappingKey SignWrappingKey(
    const v1::WrappingKey& key, const crypto::Ed25519SigningKey& identity_key);

// `identity_public_key`: 32 bytes, `cluster_id`: 16 bytes, both pinned by the
// publisher, never taken from where the key came from.
// kUnauthenticated: not signed by that identity, or of another cluster.
// kInvalidArgument: does not parse, or is no public key.
absl::StatusOr<v1::WrappingKey> VerifyWrappingKey(
    const v1::SignedWrappingKey& signed_key, BytesView identity_public_key,
    BytesView cluster_id);

// A wrapped blob of `data_key` for `key`, bound to `artifact_digest`: 32 bytes,
// or empty for none.
// REQUIRES: `key` is VerifyWrappingKey's.
// ARTIFACT_MISMATCH: the version is for another artifact. Others: as SealBlob.
absl::StatusOr<std::string> SealBlobTo(const v1::WrappingKey& key,
                                       BytesView artifact_digest,
                                       const Secret& data_key);

}  // namespace kms::lifecycle

#endif  // KMS_LIFECYCLE_WRAPPING_KEY_H_

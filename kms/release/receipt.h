// Receipts: what a client must see before it believes a released key, and
// what an auditor can check years later with no server at hand.
//
// A receipt that verifies proves that the cluster with the pinned identity key
// wrapped exactly this ciphertext to this recipient for this transcript, and
// that the release stands in its Merkle log under the checkpoint shown. It
// does not prove that the checkpoint is the one others see: compare
// checkpoints (a consistency proof) for that.
// Thread-safe: free functions. Links neither storage nor gRPC.
#ifndef KMS_RELEASE_RECEIPT_H_
#define KMS_RELEASE_RECEIPT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "kms/crypto/signing_key.h"
#include "proto/kms/v1/audit_entry.pb.h"
#include "proto/kms/v1/receipt.pb.h"
#include "proto/kms/v1/release.pb.h"

namespace kms::release {

// SHA-256 of enc followed by ciphertext: what a receipt says of a wrapped key.
std::string WrappedKeyDigest(const v1::WrappedKey& wrapped);

// Signs `body` as it serializes now; those bytes are what is verified.
v1::Receipt SignReceipt(const v1::ReceiptBody& body,
                        const crypto::Ed25519SigningKey& identity_key);

struct VerifiedReceipt {
  v1::ReceiptBody body;
  v1::AuditEntry leaf;
  uint64_t tree_size = 0;  // Of the checkpoint.
};

// Verifies a receipt by itself: identity signature, cluster, the leaf against
// the body, the leaf's inclusion under the checkpoint's root, the checkpoint's
// signature and origin.
// `identity_public_key`: 32 bytes, `cluster_id`: 16 bytes, both pinned by the
// caller, never taken from the reply.
// kInvalidArgument: does not parse. kUnauthenticated: any of it does not hold;
// the message names which.
absl::StatusOr<VerifiedReceipt> VerifyReceipt(const v1::Receipt& receipt,
                                              BytesView identity_public_key,
                                              BytesView cluster_id);

// What the client knows of its own request.
struct ExpectedRelease {
  BytesView transcript_digest;  // 64 bytes.
  uint16_t kem_id = 0;
  BytesView recipient_public_key;
  uint32_t key_version = 0;        // 0: any, the request named none.
  BytesView artifact_digest = {};  // That the request names; empty: none.
  BytesView blob = {};             // That the request holds; empty: none.
  BytesView new_blob = {};         // That came with the key; empty: none.
};

// That a verified receipt speaks of this request and this wrapped key, and not
// of another one of the same cluster.
// kUnauthenticated: it does not; the message names the difference.
absl::Status CheckReceiptFor(const VerifiedReceipt& receipt,
                             const ExpectedRelease& expected,
                             const v1::WrappedKey& wrapped);

}  // namespace kms::release

#endif  // KMS_RELEASE_RECEIPT_H_

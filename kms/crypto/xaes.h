// XAES-256-GCM: AES-256-GCM with nonces long enough to be random. It seals
// every stored row and batch.
// Source: C2SP XAES-256-GCM (c2sp.org/XAES-256-GCM). A fresh AES-256-GCM key
// for each message comes from the key and the first half of the nonce.
// Thread-safe: immutable.
// Confidential and authentic for 2^80 messages a key. Not key-committing, and
// lengths show: pad what must not be measured.
#ifndef KMS_CRYPTO_XAES_H_
#define KMS_CRYPTO_XAES_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kms/base/bytes.h"
#include "kms/base/secret.h"

namespace kms::crypto {

class Xaes256Gcm {
 public:
  static constexpr size_t kKeySize = 32;
  static constexpr size_t kNonceSize = 24;
  static constexpr size_t kTagSize = 16;
  // What a sealed message is longer than its plaintext.
  static constexpr size_t kOverhead = kNonceSize + kTagSize;

  // Keeps a copy of `key`. kInvalidArgument: not 32 bytes.
  // kResourceExhausted: Secret::Allocate.
  static absl::StatusOr<Xaes256Gcm> Create(const Secret& key);

  // sealed := nonce: uint8[24]  // Random.
  //           body:  uint8[plaintext.size()]
  //           tag:   uint8[16]
  // REQUIRES: plaintext and aad of at most 1 GiB each.
  std::string Seal(BytesView plaintext, BytesView aad) const;
  std::string SealSecret(const Secret& plaintext, BytesView aad) const;

  // The inverse. kUnauthenticated: not what Seal made with this key and aad;
  // a caller that reads what it stored itself reports kDataLoss.
  absl::StatusOr<std::string> Open(BytesView sealed, BytesView aad) const;
  // The plaintext is only ever in a Secret.
  // kResourceExhausted: Secret::Allocate.
  absl::StatusOr<Secret> OpenSecret(BytesView sealed, BytesView aad) const;

 private:
  friend class Xaes256GcmTestPeer;  // For vectors, which fix the nonce.

  explicit Xaes256Gcm(Secret keys) : keys_(std::move(keys)) {}

  // Kx of the specification, 32 bytes, for the first half of a nonce.
  void DeriveKey(BytesView nonce_half, absl::Span<uint8_t> derived) const;
  std::string SealWithNonce(BytesView nonce, BytesView plaintext,
                            BytesView aad) const;
  bool OpenInto(BytesView sealed, BytesView aad,
                absl::Span<uint8_t> plaintext) const;

  Secret keys_;  // K, then K1: 32 + 16 bytes.
};

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_XAES_H_

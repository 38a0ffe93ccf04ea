// The keyring: every key that the cluster uses on its own data. The root key
// encrypts only this, so that a new root re-encrypts one small record and old
// rows and log entries stay readable.
//
// Source: architecture.md, "At rest"; review.md 18.
// Thread-compatible; share it as shared_ptr<const Keyring>. It does no
// cryptography with the keys: see envelope.h.
#ifndef STORAGE_ENVELOPE_KEYRING_H_
#define STORAGE_ENVELOPE_KEYRING_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"
#include "kms/base/secret.h"

namespace kms::storage {

// What a key is for. The values are stored; never renumber.
enum class KeyKind : uint8_t {
  kStorage = 1,          // Encrypts rows: XAES-256-GCM.
  kLog = 2,              // Encrypts batches in the shared log: XAES-256-GCM.
  kChallenge = 3,        // MACs challenges: HMAC-SHA-256.
  kNameIndex = 4,        // Row keys of the name index: HMAC-SHA-256.
  kRowSum = 5,           // The sum over all rows: HMAC-SHA-256.
  kClusterIdentity = 6,  // Signs receipts: Ed25519 seed.
  kCheckpoint = 7,       // Signs tree heads: Ed25519 seed.
};
inline constexpr std::array<KeyKind, 7> kKeyKinds = {
    KeyKind::kStorage,   KeyKind::kLog,    KeyKind::kChallenge,
    KeyKind::kNameIndex, KeyKind::kRowSum, KeyKind::kClusterIdentity,
    KeyKind::kCheckpoint};

// "storage", "log", ...
absl::string_view KeyKindName(KeyKind kind);

inline constexpr size_t kKeyBytes = 32;  // Every kind's key.

// A keyring is encoded into one Secret, which holds 64 KiB: 7 kinds of 256
// versions of 32 bytes fit. A rotation a day lasts for eight months; a month
// for twenty years.
inline constexpr uint32_t kKeyVersionsMax = 256;

class Keyring {
 public:
  // Version 1 of every kind, fresh from the random generator.
  // kResourceExhausted: no locked memory left.
  static absl::StatusOr<Keyring> Generate();

  Keyring(Keyring&&) = default;
  Keyring& operator=(Keyring&&) = default;

  // The key, 32 bytes; valid until the keyring is changed or destroyed.
  // kFailedPrecondition: no such version here; another instance may have it.
  absl::StatusOr<const Secret*> Get(KeyKind kind, uint32_t version) const;

  // The version that new work uses: the newest. Versions count from 1, all
  // earlier ones are kept.
  uint32_t primary(KeyKind kind) const;

  // Adds a random key of `kind`; returns its version, the new primary.
  // kResourceExhausted: kKeyVersionsMax are there already, or no locked
  // memory.
  absl::StatusOr<uint32_t> Rotate(KeyKind kind);

  // As Rotate, with a key made elsewhere: `version` must be the next one.
  // kInvalidArgument: it is not, or `key` is not 32 bytes.
  absl::Status Add(KeyKind kind, uint32_t version, Secret key);

  // An independent copy: rotation changes a copy, then swaps it in.
  absl::StatusOr<Keyring> Clone() const;

  // True if every key of `other` is here too, under the same version.
  bool Contains(const Keyring& other) const;

 private:
  friend absl::StatusOr<Keyring> DecodeKeyring(const Secret& encoded);

  Keyring() = default;

  // keys_[kind - 1][version - 1].
  std::array<std::vector<Secret>, kKeyKinds.size()> keys_;
};

// The keyring in plaintext: only ever in Secret memory.
//
//   keyring = format kind*7
//   format  = %x01
//   kind    = number count key*count  ; the 7 kinds, ascending from 1
//   number  = uint8                   ; KeyKind
//   count   = uint16le                ; 1 to kKeyVersionsMax
//   key     = 32 bytes                ; versions 1, 2, ... count
//
// One encoding per keyring; nothing may follow.
absl::StatusOr<Secret> EncodeKeyring(const Keyring& keyring);
// kDataLoss: not an encoded keyring. kResourceExhausted: no locked memory.
absl::StatusOr<Keyring> DecodeKeyring(const Secret& encoded);

// The keyring encrypted with XAES-256-GCM under the root key (32 bytes) for
// the place that `aad` names:  sealed = %x01 nonce[24] ciphertext tag[16].
// kInvalidArgument: `root` is not 32 bytes.
absl::StatusOr<std::string> SealKeyring(const Secret& root,
                                        const Keyring& keyring, BytesView aad);
// kDataLoss: wrong root or place, or changed bytes; which cannot be told.
absl::StatusOr<Keyring> OpenKeyring(const Secret& root, BytesView sealed,
                                    BytesView aad);

}  // namespace kms::storage

#endif  // STORAGE_ENVELOPE_KEYRING_H_

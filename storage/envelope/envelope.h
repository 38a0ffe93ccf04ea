// The envelope around everything stored or logged: XAES-256-GCM (C2SP) under a
// versioned key of the keyring, with a 192-bit random nonce, so that random
// nonces never run out (review.md 19).
//
//   envelope = format version nonce ciphertext tag
//   format   = %x01
//   version  = uint32le    ; the key version, from 1
//   nonce    = 24 bytes
//   tag      = 16 bytes
//
// The associated data are the kind and the first five bytes, then the caller's
// own: an envelope opens only as the kind, under the version and in the place
// that it was made for.
// Source: architecture.md, "At rest". Thread-safe. It does not store, and does
// not notice an older envelope put back in the same place: the row sum does.
#ifndef STORAGE_ENVELOPE_ENVELOPE_H_
#define STORAGE_ENVELOPE_ENVELOPE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "kms/base/bytes.h"
#include "kms/base/secret.h"
#include "storage/envelope/keyring.h"

namespace kms::storage {

// Bytes that an envelope is longer than its plaintext.
inline constexpr size_t kEnvelopeOverhead = 1 + 4 + 24 + 16;

class Envelope {
 public:
  // kResourceExhausted: no locked memory left for the ciphers' keys.
  static absl::StatusOr<std::unique_ptr<Envelope>> Create(
      std::shared_ptr<const Keyring> keyring);
  ~Envelope();

  // Encrypts under the primary version of `kind`, kStorage or kLog.
  // kInvalidArgument: another kind; those keys do not encrypt.
  // kResourceExhausted: no locked memory left.
  absl::StatusOr<std::string> Seal(KeyKind kind, BytesView plaintext,
                                   BytesView aad) const;
  absl::StatusOr<std::string> SealSecret(KeyKind kind, const Secret& plaintext,
                                         BytesView aad) const;

  // kFailedPrecondition: made under a key version that is not in the keyring;
  //   another instance may have it.
  // kDataLoss (refusal DATA_LOSS): it does not open: changed, cut, moved from
  //   another place, or not an envelope.
  // kInvalidArgument: `kind` does not encrypt.
  absl::StatusOr<std::string> Open(KeyKind kind, BytesView sealed,
                                   BytesView aad) const;
  absl::StatusOr<Secret> OpenSecret(KeyKind kind, BytesView sealed,
                                    BytesView aad) const;

  // Takes a newer keyring into use: calls that begin after it returns use it.
  // kInvalidArgument: it lacks, or differs in, a key of the present one.
  absl::Status Update(std::shared_ptr<const Keyring> keyring);

  std::shared_ptr<const Keyring> keyring() const;

 private:
  struct Prepared;  // A keyring and its ciphers, ready for use; never changed.

  explicit Envelope(std::shared_ptr<const Prepared> prepared);
  static absl::StatusOr<std::shared_ptr<const Prepared>> Prepare(
      std::shared_ptr<const Keyring> keyring);
  std::shared_ptr<const Prepared> Current() const;

  mutable absl::Mutex mutex_;
  std::shared_ptr<const Prepared> prepared_ ABSL_GUARDED_BY(mutex_);
};

// The key version that `sealed` names; it is not authenticated by this.
// kDataLoss: too short to be an envelope, an unknown format, or version 0.
absl::StatusOr<uint32_t> EnvelopeKeyVersion(BytesView sealed);

// Associated data of a stored row: its namespace, its family ("key", "policy")
// and its id, each length-prefixed.
std::string RowAad(absl::string_view name_space, absl::string_view family,
                   absl::string_view id);

}  // namespace kms::storage

#endif  // STORAGE_ENVELOPE_ENVELOPE_H_

// What Apply made of a batch and of each of its commands.
// Thread-safe: values.
#ifndef STORAGE_STATE_EFFECT_H_
#define STORAGE_STATE_EFFECT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "kms/base/refusal.h"
#include "proto/kms/v1/refusal.pb.h"
#include "storage/log/log_position.h"

namespace kms::storage {

// The outcome of one command. A command that the rules refuse is an Effect
// with a code, not a failure: every instance refuses it alike.
struct Effect {
  v1::RefusalCode refusal = v1::REFUSAL_CODE_UNSPECIFIED;  // Unspecified: done.
  std::string message;  // For people; not part of the state's digest.

  // Its leaf of the Merkle log. Every command that is done has one; of the
  // refused ones, those whose Evidence had verified, up to a rate a key.
  std::optional<uint64_t> leaf;

  // Release: the leaf of the first release, if this one repeats it.
  std::optional<uint64_t> repeat_of;
  int64_t lease_until_us = 0;  // Release.
  // CreateKey, RotateKey, PutPolicy, PutReferenceSet, PutDenyList: new.
  uint32_t version = 0;

  bool ok() const { return refusal == v1::REFUSAL_CODE_UNSPECIFIED; }
  absl::Status status() const {
    return ok() ? absl::OkStatus() : Refuse(refusal, message);
  }
};

inline Effect Refused(v1::RefusalCode code, absl::string_view message) {
  Effect effect;
  effect.refusal = code;
  effect.message = std::string(message);
  return effect;
}

// What became of a whole batch, decided by state alone. Anything but kApplied
// is a no-op. Stored in digests: never renumber.
enum class BatchVerdict : uint8_t {
  kApplied = 1,
  kDuplicate = 2,        // A retry or a replay; it leaves no leaf.
  kStale = 3,            // Its position is older than the digest window.
  kDiverged = 4,         // Its position or digest is not of this history: its
                         // proposer is fenced.
  kUnknownInstance = 5,  // Not registered, removed, fenced, or badly signed.
  kMalformed = 6,
};

struct BatchResult {
  LogPosition position;
  BatchVerdict verdict = BatchVerdict::kApplied;
  BatchId id;                   // As it states; zeros if it has none.
  std::string sealed_digest;    // SHA-256 of the entry as received.
  std::string digest;           // 32 bytes: digest(position).
  std::vector<Effect> effects;  // One a command, if applied.
  uint64_t tree_size = 0;       // After it; as are the next two.
  std::string tree_root;        // 32 bytes.
  int64_t log_time_us = 0;
};

}  // namespace kms::storage

#endif  // STORAGE_STATE_EFFECT_H_

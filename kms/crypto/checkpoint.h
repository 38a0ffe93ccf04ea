// A checkpoint: the text of the note in which the log commits to its tree.
// Source: C2SP tlog-checkpoint (c2sp.org/tlog-checkpoint).
//
//   text := origin "\n" size "\n" base64(root) "\n"
//
// Extension lines are neither made nor accepted: nobody audits them.
// Thread-safe: free functions.
// Does not verify: sign with SignNote, and parse what OpenNote returned.
#ifndef KMS_CRYPTO_CHECKPOINT_H_
#define KMS_CRYPTO_CHECKPOINT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace kms::crypto {

struct Checkpoint {
  std::string origin;  // Names the log; one line, not empty.
  uint64_t size = 0;   // Leaves in the tree.
  std::string root;    // 32 bytes.

  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

// kInvalidArgument: the origin is empty, has a control character or is not
// UTF-8, or the root is not 32 bytes.
absl::StatusOr<std::string> FormatCheckpoint(const Checkpoint& checkpoint);

// Exactly the inverse: accepts only what FormatCheckpoint writes.
// kInvalidArgument: anything else.
absl::StatusOr<Checkpoint> ParseCheckpoint(absl::string_view text);

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_CHECKPOINT_H_

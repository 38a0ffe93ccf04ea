// An unseal share as a custodian keeps it: text that a person can type.
//
//   text     = "kms1" 22*("-" group)       ; 114 characters in all
//   group    = 4 of "a".."z" "2".."7"      ; RFC 4648 base32, lower case
//   payload  = cluster ceremony index threshold data checksum
//   cluster  = 8 bytes     ; the first of the cluster id
//   ceremony = 8 bytes     ; random: which splitting of which root key
//   index    = uint8       ; 1 to 32: x, never 0
//   threshold = uint8      ; 1 to 32
//   data     = 32 bytes    ; y of each byte of the root key
//   checksum = 5 bytes     ; SHA-256("kms.v1 unseal share" NUL rest)[0..5]
//
// 55 bytes are 88 characters exactly, so there is no padding and no second
// encoding. Upper case, blanks, line breaks and missing dashes are accepted.
// The checksum finds typing errors; that a share is genuine is shown by its
// commitment in the seal file (ceremony.h).
//
// Source: threats.md G12. Thread-safe: free functions over values.
#ifndef KMS_SEAL_SHARE_H_
#define KMS_SEAL_SHARE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/base/secret.h"

namespace kms::seal {

inline constexpr size_t kShareClusterBytes = 8;
inline constexpr size_t kCeremonyIdBytes = 8;

struct Share {
  std::string cluster_prefix;  // kShareClusterBytes.
  std::string ceremony_id;     // kCeremonyIdBytes.
  uint8_t index = 0;
  uint8_t threshold = 0;
  Secret data;  // kRootKeyBytes.
};

// The text, in locked memory: printing it is the caller's decision.
// REQUIRES: the fields have the sizes and ranges above.
// kResourceExhausted: no locked memory left.
absl::StatusOr<Secret> PrintShare(const Share& share);

// Reads what PrintShare wrote and a person copied. `text`: at most
// kShareTextBytesMax bytes; the caller wipes it.
// SHARE_REJECTED: malformed; the message says how, and repeats nothing of it.
// kResourceExhausted: no locked memory left.
absl::StatusOr<Share> ParseShare(absl::string_view text);

}  // namespace kms::seal

#endif  // KMS_SEAL_SHARE_H_

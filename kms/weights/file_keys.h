// The keys of one weights file, and the only place that uses them.
//
//   prk         = HKDF-Extract(SHA-256, salt, data key)
//   segment key = HKDF-Expand(prk, "kms.v1 weights segment" || prefix, 32)
//   header key  = HKDF-Expand(prk, "kms.v1 weights header" || prefix, 32)
//   header tag  = HMAC-SHA256(header key, all of the header before the tag)
//   segment i   = AES-256-GCM(segment key, nonce, plaintext), with
//   nonce       = nonce_prefix: uint8[7] || i: uint32 big-endian ||
//                 last: uint8  // 1 for the last segment, else 0.
//
// Both labels and the prefix (the header before table_digest) are ByteWriter
// fields: each its length, then its bytes. Sources: RFC 5869; NIST SP
// 800-38D; the nonce is that of STREAM (Hoang, Reyhanitabar, Rogaway and
// Vizar, "Online Authenticated-Encryption and its Nonce-Reuse
// Misuse-Resistance", section 7).
//
// GCM does not commit to its key: whoever chooses two keys can make one
// ciphertext that opens under both. The header tag does: a second data key
// that gives the same 32 bytes is a collision of SHA-256.
// Thread-safe: immutable.
#ifndef KMS_WEIGHTS_FILE_KEYS_H_
#define KMS_WEIGHTS_FILE_KEYS_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kms/base/bytes.h"
#include "kms/base/secret.h"
#include "kms/weights/format.h"

namespace kms::weights {

class FileKeys {
 public:
  // Of a file whose header begins like `header` (all before table_digest).
  // kInvalidArgument: the data key is not of 32 to 4096 bytes.
  // kResourceExhausted: Secret::Allocate.
  // REQUIRES: CheckHeader(header).ok().
  static absl::StatusOr<FileKeys> Derive(const Secret& data_key,
                                         const Header& header);

  // The tag of `header`. kResourceExhausted: Secret::Allocate.
  absl::StatusOr<std::string> HeaderTag(const Header& header) const;

  // kUnauthenticated: `header` was not written with these keys.
  // kResourceExhausted: Secret::Allocate.
  absl::Status CheckHeaderTag(const Header& header) const;

  // Encrypts segment `index` into `ciphertext`, of the same size and possibly
  // the same bytes, and fills entry.tag and entry.digest.
  // REQUIRES: entry.nonce_prefix was never used for another plaintext of this
  // segment.
  void Seal(uint64_t index, bool last, BytesView plaintext,
            absl::Span<uint8_t> ciphertext, Entry& entry) const;

  // The inverse, which looks at entry.tag only. False, and `plaintext` zero:
  // not what Seal made for this place.
  [[nodiscard]] bool Open(uint64_t index, bool last, const Entry& entry,
                          BytesView ciphertext,
                          absl::Span<uint8_t> plaintext) const;

 private:
  FileKeys(Secret segment_key, Secret header_key)
      : segment_key_(std::move(segment_key)),
        header_key_(std::move(header_key)) {}

  Secret segment_key_;
  Secret header_key_;
};

}  // namespace kms::weights

#endif  // KMS_WEIGHTS_FILE_KEYS_H_

// The transcript digest: the 64 bytes that Evidence carries as its report
// data, and so the one thing that ties challenge, recipient key and request
// to the hardware that vouches for them.
//
// transcript := SHA-512(field(domain) field(cluster id) field(challenge)
//                       field(KEM id) field(recipient public key)
//                       field(request))
// field(x)   := uint32 big-endian length of x, x
//
// Lengths before every field make the digest unambiguous: no two different
// lists of fields hash the same bytes. The domain keeps a digest made for one
// purpose from serving another.
// Thread-safe: free functions.
#ifndef KMS_RELEASE_TRANSCRIPT_H_
#define KMS_RELEASE_TRANSCRIPT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"

namespace kms::release {

inline constexpr absl::string_view kReleaseDomain = "kms.v1 release";
inline constexpr absl::string_view kJoinDomain = "kms.v1 join";
inline constexpr absl::string_view kGpuDomain = "kms.v1 gpu";

struct Transcript {
  absl::string_view domain;
  BytesView cluster_id;  // 16 bytes.
  BytesView challenge;
  uint16_t kem_id = 0;  // RFC 9180, section 7.1; hashed big-endian.
  BytesView recipient_public_key;
  BytesView request;  // Exactly as sent.
};

// 64 bytes.
std::string TranscriptDigest(const Transcript& transcript);

// The nonce that each GPU of the same session signs, 32 bytes: the first half
// of SHA-512(field("kms.v1 gpu") field(transcript digest)). A value of its
// own, so that a GPU's Evidence serves no other purpose, and one that whoever
// has the digest can derive.
std::string GpuNonce(BytesView transcript_digest);

// The associated data of a wrapped key: where in the log its release stands.
// Opening it with another key's or another release's data fails.
std::string WrappedKeyAad(BytesView cluster_id, BytesView key_id,
                          uint32_t version, uint64_t log_index);

}  // namespace kms::release

#endif  // KMS_RELEASE_TRANSCRIPT_H_

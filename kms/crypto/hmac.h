// HMAC. Source: RFC 2104, FIPS 198-1.
// Thread-safe: immutable.
#ifndef KMS_CRYPTO_HMAC_H_
#define KMS_CRYPTO_HMAC_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kms/base/bytes.h"
#include "kms/base/secret.h"
#include "kms/crypto/hash.h"

struct evp_md_ctx_st;  // OpenSSL's EVP_MD_CTX; its headers stay out of ours.

namespace kms::crypto {

// An HMAC key with its pads made: what runs for every row should not hash the
// key again. The pads stay in locked memory.
class HmacKey {
 public:
  // `key`: any length; kResourceExhausted: Secret::Allocate.
  static absl::StatusOr<HmacKey> Create(Hash hash, BytesView key, SecretAccess);

  // Writes HashSize(hash) bytes to `tag`: the HMAC of the parts, joined.
  // Leaves a copy of the tag and of message bytes in `context`.
  void Compute(evp_md_ctx_st* context, absl::Span<const BytesView> parts,
               absl::Span<uint8_t> tag) const;

  Hash hash() const { return hash_; }

 private:
  HmacKey(Hash hash, Secret pads) : hash_(hash), pads_(std::move(pads)) {}

  Hash hash_;
  Secret pads_;  // Key xor ipad, then key xor opad: a block each.
};

// HMAC-SHA-256 with one key for many messages, for tags that are not secret.
class HmacSha256Key {
 public:
  static constexpr size_t kTagSize = 32;

  // kResourceExhausted: Secret::Allocate.
  static absl::StatusOr<HmacSha256Key> Create(const Secret& key);

  // The 32-byte tag of `data`, or of the parts joined. Parts of varying length
  // need their own framing (ByteWriter::Field).
  std::string Mac(BytesView data) const;
  std::string Mac(absl::Span<const BytesView> parts) const;

  // In constant time. kUnauthenticated: `tag` is not Mac(data).
  absl::Status Verify(BytesView data, BytesView tag) const;

 private:
  explicit HmacSha256Key(HmacKey key) : key_(std::move(key)) {}

  HmacKey key_;
};

// The same for one message. kResourceExhausted: Secret::Allocate.
absl::StatusOr<std::string> HmacSha256(const Secret& key, BytesView data);

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_HMAC_H_

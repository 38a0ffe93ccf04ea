// SHA-2 of public bytes. FIPS 180-4.
// The functions are thread-safe; a Sha256Hasher is thread-compatible.
// Not for secrets: what a keyed hash or a key derivation needs is in hmac.h
// and hkdf.h.
#ifndef KMS_CRYPTO_DIGEST_H_
#define KMS_CRYPTO_DIGEST_H_

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"
#include "kms/crypto/hash.h"

struct evp_md_ctx_st;  // OpenSSL's EVP_MD_CTX; its headers stay out of ours.

namespace kms::crypto {

// HashSize(hash) bytes.
std::string Digest(Hash hash, BytesView data);

inline std::string Sha256(BytesView data) {
  return Digest(Hash::kSha256, data);
}
inline std::string Sha384(BytesView data) {
  return Digest(Hash::kSha384, data);
}
inline std::string Sha512(BytesView data) {
  return Digest(Hash::kSha512, data);
}

// SHA-256 of bytes that arrive in pieces.
class Sha256Hasher {
 public:
  Sha256Hasher();
  Sha256Hasher(Sha256Hasher&&) noexcept = default;
  Sha256Hasher& operator=(Sha256Hasher&&) noexcept = default;

  Sha256Hasher& Update(BytesView data);
  Sha256Hasher& Update(absl::string_view data) { return Update(AsBytes(data)); }

  // The 32-byte digest of everything since construction or the last Finish,
  // after which the hasher starts anew.
  std::string Finish();

 private:
  std::shared_ptr<evp_md_ctx_st> context_;
};

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_DIGEST_H_

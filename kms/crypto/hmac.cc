#include "kms/crypto/hmac.h"

#include <algorithm>
#include <array>

#include "kms/base/secret_access.h"
#include "kms/base/status.h"
#include "kms/crypto/openssl.h"

namespace kms::crypto {
namespace {

constexpr uint8_t kInnerPad = 0x36;
constexpr uint8_t kOuterPad = 0x5c;

void HashParts(EVP_MD_CTX* context, Hash hash, BytesView pad,
               absl::Span<const BytesView> parts, uint8_t* out) {
  bool ok = EVP_DigestInit_ex2(context, FetchedMd(hash), nullptr) == 1 &&
            EVP_DigestUpdate(context, pad.data(), pad.size()) == 1;
  for (const BytesView part : parts) {
    ok = ok && EVP_DigestUpdate(context, part.data(), part.size()) == 1;
  }
  DieUnless(ok && EVP_DigestFinal_ex(context, out, nullptr) == 1,
            "hmac: cannot hash");
}

}  // namespace

absl::StatusOr<HmacKey> HmacKey::Create(Hash hash, BytesView key,
                                        SecretAccess access) {
  const size_t block = HashBlockSize(hash);
  KMS_ASSIGN_OR_RETURN(Secret pads, Secret::Allocate(2 * block));
  const absl::Span<uint8_t> inner = pads.ExposeMutable(access).first(block);
  const absl::Span<uint8_t> outer = pads.ExposeMutable(access).subspan(block);
  if (key.size() > block) {
    // RFC 2104, section 2: a key longer than a block is hashed first. A
    // context of its own, because it holds key bytes.
    const MdCtxPtr context(EVP_MD_CTX_new());
    HashParts(context.get(), hash, {}, {key}, inner.data());
  } else {
    std::copy(key.begin(), key.end(), inner.begin());
  }
  for (size_t i = 0; i < block; ++i) {
    outer[i] = inner[i] ^ kOuterPad;
    inner[i] ^= kInnerPad;
  }
  return HmacKey(hash, std::move(pads));
}

void HmacKey::Compute(evp_md_ctx_st* context, absl::Span<const BytesView> parts,
                      absl::Span<uint8_t> tag) const {
  DieUnless(context != nullptr && tag.size() == HashSize(hash_),
            "hmac: wrong size");
  const BytesView pads = pads_.Expose(GrantSecretAccess());
  const size_t block = HashBlockSize(hash_);
  HashParts(context, hash_, pads.first(block), parts, tag.data());
  HashParts(context, hash_, pads.subspan(block), {tag}, tag.data());
}

absl::StatusOr<HmacSha256Key> HmacSha256Key::Create(const Secret& key) {
  const SecretAccess access = GrantSecretAccess();
  KMS_ASSIGN_OR_RETURN(
      HmacKey made, HmacKey::Create(Hash::kSha256, key.Expose(access), access));
  return HmacSha256Key(std::move(made));
}

std::string HmacSha256Key::Mac(absl::Span<const BytesView> parts) const {
  std::string tag(kTagSize, '\0');
  // After SHA-256's outer hash, the thread's context holds the tag and no
  // more: finishing wipes the message block.
  key_.Compute(
      ThreadMdContext(Hash::kSha256), parts,
      absl::MakeSpan(reinterpret_cast<uint8_t*>(tag.data()), tag.size()));
  return tag;
}

std::string HmacSha256Key::Mac(BytesView data) const {
  return Mac(absl::MakeConstSpan(&data, 1));
}

absl::Status HmacSha256Key::Verify(BytesView data, BytesView tag) const {
  return ConstantTimeEqual(AsBytes(Mac(data)), tag)
             ? absl::OkStatus()
             : absl::UnauthenticatedError("hmac: does not verify");
}

absl::StatusOr<std::string> HmacSha256(const Secret& key, BytesView data) {
  KMS_ASSIGN_OR_RETURN(const HmacSha256Key hmac, HmacSha256Key::Create(key));
  return hmac.Mac(data);
}

}  // namespace kms::crypto

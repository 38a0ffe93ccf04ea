#include "kms/crypto/xaes.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kms/base/secret_access.h"
#include "kms/base/status.h"
#include "kms/crypto/gcm.h"
#include "kms/crypto/openssl.h"
#include "kms/crypto/random.h"

namespace kms::crypto {
namespace {

constexpr size_t kBlockSize = 16;
constexpr size_t kNonceHalf = 12;

// Key bytes on the stack, zeroed on the way out.
template <size_t kSize>
struct WipedBytes {
  std::array<uint8_t, kSize> bytes;
  ~WipedBytes() { Wipe(absl::MakeSpan(bytes)); }
};

// Encrypts whole blocks, each by itself, with AES-256.
void EncryptBlocks(BytesView key, BytesView in, uint8_t* out) {
  const ThreadCipherContext context;
  int n = 0;
  DieUnless(EVP_EncryptInit_ex2(context.get(), FetchedAes256Ecb(), key.data(),
                                nullptr, nullptr) == 1 &&
                EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1 &&
                EVP_EncryptUpdate(context.get(), out, &n, in.data(),
                                  static_cast<int>(in.size())) == 1 &&
                n == static_cast<int>(in.size()),
            "xaes: cannot encrypt");
}

absl::Status Unauthentic() {
  return absl::UnauthenticatedError("xaes: does not authenticate");
}

// True if OpenInto may be called and can succeed.
bool SizesFit(BytesView sealed, BytesView aad) {
  return sealed.size() >= Xaes256Gcm::kOverhead &&
         sealed.size() <= kGcmBytesMax && aad.size() <= kGcmBytesMax;
}

}  // namespace

absl::StatusOr<Xaes256Gcm> Xaes256Gcm::Create(const Secret& key) {
  if (key.size() != kKeySize) {
    return absl::InvalidArgumentError(
        absl::StrCat("xaes key: ", key.size(), " bytes, want 32"));
  }
  KMS_ASSIGN_OR_RETURN(Secret keys, Secret::Allocate(kKeySize + kBlockSize));
  const absl::Span<uint8_t> all = keys.ExposeMutable(GrantSecretAccess());
  const BytesView k = key.Expose(GrantSecretAccess());
  std::copy(k.begin(), k.end(), all.begin());
  // 1. L = AES-256_K(0)
  const absl::Span<uint8_t> k1 = all.subspan(kKeySize);
  constexpr uint8_t kZero[kBlockSize] = {};
  EncryptBlocks(k, kZero, k1.data());
  // 2. K1 = L << 1, xor 0b10000111 if a bit fell out; without a branch on it.
  const uint8_t carry = k1[0] >> 7;
  for (size_t i = 0; i + 1 < kBlockSize; ++i) {
    k1[i] = static_cast<uint8_t>(k1[i] << 1 | k1[i + 1] >> 7);
  }
  k1[kBlockSize - 1] =
      static_cast<uint8_t>(k1[kBlockSize - 1] << 1 ^ carry * 0b10000111);
  return Xaes256Gcm(std::move(keys));
}

void Xaes256Gcm::DeriveKey(BytesView nonce_half,
                           absl::Span<uint8_t> derived) const {
  const BytesView k = keys_.Expose(GrantSecretAccess()).first(kKeySize);
  const BytesView k1 = keys_.Expose(GrantSecretAccess()).subspan(kKeySize);
  // 3., 4. M1 = 0x00 0x01 'X' 0x00 N[:12], and M2 with 0x02.
  WipedBytes<2 * kBlockSize> blocks;
  for (uint8_t i = 0; i < 2; ++i) {
    uint8_t* const m = &blocks.bytes[i * kBlockSize];
    const uint8_t head[] = {0, static_cast<uint8_t>(i + 1), 'X', 0};
    std::memcpy(m, head, sizeof(head));
    std::memcpy(m + sizeof(head), nonce_half.data(), kNonceHalf);
    for (size_t j = 0; j < kBlockSize; ++j) m[j] ^= k1[j];
  }
  // 5. Kx = AES-256_K(M1 xor K1) || AES-256_K(M2 xor K1)
  EncryptBlocks(k, blocks.bytes, derived.data());
}

std::string Xaes256Gcm::SealWithNonce(BytesView nonce, BytesView plaintext,
                                      BytesView aad) const {
  WipedBytes<kAesKeySize> derived;
  DeriveKey(nonce.first(kNonceHalf), absl::MakeSpan(derived.bytes));
  std::string sealed(kOverhead + plaintext.size(), '\0');
  std::memcpy(sealed.data(), nonce.data(), kNonceSize);
  GcmSeal(
      derived.bytes, nonce.subspan(kNonceHalf), plaintext, aad,
      absl::MakeSpan(reinterpret_cast<uint8_t*>(sealed.data()), sealed.size())
          .subspan(kNonceSize));
  return sealed;
}

bool Xaes256Gcm::OpenInto(BytesView sealed, BytesView aad,
                          absl::Span<uint8_t> plaintext) const {
  WipedBytes<kAesKeySize> derived;
  DeriveKey(sealed.first(kNonceHalf), absl::MakeSpan(derived.bytes));
  return GcmOpen(derived.bytes, sealed.subspan(kNonceHalf, kNonceHalf),
                 sealed.subspan(kNonceSize), aad, plaintext);
}

std::string Xaes256Gcm::Seal(BytesView plaintext, BytesView aad) const {
  std::array<uint8_t, kNonceSize> nonce;
  RandomBytes(absl::MakeSpan(nonce));
  return SealWithNonce(nonce, plaintext, aad);
}

std::string Xaes256Gcm::SealSecret(const Secret& plaintext,
                                   BytesView aad) const {
  return Seal(plaintext.Expose(GrantSecretAccess()), aad);
}

absl::StatusOr<std::string> Xaes256Gcm::Open(BytesView sealed,
                                             BytesView aad) const {
  if (!SizesFit(sealed, aad)) return Unauthentic();
  std::string plaintext(sealed.size() - kOverhead, '\0');
  if (!OpenInto(sealed, aad,
                absl::MakeSpan(reinterpret_cast<uint8_t*>(plaintext.data()),
                               plaintext.size()))) {
    return Unauthentic();
  }
  return plaintext;
}

absl::StatusOr<Secret> Xaes256Gcm::OpenSecret(BytesView sealed,
                                              BytesView aad) const {
  if (!SizesFit(sealed, aad)) return Unauthentic();
  KMS_ASSIGN_OR_RETURN(Secret plaintext,
                       Secret::Allocate(sealed.size() - kOverhead));
  if (!OpenInto(sealed, aad, plaintext.ExposeMutable(GrantSecretAccess()))) {
    return Unauthentic();
  }
  return plaintext;
}

}  // namespace kms::crypto

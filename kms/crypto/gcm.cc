#include "kms/crypto/gcm.h"

#include "kms/base/secret.h"
#include "kms/crypto/openssl.h"

namespace kms::crypto {
namespace {

bool SizesFit(BytesView key, BytesView nonce, BytesView text, BytesView aad) {
  return key.size() == kAesKeySize && nonce.size() == kGcmNonceSize &&
         text.size() <= kGcmBytesMax && aad.size() <= kGcmBytesMax;
}

}  // namespace

void GcmSeal(BytesView key, BytesView nonce, BytesView plaintext, BytesView aad,
             absl::Span<uint8_t> sealed) {
  DieUnless(sealed.size() >= kGcmTagSize, "gcm: wrong sizes");
  const size_t size = sealed.size() - kGcmTagSize;
  GcmSealDetached(key, nonce, plaintext, aad, sealed.first(size),
                  sealed.subspan(size));
}

bool GcmOpen(BytesView key, BytesView nonce, BytesView sealed, BytesView aad,
             absl::Span<uint8_t> plaintext) {
  DieUnless(sealed.size() >= kGcmTagSize, "gcm: wrong sizes");
  const size_t size = sealed.size() - kGcmTagSize;
  return GcmOpenDetached(key, nonce, sealed.first(size), sealed.subspan(size),
                         aad, plaintext);
}

void GcmSealDetached(BytesView key, BytesView nonce, BytesView plaintext,
                     BytesView aad, absl::Span<uint8_t> ciphertext,
                     absl::Span<uint8_t> tag) {
  DieUnless(SizesFit(key, nonce, plaintext, aad) &&
                ciphertext.size() == plaintext.size() &&
                tag.size() == kGcmTagSize,
            "gcm: wrong sizes");
  const ThreadCipherContext context;
  EVP_CIPHER_CTX* const c = context.get();
  int n = 0;
  bool ok = EVP_EncryptInit_ex2(c, FetchedAes256Gcm(), key.data(), nonce.data(),
                                nullptr) == 1;
  if (!aad.empty()) {
    ok = ok && EVP_EncryptUpdate(c, nullptr, &n, aad.data(),
                                 static_cast<int>(aad.size())) == 1;
  }
  if (!plaintext.empty()) {
    ok = ok && EVP_EncryptUpdate(c, ciphertext.data(), &n, plaintext.data(),
                                 static_cast<int>(plaintext.size())) == 1;
  }
  ok = ok && EVP_EncryptFinal_ex(c, tag.data(), &n) == 1 &&
       EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, kGcmTagSize, tag.data()) ==
           1;
  DieUnless(ok, "gcm: cannot encrypt");
}

bool GcmOpenDetached(BytesView key, BytesView nonce, BytesView ciphertext,
                     BytesView tag, BytesView aad,
                     absl::Span<uint8_t> plaintext) {
  DieUnless(SizesFit(key, nonce, ciphertext, aad) &&
                ciphertext.size() == plaintext.size() &&
                tag.size() == kGcmTagSize,
            "gcm: wrong sizes");
  const ThreadCipherContext context;
  EVP_CIPHER_CTX* const c = context.get();
  int n = 0;
  bool ok = EVP_DecryptInit_ex2(c, FetchedAes256Gcm(), key.data(), nonce.data(),
                                nullptr) == 1 &&
            // The library takes the tag as not const, and only copies it.
            EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, kGcmTagSize,
                                const_cast<uint8_t*>(tag.data())) == 1;
  DieUnless(ok, "gcm: cannot decrypt");
  if (!aad.empty()) {
    ok = ok && EVP_DecryptUpdate(c, nullptr, &n, aad.data(),
                                 static_cast<int>(aad.size())) == 1;
  }
  if (!ciphertext.empty()) {
    ok = ok && EVP_DecryptUpdate(c, plaintext.data(), &n, ciphertext.data(),
                                 static_cast<int>(ciphertext.size())) == 1;
  }
  uint8_t none[kGcmTagSize];  // GCM's final writes nothing.
  ok = ok && EVP_DecryptFinal_ex(c, none, &n) == 1;
  if (!ok) {
    Wipe(plaintext);  // Nobody may see what did not authenticate.
    ERR_clear_error();
  }
  return ok;
}

}  // namespace kms::crypto

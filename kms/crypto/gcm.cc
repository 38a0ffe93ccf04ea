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
  DieUnless(SizesFit(key, nonce, plaintext, aad) &&
                sealed.size() == plaintext.size() + kGcmTagSize,
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
    ok = ok && EVP_EncryptUpdate(c, sealed.data(), &n, plaintext.data(),
                                 static_cast<int>(plaintext.size())) == 1;
  }
  uint8_t* const tag = sealed.data() + plaintext.size();
  ok = ok && EVP_EncryptFinal_ex(c, tag, &n) == 1 &&
       EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, kGcmTagSize, tag) == 1;
  DieUnless(ok, "gcm: cannot encrypt");
}

bool GcmOpen(BytesView key, BytesView nonce, BytesView sealed, BytesView aad,
             absl::Span<uint8_t> plaintext) {
  DieUnless(SizesFit(key, nonce, sealed, aad) &&
                sealed.size() == plaintext.size() + kGcmTagSize,
            "gcm: wrong sizes");
  const BytesView ciphertext = sealed.first(plaintext.size());
  // The library takes the tag as not const, and only copies it.
  uint8_t* const tag = const_cast<uint8_t*>(sealed.data()) + plaintext.size();
  const ThreadCipherContext context;
  EVP_CIPHER_CTX* const c = context.get();
  int n = 0;
  bool ok =
      EVP_DecryptInit_ex2(c, FetchedAes256Gcm(), key.data(), nonce.data(),
                          nullptr) == 1 &&
      EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, kGcmTagSize, tag) == 1;
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

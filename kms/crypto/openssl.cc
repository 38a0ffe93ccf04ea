#include "kms/crypto/openssl.h"

#include <cstdio>
#include <cstdlib>

namespace kms::crypto {
namespace {

const EVP_MD* FetchMd(const char* name) {
  const EVP_MD* const md = EVP_MD_fetch(nullptr, name, nullptr);
  DieUnless(md != nullptr, "openssl: a digest is not available");
  return md;
}

const EVP_CIPHER* FetchCipher(const char* name) {
  const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, name, nullptr);
  DieUnless(cipher != nullptr, "openssl: a cipher is not available");
  return cipher;
}

}  // namespace

const EVP_MD* FetchedMd(Hash hash) {
  static const EVP_MD* const kSha256Md = FetchMd("SHA2-256");
  static const EVP_MD* const kSha384Md = FetchMd("SHA2-384");
  static const EVP_MD* const kSha512Md = FetchMd("SHA2-512");
  switch (hash) {
    case Hash::kSha256:
      return kSha256Md;
    case Hash::kSha384:
      return kSha384Md;
    case Hash::kSha512:
      return kSha512Md;
  }
  Die("crypto: a Hash that is none");
}

const EVP_CIPHER* FetchedAes256Gcm() {
  static const EVP_CIPHER* const kCipher = FetchCipher("AES-256-GCM");
  return kCipher;
}

const EVP_CIPHER* FetchedAes256Ecb() {
  static const EVP_CIPHER* const kCipher = FetchCipher("AES-256-ECB");
  return kCipher;
}

EVP_MD_CTX* ThreadMdContext(Hash hash) {
  thread_local const MdCtxPtr sha256(EVP_MD_CTX_new());
  thread_local const MdCtxPtr sha384(EVP_MD_CTX_new());
  thread_local const MdCtxPtr sha512(EVP_MD_CTX_new());
  switch (hash) {
    case Hash::kSha256:
      return sha256.get();
    case Hash::kSha384:
      return sha384.get();
    case Hash::kSha512:
      return sha512.get();
  }
  Die("crypto: a Hash that is none");
}

ThreadCipherContext::ThreadCipherContext()
    : context_([] {
        thread_local const CipherCtxPtr context(EVP_CIPHER_CTX_new());
        return context.get();
      }()) {
  DieUnless(context_ != nullptr, "openssl: no cipher context");
}

void Die(const char* what) {
  std::fprintf(stderr, "fatal: %s\n", what);
  std::abort();
}

}  // namespace kms::crypto

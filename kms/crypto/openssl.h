// What the files of this folder share in using OpenSSL 3.0: owners for its
// objects and algorithms fetched once.
//
// Rules of use here: EVP only and never EVP_Cipher (an empty ciphertext was
// once taken for an authentic one); algorithms come from Fetched* because an
// implicit fetch locks and searches on every call; the error queue carries no
// information out of this folder, ClearErrorsOnReturn empties it.
// Thread-safe: the fetched objects are immutable and live for ever.
#ifndef KMS_CRYPTO_OPENSSL_H_
#define KMS_CRYPTO_OPENSSL_H_

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/params.h>

#include <memory>

#include "kms/crypto/hash.h"

namespace kms::crypto {

template <auto kFree>
struct OpensslDeleter {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};

using PkeyPtr = std::unique_ptr<EVP_PKEY, OpensslDeleter<EVP_PKEY_free>>;
using PkeyCtxPtr =
    std::unique_ptr<EVP_PKEY_CTX, OpensslDeleter<EVP_PKEY_CTX_free>>;
using MdCtxPtr = std::unique_ptr<EVP_MD_CTX, OpensslDeleter<EVP_MD_CTX_free>>;
using CipherCtxPtr =
    std::unique_ptr<EVP_CIPHER_CTX, OpensslDeleter<EVP_CIPHER_CTX_free>>;
using BignumPtr = std::unique_ptr<BIGNUM, OpensslDeleter<BN_clear_free>>;
using ParamBuilderPtr =
    std::unique_ptr<OSSL_PARAM_BLD, OpensslDeleter<OSSL_PARAM_BLD_free>>;
using ParamsPtr = std::unique_ptr<OSSL_PARAM, OpensslDeleter<OSSL_PARAM_free>>;

// Fetched on first use; never null, never freed.
const EVP_MD* FetchedMd(Hash hash);
const EVP_CIPHER* FetchedAes256Gcm();
const EVP_CIPHER* FetchedAes256Ecb();

// This thread's context for digests of public bytes. Making one costs more
// than hashing a short message.
EVP_MD_CTX* ThreadMdContext(Hash hash);

// Borrows this thread's cipher context and empties it, key schedule and all,
// on leaving the scope. Not to be nested.
class ThreadCipherContext {
 public:
  ThreadCipherContext();
  ThreadCipherContext(const ThreadCipherContext&) = delete;
  ThreadCipherContext& operator=(const ThreadCipherContext&) = delete;
  ~ThreadCipherContext() { EVP_CIPHER_CTX_reset(context_); }

  EVP_CIPHER_CTX* get() const { return context_; }

 private:
  EVP_CIPHER_CTX* const context_;
};

// Ends the process: for failures that only a broken library, an empty heap or
// a dead random number generator can cause. `what` is a literal.
[[noreturn]] void Die(const char* what);

inline void DieUnless(bool condition, const char* what) {
  if (!condition) Die(what);
}

// Empties this thread's OpenSSL error queue on leaving the scope.
class ClearErrorsOnReturn {
 public:
  ClearErrorsOnReturn() = default;
  ClearErrorsOnReturn(const ClearErrorsOnReturn&) = delete;
  ClearErrorsOnReturn& operator=(const ClearErrorsOnReturn&) = delete;
  ~ClearErrorsOnReturn() { ERR_clear_error(); }
};

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_OPENSSL_H_

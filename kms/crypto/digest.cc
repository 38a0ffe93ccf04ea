#include "kms/crypto/digest.h"

#include "kms/crypto/openssl.h"

namespace kms::crypto {
namespace {

void Start(EVP_MD_CTX* context, Hash hash) {
  DieUnless(context != nullptr &&
                EVP_DigestInit_ex2(context, FetchedMd(hash), nullptr) == 1,
            "digest: cannot start");
}

std::string Result(EVP_MD_CTX* context, Hash hash) {
  std::string digest(HashSize(hash), '\0');
  DieUnless(
      EVP_DigestFinal_ex(context, reinterpret_cast<uint8_t*>(digest.data()),
                         nullptr) == 1,
      "digest: cannot finish");
  return digest;
}

// One context a thread and hash: making one costs more than a short message.
EVP_MD_CTX* ThreadContext(Hash hash) {
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

}  // namespace

std::string Digest(Hash hash, BytesView data) {
  EVP_MD_CTX* const context = ThreadContext(hash);
  Start(context, hash);
  DieUnless(EVP_DigestUpdate(context, data.data(), data.size()) == 1,
            "digest: cannot update");
  return Result(context, hash);
}

Sha256Hasher::Sha256Hasher() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
  Start(context_.get(), Hash::kSha256);
}

Sha256Hasher& Sha256Hasher::Update(BytesView data) {
  DieUnless(EVP_DigestUpdate(context_.get(), data.data(), data.size()) == 1,
            "digest: cannot update");
  return *this;
}

std::string Sha256Hasher::Finish() {
  std::string digest = Result(context_.get(), Hash::kSha256);
  Start(context_.get(), Hash::kSha256);
  return digest;
}

}  // namespace kms::crypto

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

}  // namespace

std::string Digest(Hash hash, BytesView data) {
  EVP_MD_CTX* const context = ThreadMdContext(hash);
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

#include "kms/crypto/sha1.h"

#include "kms/crypto/openssl.h"

namespace kms::crypto {

std::string Sha1ForDisplay(BytesView data) {
  std::string digest(20, '\0');
  DieUnless(EVP_Digest(data.data(), data.size(),
                       reinterpret_cast<uint8_t*>(digest.data()), nullptr,
                       EVP_sha1(), nullptr) == 1,
            "sha1: cannot hash");
  return digest;
}

}  // namespace kms::crypto

// SHA-1 of public bytes, to show what old firmware logs lead to. FIPS 180-4.
// Collisions are cheap: never decide anything by it. Only the folders in the
// target's visibility list may use it.
// Thread-safe: a free function.
#ifndef KMS_CRYPTO_SHA1_H_
#define KMS_CRYPTO_SHA1_H_

#include <string>

#include "kms/base/bytes.h"

namespace kms::crypto {

// 20 bytes.
std::string Sha1ForDisplay(BytesView data);

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_SHA1_H_

// Standard base64 (RFC 4648, section 4) with one encoding per value: absl's
// decoder also takes spaces, missing padding and stray bits.
// Thread-safe: free functions.
#ifndef KMS_CRYPTO_BASE64_STRICT_H_
#define KMS_CRYPTO_BASE64_STRICT_H_

#include <optional>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"

namespace kms::crypto {

// The bytes; nothing if absl::Base64Escape would not write `text` for them.
inline std::optional<std::string> Base64DecodeStrict(absl::string_view text) {
  std::string bytes;
  if (!absl::Base64Unescape(text, &bytes) ||
      absl::Base64Escape(bytes) != text) {
    return std::nullopt;
  }
  return bytes;
}

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_BASE64_STRICT_H_

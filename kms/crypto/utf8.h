// Strict UTF-8, one code point at a time. Source: RFC 3629, section 4: no
// overlong forms, no surrogates, nothing above U+10FFFF.
// Thread-safe: free functions.
#ifndef KMS_CRYPTO_UTF8_H_
#define KMS_CRYPTO_UTF8_H_

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace kms::crypto {

// Takes one code point off the front of `text`, which is not empty; nothing
// if it does not start with one.
std::optional<uint32_t> TakeCodePoint(absl::string_view& text);

// Unicode's White_Space property.
bool IsUnicodeSpace(uint32_t code_point);

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_UTF8_H_

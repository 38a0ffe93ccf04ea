// UTF-8 as Unicode defines it: no surrogates, no overlong forms, nothing
// beyond U+10FFFF. Source: RFC 3629, section 3.
// Thread-safe: free functions over their arguments.
#ifndef POLICY_CEL_UTF8_H_
#define POLICY_CEL_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace kms::cel {

bool IsValidUtf8(absl::string_view text);

// A Unicode scalar value: what may stand in a string.
bool IsScalarValue(uint32_t rune);

// REQUIRES: IsScalarValue(rune).
void AppendUtf8(uint32_t rune, std::string& out);

// Code points of valid UTF-8. Ill-formed text gives some number, safely.
size_t CountRunes(absl::string_view text);

// Where code point `rune` begins, in bytes; the end if there are no more.
size_t RuneOffset(absl::string_view text, size_t rune);

// Bytes of the code point that begins at `offset`, which is not the end: 1 to
// 4, of ill-formed text too.
size_t RuneBytes(absl::string_view text, size_t offset);

// The code point in `bytes`, which are those of one.
uint32_t DecodeRune(absl::string_view bytes);

}  // namespace kms::cel

#endif  // POLICY_CEL_UTF8_H_

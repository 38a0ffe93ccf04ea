// How a name is spelled, for what links no protobuf; names.h refuses by it.
// Thread-safe: free functions.
#ifndef KMS_BASE_NAME_SYNTAX_H_
#define KMS_BASE_NAME_SYNTAX_H_

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"

namespace kms {

// Bytes.
inline constexpr size_t kNamespaceSizeMax = 64;
inline constexpr size_t kKeyNameSizeMax = 128;

// [a-z0-9._-]+, not beginning with a dot, which would let "." and ".." be
// names, or a dash, which would make one an option of a command line.
inline bool HasNameSyntax(absl::string_view name) {
  const auto is_name_byte = [](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) ||
           absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name[0] != '.' && name[0] != '-' &&
         std::all_of(name.begin(), name.end(), is_name_byte);
}

}  // namespace kms

#endif  // KMS_BASE_NAME_SYNTAX_H_

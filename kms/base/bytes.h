// Byte strings. Public bytes are owned by a std::string, because that is what
// protobuf owns, and passed as a view of uint8_t. Key bytes are neither: they
// live in Secret.
// Thread-safe: free functions over their arguments.
#ifndef KMS_BASE_BYTES_H_
#define KMS_BASE_BYTES_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace kms {

using BytesView = absl::Span<const uint8_t>;

// Views alias their argument, which must outlive them.
inline BytesView AsBytes(absl::string_view s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}
inline absl::string_view AsStringView(BytesView b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}
inline std::string ToString(BytesView b) {
  return std::string(reinterpret_cast<const char*>(b.data()), b.size());
}

// Lowercase hex, two digits a byte.
std::string Hex(BytesView bytes);
inline std::string Hex(absl::string_view bytes) { return Hex(AsBytes(bytes)); }

// Strict inverse: only [0-9a-fA-F], even length.
// kInvalidArgument otherwise; the message repeats nothing of the input.
absl::StatusOr<std::string> Unhex(absl::string_view hex);

// Constant time in the contents; lengths are public.
bool ConstantTimeEqual(BytesView a, BytesView b);

// True if every byte is zero (and for an empty view).
bool AllZero(BytesView bytes);

}  // namespace kms

#endif  // KMS_BASE_BYTES_H_

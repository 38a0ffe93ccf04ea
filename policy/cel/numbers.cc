#include "policy/cel/numbers.h"

#include <charconv>
#include <cmath>
#include <system_error>

#include "absl/strings/charconv.h"

namespace kms::cel {

bool ParseDouble(absl::string_view text, double* out) {
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, *out);
  if (parsed.ptr != end) return false;
  if (parsed.ec == std::errc()) return true;
  if (parsed.ec != std::errc::result_out_of_range) return false;
  // The standard does not say on which side; abseil leaves 0 or the least
  // normal number for what is too small.
  const auto again = absl::from_chars(text.data(), end, *out);
  if (again.ec != std::errc::result_out_of_range || !(std::fabs(*out) < 1)) {
    return false;
  }
  *out = std::copysign(0.0, *out);
  return true;
}

}  // namespace kms::cel

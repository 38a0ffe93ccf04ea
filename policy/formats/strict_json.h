// JSON (RFC 8259) of which only one reading exists: no key twice in one object,
// no number that another reader could round, nothing after the value.
// Thread-safe: a free function.
// Does not know what any key means.
#ifndef POLICY_FORMATS_STRICT_JSON_H_
#define POLICY_FORMATS_STRICT_JSON_H_

#include <cstddef>
#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace kms::formats {

// `text` is one JSON object of at most `bytes_max` bytes, nested at most
// `depth_max` deep (a flat object has depth 1), without floating point.
// kInvalidArgument "<subject>: ..." otherwise; the message repeats nothing of
// the input.
absl::StatusOr<nlohmann::json> ParseStrictJson(absl::string_view text,
                                               absl::string_view subject,
                                               size_t bytes_max, int depth_max);

}  // namespace kms::formats

#endif  // POLICY_FORMATS_STRICT_JSON_H_

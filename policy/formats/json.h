// JSON (RFC 8259) of which only one reading exists, less what nobody who signs
// it uses: member names are unique in their object, strings are printable ASCII
// without escapes, and nothing but white space surrounds the value. Each value
// knows the exact bytes that it was read from: in some formats they are what is
// signed.
// Thread-safe: immutable values; views alias the input, which must outlive
// them. Does not know what any member means.
#ifndef POLICY_FORMATS_JSON_H_
#define POLICY_FORMATS_JSON_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace kms::formats {

struct JsonMember;

struct JsonValue {
  enum class Kind { kObject, kArray, kString, kUnsigned, kOther };
  Kind kind = Kind::kOther;  // kOther: true, false, null, any other number.
  absl::string_view text;    // The value's exact bytes, quotes included.
  uint64_t number = 0;       // kUnsigned: an integer without sign or exponent.
  std::vector<JsonMember> members;
  std::vector<JsonValue> items;

  bool is_object() const { return kind == Kind::kObject; }
  bool is_array() const { return kind == Kind::kArray; }

  // A member of an object; null if it is absent or this is none.
  const JsonValue* Find(absl::string_view name) const;

  // The text of a string between its quotes; nothing for another kind.
  std::optional<absl::string_view> String() const;
  // Nothing for what is neither true nor false.
  std::optional<bool> Bool() const;
};

struct JsonMember {
  absl::string_view name;
  JsonValue value;
};

struct JsonBounds {
  size_t bytes_max;
  size_t depth_max;  // Members of a flat object are at depth 1.
  size_t values_max;
};

// kInvalidArgument "<subject>: ..." if `text` is not one such value within
// `bounds`; the message repeats nothing of the input.
absl::StatusOr<JsonValue> ParseJson(absl::string_view text,
                                    absl::string_view subject,
                                    const JsonBounds& bounds);

}  // namespace kms::formats

#endif  // POLICY_FORMATS_JSON_H_

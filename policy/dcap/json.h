// A strict reader of the JSON that Intel signs. Source: RFC 8259, less what
// Intel does not use and two parsers read in two ways: member names are unique,
// strings are printable ASCII without escapes, and nothing but white space
// surrounds the value. So a byte sequence has one meaning, and each value knows
// the exact bytes that it was read from, which are what is signed.
// Thread-safe: immutable values; views alias the input, which must outlive
// them.
#ifndef POLICY_DCAP_JSON_H_
#define POLICY_DCAP_JSON_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"

namespace kms::dcap {

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
};

struct JsonMember {
  absl::string_view name;
  JsonValue value;
};

// ENDORSEMENT_MALFORMED if `bytes` is not one such value, too large, or nested
// too deep (limits.h).
absl::StatusOr<JsonValue> ParseJson(BytesView bytes);

}  // namespace kms::dcap

#endif  // POLICY_DCAP_JSON_H_

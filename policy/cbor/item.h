// CBOR from whoever sends Evidence, as a tree. Source: RFC 8949.
//
// libcbor's streaming decoder takes one head at a time off the input, without
// allocating; what is made of the heads, and every limit, is ours. By default
// a value has one encoding: definite lengths and shortest heads. Never taken:
// floats, undefined, other simple values, strings in chunks, text that is not
// UTF-8, map keys that are neither integers nor text, a key twice, anything
// after the item.
// Thread-safe: values and free functions. Views alias the input.
// Does not demand sorted map keys: no vendor sorts them.
#ifndef POLICY_CBOR_ITEM_H_
#define POLICY_CBOR_ITEM_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "kms/base/bytes.h"
#include "policy/cbor/limits.h"

namespace kms::cbor {

// The first seven are RFC 8949's major types, in their order.
enum class Type {
  kUnsigned,
  kNegative,
  kBytes,
  kText,
  kArray,
  kMap,
  kTag,
  kBool,
  kNull,
};

class Item {
 public:
  Type type() const { return type_; }
  bool null() const { return type_ == Type::kNull; }

  // The value if the item is of that type, or nothing.
  std::optional<uint64_t> Unsigned() const;
  std::optional<int64_t> Integer() const;  // Of either sign, if it fits.
  std::optional<BytesView> Bytes() const;
  std::optional<absl::string_view> Text() const;
  std::optional<bool> Bool() const;
  std::optional<uint64_t> Tag() const;  // Its number; items() has the content.

  // An array's elements; a map's keys and values in turn; a tag's content.
  // Empty for all else.
  absl::Span<const Item> items() const { return items_; }

  // A map's value under `key`; null if there is none, or this is no map.
  const Item* Find(int64_t key) const;
  const Item* Find(absl::string_view key) const;

  // The inverse of Parse, byte for byte unless `long_heads` was used.
  void AppendTo(std::string& out) const;

 private:
  friend class Parser;

  Type type_ = Type::kNull;
  bool indefinite_ = false;  // An array or map that ends with a break.
  uint64_t number_ = 0;      // Integer's argument, tag's number, or a boolean.
  BytesView bytes_;          // Content of a string.
  std::vector<Item> items_;
};

struct Rules {
  // Arrays and maps of indefinite length.
  bool indefinite_containers = false;
  // Heads longer than they need to be.
  bool long_heads = false;
  // Nesting, and items over the whole input: limits.h says what Evidence needs.
  int depth_max = kDepthMax;
  size_t items_max = kItemsMax;
};

// Exactly one item. EVIDENCE_MALFORMED "`subject`: ..." otherwise.
absl::StatusOr<Item> Parse(BytesView bytes, const Rules& rules,
                           absl::string_view subject);

}  // namespace kms::cbor

#endif  // POLICY_CBOR_ITEM_H_

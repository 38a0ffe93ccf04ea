// Property: no crash, and each value's exact bytes parse to the same value.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "policy/formats/json.h"

namespace {

using kms::formats::JsonValue;

constexpr kms::formats::JsonBounds kBounds = {
    .bytes_max = 65536, .depth_max = 8, .values_max = 4096};

void Check(const JsonValue& value) {
  const auto again = kms::formats::ParseJson(value.text, "fuzz", kBounds);
  if (!again.ok() || again->text != value.text || again->kind != value.kind ||
      again->number != value.number ||
      again->members.size() != value.members.size() ||
      again->items.size() != value.items.size()) {
    std::abort();
  }
  for (const auto& [name, member] : value.members) {
    if (value.Find(name) != &member) std::abort();
    Check(member);
  }
  for (const JsonValue& item : value.items) Check(item);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto json = kms::formats::ParseJson(text, "fuzz", kBounds);
  if (json.ok()) Check(*json);
  return 0;
}

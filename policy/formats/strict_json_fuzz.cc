// Property: no crash, and an object that parses is one that its own text,
// written again, gives once more.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "policy/formats/strict_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto json = kms::formats::ParseStrictJson(text, "fuzz", 4096, 8);
  if (!json.ok()) return 0;
  const std::string again_text = json->dump();
  const auto again =
      kms::formats::ParseStrictJson(again_text, "fuzz", 65536, 8);
  if (!again.ok() || *again != *json) std::abort();
  return 0;
}

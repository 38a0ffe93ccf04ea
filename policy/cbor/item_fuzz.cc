// Property: no crash, and what parses re-encodes to the same bytes; with long
// heads allowed, what is re-encoded parses by the strict rules.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "policy/cbor/item.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const kms::BytesView input(data, size);
  std::string out;
  const auto item =
      kms::cbor::Parse(input, {.indefinite_containers = true}, "fuzz");
  if (item.ok()) {
    item->AppendTo(out);
    if (kms::AsBytes(out) != input) std::abort();
  }
  const auto loose = kms::cbor::Parse(input, {.long_heads = true}, "fuzz");
  if (loose.ok()) {
    out.clear();
    loose->AppendTo(out);
    if (!kms::cbor::Parse(kms::AsBytes(out), {}, "fuzz").ok()) std::abort();
  }
  return 0;
}

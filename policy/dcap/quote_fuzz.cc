// Property: no crash, and a quote that parses re-encodes to the same bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "policy/dcap/quote.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const kms::BytesView input(data, size);
  const auto quote = kms::dcap::ParseQuote(input);
  if (quote.ok() && kms::AsBytes(kms::dcap::SerializeQuote(*quote)) != input) {
    std::abort();
  }
  return 0;
}

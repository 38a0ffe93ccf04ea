// Property: no crash, and what parses is a whole extension: any byte more or
// less is refused.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "policy/dcap/pck_certificate.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const kms::BytesView input(data, size);
  if (!kms::dcap::ParsePckExtension(input).ok()) return 0;
  const std::string more = kms::ToString(input) + '\0';
  if (kms::dcap::ParsePckExtension(kms::AsBytes(more)).ok() ||
      kms::dcap::ParsePckExtension(input.first(size - 1)).ok()) {
    std::abort();
  }
  return 0;
}

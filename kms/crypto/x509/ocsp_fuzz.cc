// Property: no crash, and what parses is exactly what was given.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "kms/crypto/x509/ocsp.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const kms::BytesView input(data, size);
  const auto response = kms::x509::OcspResponse::Parse(input);
  if (response.ok() && kms::AsBytes(response->der()) != input) std::abort();
  return 0;
}

// Property: no crash, and a quote or signature that parses re-encodes to the
// same bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "policy/tpm/attest.h"
#include "policy/tpm/signature.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const kms::BytesView input(data, size);
  const auto quote = kms::tpm::ParseAttest(input);
  if (quote.ok() && kms::AsBytes(kms::tpm::SerializeAttest(*quote)) != input) {
    std::abort();
  }
  const auto signature = kms::tpm::ParseSignature(input);
  if (signature.ok() &&
      kms::AsBytes(kms::tpm::SerializeSignature(*signature)) != input) {
    std::abort();
  }
  return 0;
}

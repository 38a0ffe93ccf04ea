// Property: no crash; a chain or a CRL that parses has one at least, and its
// DER parses again to the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "policy/dcap/collateral.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const kms::BytesView input(data, size);
  const auto chain = kms::dcap::ParseChainFile(input);
  if (chain.ok()) {
    if (chain->empty()) std::abort();
    const auto again =
        kms::dcap::ParseChainFile(kms::AsBytes(chain->front().der()));
    if (!again.ok() || again->front().sha256() != chain->front().sha256()) {
      std::abort();
    }
  }
  const auto crl = kms::dcap::ParseCrlFile(input);
  if (crl.ok()) {
    const auto again = kms::dcap::ParseCrlFile(kms::AsBytes(crl->der()));
    if (!again.ok() || again->sha256() != crl->sha256()) std::abort();
  }
  return 0;
}

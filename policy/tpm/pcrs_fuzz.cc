// Property: no crash, and values that parse mean the same after they were
// written again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "policy/tpm/pcrs.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto pcrs = kms::tpm::ParsePcrs(kms::BytesView(data, size));
  if (!pcrs.ok()) return 0;
  const std::string text = kms::tpm::SerializePcrs(*pcrs);
  const auto again = kms::tpm::ParsePcrs(kms::AsBytes(text));
  if (!again.ok() || again->bank != pcrs->bank ||
      again->values != pcrs->values) {
    std::abort();
  }
  return 0;
}

// ParseCheckpoint: no crash, and what is accepted re-encodes to the same bytes.
#include <cstdlib>

#include "kms/base/bytes.h"
#include "kms/crypto/checkpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto text = kms::AsStringView({data, size});
  const auto checkpoint = kms::crypto::ParseCheckpoint(text);
  if (!checkpoint.ok()) return 0;
  const auto again = kms::crypto::FormatCheckpoint(*checkpoint);
  if (!again.ok() || *again != text) std::abort();
  return 0;
}

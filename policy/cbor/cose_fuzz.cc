// Property: no crash, and a message that parses has what its algorithm needs.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "policy/cbor/cose.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace cbor = kms::cbor;
  const auto message = cbor::ParseSign1(kms::BytesView(data, size),
                                        cbor::Tagging::kOptional, "fuzz");
  if (!message.ok()) return 0;
  const size_t half =
      kms::crypto::CurveFieldSize(cbor::CurveOf(message->algorithm));
  if (message->payload.empty() || message->protected_header.empty() ||
      message->signature.size() != 2 * half) {
    std::abort();
  }
  return 0;
}

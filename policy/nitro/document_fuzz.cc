// Property: no crash, and a document that parses says the same after it was
// encoded in our form.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "policy/nitro/document.h"

namespace {

void Check(kms::BytesView payload) {
  namespace nitro = kms::nitro;
  const auto document = nitro::ParseDocument(payload);
  if (!document.ok()) return;
  const std::string encoding = nitro::EncodeDocument(*document);
  const auto again = nitro::ParseDocument(kms::AsBytes(encoding));
  if (!again.ok() || !(*again == *document)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const kms::BytesView input(data, size);
  const auto envelope = kms::nitro::ParseEnvelope(input);
  if (envelope.ok()) Check(envelope->payload);
  Check(input);
  return 0;
}

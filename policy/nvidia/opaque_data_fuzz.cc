// Property: no crash, and opaque data that parse re-encode to the same bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "policy/nvidia/opaque_data.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const kms::BytesView input(data, size);
  const auto fields = kms::nvidia::ParseOpaqueData(input);
  if (!fields.ok()) return 0;
  if (kms::AsBytes(kms::nvidia::SerializeOpaqueData(*fields)) != input) {
    std::abort();
  }
  for (const bool is_switch : {false, true}) {
    const auto state = kms::nvidia::ReadDeviceState(*fields, is_switch);
    if (state.ok() && state->vbios_version.empty()) std::abort();
  }
  return 0;
}

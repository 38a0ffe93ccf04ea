// Property: no crash, and a public area that parses re-encodes to the same
// bytes, which its name is the digest of.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "policy/tpm/attestation_key.h"
#include "policy/tpm/public_area.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const kms::BytesView input(data, size);
  const auto area = kms::tpm::ParsePublicArea(input);
  if (area.ok() &&
      kms::AsBytes(kms::tpm::SerializePublicArea(*area)) != input) {
    std::abort();
  }
  const auto key = kms::tpm::ParseAttestationKey(input);
  if (key.ok() && key->area.has_value() &&
      !kms::tpm::CheckAttestationKey(*key->area).ok()) {
    std::abort();
  }
  return 0;
}
